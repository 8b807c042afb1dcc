import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A way to a PostgreSQL that a test can break in the ways a network does. */
export interface Proxy {
  readonly port: number;
  /** Ends every connection and takes no new one. */
  cut(): Promise<void>;
  /** Nothing passes any more, in either direction; connections stay open, and new ones are taken. */
  silence(): void;
  /** New connections are let in, and nothing passes from their first query on. */
  silenceAfterLogin(): void;
  /** What is connected now is silent for ever, as behind a firewall that forgot it. New connections work. */
  forget(): void;
  /** How many pieces did not pass so far. */
  heldBack(): number;
  /** Everything that was not cut or forgotten passes again, and what was held back arrives. */
  mend(): Promise<void>;
  close(): Promise<void>;
}

/** Two ends, and what is kept between them while nothing passes. */
interface Link {
  readonly near: Socket;
  readonly far: Socket;
  held: { readonly to: Socket; readonly bytes: Buffer }[] | undefined;
  forgotten: boolean;
}

/** The first bytes of a client's messages once it is let in: a simple query, or the parse of a prepared one. */
const QUERIES: ReadonlySet<number | undefined> = new Set([0x51, 0x50]);

/** Listens on a port of loopback and passes everything on to a unix socket. */
export async function startProxy(socketPath: string): Promise<Proxy> {
  const links = new Set<Link>();
  let silent: "no" | "at once" | "after login" = "no";
  let heldBack = 0;
  const server = createServer((near) => {
    const link: Link = {
      near,
      far: connect(socketPath),
      held: silent === "at once" ? [] : undefined,
      forgotten: false,
    };
    links.add(link);
    join(link, links, (from, bytes) => {
      if (silent === "after login" && from === near && QUERIES.has(bytes[0])) link.held ??= [];
      if (link.held === undefined) return true;
      heldBack += 1;
      return false;
    });
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
      silent = "at once";
      for (const link of links) link.held ??= [];
    },
    silenceAfterLogin() {
      silent = "after login";
    },
    forget() {
      for (const link of links) Object.assign(link, { held: [], forgotten: true });
    },
    heldBack: () => heldBack,
    async mend() {
      silent = "no";
      heldBack = 0;
      for (const link of links) if (!link.forgotten) release(link);
      if (!server.listening) await listen(server, port);
    },
    close: endAll,
  };
}

/** Each side's bytes and end go to the other, unless `passes` says no. */
function join(link: Link, links: Set<Link>, passes: (from: Socket, bytes: Buffer) => boolean): void {
  const { far, near } = link;
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    from.on("data", (bytes: Buffer) => {
      if (passes(from, bytes)) to.write(bytes);
      else link.held?.push({ to, bytes });
    });
    from.on("error", () => undefined);
    from.on("close", () => {
      if (near.destroyed && far.destroyed) links.delete(link);
      // An end does not pass either, while nothing does.
      else if (link.held === undefined) to.destroy();
    });
  }
}

function release(link: Link): void {
  const { far, held = [], near } = link;
  link.held = undefined;
  if (near.destroyed || far.destroyed) {
    near.destroy();
    far.destroy();
    return;
  }
  for (const { bytes, to } of held) to.write(bytes);
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("a proxy listens on a port");
  return address.port;
}
