import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addressRule } from "./address.ts";
import { clientAddresses } from "./client-address.ts";
import { LIMITS } from "./limits.ts";

const direct = clientAddresses({ trustedProxies: [], blocked: [] });
const behind = clientAddresses({ trustedProxies: ["10.0.0.0/8", "2001:db8:ff::/48"], blocked: [] });

describe("somebody forges X-Forwarded-For", () => {
  test("without a configured proxy it is ignored, and the log hears of it", () => {
    const client = direct("203.0.113.9", "127.0.0.1");
    expect(client).toMatchObject({ address: "203.0.113.9", rateKey: "203.0.113.9", viaProxy: false });
    expect(client.note).toBe("forwarded_ignored");
    expect(direct("203.0.113.9", undefined).note).toBeUndefined();
  });

  test("from an address that is no proxy of ours it is ignored, though proxies are configured", () => {
    expect(behind("203.0.113.9", "198.51.100.1")).toMatchObject({ address: "203.0.113.9", note: "forwarded_ignored" });
  });

  test("what the client wrote itself stands on the left and is never reached", () => {
    for (const forged of ["127.0.0.1", "10.1.1.1", "198.51.100.1, 10.2.2.2", "unknown", "::1", "10.0.0.1, , ,"]) {
      expect(behind("10.0.0.1", `${forged}, 203.0.113.9`)).toMatchObject({ address: "203.0.113.9", note: undefined });
    }
  });

  test("a fresh forged address for every request is the same client every time", () => {
    const keys = new Set<string>();
    for (let n = 0; n < 200; n += 1) keys.add(behind("10.0.0.1", `198.51.100.${n}, 203.0.113.9`).rateKey);
    expect(keys).toEqual(new Set(["203.0.113.9"]));
  });

  test("octal, hexadecimal and short forms are no addresses of a trusted range", () => {
    for (const odd of ["012.0.0.1", "0x0a000001", "10.1", "167772161"]) {
      expect(behind("10.0.0.1", `203.0.113.9, ${odd}`)).toMatchObject({
        address: "10.0.0.1",
        note: "forwarded_unreadable",
      });
    }
  });

  test("a chain of ten thousand trusted hops is read at its right end only", () => {
    const client = behind("10.0.0.1", `203.0.113.9, ${"10.0.0.2, ".repeat(10_000)}10.0.0.3`);
    expect(client.address).toBe("10.0.0.2");
    expect(LIMITS.forwardedForChars).toBeLessThan(2_000);
  });

  test("names with a port or quotes are not guessed at: the proxy itself is counted", () => {
    for (const odd of ["203.0.113.9:4711", '"203.0.113.9"', "example.com", "[2001:db8::1]:80", ""]) {
      expect(behind("10.0.0.1", odd).address).toBe("10.0.0.1");
    }
  });
});

describe("who the client is", () => {
  test("IPv4 mapped into IPv6 is the same client as IPv4", () => {
    expect(direct("::ffff:203.0.113.9", undefined)).toMatchObject({ address: "203.0.113.9", rateKey: "203.0.113.9" });
    expect(behind("::ffff:10.0.0.1", "::ffff:203.0.113.9").address).toBe("203.0.113.9");
  });

  test("all addresses of an IPv6 /64 are one client to the rates, and each is itself in the log", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 4, maxLength: 4 }), (tail) => {
        const text = `2001:db8:1:2:${tail.map((part) => part.toString(16)).join(":")}`;
        expect(direct(text, undefined).rateKey).toBe("2001:db8:1:2::/64");
      }),
    );
    expect(direct("2001:db8:1:3::1", undefined).rateKey).not.toBe("2001:db8:1:2::/64");
    expect(direct("2001:DB8:0:0:0:0:0:1", undefined).address).toBe("2001:db8::1");
  });

  test("a zone is no part of an address", () => {
    expect(direct("fe80::1%eth0", undefined)).toMatchObject({ address: "fe80::1", rateKey: "fe80:0:0:0::/64" });
  });

  test("a unix socket is a proxy only when the configuration says so", () => {
    expect(direct(undefined, "203.0.113.9")).toMatchObject({ address: "unknown", note: "forwarded_ignored" });
    const unix = clientAddresses({ trustedProxies: ["unix"], blocked: [] });
    expect(unix(undefined, "198.51.100.7, 203.0.113.9").address).toBe("203.0.113.9");
    expect(unix("127.0.0.1", "203.0.113.9").address).toBe("127.0.0.1");
  });

  test("a blocked range is known by the client behind the proxy, not by the proxy", () => {
    const find = clientAddresses({ trustedProxies: ["10.0.0.0/8"], blocked: ["203.0.113.0/24", "10.0.0.0/8"] });
    expect(find("10.0.0.1", "203.0.113.9").blocked).toBe(true);
    expect(find("10.0.0.1", "198.51.100.1").blocked).toBe(false);
  });

  test("is the first hop from the right that is no proxy of ours, else the leftmost", () => {
    const hop = fc.oneof(
      fc.integer({ min: 1, max: 254 }).map((n) => `10.0.0.${n}`),
      fc.integer({ min: 1, max: 254 }).map((n) => `203.0.113.${n}`),
      fc.integer({ min: 1, max: 254 }).map((n) => `2001:db8:ff::${n.toString(16)}`),
    );
    fc.assert(
      fc.property(fc.array(hop, { minLength: 1, maxLength: 12 }), fc.constantFrom(",", ", ", " , "), (hops, comma) => {
        const expected = hops.findLast((one) => one.startsWith("203.")) ?? hops[0];
        expect(behind("10.9.9.9", hops.join(comma)).address).toBe(expected);
      }),
    );
  });

  test("nothing that a peer sends makes it throw", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 2_000 }), fc.option(fc.string(), { nil: undefined }), (forwarded, peer) => {
        expect(behind("10.0.0.1", forwarded).address).not.toBe("");
        expect(direct(peer, forwarded).rateKey).not.toBe("");
      }),
    );
  });
});

describe("an address rule", () => {
  const office = addressRule(["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]);

  test("contains its ranges and nothing else", () => {
    for (const inside of ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8:1::1", "198.51.100.7"]) {
      expect(office(inside)).toBe(true);
    }
    for (const outside of ["192.0.3.1", "2001:db9::1", "198.51.100.8", "::1", "unknown", "", "192.0.2.1.evil.com"]) {
      expect(office(outside)).toBe(false);
    }
  });

  test("an empty rule contains nothing", () => {
    expect(addressRule([])("127.0.0.1")).toBe(false);
  });

  test.each(["10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/08", "::ffff:10.0.0.0/104", "office", "10.0.0.0/8/8"])(
    "refuses the range %s",
    (range) => {
      expect(() => addressRule([range])).toThrow(TypeError);
    },
  );
});
