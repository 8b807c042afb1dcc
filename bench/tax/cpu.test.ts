import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { canMeasureCpu, familyCpuSeconds, processCpuSeconds } from "./cpu.ts";

test.skipIf(!canMeasureCpu)(
  "work shows in the process's CPU time, and a dead child's work in its family's",
  async () => {
    const before = [processCpuSeconds(process.pid), familyCpuSeconds(process.pid)] as const;
    const child = spawn(process.execPath, [
      "-e",
      "const end = process.cpuUsage().user + 3e5; while (process.cpuUsage().user < end);",
    ]);
    await once(child, "exit");
    const own = processCpuSeconds(process.pid) - before[0];
    const family = familyCpuSeconds(process.pid) - before[1];
    expect(family - own).toBeGreaterThanOrEqual(0.25);
  },
);
