/** The part of a window that holds the address. */
interface AddressBar {
  readonly location: { readonly hash: string; readonly pathname: string };
  readonly history: { replaceState(state: null, unused: string, url: string): void };
}

/** A link's token: four letters and 32 random bytes in base64url. */
const TOKEN = /^#rw[a-z]_[A-Za-z0-9_-]{43}$/;

/**
 * Takes a link's token out of the address, at once: what stays there ends in histories, screenshots and bug reports.
 * Undefined when the fragment is no token; it is removed all the same.
 */
export function takeToken({ history, location }: AddressBar): string | undefined {
  const { hash, pathname } = location;
  if (hash !== "") history.replaceState(null, "", pathname);
  return TOKEN.test(hash) ? hash.slice(1) : undefined;
}
