import { GatewayConfig } from "ringwall/network";
import { afterAll, beforeAll, expect, test } from "vitest";
import { apiStage, type Person, type Stage } from "../../stage.fixture.ts";

const SECRET_FOLDER = "/etc/ringwall/private";
const settings = GatewayConfig.parse({
  tls: { certificateFile: `${SECRET_FOLDER}/listener.pem`, keyFile: `${SECRET_FOLDER}/listener.key` },
  routes: [
    { name: "bank", host: "bank.example", upstream: "unix:/run/bank/bank.sock", mode: "ringwall", access: "signed-in" },
    {
      name: "orders",
      host: "shop.example",
      path: "/orders",
      upstream: "https://orders.internal:8443",
      mode: "ringwall",
      access: { role: "editor" },
      methods: ["GET", "PATCH"],
      tls: { certificateFile: `${SECRET_FOLDER}/orders.pem`, keyFile: `${SECRET_FOLDER}/orders.key` },
    },
    { name: "shop", host: "shop.example", upstream: "http://127.0.0.1:8080", mode: "plain", access: "public" },
  ],
});

let stage: Stage;
let platform: Person;
let owner: Person;
beforeAll(async () => {
  stage = await apiStage({ gateway: { settings, port: 7_480 } });
  platform = await stage.administrator();
  owner = await stage.tenant("alpha-bank");
});
afterAll(() => stage.close());

test("the gateway's routes are shown to the platform and its operator: what leads where, and who may come", async () => {
  const shown = await stage.ask("GET", "/v1/gateway-routes", { token: platform.token });
  expect(shown.json).toMatchObject({
    running: true,
    port: 7_480,
    sign_in_host: "bank.example",
    tls: { port: 7_443, minimum: "TLSv1.3", certificate: "file" },
    items: [
      { name: "bank", upstream: "unix:bank.sock", upstream_tls: "none", access: "signed-in", assertion: true },
      { name: "orders", path: "/orders", upstream_tls: "mutual", access: "role", role: "editor", assertion: true },
      { name: "shop", upstream: "http://127.0.0.1:8080", mode: "plain", access: "public", assertion: false },
    ],
  });
  expect((await stage.operator("GET", "/v1/gateway-routes")).json).toEqual(shown.json);
});

test("no file of a key or certificate is named, nor a folder", async () => {
  const { text } = await stage.ask("GET", "/v1/gateway-routes", { token: platform.token });
  for (const part of [SECRET_FOLDER, ".key", ".pem", "/run/bank"]) expect(text).not.toContain(part);
});

test("a tenant's owner sees nothing of it", async () => {
  const refused = await stage.ask("GET", "/v1/gateway-routes", { token: owner.token });
  expect([refused.status, refused.code]).toEqual([403, "access.denied"]);
});
