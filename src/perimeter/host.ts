import ipaddr from "ipaddr.js";
import { z } from "zod";
import { parseAddress } from "./address.ts";
import { LIMITS } from "./limits.ts";

/** A host name this server answers for, without port; `*.example.com` stands for every name of exactly one label more. */
export const HostPattern = z
  .string()
  .max(LIMITS.hostChars)
  .regex(/^(?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$|^\[[0-9a-f:]+\]$/, "must be a lower-case host name");

/** Hosts remembered with their verdict. Names come from visitors, so the memory is emptied when it is full. */
const REMEMBERED_MAX = 1_024;

/**
 * Makes the check that this server answers for a `Host`. In development only loopback names pass: a page elsewhere
 * could otherwise reach the development server under a name of its own (DNS rebinding). In production only configured
 * names pass, so links and cookies are never built for a host that a visitor made up.
 */
export function hostCheck(mode: "development" | "production", hosts: readonly string[]): (host: string) => boolean {
  const exact = new Set(hosts.filter((host) => !host.startsWith("*.")));
  const suffixes = new Set(hosts.filter((host) => host.startsWith("*.")).map((host) => host.slice(1)));
  const remembered = new Map<string, boolean>();
  const decide = (host: string): boolean => {
    const name = hostName(host);
    if (name === undefined) return false;
    if (mode === "development") return isLoopbackName(name);
    if (exact.has(name)) return true;
    const dot = name.indexOf(".");
    return dot > 0 && suffixes.has(name.slice(dot));
  };
  return (host) => {
    let known = remembered.get(host);
    if (known === undefined) {
      if (remembered.size >= REMEMBERED_MAX) remembered.clear();
      known = decide(host);
      remembered.set(host, known);
    }
    return known;
  };
}

/** The name without port, in lower case; `undefined` when it is none. */
function hostName(host: string): string | undefined {
  if (host.length > LIMITS.hostChars) return undefined;
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::[0-9]{1,5})?$/.exec(host.toLowerCase());
  return match?.[1];
}

function isLoopbackName(name: string): boolean {
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  const address = parseAddress(name.startsWith("[") ? name.slice(1, -1) : name);
  return address instanceof ipaddr.IPv4 || address instanceof ipaddr.IPv6 ? address.range() === "loopback" : false;
}
