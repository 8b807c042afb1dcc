import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { CommandFailed } from "../../command.ts";
import { errorCode } from "../../private-file.ts";

export interface Port {
  readonly number: number;
  /** The option that chooses another. */
  readonly option: string;
  /** Who would listen there: "the API". */
  readonly use: string;
}

const LISTENING = "0A";
/** Where IPv6 is switched off, its loopback address is not there. */
const ABSENT: ReadonlySet<string> = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT"]);

/**
 * Makes sure that every port can be had, before anything is started or written.
 * @throws CommandFailed that names the port, the option and, where it can be seen, the process that holds it.
 */
export async function checkPorts(ports: readonly Port[]): Promise<void> {
  for (const [index, port] of ports.entries()) {
    const twin = ports.slice(0, index).find((other) => other.number === port.number);
    if (twin !== undefined) {
      throw new CommandFailed(`${twin.use} and ${port.use} cannot both use port ${port.number}`, {
        wayOut: `Choose another: ${port.option} N`,
      });
    }
    const code = await tryListening(port.number);
    if (code !== undefined) throw refusal(port, code);
  }
}

/** On both addresses of this machine: on either of them a stranger would answer in our place. */
async function tryListening(port: number): Promise<string | undefined> {
  for (const host of ["127.0.0.1", "::1"]) {
    const code = await tryAddress(host, port);
    if (code !== undefined && !ABSENT.has(code)) return code;
  }
  return undefined;
}

async function tryAddress(host: string, port: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const server = createServer();
  server.once("error", (error) => resolve(errorCode(error)));
  server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)));
  return await promise;
}

function refusal(port: Port, code: string): CommandFailed {
  if (code === "EACCES") {
    return new CommandFailed(`this user may not use port ${port.number} (${port.use})`, {
      wayOut: `Choose one above 1023: ${port.option} N`,
    });
  }
  if (code !== "EADDRINUSE") {
    return new CommandFailed(`port ${port.number} (${port.use}) cannot be used (${code})`, {
      wayOut: `Choose another: ${port.option} N`,
    });
  }
  const holder = portHolder(port.number);
  return new CommandFailed(
    `port ${port.number} (${port.use}) is taken${holder === undefined ? "" : ` by process ${holder}`}`,
    { wayOut: `Stop what uses it, or choose another: ${port.option} N` },
  );
}

/** The process that listens on a port, where /proc shows it: one's own processes, and everybody's to root. */
export function portHolder(port: number): string | undefined {
  try {
    const inodes = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) => listeningInodes(table, port)));
    if (inodes.size === 0) return undefined;
    for (const pid of readdirSync("/proc")) {
      if (/^\d+$/.test(pid) && holdsSocket(pid, inodes)) return pid;
    }
  } catch {
    // Nothing to show, for instance where there is no /proc; the message stands without it.
  }
  return undefined;
}

function listeningInodes(table: string, port: number): readonly string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = readFileSync(table, "utf8").split("\n").slice(1);
  return rows.flatMap((row) => {
    const [, local, , state, , , , , , inode] = row.trim().split(/\s+/);
    return local?.endsWith(suffix) === true && state === LISTENING && inode !== undefined ? [inode] : [];
  });
}

function holdsSocket(pid: string, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((name) => inodes.has(socketInode(`/proc/${pid}/fd/${name}`) ?? ""));
  } catch {
    // Somebody else's process, or one that ended while we looked.
    return false;
  }
}

function socketInode(link: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(link))?.[1];
  } catch {
    // Closed since it was listed, as the listing's own is. The others are looked at all the same.
    return undefined;
  }
}
