import ipaddr from "ipaddr.js";
import { z } from "zod";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** A range of addresses, like `10.0.0.0/8` or `2001:db8::/32`; a bare address is a range of one. */
export const Cidr = z
  .string()
  .max(64)
  .refine((text) => parseRange(text) !== undefined, "must be an address or a range like 10.0.0.0/8");

/**
 * Reads one address as written by a kernel or a proxy. IPv4 only in four decimal parts: the octal, hexadecimal and short
 * forms that C libraries accept are a way around rules. An IPv4-mapped IPv6 address is the IPv4 address; a zone is dropped.
 */
export function parseAddress(text: string): Address | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  if (!text.includes(":") || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : new ipaddr.IPv6(address.parts);
}

/** One spelling for one address (RFC 5952), so that logs, rules and counters agree. */
export function formatAddress(address: Address): string {
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}

/**
 * What a rate limit counts: the IPv4 address, or the /64 of an IPv6 address. A single host owns a whole /64 and
 * could otherwise use a fresh address for every request.
 */
export function addressRateKey(address: Address): string {
  if (!(address instanceof ipaddr.IPv6)) return address.toString();
  const [a = 0, b = 0, c = 0, d = 0] = address.parts;
  return `${a.toString(16)}:${b.toString(16)}:${c.toString(16)}:${d.toString(16)}::/64`;
}

/**
 * Says whether an address is in one of the ranges. For the allow list of administrative routes and the block list.
 * An empty list contains nothing, and so does an address that cannot be read.
 *
 * @example const office = addressRule(["192.0.2.0/24"]); office("192.0.2.7") // true
 * @throws TypeError when a range cannot be read; parse configuration with `PerimeterConfig` first.
 */
export function addressRule(ranges: readonly string[]): (address: string) => boolean {
  const parsed = ranges.map((text) => {
    const range = parseRange(text);
    if (range === undefined) throw new TypeError("an address range cannot be read");
    return range;
  });
  return (text) => {
    const address = parsed.length === 0 ? undefined : parseAddress(text);
    if (address === undefined) return false;
    return parsed.some((range) => address.kind() === range[0].kind() && address.match(range));
  };
}

function parseRange(text: string): [Address, number] | undefined {
  const slash = text.indexOf("/");
  const written = slash === -1 ? text : text.slice(0, slash);
  const address = parseAddress(written);
  if (address === undefined) return undefined;
  const bits = address.kind() === "ipv4" ? 32 : 128;
  if (slash === -1) return [address, bits];
  const prefix = text.slice(slash + 1);
  // A mapped range such as ::ffff:10.0.0.0/104 has two readings of its length, so it has to be written as IPv4.
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(prefix) || Number(prefix) > bits || (bits === 32 && written.includes(":"))) {
    return undefined;
  }
  return [address, Number(prefix)];
}
