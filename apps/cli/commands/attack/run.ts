import { type Attack, differences, type Move } from "./attack.ts";
import type { Answer, Ask } from "./http.ts";
import type { Stage } from "./stage.ts";

/**
 * `stopped`: the answer is the expected one and what had to hold holds. `succeeded`: the flaw is there. `invalid`: the
 * row proves nothing, because the twin was refused too or something else refused the attack. `error`: the system or
 * this program failed, so nothing is known.
 */
export type Verdict = "stopped" | "succeeded" | "invalid" | "error";

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly flaws: readonly number[];
  readonly layer: number;
  readonly expected: string;
  readonly got: string;
  readonly verdict: Verdict;
  /** Why it is not `stopped`. */
  readonly note: string;
}

/** All that playing needs of a stage; the attack may need more. */
type Sender = Pick<Stage, "send">;
type Outcome = Pick<Row, "got" | "verdict" | "note">;

/** Plays one attack with its twin. Never throws: a failure is a row too. */
export async function play<On extends Sender>(attack: Attack<On>, stage: On): Promise<Row> {
  const { id, title, flaws, layer } = attack;
  const expected = shown(attack.expected);
  const outcome = await outcomeOf(attack, stage).catch(
    (error: unknown): Outcome => ({ got: "-", verdict: "error", note: reason(error) }),
  );
  return { id, title, flaws, layer, expected, ...outcome };
}

function interrupted({ expected, flaws, id, layer, title }: Attack): Row {
  return { id, title, flaws, layer, expected: shown(expected), got: "-", verdict: "error", note: "interrupted" };
}

async function outcomeOf<On extends Sender>(attack: Attack<On>, stage: On): Promise<Outcome> {
  const asked: Ask[] = [];
  const send: Sender["send"] = async (ask) => {
    asked.push(ask);
    return await stage.send(ask);
  };
  const scene = await attack.scene({ ...stage, send });
  asked.length = 0;
  const twin = await answersOf(scene.twin, send);
  const twinAsked = asked.splice(0);
  const refused = refusedTwin(twin);
  if (refused !== undefined) return { got: "-", verdict: "invalid", note: refused };
  const answers = await answersOf(scene.attack, send);
  const got = summary(answers, attack.expected);
  const unlike = unlikeTwin(attack, twinAsked, asked);
  if (unlike !== undefined) return { got, verdict: "invalid", note: unlike };
  const verdict = judge(attack.expected, answers);
  if (verdict !== undefined) return { got, ...verdict };
  const broken = await scene.holds?.(answers);
  if (broken !== undefined) return { got, verdict: "succeeded", note: broken };
  return { got, verdict: "stopped", note: "" };
}

async function answersOf(move: Move, send: Sender["send"]): Promise<readonly Answer[]> {
  const made = typeof move === "function" ? await move() : await send(move);
  return Array.isArray(made) ? made : [made as Answer];
}

function refusedTwin(answers: readonly Answer[]): string | undefined {
  const refused = answers.find((answer) => answer.status < 200 || answer.status > 299);
  if (refused !== undefined) return `the twin was refused too: ${shown(refused)}`;
  return answers.length === 0 ? "the twin got no answer" : undefined;
}

/** What is good for one use, so that attack and twin must each have their own. */
const ONE_TIME: ReadonlySet<string> = new Set(["body.token", "body.login", "body.code"]);

/**
 * Why the twin is no twin, or undefined: a request of the attack differs from it in more than one thing. It may differ
 * in nothing where the one thing is what went before, or how many came at once. What takes the twin several requests to
 * say is not compared.
 */
function unlikeTwin<On>(attack: Attack<On>, twin: readonly Ask[], asked: readonly Ask[]): string | undefined {
  const [one, ...more] = twin;
  if (one === undefined || more.length > 0) return undefined;
  for (const ask of asked) {
    const names = differences(one, ask);
    const counted = names.length > 1 ? names.filter((name) => !ONE_TIME.has(name)) : names;
    const lawful = attack.differsIn?.length
      ? counted.every((name) => attack.differsIn?.includes(name))
      : counted.length <= 1;
    if (!lawful) return `the twin differs in ${counted.length} things: ${counted.join(", ")}`;
  }
  return undefined;
}

/** The verdict that the answers alone give; undefined when they are as expected. */
function judge(
  expected: Attack["expected"],
  answers: readonly Answer[],
): { readonly verdict: Verdict; readonly note: string } | undefined {
  if (answers.length === 0) return { verdict: "error", note: "the attack got no answer" };
  const other = answers.find((answer) => answer.status !== expected.status || answer.code !== expected.code);
  if (other === undefined) return undefined;
  const failed = answers.find((answer) => answer.status >= 500);
  if (failed !== undefined) return { verdict: "error", note: `the server failed: ${shown(failed)}` };
  const lawful = expected.status < 300;
  if (lawful && other.status >= 300)
    return { verdict: "succeeded", note: `what is lawful was refused: ${shown(other)}` };
  const passed = answers.find((answer) => answer.status < 300);
  if (!lawful && passed !== undefined) return { verdict: "succeeded", note: `it was let through: ${shown(passed)}` };
  return { verdict: "invalid", note: `something else answered: ${shown(other)}` };
}

function shown(answer: { readonly status: number; readonly code: string }): string {
  return answer.code === "-" ? String(answer.status) : `${answer.status} ${answer.code}`;
}

function summary(answers: readonly Answer[], expected: Attack["expected"]): string {
  const other = answers.find((answer) => answer.status !== expected.status || answer.code !== expected.code);
  const first = other ?? answers[0];
  if (first === undefined) return "-";
  return answers.length === 1 || other !== undefined ? shown(first) : `${shown(first)} x${answers.length}`;
}

function reason(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** How many attacks are under way at once. Most of them wait, for a hash or for the next code. */
const AT_ONCE = 10;

/**
 * Starts all attacks, a few at a time, and gives each one's row as a promise. Those that look at what the others left
 * behind come last, one after another. Once `signal` is aborted, what has not begun is a row that failed.
 */
export function playAll(
  attacks: readonly Attack[],
  stage: Stage,
  signal: AbortSignal,
): ReadonlyMap<string, Promise<Row>> {
  const rows = new Map(attacks.map((attack) => [attack.id, Promise.withResolvers<Row>()]));
  const take = async (queue: Attack[]): Promise<void> => {
    for (let attack = queue.shift(); attack !== undefined; attack = queue.shift()) {
      rows.get(attack.id)?.resolve(signal.aborted ? interrupted(attack) : await play(attack, stage));
    }
  };
  const work = async (): Promise<void> => {
    const queue = attacks.filter((attack) => attack.last !== true);
    await Promise.all(Array.from({ length: AT_ONCE }, async () => await take(queue)));
    await take(attacks.filter((attack) => attack.last === true));
  };
  void work();
  return new Map([...rows].map(([id, { promise }]) => [id, promise]));
}
