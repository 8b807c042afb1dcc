import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  fieldsOfHttp2,
  foreignCookies,
  holdsToken,
  isSpokenFor,
  readUpstreamCookie,
  requestFields,
  type Told,
} from "./fields.ts";

const TOKEN = `rws_${"a".repeat(43)}`;
const told: Told = {
  host: "app.example",
  requestId: "id",
  forwarded: { address: "192.0.2.1", https: true, host: "app.example" },
  foreignCredential: true,
  assertion: "ours",
};

function fields(raw: readonly string[]): Map<string, string[]> {
  const out = requestFields(raw, told);
  const found = new Map<string, string[]>();
  for (let index = 0; index < out.length; index += 2) {
    const name = out[index] ?? "";
    found.set(name, [...(found.get(name) ?? []), out[index + 1] ?? ""]);
  }
  return found;
}

const SPOKEN = [
  "x-ringwall-assertion",
  "x-ringwall-tenant",
  "x-forwarded-for",
  "x-forwarded-user",
  "remote-user",
  "x-real-ip",
];

describe("the fields that go on", () => {
  test("hold each of the gateway's own names once, whatever a visitor wrote in whatever spelling", () => {
    const spelled = fc.constantFrom(...SPOKEN).chain((name) =>
      fc.array(fc.constantFrom("lower", "upper", "_"), { minLength: name.length, maxLength: name.length }).map((ways) =>
        name
          .split("")
          .map((mark, at) =>
            ways[at] === "upper" ? mark.toUpperCase() : ways[at] === "_" && mark === "-" ? "_" : mark,
          )
          .join(""),
      ),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(spelled, fc.constantFrom("forged", TOKEN)), { maxLength: 12 }), (pairs) => {
        const found = fields(pairs.flat());
        expect(found.get("x-ringwall-assertion")).toEqual(["ours"]);
        expect(found.get("x-forwarded-for")).toEqual(["192.0.2.1"]);
        expect([...found.values()].flat()).not.toContain("forged");
        expect([...found.values()].flat().join()).not.toContain("rws_");
      }),
    );
  });

  test("are no connection's own, nor what a connection names", () => {
    const found = fields([
      "Connection",
      "close, X-Gone",
      "X-Gone",
      "1",
      "Keep-Alive",
      "1",
      "TE",
      "trailers",
      "X-Kept",
      "1",
    ]);
    expect([...found.keys()].sort()).toEqual([
      "host",
      "x-forwarded-for",
      "x-forwarded-host",
      "x-forwarded-proto",
      "x-kept",
      "x-request-id",
      "x-ringwall-assertion",
    ]);
  });

  test("carry no token of ours in any cookie, and every other cookie as it was", () => {
    const value = fc.stringMatching(/^[A-Za-z0-9.%-]{0,20}$/);
    const name = fc.stringMatching(/^[a-z]{1,8}$/);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, fc.oneof(value, fc.constant(TOKEN))), { minLength: 1, maxLength: 8 }),
        (pairs) => {
          const header = pairs.map(([one, text]) => `${one}=${text}`).join("; ");
          const kept = pairs.filter(([, text]) => text !== TOKEN).map(([one, text]) => `${one}=${text}`);
          expect(foreignCookies(header)).toBe(kept.join("; "));
        },
      ),
    );
    expect(foreignCookies(`__Host-rw_gateway=x; a=1; rw_any=2; b="${TOKEN}"`)).toBe("a=1");
  });

  test("keep a credential of somebody else's only where the route asks for none", () => {
    const raw = ["Authorization", "Basic abc"];
    expect(fields(raw).get("authorization")).toEqual(["Basic abc"]);
    expect(requestFields(raw, { ...told, foreignCredential: false })).not.toContain("Basic abc");
    expect(fields(["Authorization", `Bearer ${TOKEN}`]).get("authorization")).toBeUndefined();
  });
});

test("a name with an underscore is nobody's", () => {
  expect(["x_any", "content_length", "x-ringwall-x"].every(isSpokenFor)).toBe(true);
  expect(["accept", "content-type", "x-any"].some(isSpokenFor)).toBe(false);
});

test("a token is seen wherever it stands, and nothing else is taken for one", () => {
  for (const text of [TOKEN, `?t=${TOKEN}`, `/x/${TOKEN}/y`, `"${TOKEN}"`]) expect(holdsToken(text)).toBe(true);
  for (const text of ["", "rws_short", `${TOKEN}a`, `x${TOKEN}`, "forward"]) expect(holdsToken(text)).toBe(false);
});

test("an upstream's cookie becomes a session only where the upstream is trusted, and never plants one of ours", () => {
  const opened = `__Host-bank_session=${TOKEN}; Path=/; Secure`;
  expect(readUpstreamCookie(opened, true)).toEqual({ kind: "session", token: TOKEN });
  expect(readUpstreamCookie(opened, false)).toEqual({ kind: "drop" });
  expect(readUpstreamCookie("__Host-bank_session=; Max-Age=0", true)).toEqual({ kind: "ended" });
  for (const planted of ["__Host-rw_gateway=x", "__host-RW_state=x", "rw_x=1"]) {
    expect(readUpstreamCookie(planted, false)).toEqual({ kind: "drop" });
  }
  expect(readUpstreamCookie("theme=dark; Path=/", true)).toEqual({ kind: "pass" });
});

test("a header of HTTP/2 has one host and one cookie field, and two hosts stay two", () => {
  const raw = [":method", "GET", ":authority", "a.example", "cookie", "a=1", "cookie", "b=2", "x", "1"];
  expect(fieldsOfHttp2(raw)).toEqual(["host", "a.example", "x", "1", "cookie", "a=1; b=2"]);
  expect(fieldsOfHttp2([...raw, "host", "b.example"]).filter((text) => text === "host")).toHaveLength(2);
  expect(fieldsOfHttp2([...raw, "host", "a.example"]).filter((text) => text === "host")).toHaveLength(1);
});
