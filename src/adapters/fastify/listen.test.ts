import { once } from "node:events";
import { createServer as createPlainServer } from "node:http";
import { isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import Fastify, { type FastifyInstance } from "fastify";
import { afterEach, describe, expect, test } from "vitest";
import { freePort } from "../../testing/free-port.ts";
import { addressesOf, type Listening, listenOn } from "./index.ts";

const hasIpv6 = Object.values(networkInterfaces()).some(
  (list) => list?.some(({ address }) => address === "::1") === true,
);
/** Reserved for documentation (RFC 5737 and 3849): no machine has them, as ::1 is absent where IPv6 is off. */
const ABSENT = ["192.0.2.1", "2001:db8::1"];

const open: Listening[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

function make(): FastifyInstance {
  const app = Fastify();
  app.get("/", () => "here");
  return app;
}

async function listen(addresses: readonly string[], port: number): Promise<Listening> {
  const listening = await listenOn(make, { addresses, port });
  open.push(listening);
  return listening;
}

const at = async (host: string, port: number): Promise<string> =>
  await (await fetch(`http://${isIPv6(host) ? `[${host}]` : host}:${port}/`)).text();

describe("listening on this machine", () => {
  test.skipIf(!hasIpv6)("answers on both of its addresses, and as localhost (skipped: no IPv6 here)", async () => {
    const port = await freePort();
    const { addresses } = await listen(addressesOf("localhost"), port);
    expect(addresses).toEqual(["127.0.0.1", "::1"]);
    for (const host of [...addresses, "localhost"]) expect(await at(host, port)).toBe("here");
  });

  test("does without an address that the machine does not have, and not without the first", async () => {
    const port = await freePort();
    expect((await listen(["127.0.0.1", ...ABSENT], port)).addresses).toEqual(["127.0.0.1"]);
    expect(await at("127.0.0.1", port)).toBe("here");
    await expect(listen([...ABSENT, "127.0.0.1"], await freePort())).rejects.toMatchObject({ code: "EADDRNOTAVAIL" });
  });

  test("is refused when somebody else answers on one of them, and then it answers on none", async () => {
    const stranger = createPlainServer((_request, response) => response.end("stranger"));
    stranger.listen(0, "127.0.0.2");
    await once(stranger, "listening");
    const address = stranger.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const refused = listen(["127.0.0.1", "127.0.0.2"], port);
    await expect(refused).rejects.toMatchObject({
      code: "config.invalid",
      message: expect.stringContaining(`port ${port}`),
    });
    await expect(at("127.0.0.1", port)).rejects.toThrow();
    stranger.close();
  });

  test("another host is that one alone", () => {
    for (const host of ["0.0.0.0", "10.0.0.5", "::1", "::"]) expect(addressesOf(host)).toEqual([host]);
  });
});
