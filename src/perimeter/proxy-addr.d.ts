// The package ships no types of its own; this is the part that is used.
declare module "proxy-addr" {
  interface ForwardedRequest {
    readonly headers: { readonly "x-forwarded-for": string };
    readonly socket: { readonly remoteAddress: string };
  }
  type Trust = (address: string, index: number) => boolean;
  const proxyaddr: {
    compile(ranges: readonly string[]): Trust;
    /** Socket address first, then the chain from right to left, ending at the first address that is not trusted. */
    all(request: ForwardedRequest, trust: Trust): string[];
  };
  export = proxyaddr;
}
