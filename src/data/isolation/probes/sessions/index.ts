/**
 * Layer 4, isolation, probes of sessions: what the application's own connections can become, and what one client of the
 * pool leaves to the next.
 *
 * Guards nothing. Works through the application's URL, so through its pooler.
 *
 * Limits: some tens of connections, one after the other and eight at once; commits no row. What is left on a pooled
 * connection to be looked for is taken away where it is found; a connection that is not met again keeps it to its end.
 *
 * @module
 */
export { SESSION_CHECKS } from "./checks.ts";
export { probeSessions } from "./sessions.ts";
