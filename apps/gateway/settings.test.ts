import { RingwallConfig } from "ringwall";
import { parseConfig } from "ringwall/core";
import { describe, expect, test } from "vitest";
import { placesOf } from "./settings.ts";

const files = { certificateFile: "/etc/c.pem", keyFile: "/etc/k.pem" };

function places(mode: "development" | "production", host: string, over: { tls?: object; declaredProxy?: boolean }) {
  const { declaredProxy = false, tls } = over;
  const gateway = { host, ...(tls === undefined ? {} : { tls }) };
  const perimeter = mode === "production" ? { hosts: ["app.example"] } : {};
  const config = parseConfig(RingwallConfig, { mode, network: { declaredProxy }, gateway, perimeter });
  return placesOf({ config, gateway: config.gateway });
}

describe("the gateway listens", () => {
  test("in plain on this machine, and beyond it only behind a proxy that ends TLS", () => {
    expect(places("development", "127.0.0.1", {})).toEqual({ plain: "127.0.0.1", tls: undefined });
    expect(places("production", "::1", {})).toEqual({ plain: "::1", tls: undefined });
    expect(() => places("production", "0.0.0.0", {})).toThrow("a plain listener beyond loopback");
    expect(places("production", "0.0.0.0", { declaredProxy: true })).toEqual({ plain: "0.0.0.0", tls: undefined });
  });

  test("in TLS wherever it is told to, with plain HTTP staying on this machine", () => {
    expect(places("production", "0.0.0.0", { tls: files })).toEqual({ plain: "127.0.0.1", tls: "0.0.0.0" });
    expect(places("production", "127.0.0.1", { tls: files })).toEqual({ plain: "127.0.0.1", tls: "127.0.0.1" });
  });

  test("in development on this machine alone, in TLS too", () => {
    expect(() => places("development", "0.0.0.0", { tls: files })).toThrow("loopback only");
    expect(() => places("development", "0.0.0.0", { declaredProxy: true })).toThrow("loopback only");
  });
});
