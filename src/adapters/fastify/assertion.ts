import type { Server } from "node:http";
import { TLSSocket } from "node:tls";
import type { FastifyRequest } from "fastify";
import type { Principal } from "../../application/access/index.ts";
import { RingwallError } from "../../core/index.ts";
import { ASSERTION_HEADER, type Asserted, type AssertionVerifier } from "../../network/index.ts";
import type { Exchange, Guard, Step } from "../../pipeline.ts";

/**
 * What an application behind the gateway still does itself: 3b to 5. Addresses, rates, hosts, origins and credentials
 * were the gateway's, and nothing of a request is counted twice; the form of the header is looked at again, for free.
 */
const ASSERTED_STEPS: ReadonlySet<string> = new Set(["protocol", "permission", "step-up", "input"]);

/** The steps that are left for a request that comes with a valid assertion. */
export function assertedSteps(steps: readonly Step[]): readonly Step[] {
  return steps.filter(({ name }) => ASSERTED_STEPS.has(name));
}

/**
 * Puts into an exchange what an assertion says of its person. The request id is the gateway's, so that both logs and
 * the audit know the request by one name.
 */
function takeAssertion(exchange: Exchange, { person, requestId }: Asserted): Exchange {
  const visit = { ...exchange.visit, requestId };
  if (person === undefined) return { ...exchange, id: requestId, visit };
  const { aal, role, secondFactorMs, session, tenant, tier: reached, user } = person;
  const principal = Object.freeze({
    type: "user",
    tenant,
    user,
    session,
    role,
    aal,
    secondFactorMs,
  } satisfies Principal);
  return { ...exchange, id: requestId, visit, principal, tier: reached };
}

/**
 * Reads who is asking from the gateway's assertion, and puts it into the request's exchange.
 * @throws RingwallError `access.denied` without a valid assertion, and over a connection that may carry none
 */
export async function arriveAsserted(
  server: Server,
  request: FastifyRequest,
  guard: Guard,
  verify: AssertionVerifier,
): Promise<void> {
  const { raw } = request;
  const [assertion, ...more] = assertionsOf(raw.rawHeaders);
  if (assertion === undefined || more.length > 0) throw refused(more.length > 0 ? "several" : "none");
  if (!mayCarry(server, raw.socket)) throw refused("connection");
  const target = raw.url ?? "";
  const asserted = await verify(assertion, { method: raw.method ?? "", target });
  const { exchange } = request;
  // The gateway's word on the address replaces the socket's, which is the gateway itself.
  const visit = guard.open({
    method: raw.method ?? "",
    target,
    rawHeaders: raw.rawHeaders,
    socketAddress: asserted.address === "unknown" ? undefined : asserted.address,
    tls: asserted.https,
    route: exchange.policy.limit,
  });
  request.exchange = takeAssertion({ ...exchange, visit, authorization: undefined }, asserted);
}

/** A unix socket that its file mode guards, or a TLS peer whose certificate was verified against our authority. */
function mayCarry(server: Server, socket: FastifyRequest["raw"]["socket"]): boolean {
  // The listener's own address, not the peer's: a TCP socket that was reset has no peer address either.
  if (typeof server.address() === "string") return true;
  return socket instanceof TLSSocket && socket.authorized;
}

function assertionsOf(raw: readonly string[]): string[] {
  const found: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    // Underscores are read as dashes by many servers, and by nobody here: a second spelling is a second assertion.
    const name = (raw[index] ?? "").toLowerCase().replaceAll("_", "-");
    if (name === ASSERTION_HEADER) found.push(raw[index + 1] ?? "");
  }
  return found;
}

function refused(reason: string): RingwallError {
  return new RingwallError("access.denied", { detail: { rule: "assertion", reason } });
}
