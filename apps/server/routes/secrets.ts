import { route } from "ringwall/adapters/fastify";
import { TenantIdText } from "ringwall/application/input";
import { isoTime, PLATFORM_TENANT, PlainSecret, RingwallError, type SystemCapability } from "ringwall/core";
import { isSecretName, type Scope, SECRET_BYTES_MAX, type SecretSummary } from "ringwall/data/secrets";
import { caller, type Exchange } from "ringwall/pipeline";
import { z } from "zod";
import { list, Time } from "./answers.ts";
import { FRESH_SECONDS, type Routes, type Services, SMALL_BODY_BYTES } from "./services.ts";

// In bodies and never in paths: a name holds `/`, and the perimeter refuses an encoded one in a path.
const Name = z.string().refine(isSecretName, "must be the name of a secret");
const tenant = TenantIdText.optional();
/** A value of 64 KiB of which every character is escaped, and what stands around it. */
const VALUE_BODY_BYTES = 6 * SECRET_BYTES_MAX + SMALL_BODY_BYTES;

const read = { access: { permission: "admin:settings", orOperator: true }, tag: "secrets" } as const;
const write = { ...read, stepUpSeconds: FRESH_SECONDS } as const;

const Secret = z.strictObject({
  name: z.string(),
  version: z.int(),
  rotation_pending: z.boolean(),
  created_at: Time,
  changed_at: Time.nullable(),
  expires_at: Time.nullable(),
});
const Version = z.strictObject({ name: z.string(), version: z.int() });

/**
 * Secrets are written and rotated here and never read. The local operator may name a tenant and has the global scope
 * otherwise; everybody else has their own.
 */
export const secrets: Routes = (services) => [
  route(
    "GET",
    "/v1/secrets",
    {
      ...read,
      query: z.strictObject({ tenant, after: Name.optional() }),
      output: list(Secret),
      problems: ["resource.not_found"],
      summary: "Lists secrets by name, version and age, 1,000 at a time; never what they hold.",
    },
    async ({ exchange, query: { after, tenant: named } }) => {
      const scope = await scopeOf(services(), exchange, named, "secrets.write");
      const found = await services().ringwall.secrets.list(after === undefined ? scope : { ...scope, after });
      return { items: found.flatMap(secretAnswer) };
    },
  ),
  route(
    "PUT",
    "/v1/secrets",
    {
      ...write,
      body: z.strictObject({
        name: Name,
        value: z.string().min(1).max(SECRET_BYTES_MAX),
        tenant,
        expires_at: z.iso.datetime({ offset: true }).optional(),
      }),
      bodyBytesMax: VALUE_BODY_BYTES,
      output: Version,
      problems: ["secrets.invalid", "resource.conflict", "resource.not_found"],
      summary: "Writes a new version of a secret, which is the one in use from then on.",
    },
    async ({ body: { expires_at, name, tenant: named, value }, exchange }) => {
      const { guard, secrets: store } = services().ringwall;
      const scope = await scopeOf(services(), exchange, named, "secrets.write");
      const expiresMs = expires_at === undefined ? undefined : Date.parse(expires_at);
      if (expiresMs !== undefined && expiresMs <= guard.clock()) {
        throw new RingwallError("request.invalid", { detail: { fields: "body.expires_at" } });
      }
      const options = expiresMs === undefined ? scope : { ...scope, expiresMs };
      return { name, version: await store.set(name, new PlainSecret(value), options) };
    },
  ),
  ...rotations(services),
];

const rotations: Routes = (services) => [
  route(
    "POST",
    "/v1/secret-rotations",
    {
      ...write,
      body: z.strictObject({ name: Name, tenant }),
      bodyBytesMax: SMALL_BODY_BYTES,
      output: Version,
      problems: [
        "secrets.not_found",
        "secrets.not_rotatable",
        "secrets.rotation_running",
        "secrets.rotation_failed",
        "resource.not_found",
      ],
      summary: "Rotates a secret now, where it is kept and where it is used.",
    },
    async ({ body: { name, tenant: named }, exchange }) => {
      const { ringwall, rotators } = services();
      const scope = await scopeOf(services(), exchange, named, "secrets.rotate");
      // Rotations are set up by the installation's configuration, for the global scope alone.
      const rotator = (scope.tenant ?? PLATFORM_TENANT) === PLATFORM_TENANT ? rotators.get(name) : undefined;
      if (rotator === undefined) throw new RingwallError("secrets.not_rotatable");
      return { name, version: await ringwall.secrets.rotate(name, rotator, scope) };
    },
  ),
];

/** Another tenant's secrets look like ones that are not there, and so do those of a tenant that there is not. */
async function scopeOf(
  { ringwall }: Services,
  exchange: Exchange,
  named: Scope["tenant"],
  capability: SystemCapability,
): Promise<Scope> {
  if (exchange.operator) {
    const actor = { type: "system", capability } as const;
    if (named === undefined) return { actor };
    await ringwall.identity.requireTenant(named);
    return { actor, tenant: named };
  }
  const actor = caller(exchange);
  if (named !== undefined && named !== actor.tenant) throw new RingwallError("resource.not_found");
  return { tenant: actor.tenant, actor };
}

/** Nothing for a secret whose first value is still being made. */
function secretAnswer(summary: SecretSummary): z.input<typeof Secret>[] {
  const { changedMs, createdMs, expiresMs, name, rotationPending, version } = summary;
  if (version === null) return [];
  return [
    {
      name,
      version,
      rotation_pending: rotationPending,
      created_at: isoTime(createdMs),
      changed_at: changedMs === null ? null : isoTime(changedMs),
      expires_at: expiresMs === null ? null : isoTime(expiresMs),
    },
  ];
}
