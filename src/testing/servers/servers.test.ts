import { Client } from "pg";
import { expect, inject, test } from "vitest";
import { testDatabase } from "../database.ts";
import {
  DEBIAN_VERSION,
  debianPostgresMissing,
  pgbouncerMissing,
  startDebianPostgres,
  startPgBouncer,
} from "./index.ts";

const debian = debianPostgresMissing();
const bouncer = pgbouncerMissing();

test.skipIf(debian !== undefined)(debian ?? "Debian's PostgreSQL is migrated and walls tenants", async () => {
  const server = await startDebianPostgres();
  const data = await testDatabase({ server });
  const tenant = await data.createTenant("bank-a");
  const [{ version } = { version: "" }] = await data.owner.query<{ version: string }>("select version()");
  expect(version).toContain(`PostgreSQL ${DEBIAN_VERSION}.`);
  const actor = { type: "service", tenant, name: "test" } as const;
  const rows = await data.database.once(tenant, actor, {
    name: "test.tenant",
    text: "select ringwall.tenant() as tenant",
  });
  expect(rows).toEqual([{ tenant }]);
  await data.close();
  await server.stop();
});

test.skipIf(bouncer !== undefined)(bouncer ?? "PgBouncer hands few connections on to many clients", async () => {
  const server = inject("ringwallPostgres");
  const pooler = await startPgBouncer(server, { serverConnections: 1 });
  const password = server.passwords["bank_app"];
  const data = await testDatabase();
  const clients = [1, 2, 3].map(
    () => new Client({ host: pooler.host, port: pooler.port, database: data.name, user: "bank_app", password }),
  );
  await Promise.all(clients.map((client) => client.connect()));
  const answers = await Promise.all(
    clients.map((client) => client.query<{ pid: number }>("select pg_backend_pid() as pid")),
  );
  expect(new Set(answers.map(({ rows }) => rows[0]?.pid)).size).toBe(1);
  await Promise.all(clients.map((client) => client.end()));
  await pooler.stop();
  await data.close();
});
