import { live } from "../check.ts";

const RESET =
  "Work in transactions only, with settings that are local to them; let the pool run DISCARD ALL between clients.";
const MEMBER = "Give the app role no membership in a role that owns tables or bypasses row-level security.";

/** What is tried on the connections of the application itself. */
export const SESSION_CHECKS = {
  reset: live(
    "reset-role",
    "RESET ROLE gives the session a stronger role",
    "A connection that took a weak role on can take it off again: so can injected SQL.",
    { category: "roles", remediation: "Sign in as the app role itself; SET ROLE is no wall." },
  ),
  role: live(
    "set-role",
    "SET ROLE gives the session a stronger role",
    "A member of a group that owns tables or bypasses row-level security becomes it with one statement.",
    { category: "roles", remediation: MEMBER },
  ),
  standing: live(
    "standing-context",
    "A new connection has a tenant already",
    "A setting of the role or the database gives every connection that forgot its context somebody's rows.",
    { category: "session", remediation: "ALTER ROLE ... RESET, ALTER DATABASE ... RESET." },
  ),
  commit: live(
    "context-after-commit",
    "The context survives the commit",
    "The next request on the connection works for the tenant before, when it forgets its own.",
    { category: "session", remediation: RESET },
  ),
  aborted: live(
    "context-after-abort",
    "The context survives an aborted transaction",
    "After an error the next request on the connection works for the tenant before.",
    { category: "session", remediation: RESET },
  ),
  cancelled: live(
    "context-after-cancel",
    "The context survives a cancelled statement",
    "After a timeout the next request on the connection works for the tenant before.",
    { category: "session", remediation: RESET },
  ),
  setting: live(
    "setting-survives",
    "A SET of one client is there for the next",
    "A context that was set for the session, not the transaction, belongs to the next client of the pool.",
    { category: "session", remediation: RESET },
  ),
  cursor: live(
    "held-cursor",
    "A cursor WITH HOLD is there for the next client",
    "It holds rows of the tenant before, and gives them to whoever fetches.",
    { category: "session", remediation: RESET },
  ),
  temporary: live(
    "temp-table-survives",
    "A temporary table is there for the next client",
    "It holds what the tenant before put into it.",
    { category: "session", remediation: "Revoke TEMPORARY on the database from PUBLIC and from the app role." },
  ),
  prepared: live(
    "prepared-survives",
    "A prepared statement is there for the next client",
    "A plan of the tenant before, under a name that the next one uses for something else.",
    { category: "session", level: "warning", remediation: RESET },
  ),
  lock: live(
    "advisory-lock-survives",
    "A session's advisory lock is there for the next client",
    "A lock that nobody gives back holds up every tenant, and tells who works at what.",
    { category: "session", level: "warning", remediation: "Use pg_advisory_xact_lock." },
  ),
  listen: live(
    "listen-survives",
    "A LISTEN of one client is there for the next",
    "Notifications for one tenant arrive at another.",
    { category: "session", level: "warning", remediation: "LISTEN on a connection outside the pool." },
  ),
  interleaved: live(
    "interleaved",
    "Clients at the same time see each other's context",
    "Under load a request works for somebody else's tenant.",
    { category: "session", remediation: RESET },
  ),
} as const;
