import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A way to a server that a test can break in the ways a network does. */
export interface Proxy {
  readonly port: number;
  /** Ends every connection and takes no new one. */
  cut(): Promise<void>;
  /** Nothing passes any more, in either direction; connections stay open, and new ones are taken. */
  silence(): void;
  /** What is connected now is silent for ever, as behind a firewall that forgot it. New connections work. */
  forget(): void;
  /** Everything that was not cut or forgotten passes again. */
  mend(): Promise<void>;
  close(): Promise<void>;
}

interface Link {
  readonly near: Socket;
  readonly far: Socket;
}

/** Listens on a port of loopback and passes everything on to a unix socket. */
export async function startProxy(socketPath: string): Promise<Proxy> {
  const links = new Set<Link>();
  let silent = false;
  const server = createServer((near) => {
    const link = { near, far: connect(socketPath) };
    join(link, () => links.delete(link));
    links.add(link);
    if (silent) hold(link);
  });
  const port = await listen(server, 0);
  const endAll = async (): Promise<void> => {
    for (const { far, near } of links) for (const socket of [near, far]) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, "close");
  };
  return {
    port,
    cut: endAll,
    silence() {
      silent = true;
      links.forEach(hold);
    },
    forget() {
      links.forEach(hold);
      links.clear();
    },
    async mend() {
      silent = false;
      for (const { far, near } of links) for (const socket of [near, far]) socket.resume();
      if (!server.listening) await listen(server, port);
    },
    close: endAll,
  };
}

/** Each side's bytes and end go to the other. */
function join({ far, near }: Link, gone: () => void): void {
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    from.on("data", (bytes) => to.write(bytes));
    from.on("error", () => undefined);
    from.on("close", () => {
      to.destroy();
      gone();
    });
  }
}

function hold({ far, near }: Link): void {
  near.pause();
  far.pause();
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("a proxy listens on a port");
  return address.port;
}
