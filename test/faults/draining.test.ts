import { expect, test } from "vitest";
import { memoryCounters } from "../../src/adapters/memory/index.ts";
import { systemClock } from "../../src/core/index.ts";
import { serveGuarded } from "./guarded.ts";
import { httpClient } from "./http.ts";

test("what still comes while a server drains is answered as always, and told that the connection closes", async () => {
  const draining = Promise.withResolvers<undefined>();
  const answered = Promise.withResolvers<undefined>();
  let acts = 0;
  const { app, port } = await serveGuarded(
    memoryCounters({ clock: systemClock }),
    () => {
      acts += 1;
    },
    async () => {
      draining.resolve(undefined);
      await answered.promise;
    },
  );
  const client = httpClient({ port });
  const before = await client.send({ method: "GET", path: "/act" });
  const closed = app.close();
  await draining.promise;
  const during = await client.send({ method: "GET", path: "/act" });
  answered.resolve(undefined);
  await closed;
  client.close();
  expect(before.headers).toMatchObject({ connection: "keep-alive" });
  expect(during).toMatchObject({ status: 200, text: before.text });
  expect(during.headers).toMatchObject({ connection: "close", "x-content-type-options": "nosniff" });
  expect(acts).toBe(2);
});
