import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { readStatement } from "ringwall/data/erasure";
import { CommandFailed, type Context, EXIT, type ExitCode, type Input } from "../../command.ts";
import { dataDirectory, dataPaths } from "../../data-directory.ts";
import { showRow } from "../answer.ts";
import { readPublicKey } from "../key-files.ts";

const CERTIFICATE_BYTES_MAX = 262_144;

/** Behind `keys verify-certificate`. */
export async function verify(input: Input, context: Context): Promise<ExitCode> {
  const { machine } = context;
  const [name = ""] = input.positionals;
  const given = input.text("key");
  const keyFile =
    given === undefined
      ? join(dataPaths(dataDirectory(input.text("data"), machine)).secrets, "erasure.key")
      : resolve(machine.cwd, given);
  const key = await readPublicKey(keyFile, "erasure key", machine.uid);
  const statement = readStatement(readCertificate(resolve(machine.cwd, name)), [key]);
  if (statement?.schema !== "ringwall.erasure.certificate.1") {
    const facts = { valid: false };
    showRow(input, context, facts, "NOT VALID: this is not letter by letter a certificate that the key signed");
    return EXIT.failed;
  }
  const { approver, destroyed, details, erased_at, name: subject, rows, tenant } = statement;
  const what = subject === "" ? `tenant ${tenant}` : `${statement.subject} ${subject} of ${tenant}`;
  showRow(
    input,
    context,
    { valid: true, ...statement },
    `valid: ${what} was erased at ${erased_at}, approved by ${approver}: ${destroyed.length} keys, ${rows} rows, ` +
      `${details} audit details`,
  );
  return EXIT.ok;
}

function readCertificate(file: string): string {
  if (!existsSync(file)) throw new CommandFailed(`the certificate ${file} does not exist`);
  if (statSync(file).size > CERTIFICATE_BYTES_MAX) throw new CommandFailed(`${file} is too large for a certificate`);
  return readFileSync(file, "utf8").replace(/\r?\n$/, "");
}
