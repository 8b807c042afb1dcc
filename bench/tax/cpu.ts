import { existsSync, readdirSync, readFileSync } from "node:fs";

/** `sysconf(_SC_CLK_TCK)`: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
// Positions in /proc/PID/stat after the command's closing parenthesis, see proc(5).
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;
const CHILDREN_USER_TICKS = 13;
const CHILDREN_SYSTEM_TICKS = 14;

function ticks(pid: number, positions: readonly number[]): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return positions.reduce((sum, position) => sum + Number(fields[position]), 0);
}

/** True where /proc tells CPU times: on Linux. */
export const canMeasureCpu = existsSync("/proc/self/stat");

/** CPU seconds that one process has used, with all its threads. */
export function processCpuSeconds(pid: number): number {
  return ticks(pid, [USER_TICKS, SYSTEM_TICKS]) / TICKS_PER_SECOND;
}

/**
 * CPU seconds of a process, its living children, and those it has already buried: a PostgreSQL backend that ends in
 * between is still counted, in its parent's sum.
 */
export function familyCpuSeconds(pid: number): number {
  let sum = ticks(pid, [USER_TICKS, SYSTEM_TICKS, CHILDREN_USER_TICKS, CHILDREN_SYSTEM_TICKS]);
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    for (const child of readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1").split(" ")) {
      if (child !== "") sum += ticks(Number(child), [USER_TICKS, SYSTEM_TICKS]);
    }
  }
  return sum / TICKS_PER_SECOND;
}
