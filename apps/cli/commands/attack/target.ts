import { existsSync } from "node:fs";
import { join } from "node:path";
import { readPrivateFile } from "ringwall/adapters/files";
import { z } from "zod";
import { CommandFailed, EXIT } from "../../command.ts";
import { type DataPaths, dataPaths } from "../../data-directory.ts";
import { exchange, member, type Place } from "./http.ts";

const FILE_BYTES_MAX = 1_048_576;
// Any address of loopback will do: the admin socket has none.
const NOWHERE = "127.0.0.1";

const Runtime = z.object({
  configFile: z.string(),
  adminSocket: z.string(),
  ports: z.object({ api: z.int(), bank: z.int().nullable() }),
});
const Mode = z.object({ mode: z.string() });

/** A system that may be attacked. */
export interface Target {
  readonly place: Place;
  readonly logFolder: string;
}

/**
 * Finds the development system whose data directory this is. What says so is not the network but two files that only
 * its owner can write, and its admin socket, which only its owner can open: the configuration that the running server
 * was started with names its mode.
 *
 * @throws CommandFailed when nothing runs there, or what runs is not in development mode.
 */
export async function findTarget(root: string, uid: number): Promise<Target> {
  const paths = dataPaths(root);
  const runtimeFile = join(paths.run, "runtime.json");
  if (!existsSync(runtimeFile)) throw notRunning(paths);
  const runtime = await read(Runtime, runtimeFile, uid);
  // Absent and unreadable count as production too: only what says that it is a development system is attacked.
  const { mode } = await read(Mode, runtime.configFile, uid);
  if (mode !== "development") {
    throw new CommandFailed("this is not a development system, and only such a one is attacked", {
      wayOut: "Start one beside it: ringwall start --data ./scratch --port 8400 --bank-port 8490",
    });
  }
  const { api, bank } = runtime.ports;
  const place: Place = { api, bank: bank ?? undefined, socket: runtime.adminSocket };
  await checkAnswers(place, paths);
  return { place, logFolder: paths.log };
}

async function checkAnswers(place: Place, paths: DataPaths): Promise<void> {
  for (const server of ["socket", "api", ...(place.bank === undefined ? [] : (["bank"] as const))] as const) {
    const answer = await exchange(place, { method: "GET", path: "/readyz", server, from: NOWHERE }).catch(
      (cause: unknown) => {
        throw notRunning(paths, cause);
      },
    );
    if (answer.status !== 200 || typeof member(answer, "status") !== "string") throw notRunning(paths);
  }
}

async function read<Schema extends z.ZodType>(schema: Schema, file: string, uid: number): Promise<z.output<Schema>> {
  const parsed = schema.safeParse(JSON.parse(await readPrivateFile(file, { bytesMax: FILE_BYTES_MAX, uid })));
  if (parsed.success) return parsed.data;
  throw new CommandFailed(`${file} has a form this command does not know`);
}

function notRunning(paths: DataPaths, cause?: unknown): CommandFailed {
  return new CommandFailed(`no Ringwall runs with the data directory ${paths.root}`, {
    wayOut: "Start it (ringwall start), or name its data directory: --data DIR",
    exit: EXIT.unreachable,
    cause,
  });
}
