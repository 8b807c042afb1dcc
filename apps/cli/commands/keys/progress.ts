import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "../../client.ts";
import { type Context, EXIT, type ExitCode, type Input } from "../../command.ts";
import { showRow } from "../answer.ts";
import { type Job, readJobs } from "./answers.ts";

const POLL_MS = 500;
const BAR_CELLS = 30;
/** Up one line, and away with what stood there. */
const REDRAW = "\u001b[1A\u001b[2K";

/** Follows a job until nothing is left to wrap. On a terminal with a bar; elsewhere with one line at the end. */
export async function follow(
  input: Input,
  context: Context,
  client: Client,
  started: Job,
  tenant: string | undefined,
): Promise<ExitCode> {
  const showsBar = context.stdoutIsTerminal && !input.flag("json");
  let job = started;
  let drawn = "";
  for (;;) {
    if (showsBar) {
      context.stdout(`${drawn === "" ? "" : REDRAW}${bar(job)}`);
      drawn = job.id;
    }
    if (job.state !== "running") break;
    await delay(POLL_MS, undefined, { signal: context.signal });
    job = (await readJobs(client, tenant)).find(({ id }) => id === started.id) ?? job;
  }
  showRow(input, context, job, sentence(job));
  return job.done >= job.total ? EXIT.ok : EXIT.failed;
}

/** `[######........]  40 %  4000 of 10000`. */
export function bar({ done, total }: Pick<Job, "done" | "total">): string {
  const part = total === 0 ? 1 : Math.min(1, done / total);
  const cells = Math.floor(part * BAR_CELLS);
  const percent = String(Math.floor(part * 100)).padStart(3);
  return `[${"#".repeat(cells)}${".".repeat(BAR_CELLS - cells)}] ${percent} %  ${done} of ${total}`;
}

function sentence({ done, state, total, work }: Job): string {
  const what =
    work === "master" ? "keys are wrapped by the master key in use" : "rows are wrapped by the newest version";
  if (done < total) return `${done} of ${total} ${what}; the server's log names the others, and it tries them again`;
  if (state === "waiting") return `all ${total} ${what}; older versions are retired in some minutes`;
  return `all ${total} ${what}`;
}
