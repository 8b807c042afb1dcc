/**
 * The bans of `tidy.ts` that need the syntax tree: what is called, compared, thrown and put together.
 *
 * @module
 */
import ts from "typescript";

const FUNCTION_LINES_MAX = 70;

/** Takes a broken rule, the offset where it is broken, and what to do instead. */
export type Report = (rule: string, at: number, message: string) => void;

type Place = Readonly<{ file: string; isTest: boolean; isScript: boolean; isMain: boolean; isLibrary: boolean }>;

/** What kind of file this is, by its path: the bans differ for tests, tools and main.ts. */
export function placeOf(file: string): Place {
  return {
    file,
    isTest: /\.(test|contract)\.ts$|^test\/|^src\/testing\//.test(file),
    isScript: /^(tools|bench)\/|^[^/]+\.config\.[cm]?[jt]s$/.test(file),
    isMain: /(^|\/)main\.ts$/.test(file),
    isLibrary: /^(src|apps|examples|migrations)\//.test(file),
  };
}

// The shape of a statement, with `?` where a value was put in. Words alone would match ordinary messages.
const SQL_SHAPE = new RegExp(
  [
    String.raw`\bselect\s[\s\S]*\bfrom\s`,
    String.raw`^\s*select\s+[\w."?]+\s*\(`,
    String.raw`\binsert\s+into\s`,
    String.raw`\bupdate\s+[\w."?]+\s+set\s`,
    String.raw`\bdelete\s+from\s`,
    String.raw`^\s*(listen|notify|truncate|set\s+(local|role|session))\s`,
    String.raw`\b(alter|create|drop)\s+(unique\s+|or\s+replace\s+)?(table|user|role|database|policy|function|schema|index|extension|view|trigger)\s`,
    String.raw`\b(grant|revoke)\s[\s\S]+\s(to|from|on)\s`,
  ].join("|"),
  "i",
);
const SUPERVISION = /^(kill|pid|platform|arch|getuid)$/;
// Hashes are left out here: of the hashes compared as buffers, those of the audit chain are public.
const SECRET_BUFFER_NAME = /(token|mac|signature)$/i;
const SECRET_NAME = /(token|mac|hash|signature)$/i;

/** A body of a function is put together from named constants, and no request ever reaches a migration. */
const isMigrationConstant = (node: ts.Node): boolean =>
  ts.isIdentifier(node) &&
  /^[A-Z][A-Z0-9_]+$/.test(node.text) &&
  node.getSourceFile().fileName.startsWith("migrations/");

/** What a string expression says, with `?` for each value; undefined for anything that is not a string put together. */
function builtText(node: ts.Node): { text: string; built: boolean } | undefined {
  if (ts.isStringLiteralLike(node)) return { text: node.text, built: false };
  if (ts.isParenthesizedExpression(node)) return builtText(node.expression);
  if (ts.isTemplateExpression(node)) {
    return {
      text: node.head.text + node.templateSpans.map((span) => `?${span.literal.text}`).join(""),
      built: !node.templateSpans.every((span) => isMigrationConstant(span.expression)),
    };
  }
  if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.PlusToken) return undefined;
  const sides = [builtText(node.left), builtText(node.right)];
  if (sides.every((side) => side === undefined)) return undefined;
  return {
    text: sides.map((side) => side?.text ?? "?").join(""),
    built: sides.some((side) => side === undefined || side.built),
  };
}

function checkSql(node: ts.Node, place: Place, report: Report): void {
  // A test attacks and plants as the database's owner; nothing of a request is near it.
  // The isolation verifier writes SQL for people and migrations: its names go through one function that quotes.
  if (place.isTest || place.file.startsWith("src/data/isolation/")) return;
  const at = node.getStart();
  if (ts.isTemplateExpression(node) || ts.isBinaryExpression(node)) {
    const isPart = ts.isBinaryExpression(node.parent) && node.parent.operatorToken.kind === ts.SyntaxKind.PlusToken;
    if (isPart || ts.isTaggedTemplateExpression(node.parent)) return;
    const built = builtText(node);
    if (built?.built === true && SQL_SHAPE.test(built.text)) {
      report(
        "sql",
        at,
        "SQL put together from strings: write it out in statement(name, text), values as bind parameters",
      );
    }
  }
  if (!ts.isCallExpression(node)) return;
  const called = node.expression.getText();
  const [first, second] = node.arguments;
  if (called === "sql.raw" && first !== undefined && !ts.isStringLiteralLike(first)) {
    report("sql", at, "sql.raw of a value: use sql.ref, sql.table or sql.lit, which quote");
  }
  if (called === "statement" && ![first, second].every((part) => part !== undefined && ts.isStringLiteralLike(part))) {
    report("sql", at, "statement(name, text) takes two literals, so that every statement can be read where it stands");
  }
}

const lastName = (node: ts.Node): string =>
  ts.isIdentifier(node) ? node.text : ts.isPropertyAccessExpression(node) ? node.name.text : "";
const isPlainValue = (node: ts.Node): boolean =>
  ts.isStringLiteralLike(node) ||
  ts.isNumericLiteral(node) ||
  node.kind === ts.SyntaxKind.NullKeyword ||
  (ts.isIdentifier(node) && node.text === "undefined");

function checkSecretComparison(node: ts.Node, place: Place, report: Report): void {
  if (place.isTest || place.isScript) return;
  const message = "comparing a secret leaks how much of it was right: use equalSecret from core";
  if (ts.isBinaryExpression(node) && /^[!=]==?$/.test(node.operatorToken.getText())) {
    const sides = [node.left, node.right];
    if (sides.some((side) => SECRET_NAME.test(lastName(side))) && !sides.some(isPlainValue)) {
      report("secret-comparison", node.getStart(), message);
    }
  }
  if (
    ts.isCallExpression(node) &&
    ts.isPropertyAccessExpression(node.expression) &&
    node.expression.name.text === "equals"
  ) {
    if (SECRET_BUFFER_NAME.test(lastName(node.expression.expression)))
      report("secret-comparison", node.getStart(), message);
  }
}

function isProcessAllowed(place: Place, member: string): boolean {
  // `nextTick` schedules and tells nothing; the folder that supervises a process works on processes by their number.
  const supervises = place.file.startsWith("src/adapters/embedded-postgres/");
  if (member === "nextTick" || (supervises && SUPERVISION.test(member))) return true;
  return place.isTest || place.isScript || place.isMain;
}

function checkHiddenInput(node: ts.Node, place: Place, report: Report): void {
  const at = node.getStart();
  const isClock = place.file === "src/core/clock.ts";
  if (ts.isNewExpression(node) && node.expression.getText() === "Date" && !node.arguments?.length && !isClock) {
    report("clock", at, "new Date() reads a hidden clock: take a Clock, and give new Date(ms) its milliseconds");
  }
  if (ts.isImportDeclaration(node) && /^["'](node:)?process["']$/.test(node.moduleSpecifier.getText())) {
    report("process", at, "do not import process: take what you need as an argument from main.ts");
  }
  if (!ts.isPropertyAccessExpression(node) && !ts.isElementAccessExpression(node)) return;
  const object = node.expression.getText();
  const member = ts.isPropertyAccessExpression(node) ? node.name.text : "";
  if (object === "Math" && member === "random")
    report("random", at, "Math.random: use randomBytes from core, or fast-check");
  if (object === "Date" && member === "now" && !isClock) report("clock", at, "Date.now: take a Clock as an argument");
  if (/^(globalThis\.)?process$/.test(object) && !isProcessAllowed(place, member)) {
    report("process", at, "process is read in main.ts only: take what you need as an argument");
  }
  if (object === "console" && !place.isScript && !place.isMain)
    report("console", at, "console: take a Logger, or a print function");
}

function checkDangerous(node: ts.Node, place: Place, report: Report): void {
  const at = node.getStart();
  if (ts.isIdentifier(node) && /^create(De)?[cC]ipher(iv)?$/.test(node.text)) {
    if (!place.isTest && !place.file.startsWith("bench/") && place.file !== "src/data/keys/envelope.ts") {
      report(
        "cipher",
        at,
        `${node.text}: seal and open with the face of src/data/keys; only its envelope.ts touches ciphers`,
      );
    }
  }
  if (
    ts.isPropertyAssignment(node) &&
    /rejectUnauthorized/.test(node.name.getText()) &&
    node.initializer.getText() === "false"
  ) {
    report("tls", at, "rejectUnauthorized: false accepts anybody: give the authority as `ca` instead");
  }
  if (ts.isThrowStatement(node) && place.isLibrary && !place.isTest && /^new Error\b/.test(node.expression.getText())) {
    report("error-code", at, "every throw has a code: new RingwallError(code), or assert for a bug of ours");
  }
  if (
    ts.isPropertyAccessExpression(node) &&
    place.isTest &&
    /^(test|it|describe|suite)$/.test(node.expression.getText())
  ) {
    if (/^(only|skip|todo|fails)$/.test(node.name.text)) {
      report(
        "test-off",
        at,
        `${node.getText()}: run all tests; skipIf(condition) with a printed reason for an outside tool`,
      );
    }
  }
}

function checkLengths(source: ts.SourceFile, node: ts.Node, place: Place, report: Report): void {
  if (!ts.isFunctionLike(node) || place.isTest || !("body" in node) || node.body === undefined) return;
  const line = (at: number): number => source.getLineAndCharacterOfPosition(at).line;
  const lines = line(node.end) - line(node.getStart(source)) + 1;
  if (lines > FUNCTION_LINES_MAX) {
    report(
      "function-length",
      node.getStart(source),
      `${lines} lines: split what is above ${FUNCTION_LINES_MAX} into named steps`,
    );
  }
}

/** Checks one source file; `file` is its path from the root of the repository. */
export function checkSyntax(file: string, text: string, report: Report): void {
  const place = placeOf(file);
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const visit = (node: ts.Node): void => {
    checkSql(node, place, report);
    checkSecretComparison(node, place, report);
    checkHiddenInput(node, place, report);
    checkDangerous(node, place, report);
    checkLengths(source, node, place, report);
    ts.forEachChild(node, visit);
  };
  visit(source);
}
