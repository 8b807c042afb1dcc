import ipaddr from "ipaddr.js";

/**
 * True when `host` is an address or name of this very machine: `localhost`, `127.0.0.0/8` or `::1`, also mapped into IPv6.
 * Anything that cannot be read is elsewhere, and so are `0.0.0.0` and `::`, which are every interface.
 */
export function isLoopback(host: string): boolean {
  const name = host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
  if (name.toLowerCase() === "localhost") return true;
  if (ipaddr.IPv4.isValidFourPartDecimal(name)) return ipaddr.IPv4.parse(name).range() === "loopback";
  if (!name.includes(":") || !ipaddr.IPv6.isValid(name)) return false;
  const address = ipaddr.IPv6.parse(name);
  return (address.isIPv4MappedAddress() ? address.toIPv4Address() : address).range() === "loopback";
}
