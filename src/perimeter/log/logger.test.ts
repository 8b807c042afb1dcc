import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ErrorDetail, type Logger, PlainSecret, RingwallError, type TenantId } from "../../core/index.ts";
import { createLogger } from "./logger.ts";
import { redact } from "./redact.ts";
import { RequestRecord } from "./request-record.ts";

const TOKEN = `rws_${"Ab1-".repeat(11)}`;

function capture(): { logger: Logger; lines: string[]; last: () => Record<string, unknown> } {
  const lines: string[] = [];
  const logger = createLogger({
    write: (line) => void lines.push(line),
    level: "info",
    clock: () => 1_764_000_000_000,
  });
  return { logger, lines, last: () => JSON.parse(lines.at(-1) ?? "{}") as Record<string, unknown> };
}

describe("secrets are masked by the name they stand under", () => {
  test.each([
    "authorization",
    "Authorization",
    "cookie",
    "set-cookie",
    "password",
    "newPassword",
    "access_token",
    "sessionToken",
    "client_secret",
    "code",
    "pin",
    "iban",
    "otp",
    "totp",
    "apiKey",
    "api-key",
    "privateKey",
    "credentials",
    "nationalId",
    "accountNumber",
    "cvc",
    "recoveryCodes",
    "seed",
  ])("%s", (key) => {
    const { logger, last } = capture();
    logger.info({ outer: [{ [key]: "canary" }] }, "x");
    expect(JSON.stringify(last())).not.toContain("canary");
  });

  test("and names that only look alike are not", () => {
    const { logger, last } = capture();
    logger.info({ statusCode: 200, errorCode: "23505", company: "Acme", mapping: "m", keys: 3, session: "sid" }, "x");
    expect(last()).toMatchObject({
      statusCode: 200,
      errorCode: "23505",
      company: "Acme",
      mapping: "m",
      keys: 3,
      session: "sid",
    });
  });
});

describe("secrets are masked by their shape wherever they are", () => {
  test("in messages, values, keys, errors, causes and stacks", () => {
    const { logger, lines } = capture();
    const cause = new Error(`connect postgres://app:${TOKEN}@db failed`);
    const error = new RingwallError("internal", { message: `bad ${TOKEN}`, detail: { seen: TOKEN }, cause });
    logger.error({ err: error }, `failed for Bearer ${TOKEN}`);
    logger.error(new TypeError(`bare ${TOKEN}`), TOKEN);
    logger.warn({ [TOKEN]: { deep: [[TOKEN]] }, number: 4_111_111_111_111_111, big: 4_111_111_111_111_111n }, "x");
    const all = lines.join("");
    expect(all).not.toContain(TOKEN.slice(0, 20));
    expect(all).not.toContain("4111111111111111");
    expect(all).toContain('"errorCode":"internal"');
    expect(all).toContain('"type":"TypeError"');
  });

  test("in any value at any depth", () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 4 }),
        fc.array(fc.constantFrom("a", "list", "err"), { maxLength: 4 }),
        (noise, path) => {
          const { logger, lines } = capture();
          let value: unknown = { noise, text: `x ${TOKEN} y` };
          for (const name of path)
            value = name === "list" ? [value] : name === "err" ? new Error(TOKEN, { cause: value }) : { a: value };
          logger.info({ value }, TOKEN);
          expect(lines.join("")).not.toContain(TOKEN);
          expect(JSON.parse(lines.join(""))).toMatchObject({ level: "info" });
        },
      ),
    );
  });

  test("rows and parameters that a driver hangs onto its errors are not read", () => {
    const error = Object.assign(new Error("duplicate key"), {
      code: "23505",
      detail: "Key (email)=(canary@x) exists",
      parameters: ["canary"],
    });
    expect(JSON.stringify(redact(error))).not.toContain("canary");
    expect(redact(error)).toMatchObject({ message: "duplicate key", errorCode: "23505" });
  });
});

describe("logging never fails and never grows without end", () => {
  test("cycles, getters that throw, huge lists, bytes, functions", () => {
    const cycle: Record<string, unknown> = { name: "n" };
    cycle["self"] = cycle;
    const hostile = {
      get boom(): string {
        throw new Error("canary");
      },
    };
    const { logger, lines, last } = capture();
    logger.info(
      {
        cycle,
        hostile,
        list: Array.from({ length: 10_000 }, () => "x"),
        bytes: Buffer.from("canary"),
        f: () => 1,
        s: new PlainSecret("canary"),
        map: new Map([["canary", 1]]),
        at: new Date(0),
        none: undefined,
        nothing: null,
      },
      "x",
    );
    expect(last()).toMatchObject({
      hostile: "[unreadable]",
      bytes: "[bytes]",
      f: "[function]",
      s: "[secret]",
      map: "[map of 1]",
      at: "1970-01-01T00:00:00.000Z",
      nothing: null,
    });
    expect(lines.join("")).not.toContain("canary");
    expect(lines.join("").length).toBeLessThan(5_000);
    logger.info({ long: "é ".repeat(100_000) }, "y".repeat(100_000));
    expect(lines.at(-1)?.length).toBeLessThan(40_000);
  });

  test("a key named __proto__ is a key like any other", () => {
    const { logger, lines } = capture();
    logger.info(JSON.parse('{"__proto__":{"password":"canary"}}') as object, "x");
    expect(lines.join("")).not.toContain("canary");
    expect(Object.hasOwn(Object.prototype, "password")).toBe(false);
  });

  test("one line for each record, whatever is in it", () => {
    const { logger, lines } = capture();
    logger.info({ text: 'a\r\n{"level":"error","msg":"forged"}' }, "b\nc");
    expect(lines).toHaveLength(1);
    expect(lines[0]?.trimEnd().includes("\n")).toBe(false);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ level: "info", msg: "b\nc", time: "2025-11-24T16:00:00.000Z" });
  });

  test("levels below the chosen one are dropped", () => {
    const lines: string[] = [];
    const logger = createLogger({ write: (line) => void lines.push(line), level: "error", clock: () => 0 });
    logger.info({}, "a");
    logger.warn({}, "b");
    logger.error({}, "c");
    expect(lines).toHaveLength(1);
  });
});

describe("lines of one turn", () => {
  test("are written together, errors at once with what came before, and the rest at the end", () => {
    const writes: string[] = [];
    const [turns, exits]: [(() => void)[], (() => void)[]] = [[], []];
    const logger = createLogger({
      write: (lines) => void writes.push(lines),
      level: "info",
      clock: () => 0,
      join: { later: (flush) => void turns.push(flush), atExit: (flush) => void exits.push(flush) },
    });
    const shown = (): unknown[][] =>
      writes.splice(0).map((lines) =>
        lines
          .trimEnd()
          .split("\n")
          .map((line) => (JSON.parse(line) as { msg: string }).msg),
      );
    logger.info({}, "a");
    logger.info({}, "b");
    expect(shown()).toEqual([]);
    for (const flush of turns.splice(0)) flush();
    expect(shown()).toEqual([["a", "b"]]);
    logger.info({}, "c");
    logger.error({}, "d");
    expect(shown()).toEqual([["c", "d"]]);
    for (const flush of turns.splice(0)) flush();
    logger.info({}, "e");
    for (const flush of exits) flush();
    expect(shown()).toEqual([["e"]]);
    for (let line = 0; line < 1_000; line += 1) logger.info({ text: "x".repeat(200) }, "long");
    expect(shown().length).toBeGreaterThan(1);
  });
});

describe("the line of one request", () => {
  const facts = {
    requestId: "01935f5e-1234-7123-8123-123456789012",
    method: "GET",
    target: "/a",
    address: "203.0.113.9",
    addressNote: undefined,
    userAgent: undefined,
    correlation: undefined,
  };
  const outcome = { status: 200, durationMs: 3, bytes: 10 };
  const line = (over: Partial<typeof facts> | { userAgent: string } | { correlation: string }): string => {
    const { logger, lines } = capture();
    logger.info(new RequestRecord({ ...facts, ...over }, outcome), "request");
    return lines.join("");
  };

  test("has path and names of the query, and none of its values", () => {
    const shown = JSON.parse(line({ target: "/a/b?x=canary&token=canary&canary&=canary&a%20b=canary" })) as Record<
      string,
      unknown
    >;
    expect(shown).toMatchObject({ path: "/a/b", query: "x&token&*&*&a b", status: 200, durationMs: 3, bytes: 10 });
    expect(line({ target: "/a" })).not.toContain("query");
  });

  test.each([
    `/reset/${TOKEN}`,
    `/reset/${TOKEN.replaceAll("-", "%2D").replace("_", "%5F")}`,
    `/cards/4111%201111%201111%201111/x`,
    `/x?${TOKEN}=1`,
    `/x?${TOKEN}`,
    `/%ff/${TOKEN.replace("_", "%5f")}`,
    `/${"a/".repeat(230)}${TOKEN}`,
  ])("secrets in the target do not come out: %s", (target) => {
    const shown = line({ target });
    expect(shown).not.toContain("Ab1-Ab1-Ab1");
    expect(shown).not.toContain("Ab1%2DAb1%2DAb1");
    expect(shown).not.toMatch(/1111.{1,3}1111.{1,3}1111/);
  });

  test("secrets and control characters in the agent and the correlation do not come out", () => {
    const shown = line({ userAgent: `curl\r\n\u001b[2K ${TOKEN} \u202e`, correlation: TOKEN });
    expect(shown).not.toContain("Ab1-Ab1");
    expect(shown).not.toContain("\\u001b");
    expect(shown).not.toContain("\\r");
    expect(shown).not.toContain("\u202e");
    expect(line({ userAgent: "A ".repeat(10_000) }).length).toBeLessThan(1_000);
  });

  test("encoded line breaks in a path stay encoded", () => {
    expect(line({ target: "/a%0d%0aforged" })).toContain("/a%0d%0aforged");
  });

  test("the reason of a refusal stands here, masked as everything is", () => {
    const detail: ErrorDetail = { reason: "address_blocked", seen: TOKEN, password: "canary" };
    const { logger, last } = capture();
    logger.info(
      new RequestRecord(facts, { ...outcome, tenant: "acme" as TenantId, refusal: "access.denied", detail }),
      "request",
    );
    expect(last()).toMatchObject({
      tenant: "acme",
      refusal: "access.denied",
      detail: { reason: "address_blocked", seen: "[redacted]", password: "[redacted]" },
    });
  });
});
