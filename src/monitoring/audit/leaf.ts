import { createHmac, hash } from "node:crypto";
import { type Actor, type AuditEvent, assert, equalSecret, RingwallError, randomBytes } from "../../core/index.ts";

/**
 * The most one entry may hold, leaf and sealed detail each: the bound of a 16-bit length in the exchange formats of
 * transparency logs. A record above it is refused, and its act with it.
 */
export const ENTRY_BYTES_MAX = 65_535;

// An attacker chooses the user agent; a longer one must not make the act fail for its size. Real ones stay below 400.
const USER_AGENT_MAX = 1_000;

/** An application's own actions; ours are a list that types hold. */
const APPLICATION_ACTION = /^app\.[a-z_]{1,40}$/;

const KEY_BYTES = 32;
const DETAIL_VERSION = 1;
const DETAIL_HEADER = 1 + KEY_BYTES;

/** What goes into the outbox: the leaf in clear, and the detail that is still to be sealed. */
export interface Entry {
  readonly eventId: string;
  readonly time: string;
  readonly leaf: string;
  /** Version, commitment key, then the personal values as canonical JSON. Absent when nothing personal was known. */
  readonly detail: Buffer | undefined;
}

/** The personal part of an event, as it is read back. */
export interface PersonalDetail {
  readonly address?: string;
  readonly userAgent?: string;
  readonly personal?: Readonly<Record<string, string>>;
}

/** Facts that the recorder adds to an aggregated event. */
export interface Aggregate {
  readonly count: number;
  readonly firstAt: string;
  readonly lastAt: string;
}

/**
 * Builds leaf and detail of one event.
 *
 * The leaf is canonical JSON (RFC 8785), written by hand with its keys in order because this runs once per act: a test
 * holds it equal to what `canonicalize` writes. Of personal values it holds HMAC-SHA-256 under a key drawn for this entry
 * alone; a plain hash of an address could be found by trying them all. Erasing detail and key erases the person, and
 * the chain still verifies.
 *
 * @param time - RFC 3339 in UTC with milliseconds.
 * @throws RingwallError `request.too_large` above `ENTRY_BYTES_MAX`.
 */
export function buildEntry(event: AuditEvent, eventId: string, time: string, aggregate?: Aggregate): Entry {
  if (event.action.startsWith("app.")) assert(APPLICATION_ACTION.test(event.action), "an action has its form");
  const values = personalJson(event);
  const sealable = values === undefined ? undefined : commitTo(values);
  const detail = sealable?.detail;
  const commitment = sealable === undefined ? "" : `"commitment":"${sealable.commitment}",`;
  const requestId = event.context?.requestId;
  const leaf =
    `{"action":${text(event.action)},"actor":${actorJson(event.actor)},${commitment}"event":"${eventId}",` +
    `"facts":${factsJson(event.facts, aggregate)},"outcome":${text(event.outcome)},` +
    `${requestId === undefined ? "" : `"request":${text(requestId)},`}"schema":1,` +
    `"targets":${targetsJson(event.targets)},"tenant":${text(event.tenant)},"time":"${time}"}`;
  if (Buffer.byteLength(leaf) > ENTRY_BYTES_MAX || (detail?.length ?? 0) > ENTRY_BYTES_MAX - SEAL_OVERHEAD_MAX) {
    throw new RingwallError("request.too_large", { detail: { what: "audit entry", action: event.action } });
  }
  return { eventId, time, leaf, detail };
}

// Sealing adds version, key id, nonce and tag; the database checks the sealed length against ENTRY_BYTES_MAX.
const SEAL_OVERHEAD_MAX = 512;

/** Reads a detail and holds it against the leaf's commitment. `undefined` when it is not what was committed to. */
export function openDetail(detail: Buffer, commitment: string): PersonalDetail | undefined {
  if (detail.length < DETAIL_HEADER || detail[0] !== DETAIL_VERSION) return undefined;
  // AES-GCM alone does not commit to its key: without this check a second key could open the same bytes to another story.
  if (!equalSecret(commit(detail), commitment)) return undefined;
  // The commitment proves that these bytes came from `personalJson`.
  return JSON.parse(detail.toString("utf8", DETAIL_HEADER)) as PersonalDetail;
}

/** HMAC-SHA-256 of the values under the detail's own key. */
function commit(detail: Buffer): string {
  return createHmac("sha256", detail.subarray(1, DETAIL_HEADER))
    .update(detail.subarray(DETAIL_HEADER))
    .digest("base64url");
}

const BLOCK_BYTES = 64;
// Puts the values right behind one block, and the key into that block's last bytes.
const PADDING_BYTES = BLOCK_BYTES - DETAIL_HEADER;
const outer = Buffer.alloc(BLOCK_BYTES + 32);

/**
 * Draws a key and commits to `values` with it: the same HMAC-SHA-256 as `commit`, which checks it at every opening,
 * written as the two hashes that RFC 2104 (section 2) defines it by. `createHmac` costs ten times as much as a one-shot
 * hash (measured: 15 us to 1 us), once per act and once per noted read, which is most of what a record costs.
 */
function commitTo(values: string): { readonly detail: Buffer; readonly commitment: string } {
  const key = randomBytes(KEY_BYTES);
  const inner = Buffer.allocUnsafe(BLOCK_BYTES + Buffer.byteLength(values));
  for (let index = 0; index < BLOCK_BYTES; index += 1) {
    const byte = key[index] ?? 0;
    inner[index] = byte ^ 0x36;
    outer[index] = byte ^ 0x5c;
  }
  inner.write(values, BLOCK_BYTES);
  hash("sha256", inner, "buffer").copy(outer, BLOCK_BYTES);
  const commitment = hash("sha256", outer, "base64url");
  inner[PADDING_BYTES] = DETAIL_VERSION;
  key.copy(inner, PADDING_BYTES + 1);
  return { detail: inner.subarray(PADDING_BYTES), commitment };
}

/** A JSON string. A lone surrogate, which RFC 8785 has no form for, becomes U+FFFD; PostgreSQL could not store it. */
function text(value: string): string {
  return JSON.stringify(value.isWellFormed() ? value : value.toWellFormed());
}

function actorJson(actor: Actor): string {
  switch (actor.type) {
    case "user":
      return `{"session":${text(actor.session)},"type":"user","user":${text(actor.user)}}`;
    case "service":
      return `{"name":${text(actor.name)},"type":"service"}`;
    case "system":
      return `{"capability":${text(actor.capability)},"type":"system"}`;
    case "anonymous":
      return `{"type":"anonymous"}`;
  }
}

function targetsJson(targets: AuditEvent["targets"]): string {
  if (targets === undefined || targets.length === 0) return "[]";
  let json = "";
  for (const { type, id } of targets) json += `${json === "" ? "[" : ","}{"id":${text(id)},"type":${text(type)}}`;
  return `${json}]`;
}

function factsJson(facts: AuditEvent["facts"], aggregate: Aggregate | undefined): string {
  if (aggregate !== undefined) {
    return recordJson({ ...facts, count: aggregate.count, first_at: aggregate.firstAt, last_at: aggregate.lastAt });
  }
  return facts === undefined ? "{}" : recordJson(facts);
}

function recordJson(record: Readonly<Record<string, string | number | boolean>>): string {
  let json = "";
  // The default order of `sort` is by UTF-16 code unit, which is the order RFC 8785 (section 3.2.3) asks for.
  for (const key of Object.keys(record).sort()) {
    const value = record[key];
    if (value === undefined) continue;
    assert(typeof value !== "number" || Number.isFinite(value), "a fact is a finite number");
    json += `${json === "" ? "{" : ","}${text(key)}:${typeof value === "string" ? text(value) : JSON.stringify(value)}`;
  }
  return json === "" ? "{}" : `${json}}`;
}

function personalJson(event: AuditEvent): string | undefined {
  const { personal, context } = event;
  let json = "";
  if (context?.address !== undefined) json += `,"address":${text(context.address)}`;
  if (personal !== undefined) json += `,"personal":${recordJson(personal)}`;
  if (context?.userAgent !== undefined) json += `,"userAgent":${text(context.userAgent.slice(0, USER_AGENT_MAX))}`;
  return json === "" ? undefined : `{${json.slice(1)}}`;
}

/** A leaf as it is read back. Fields that a later schema adds are not looked at. */
export interface Leaf {
  readonly event: string;
  readonly tenant: string;
  readonly time: string;
  readonly action: string;
  readonly outcome: string;
  readonly actor: Readonly<Record<string, string>>;
  readonly targets: readonly { readonly type: string; readonly id: string }[];
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  readonly request?: string;
  readonly commitment?: string;
}

const ACTION_PATTERN = /^[a-z_]{1,40}\.[a-z_]{1,40}$/;

/**
 * Reads a leaf out of the database. `undefined` when it does not have the form: a role that may insert into the outbox
 * may insert anything, so nothing is believed.
 */
export function parseLeaf(leaf: string): Leaf | undefined {
  if (leaf.length > ENTRY_BYTES_MAX) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(leaf);
  } catch {
    return undefined;
  }
  return isLeaf(value) ? value : undefined;
}

function isLeaf(value: unknown): value is Leaf {
  if (!isObject(value) || value["schema"] !== 1) return false;
  const { event, tenant, time, action, outcome, actor, targets, facts, request, commitment } = value;
  return (
    typeof event === "string" &&
    typeof tenant === "string" &&
    typeof time === "string" &&
    typeof action === "string" &&
    ACTION_PATTERN.test(action) &&
    typeof outcome === "string" &&
    isObject(actor) &&
    Object.values(actor).every((field) => typeof field === "string") &&
    Array.isArray(targets) &&
    targets.every(
      (target) => isObject(target) && typeof target["type"] === "string" && typeof target["id"] === "string",
    ) &&
    isObject(facts) &&
    Object.values(facts).every((fact) => ["string", "number", "boolean"].includes(typeof fact)) &&
    (request === undefined || typeof request === "string") &&
    (commitment === undefined || typeof commitment === "string")
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
