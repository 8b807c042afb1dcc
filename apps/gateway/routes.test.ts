import * as fc from "fast-check";
import { parseConfig, RingwallError } from "ringwall/core";
import { GatewayConfig } from "ringwall/network";
import { describe, expect, test } from "vitest";
import { routeTable } from "./routes.ts";

const route = { host: "app.example", upstream: "http://127.0.0.1:1", mode: "plain" } as const;
const table = routeTable(
  parseConfig(GatewayConfig, {
    routes: [
      { ...route, name: "all", access: "public" },
      { ...route, name: "admin", path: "/admin", access: { role: "owner" } },
    ],
  }).routes,
);
const nameOf = (path: string): string | undefined => table.find("app.example", path)?.settings.name;

describe("a path leads to the route with the longest prefix", () => {
  test.each([
    ["/", "all"],
    ["/administration", "all"],
    ["/admin", "admin"],
    ["/admin/x?y=/other", "admin"],
    ["/x?y=/admin", "all"],
    ["/a%20b", "all"],
  ])("%s to %s", (path, name) => expect(nameOf(path)).toBe(name));

  test("and is refused when any reader could find another", () => {
    const encoded = (mark: string): string => `%${mark.charCodeAt(0).toString(16)}`;
    fc.assert(
      fc.property(fc.subarray([0, 1, 2, 3, 4], { minLength: 1 }), fc.boolean(), (places, twice) => {
        const text = "admin"
          .split("")
          .map((mark, at) => (places.includes(at) ? encoded(mark) : mark))
          .join("");
        const path = `/${twice ? text.replaceAll("%", "%25") : text}/x`;
        expect(() => nameOf(path)).toThrow(RingwallError);
      }),
    );
    for (const path of [
      "/ADMIN",
      "//admin",
      "/x/../admin",
      "/;x/admin",
      "/admin;x=1",
      "/%2fadmin",
      "/x%5c..%5cadmin",
      "/%ff",
      "/%252525252561dmin",
    ]) {
      expect(() => nameOf(path), path).toThrow(RingwallError);
    }
  });
});

test("another host has none of it", () => {
  expect(table.find("other.example", "/admin")).toBeUndefined();
});

describe("the gateway's settings are refused by the field's name", () => {
  const base = { ...route, name: "x", access: "public" } as const;
  test.each<[string, object, string]>([
    ["an upstream beyond this machine in plain", { upstream: "http://app.example" }, "routes.0.upstream"],
    ["an upstream with a path", { upstream: "https://app.example/x" }, "routes.0.upstream"],
    ["an upstream with a password", { upstream: "https://u:p@app.example" }, "routes.0.upstream"],
    ["no word on who may come", { access: undefined }, "routes.0.access"],
    ["a role that does not exist", { access: { role: "root" } }, "routes.0.access"],
    ["an assertion over TCP", { mode: "ringwall" }, "routes.0.upstream"],
    ["an assertion over TLS of one side", { mode: "ringwall", upstream: "https://app.example" }, "routes.0.upstream"],
    [
      "a certificate without its key",
      { upstream: "https://app.example", tls: { certificateFile: "/c" } },
      "tls.keyFile",
    ],
    ["Ringwall's own place", { path: "/.ringwall/x" }, "routes.0.path"],
    ["a prefix with dots", { path: "/a/../b" }, "routes.0.path"],
    ["a field nobody knows", { passhost: true }, "unknown field"],
  ])("%s", (_what, over, field) => {
    expect(() => parseConfig(GatewayConfig, { routes: [{ ...base, ...over }] })).toThrow(field);
  });

  test("and two routes never share a name or a place", () => {
    const routes = [base, { ...base, path: "/" }];
    expect(() => parseConfig(GatewayConfig, { routes })).toThrow("routes.1.name: is there twice");
  });
});
