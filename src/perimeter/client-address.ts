import { LRUCache } from "lru-cache";
import proxyaddr from "proxy-addr";
import { addressRateKey, addressRule, formatAddress, parseAddress } from "./address.ts";
import { LIMITS } from "./limits.ts";

/** Where a request came from, as far as the configured proxies can be believed. */
export interface ClientAddress {
  /** In one spelling (RFC 5952); `unknown` when the socket has none, as a unix socket. */
  readonly address: string;
  /** What rate limits count: the IPv4 address or the IPv6 /64. */
  readonly rateKey: string;
  /** True when the peer is a configured proxy, so that its `X-Forwarded-*` fields are read. */
  readonly viaProxy: boolean;
  readonly blocked: boolean;
  /**
   * For the log. `forwarded_ignored`: somebody who is no configured proxy sent `X-Forwarded-For`, which is either a
   * forgery or a proxy missing from the configuration. `forwarded_unreadable`: a trusted proxy named something that is
   * no address, so the proxy itself is counted as the client.
   */
  readonly note: "forwarded_ignored" | "forwarded_unreadable" | undefined;
}

interface Peer {
  readonly plain: ClientAddress;
  readonly forging: ClientAddress;
  readonly trusted: boolean;
}

/** Peers and chains remembered; at about 300 bytes each this is some 2 MB. A flood only costs parsing again. */
const REMEMBERED_MAX = 4_096;
/** The name for proxies that connect through a unix socket, whose peer has no address. */
export const UNIX_PEER = "unix";
// What stands for the unix peer inside the walk, where every hop must be an address.
const UNIX_STAND_IN = "127.0.0.1";

/**
 * Makes the function that finds the client's address.
 *
 * Without configured proxies this is the socket's address, from a cache. With them `X-Forwarded-For` is walked from the
 * right, through configured ranges only: the first address that is no proxy of ours is the client, whatever else stands
 * to the left of it, since everything there was written by that client. Of an overlong chain only the right end is
 * read, which is the part that our own proxies wrote. Never throws: a request that is refused has an address too.
 */
export function clientAddresses(options: {
  trustedProxies: readonly string[];
  blocked: readonly string[];
}): (socketAddress: string | undefined, forwardedFor: string | undefined) => ClientAddress {
  const ranges = options.trustedProxies.filter((range) => range !== UNIX_PEER);
  const trustsUnix = ranges.length < options.trustedProxies.length;
  const inRanges = proxyaddr.compile(ranges);
  // Read by our own strict parser first: the library's also takes octal and hexadecimal forms.
  const trusts = (text: string, index: number): boolean => parseAddress(text) !== undefined && inRanges(text, index);
  const isBlocked = addressRule(options.blocked);
  const peers = new LRUCache<string, Peer>({ max: REMEMBERED_MAX });
  const chains = new LRUCache<string, ClientAddress>({ max: REMEMBERED_MAX });

  const describe = (text: string | undefined, viaProxy: boolean, note: ClientAddress["note"]): ClientAddress => {
    const parsed = text === undefined ? undefined : parseAddress(text);
    if (parsed === undefined) return { address: "unknown", rateKey: "unknown", viaProxy, blocked: false, note };
    const address = formatAddress(parsed);
    return { address, rateKey: addressRateKey(parsed), viaProxy, blocked: isBlocked(address), note };
  };

  const meet = (socketAddress: string | undefined): Peer => {
    const trusted = socketAddress === undefined ? trustsUnix : trusts(socketAddress, 0);
    return {
      plain: describe(socketAddress, trusted, undefined),
      forging: describe(socketAddress, trusted, "forwarded_ignored"),
      trusted,
    };
  };

  const walk = (socketAddress: string | undefined, forwardedFor: string): ClientAddress => {
    const chain = proxyaddr.all(
      { headers: { "x-forwarded-for": forwardedFor }, socket: { remoteAddress: socketAddress ?? UNIX_STAND_IN } },
      (address, index) => index === 0 || trusts(address, index),
    );
    const client = chain.at(-1) ?? "";
    if (parseAddress(client) !== undefined) return describe(client, true, undefined);
    // The hop before the unreadable one is a trusted proxy, and is an address because it matched a range.
    const proxy = chain.length > 2 ? chain.at(-2) : socketAddress;
    return describe(proxy, true, "forwarded_unreadable");
  };

  return (socketAddress, forwardedFor) => {
    const peerKey = socketAddress ?? UNIX_PEER;
    let peer = peers.get(peerKey);
    if (peer === undefined) {
      peer = meet(socketAddress);
      peers.set(peerKey, peer);
    }
    if (forwardedFor === undefined) return peer.plain;
    if (!peer.trusted) return peer.forging;
    const read = rightEnd(forwardedFor);
    const chainKey = `${peerKey} ${read}`;
    let client = chains.get(chainKey);
    if (client === undefined) {
      client = walk(socketAddress, read);
      chains.set(chainKey, client);
    }
    return client;
  };
}

function rightEnd(forwardedFor: string): string {
  if (forwardedFor.length <= LIMITS.forwardedForChars) return forwardedFor;
  const end = forwardedFor.slice(-LIMITS.forwardedForChars);
  return end.slice(end.indexOf(",") + 1);
}
