import { type Found, type StaticCheck, staticCheck } from "../check.ts";
import type { CheckContext } from "../context.ts";

const MAJOR = 10_000;
/** Older ones lack security_invoker views, and get no fixes. */
const OLDEST = 15;

interface Weakness {
  readonly cve: string;
  readonly what: string;
  /** The first minor version of each major that has the fix. Majors after the last were born with it. */
  readonly fixed: Readonly<Record<number, number>>;
}

/** Those that open a wall or a quoting function. https://www.postgresql.org/support/security/ */
const WEAKNESSES: readonly Weakness[] = [
  { cve: "CVE-2023-2454", what: "CREATE SCHEMA runs with a pinned search_path undone", fixed: { 15: 3 } },
  { cve: "CVE-2023-2455", what: "policies are applied for the wrong role after inlining", fixed: { 15: 3 } },
  { cve: "CVE-2023-39418", what: "MERGE passes the policies of UPDATE and SELECT", fixed: { 15: 4 } },
  { cve: "CVE-2023-5869", what: "an integer overflow in arrays runs code", fixed: { 15: 5, 16: 1 } },
  { cve: "CVE-2024-4317", what: "statistics show values of rows to every login", fixed: { 15: 7, 16: 3 } },
  { cve: "CVE-2024-7348", what: "a relation is replaced while pg_dump runs", fixed: { 15: 8, 16: 4 } },
  {
    cve: "CVE-2024-10976",
    what: "policies below subqueries are kept for another role",
    fixed: { 15: 9, 16: 5, 17: 1 },
  },
  { cve: "CVE-2024-10978", what: "SET ROLE is undone to the wrong role", fixed: { 15: 9, 16: 5, 17: 1 } },
  {
    cve: "CVE-2025-1094",
    what: "quoting functions let bytes through that are no text",
    fixed: { 15: 11, 16: 7, 17: 3 },
  },
  {
    cve: "CVE-2025-8713",
    what: "statistics of views and partitions show rows behind policies",
    fixed: { 15: 14, 16: 10, 17: 6 },
  },
  {
    cve: "CVE-2025-12817",
    what: "statistics are created in schemas of others",
    fixed: { 15: 15, 16: 11, 17: 7, 18: 1 },
  },
];

function unsupported({ catalog: { server } }: CheckContext): readonly Found[] {
  const major = Math.trunc(server.version / MAJOR);
  if (major >= OLDEST) return [];
  return [{ object: database(server.database), tables: [], message: `PostgreSQL ${major} gets no fixes any more` }];
}

function vulnerable({ catalog: { server } }: CheckContext): readonly Found[] {
  const major = Math.trunc(server.version / MAJOR);
  const minor = server.version % MAJOR;
  if (major < OLDEST) return [];
  const open = WEAKNESSES.filter(({ fixed }) => {
    const since = fixed[major];
    return since !== undefined && minor < since;
  });
  if (open.length === 0) return [];
  const names = open.map(({ cve, what }) => `${cve} (${what})`).join(", ");
  const message = `PostgreSQL ${major}.${minor} has ${open.length} known ways around a wall: ${names}`;
  return [{ object: database(server.database), tables: [], message }];
}

const database = (name: string): Found["object"] => ({ kind: "database", name });

export const VERSION_CHECKS: readonly StaticCheck[] = [
  staticCheck(
    {
      id: "server-unsupported",
      title: "The server's major version is not supported",
      category: "server",
      level: "error",
      why: "Ways around row-level security that are found now are not mended in it.",
      remediation: "Move to PostgreSQL 15 or later.",
    },
    unsupported,
  ),
  staticCheck(
    {
      id: "server-vulnerable",
      title: "The server's minor version has known weaknesses",
      category: "server",
      level: "error",
      why: "Each is published with the way to use it.",
      remediation: "Install the last minor version; the data directory stays as it is.",
    },
    vulnerable,
  ),
];
