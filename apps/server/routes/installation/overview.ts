import { route } from "ringwall/adapters/fastify";
import { isoTime, PLATFORM_TENANT, RingwallError } from "ringwall/core";
import { caller } from "ringwall/pipeline";
import { z } from "zod";
import { list, Time } from "../answers.ts";
import type { Routes } from "../services.ts";
import { type LayerState, layers } from "./layers.ts";

const Control = z.strictObject({
  name: z.string(),
  state: z.enum(["on", "not_configured"]),
  detail: z.string().describe("Empty for readers outside the platform: how it is set up is the operators' to know."),
});
const Layer = z.strictObject({
  number: z.int(),
  name: z.string(),
  state: z.enum(["working", "attention", "down"]),
  controls: z.array(Control),
});
const Overview = z.strictObject({
  version: z.string(),
  mode: z.string(),
  at: Time,
  layers: z.array(Layer),
  audit: z.strictObject({
    sequencer: z.enum(["active", "standby", "stopped"]),
    key_id: z.string(),
    signed_head: z.string().nullable().describe("The newest signed head of the tenant, as one line of JSON."),
  }),
});
const Finding = z.strictObject({
  check: z.string(),
  state: z.enum(["ok", "warn", "fail"]),
  found: z.string(),
  way_out: z.string().nullable(),
});

/** What an administrator looks at first: whether each layer works, and what was not set up yet. */
export const overview: Routes = (services) => [
  route(
    "GET",
    "/v1/overview",
    {
      access: { permission: "admin:access" },
      output: Overview,
      summary: "Shows the five layers as they work now, and to the platform's people what is not set up yet.",
      tag: "overview",
    },
    async ({ exchange }) => {
      const principal = caller(exchange);
      const { installation, ringwall } = services();
      const { config, keyId, version } = installation;
      const sequencer = installation.sequencer();
      const [live, signedHead] = await Promise.all([
        installation.live(principal),
        ringwall.audit.signedHead(principal.tenant, principal),
      ]);
      const all = layers(config, { ...live, sequencer });
      return {
        version,
        mode: config.mode,
        at: isoTime(ringwall.guard.clock()),
        layers: principal.tenant === PLATFORM_TENANT ? all : all.map(withoutSetup),
        audit: { sequencer: sequencer.state, key_id: keyId, signed_head: signedHead ?? null },
      };
    },
  ),
  route(
    "GET",
    "/v1/settings-check",
    {
      access: { permission: "admin:settings" },
      output: list(Finding),
      summary: "Holds the server's configuration against its machine, for the platform's people.",
      tag: "overview",
    },
    async ({ exchange }) => {
      const principal = caller(exchange);
      if (principal.tenant !== PLATFORM_TENANT) {
        throw new RingwallError("access.denied", { detail: { rule: "platform.only" } });
      }
      const findings = await services().installation.examine(principal);
      return { items: findings.map(({ wayOut, ...finding }) => ({ ...finding, way_out: wayOut ?? null })) };
    },
  ),
];

function withoutSetup({ controls, ...layer }: LayerState): LayerState {
  return {
    ...layer,
    controls: controls.filter(({ state }) => state === "on").map((control) => ({ ...control, detail: "" })),
  };
}
