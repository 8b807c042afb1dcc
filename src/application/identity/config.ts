import { z } from "zod";
import type { TenantSettings } from "../../data/tenants/index.ts";
import { isAdministrator, type Role } from "../access/index.ts";

const seconds = (min: number, max: number, standard: number): z.ZodDefault<z.ZodInt> =>
  z.int().min(min).max(max).default(standard);

/**
 * Identity's settings. The defaults are the founding document's figures; the ranges are what may be set without
 * undoing what they are for.
 */
export const IdentityConfig = z.strictObject({
  session: z
    .strictObject({
      absoluteSeconds: seconds(300, 2_592_000, 604_800),
      idleSeconds: seconds(60, 604_800, 86_400),
      administratorAbsoluteSeconds: seconds(300, 86_400, 43_200),
      administratorIdleSeconds: seconds(60, 43_200, 1_800),
      /** Sessions kept in memory on one node. About 600 bytes each. */
      cacheEntries: z.int().min(100).max(1_000_000).default(50_000),
    })
    .prefault({}),
  lockout: z
    .strictObject({
      /** Wrong passwords before the account is locked for the window. */
      passwordFailures: z.int().min(3).max(10).default(5),
      /** Wrong codes in the window, over all login transactions and sessions of the account. */
      codeFailures: z.int().min(3).max(20).default(10),
      windowSeconds: seconds(60, 86_400, 900),
    })
    .prefault({}),
  password: z
    .strictObject({
      charactersMin: z.int().min(15).max(128).default(15),
      charactersMinWithSecondFactor: z.int().min(12).max(128).default(12),
      /** Upper case, lower case, digit and other, all four. Off: length and the blocklist do more. */
      fourClasses: z.boolean().default(false),
      argon2: z
        .strictObject({
          memoryKib: z.int().min(19_456).max(1_048_576).default(19_456),
          passes: z.int().min(2).max(10).default(2),
          lanes: z.int().min(1).max(4).default(1),
        })
        .prefault({}),
      /** Hashes computed at once. libuv has four threads, and DNS and files need some of them. */
      hashesAtOnce: z.int().min(1).max(64).default(2),
      /** Hashes that may wait. At 17 ms each and two at once, 64 wait about half a second. */
      hashesWaiting: z.int().min(1).max(1_024).default(64),
    })
    .prefault({}),
  login: z
    .strictObject({
      /** How long a sign-in may wait for its second factor. */
      seconds: seconds(60, 3_600, 600),
      /** Wrong codes that end one login transaction. */
      wrongCodesMax: z.int().min(3).max(10).default(10),
    })
    .prefault({}),
  links: z
    .strictObject({
      bootstrapSeconds: seconds(60, 3_600, 1_800),
      invitationSeconds: seconds(600, 2_592_000, 604_800),
      recoverySeconds: seconds(600, 604_800, 86_400),
    })
    .prefault({}),
  totp: z
    .strictObject({
      /** The name that authenticator apps show. */
      issuer: z
        .string()
        .min(1)
        .max(64)
        .regex(/^[^:%\p{Cc}]+$/u)
        .default("Ringwall"),
    })
    .prefault({}),
});
export type IdentityConfig = z.output<typeof IdentityConfig>;

/** How long a session of this role lives: the installation's limits, where the tenant has set no narrower ones. */
export function sessionLife(
  { session }: IdentityConfig,
  role: Role,
  settings: TenantSettings,
): { readonly absoluteMs: number; readonly idleMs: number } {
  const [absoluteSeconds, idleSeconds] = isAdministrator(role)
    ? [session.administratorAbsoluteSeconds, session.administratorIdleSeconds]
    : [session.absoluteSeconds, session.idleSeconds];
  return {
    absoluteMs: Math.min(absoluteSeconds, settings.session_absolute_seconds ?? Infinity) * 1_000,
    idleMs: Math.min(idleSeconds, settings.session_idle_seconds ?? Infinity) * 1_000,
  };
}

/** Administrators and owners always do; others when their account or their tenant says so. */
export function needsSecondFactor(role: Role, required: boolean, settings: TenantSettings): boolean {
  return isAdministrator(role) || required || settings.second_factor === "everybody";
}
