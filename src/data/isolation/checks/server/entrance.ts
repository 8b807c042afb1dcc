import type { HbaRule } from "../../catalog/index.ts";
import { type Found, type StaticCheck, staticCheck } from "../check.ts";
import type { CheckContext } from "../context.ts";

/** No proof of who it is, or one that can be listened to or computed. */
const WEAK: ReadonlyMap<string, string> = new Map([
  ["trust", "asks for no password"],
  ["password", "takes the password in the clear"],
  ["md5", "takes passwords by MD5, which can be replayed from a stolen table of verifiers"],
  ["ident", "believes what the client's machine says"],
]);
const LOOPBACK = /^(127\.|::1$|localhost$|samehost$)/i;

/** Rules that match an app role on this database by name, or by a word or pattern that may. */
function rulesInForce({ catalog, settings }: CheckContext): readonly HbaRule[] {
  const { hba = [], database } = catalog.server;
  return hba.filter(
    ({ databases, users, error }) =>
      error === undefined &&
      matches(databases, [database]) &&
      matches(users, [...settings.appRoles, ...settings.ownerRoles]),
  );
}

/** `replication` matches no database; `+group`, `/pattern`, `sameuser` and `samerole` may match and are taken to. */
function matches(entries: readonly string[], names: readonly string[]): boolean {
  return entries.some(
    (entry) =>
      entry === "all" || names.includes(entry) || /^[+/@]/.test(entry) || entry === "sameuser" || entry === "samerole",
  );
}

/** With every setting to be seen, so that what is not seen is not taken as absent. */
function unknownHba({ catalog }: CheckContext): readonly Found[] | undefined {
  if (catalog.server.hba !== undefined) return undefined;
  const message = `${catalog.server.reader} may not read pg_hba_file_rules: how logins prove who they are is not known`;
  return [{ object: { kind: "setting", name: "pg_hba" }, tables: [], message, unknown: true }];
}

function weakMethods(context: CheckContext): readonly Found[] {
  const unknown = unknownHba(context);
  if (unknown !== undefined) return unknown;
  return rulesInForce(context).flatMap(({ line, type, method }): readonly Found[] => {
    const why = WEAK.get(method);
    // A hostssl line protects what travels; a password in it is not in the clear.
    if (why === undefined || (method === "password" && type === "hostssl")) return [];
    const message = `line ${line} of pg_hba.conf (${type} ${method}) ${why}`;
    return [{ object: { kind: "setting", name: `pg_hba:${line}` }, tables: [], message }];
  });
}

function plainConnections(context: CheckContext): readonly Found[] {
  const unknown = unknownHba(context);
  if (unknown !== undefined) return unknown;
  return rulesInForce(context)
    .filter(({ type, method, address = "" }) => {
      const isPlain = type === "host" || type === "hostnossl" || type === "hostnogssenc";
      return isPlain && method !== "reject" && !LOOPBACK.test(address);
    })
    .map(({ line, address = "all" }) => ({
      object: { kind: "setting", name: `pg_hba:${line}` },
      tables: [],
      message: `line ${line} of pg_hba.conf lets ${address} in without TLS`,
    }));
}

function tlsOff({ catalog: { server } }: CheckContext): readonly Found[] {
  const ssl = server.settings.get("ssl");
  const listens = server.settings.get("listen_addresses");
  const object = { kind: "setting", name: "ssl" } as const;
  if (ssl === undefined || listens === undefined) {
    return [{ object, tables: [], message: "whether the server speaks TLS cannot be read", unknown: true }];
  }
  const beyond = listens.split(",").some((address) => address.trim() !== "" && !LOOPBACK.test(address.trim()));
  if (ssl === "on" || !beyond) return [];
  return [{ object, tables: [], message: `the server listens on ${listens} and speaks no TLS` }];
}

function md5Passwords({ catalog: { server } }: CheckContext): readonly Found[] {
  if (server.settings.get("password_encryption") !== "md5") return [];
  return [
    {
      object: { kind: "setting", name: "password_encryption" },
      tables: [],
      message: "new passwords are kept as MD5",
    },
  ];
}

export const ENTRANCE_CHECKS: readonly StaticCheck[] = [
  staticCheck(
    {
      id: "hba-weak-method",
      title: "A login proves little or nothing",
      category: "server",
      level: "error",
      why: "Whoever reaches the port, or a socket on the machine, is any role that the line names, the owner too.",
      remediation: "Say scram-sha-256 (or cert) in that line of pg_hba.conf and reload.",
    },
    weakMethods,
  ),
  staticCheck(
    {
      id: "hba-plain",
      title: "Connections from other machines may be plain",
      category: "server",
      level: "warning",
      why: "Rows of all tenants, and the signed context of each, cross the network in the clear.",
      remediation: "Say hostssl in that line of pg_hba.conf and reload.",
    },
    plainConnections,
  ),
  staticCheck(
    {
      id: "server-tls-off",
      title: "The server listens beyond its machine and speaks no TLS",
      category: "server",
      level: "error",
      why: "Nobody can connect to it safely from another machine, whatever the client asks for.",
      remediation: "Set ssl = on with a certificate that clients verify, or listen on loopback only.",
    },
    tlsOff,
  ),
  staticCheck(
    {
      id: "server-md5-passwords",
      title: "Passwords are kept as MD5",
      category: "server",
      level: "warning",
      why: "A stolen MD5 verifier signs in as it is, without being cracked.",
      remediation: "Set password_encryption to scram-sha-256 and set each password again.",
    },
    md5Passwords,
  ),
];
