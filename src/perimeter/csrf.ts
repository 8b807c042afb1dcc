/** What the two checks on the sender's site read of a request. */
export interface SiteFacts {
  readonly method: string;
  readonly host: string | undefined;
  readonly https: boolean;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly cookie: string | undefined;
}

/** True for the methods that change nothing (RFC 9110, section 9.2.1). */
export function isSafeMethod(method: string): boolean {
  return method === "GET" || method === "HEAD" || method === "OPTIONS";
}

/** True when `origin` is the scheme, host and port that the request itself went to. */
export function isOwnOrigin(facts: SiteFacts): boolean {
  const { origin, host } = facts;
  if (origin === undefined || host === undefined) return false;
  const scheme = facts.https ? "https://" : "http://";
  return (
    origin.length === scheme.length + host.length && origin.startsWith(scheme) && origin.endsWith(host.toLowerCase())
  );
}

/**
 * Says why a request that changes something must be refused as forged by another site; `undefined` when it need not be.
 *
 * Browsers state the relation themselves (Fetch Metadata), and older ones name the origin. What is not `same-origin`,
 * or an act of the user's own such as a typed address (`none`), passes only from an origin that CORS lists, and
 * with cookies only when CORS allows those too. Another origin of the same site is another origin: a forgotten subdomain
 * must not act for the people signed in here.
 *
 * The site is checked also without a cookie, so that nobody can be signed in to a stranger's account (login CSRF).
 * When a request carries a cookie and neither field, it is refused: every browser of this decade sends one of the two
 * with a request that changes something, and a program that is no browser uses a bearer token instead of a cookie.
 */
export function csrfRefusal(
  facts: SiteFacts,
  corsAllows: (origin: string) => boolean,
  corsCredentials: boolean,
): string | undefined {
  if (isSafeMethod(facts.method)) return undefined;
  const { origin, fetchSite } = facts;
  if (origin === undefined && fetchSite === undefined) {
    return facts.cookie === undefined ? undefined : "cookie_without_origin";
  }
  if (origin !== undefined && !isOwnOrigin(facts)) {
    if (!corsAllows(origin)) return "foreign_origin";
    return facts.cookie !== undefined && !corsCredentials ? "cookie_from_foreign_origin" : undefined;
  }
  if (fetchSite === undefined || fetchSite === "same-origin" || fetchSite === "none") return undefined;
  return fetchSite === "same-site" ? "same_site_other_origin" : "cross_site";
}
