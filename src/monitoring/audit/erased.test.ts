import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  type Actor,
  type AuditEvent,
  isoTime,
  RingwallError,
  type SessionId,
  tenantId,
  type UserId,
  uuidv7,
} from "../../core/index.ts";
import { chainOn, emptyChain, formatHead, HeadVerifier, headSigner, signHead } from "./heads.ts";
import { buildEntry } from "./leaf.ts";
import { type ChainInput, type FoundEntry, verifyChain } from "./verify.ts";

const TENANT = tenantId("bank-a");
const START_MS = 1_780_000_000_000;
const signer = headSigner(
  generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
);

type Log = FoundEntry[];

/** Entries of these events, one every `everyMs`. */
function chained(events: readonly AuditEvent[], everyMs = 1): Log {
  let hash = emptyChain(TENANT);
  return events.map((event, at) => {
    const occurredMs = START_MS + at * everyMs;
    const { detail, eventId, leaf } = buildEntry(event, uuidv7(occurredMs), isoTime(occurredMs));
    hash = chainOn(hash, leaf);
    return { position: at + 1, eventId, occurredMs, action: event.action, leaf, hash, detail: detail ?? null };
  });
}

function actOf(actor: Actor): AuditEvent {
  const context = { address: "192.0.2.1", requestId: "r" };
  return { action: "transfer.executed", outcome: "success", tenant: TENANT, actor, context };
}

async function* each<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items;
}

/** The log, whole and signed at its end. */
function inputOf(log: Log): ChainInput {
  const size = log.length;
  const hash = log.at(-1)?.hash ?? Buffer.alloc(0);
  const line = formatHead(signHead(signer, { tenant: TENANT, size, hash }, isoTime(START_MS)));
  return {
    tenant: TENANT,
    head: { size, hash },
    claimed: size,
    entries: each(log),
    inside: each([{ size, line }]),
    outside: each([{ size, line }]),
    verifier: new HeadVerifier([signer.publicKey]),
    open: (_, sealed) => sealed,
  };
}

const verify = async (log: Log, changes: Partial<ChainInput> = {}) =>
  await verifyChain({ ...inputOf(log), ...changes });

describe("details that are gone", () => {
  const ANN = uuidv7(START_MS) as UserId;
  const BEN = uuidv7(START_MS) as UserId;
  const eraser = { type: "system", capability: "keys.erase" } as const;
  const session = uuidv7(START_MS) as SessionId;
  const by = (user: UserId): Actor => ({ type: "user", tenant: TENANT, user, session });

  /** Acts of Ann, Ben and Ann, then whatever else is said. */
  function logOf(...more: readonly AuditEvent[]): Log {
    return chained([actOf(by(ANN)), actOf(by(BEN)), actOf(by(ANN)), ...more]);
  }
  const wipe = (log: Log, position: number): void => {
    const found = log[position - 1];
    if (found === undefined) throw new RangeError("no such entry");
    log[position - 1] = { ...found, detail: Buffer.of(0) };
  };
  const erased = (id: string, changes: Partial<AuditEvent> = {}): AuditEvent => ({
    action: "person.erased",
    outcome: "success",
    tenant: TENANT,
    actor: eraser,
    targets: [{ type: "person", id }],
    ...changes,
  });

  test("are counted as erased when the log says that the person was", async () => {
    const log = logOf(erased(ANN));
    wipe(log, 1);
    wipe(log, 3);
    expect(await verify(log)).toMatchObject({ problem: undefined, erased: 2, verified: 4 });
    // Without the keys, too: what is emptied is seen by everybody.
    const { open: _open, ...blind } = inputOf(log);
    expect(await verifyChain(blind)).toMatchObject({ problem: undefined, erased: 2 });
  });

  test("are a finding when nobody was erased, or somebody else, or somebody says so who erases nothing", async () => {
    const liars: readonly AuditEvent[][] = [
      [],
      [erased(ANN)],
      [erased(BEN, { actor: { type: "service", tenant: TENANT, name: "bank" } })],
      [erased(BEN, { actor: by(ANN) })],
      [erased(BEN, { outcome: "denied" })],
      [erased(BEN, { targets: [{ type: "row", id: BEN }] })],
      [erased(BEN, { action: "transfer.executed" })],
    ];
    for (const more of liars) {
      const log = logOf(...more);
      wipe(log, 2);
      expect((await verify(log)).problem, JSON.stringify(more)).toMatchObject({ kind: "detail_wiped", position: 2 });
    }
  });

  test("are a finding when they were nobody's person", async () => {
    const log = chained([actOf({ type: "service", tenant: TENANT, name: "bank" }), erased("")]);
    wipe(log, 1);
    expect((await verify(log)).problem).toMatchObject({ kind: "detail_wiped", position: 1 });
  });

  test("open under no key when the tenant was erased, and that is no finding; before that it is", async () => {
    const tenantErased = erased("", { action: "tenant.erased", targets: [{ type: "tenant", id: TENANT }] });
    const shut = () => {
      throw new RingwallError("keys.decrypt_failed");
    };
    expect(await verify(logOf(tenantErased), { open: shut })).toMatchObject({ problem: undefined, erased: 3 });
    expect((await verify(logOf(), { open: shut })).problem).toMatchObject({ kind: "detail_mismatch", position: 1 });
    // What was said an hour after the erasure is sealed with a key that is there.
    const late = chained([tenantErased, ...Array.from({ length: 2 }, () => actOf(by(ANN)))], 3_600_000);
    expect((await verify(late, { open: shut })).problem).toMatchObject({ kind: "detail_mismatch", position: 2 });
  });

  test("of a key service that is down are no verdict", async () => {
    const down = () => {
      throw new RingwallError("keys.unavailable");
    };
    await expect(verify(logOf(), { open: down })).rejects.toMatchObject({ code: "keys.unavailable" });
  });
});
