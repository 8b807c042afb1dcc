/**
 * What one request may cost before anybody is known. Every figure is at least what ordinary clients need and at most
 * what one request can cost us without being noticed; what is above is refused, never cut.
 */
export const LIMITS = {
  /** Browsers send about 20 fields, proxies add about 10. Each field costs a look-up. */
  headerFields: 100,
  /** Node's own default. One of cookies of 4 KiB (RFC 6265, section 6.1), a bearer token and the usual fields fit. */
  headerBytes: 16_384,
  /** RFC 9112, section 3: recipients should take at least 8,000 octets. */
  targetBytes: 8_000,
  /** The largest field of the figures table is 50,000 characters; escaped as JSON that is at most 300,000 bytes. */
  bodyBytes: 1_048_576,
  /** More than twenty IPv6 hops. A longer chain is a forged one, and every hop costs an address match. */
  forwardedForChars: 1_024,
  /** RFC 1035: a name is at most 253 characters, and a port adds six. */
  hostChars: 260,
  /** Objects deeper than this are made to break recursive code, not to carry data. */
  jsonDepth: 32,
  /** Members of all objects of one document together: bounds the maps that the parser has to build. */
  jsonMembers: 10_000,
  /** Enough to tell clients apart; a longer agent is a way to fill the log. */
  userAgentLogChars: 256,
  /** A path is logged up to here. */
  pathLogChars: 512,
  /** Names of query parameters that are logged, and how long each may be. */
  queryNamesLogged: 20,
  queryNameLogChars: 64,
} as const;
