import { LRUCache } from "lru-cache";
import type { ErrorCode, ErrorDetail, SessionId, TenantId, UserId } from "../../core/index.ts";
import { LIMITS } from "../limits.ts";
import { redact } from "./redact.ts";
import { printable, scrub, scrubShort } from "./shapes.ts";

/** What the log says about one request. Everything a visitor wrote went through `logPath` and the other shorteners below. */
export interface RequestFacts {
  readonly requestId: string;
  readonly method: string;
  readonly target: string;
  readonly address: string;
  readonly addressNote: string | undefined;
  readonly userAgent: string | undefined;
  readonly correlation: string | undefined;
}

/** How the request ended; known only then, which is why the line is written at completion. */
export interface RequestOutcome {
  readonly status: number;
  readonly durationMs: number;
  readonly bytes: number;
  readonly tenant?: TenantId | undefined;
  readonly user?: UserId | undefined;
  /** The session's public name, never its token. */
  readonly session?: SessionId | undefined;
  /** The code that the caller got, and what only the log says. */
  readonly refusal?: ErrorCode | undefined;
  readonly detail?: ErrorDetail | undefined;
}

/**
 * One request's log line. Redacted when it is made, so that the logger can pass it on without reading it again:
 * of its fields only the path, the agent, the correlation and the detail can hold anything a visitor wrote.
 */
export class RequestRecord {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly query: string | undefined;
  readonly address: string;
  readonly addressNote: string | undefined;
  readonly userAgent: string | undefined;
  readonly correlation: string | undefined;
  readonly tenant: TenantId | undefined;
  readonly user: UserId | undefined;
  readonly session: SessionId | undefined;
  readonly status: number;
  readonly durationMs: number;
  readonly bytes: number;
  readonly refusal: ErrorCode | undefined;
  readonly detail: unknown;

  constructor(facts: RequestFacts, outcome: RequestOutcome) {
    const query = facts.target.indexOf("?");
    this.requestId = facts.requestId;
    this.method = facts.method;
    this.path = logPath(query === -1 ? facts.target : facts.target.slice(0, query));
    this.query = query === -1 ? undefined : queryNames(facts.target.slice(query + 1));
    this.address = facts.address;
    this.addressNote = facts.addressNote;
    this.userAgent = facts.userAgent === undefined ? undefined : logUserAgent(facts.userAgent);
    this.correlation = facts.correlation === undefined ? undefined : scrub(facts.correlation);
    this.tenant = outcome.tenant;
    this.user = outcome.user;
    this.session = outcome.session;
    this.status = outcome.status;
    this.durationMs = outcome.durationMs;
    this.bytes = outcome.bytes;
    this.refusal = outcome.refusal;
    this.detail = outcome.detail === undefined ? undefined : redact(outcome.detail);
  }
}

/** A path without secrets. When an encoded form hides one, the decoded text is masked and logged instead. */
function logPath(path: string): string {
  const shown = scrubShort(path, LIMITS.pathLogChars);
  if (!path.includes("%")) return printable(shown);
  const decoded = decode(path);
  const scrubbed = scrubShort(decoded, LIMITS.pathLogChars);
  return printable(scrubbed === decoded ? shown : scrubbed);
}

/** The names of the parameters, without their values; a parameter that is only a value becomes `*`. */
function queryNames(query: string): string {
  const parts = query.slice(0, LIMITS.targetBytes).split("&", LIMITS.queryNamesLogged);
  const names = parts.map((part) => {
    const end = part.indexOf("=");
    return end <= 0 ? "*" : printable(scrubShort(decode(part.slice(0, end)), LIMITS.queryNameLogChars));
  });
  return names.join("&");
}

function decode(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    // Not UTF-8: the bytes that are ASCII are enough to see a secret.
    return text.replaceAll(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
}

// Few agents make most of the requests; a made-up one costs only its scan.
const agents = new LRUCache<string, string>({ max: 512 });

function logUserAgent(userAgent: string): string {
  // Cut before it becomes a key, with room for the mask to see what stands at the cut.
  const key = userAgent.slice(0, LIMITS.userAgentLogChars * 2);
  let shown = agents.get(key);
  if (shown === undefined) {
    shown = printable(scrubShort(key, LIMITS.userAgentLogChars));
    agents.set(key, shown);
  }
  return shown;
}
