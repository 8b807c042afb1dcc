import { expect, test } from "vitest";
import { inspectionAccess } from "../../../adapters/postgres/index.ts";
import { assert, randomBytes } from "../../../core/index.ts";
import { testDatabase } from "../../../testing/index.ts";
import type { TestServer } from "../../../testing/servers/index.ts";
import { type Catalog, readCatalogWithin } from "../catalog/index.ts";
import { IsolationSettings } from "../settings.ts";
import { checkContext, runStaticChecks, type StaticCheck } from "./index.ts";

/**
 * A fault that a check has to find, and the like of it that is none. `$app` and `$owner` stand for the names of roles that
 * exist in this run alone; `$db` for the database.
 */
export interface Case {
  readonly check: string;
  /** Beside the id, when a check has several cases. */
  readonly title?: string;
  readonly plant: string;
  readonly silent: string;
  readonly settings?: Partial<Record<keyof IsolationSettings, unknown>>;
  /** What no statement of a transaction can plant: the server's version, its pg_hba.conf. */
  readonly planted?: (catalog: Catalog) => Catalog;
  readonly silenced?: (catalog: Catalog) => Catalog;
  /** How often the check must say it; once when left out. */
  readonly findings?: number;
}

/** A schema that is walled as it should be, for a fault to be planted in. */
const BASE = `
  create role $owner nologin;
  create role $app login noinherit;
  revoke temporary, create on database $db from public;
  create schema shop authorization $owner;
  grant usage on schema shop to $app;
  set local role $owner;
  create table shop.customer (
    tenant_id text not null default nullif(current_setting('shop.tenant', true), ''),
    customer_id uuid not null, email text not null,
    primary key (tenant_id, customer_id)
  );
  alter table shop.customer enable row level security;
  alter table shop.customer force row level security;
  create policy wall on shop.customer as restrictive using (tenant_id = (select nullif(current_setting('shop.tenant', true), '')));
  create policy app on shop.customer to $app using (true);
  grant select, insert, update, delete on shop.customer to $app;
  reset role`;

/** Plants each case in a transaction that is rolled back, on the server of the run or on the one given. */
export function checkCases(checks: readonly StaticCheck[], cases: readonly Case[], server?: () => TestServer): void {
  test("every check has a case, and every case a check", () => {
    const ids = checks.map(({ info }) => info.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(cases.map(({ check }) => check))).toEqual(new Set(ids));
  });
  test.each(cases.map((one) => ({ ...one, name: one.title === undefined ? one.check : `${one.check}: ${one.title}` })))(
    "$name",
    async (one) => {
      const check = checks.find(({ info }) => info.id === one.check);
      assert(check !== undefined, "a case names a check that there is");
      const found = await findingsOf(check, one, "plant", server?.());
      expect(found.map(({ message }) => message)).toHaveLength(one.findings ?? 1);
      expect(found.every(({ check: id }) => id === one.check)).toBe(true);
      expect((await findingsOf(check, one, "silent", server?.())).map(({ message }) => message)).toEqual([]);
    },
  );
}

async function findingsOf(check: StaticCheck, one: Case, side: "plant" | "silent", server: TestServer | undefined) {
  const suffix = randomBytes(6).toString("hex");
  const stage = await shared(server);
  const session = await inspectionAccess(stage.target("postgres"), { writes: true }).connect();
  const names: Record<string, string> = { app: `app_${suffix}`, owner: `owner_${suffix}`, db: stage.name };
  const named = (text: string) => text.replaceAll(/\$(app|owner|db)/g, (_all, name: string) => names[name] ?? "");
  const run = async (sql: string) => {
    const text = named(sql);
    for (const statement of text.split(/;\s*\n/)) if (statement.trim() !== "") await session.query(statement);
  };
  try {
    await session.query("begin");
    await run(BASE);
    await run(one[side]);
    const read = await readCatalogWithin(session);
    const catalog = (side === "plant" ? one.planted : one.silenced)?.(read) ?? read;
    const settings = IsolationSettings.parse({
      schemas: ["shop"],
      appRoles: [names["app"]],
      ownerRoles: [names["owner"]],
      context: { kind: "setting", name: "shop.tenant" },
      ...(JSON.parse(named(JSON.stringify(one.settings ?? {}))) as Case["settings"]),
    });
    const { findings, skipped } = runStaticChecks(checkContext(catalog, settings), [check]);
    expect(skipped).toEqual([]);
    if (side === "plant" && one.planted === undefined && findings.every(({ fix }) => fix !== undefined)) {
      // What is offered as the remedy has to be one: after it the check is silent.
      for (const sql of new Set(findings.flatMap(({ fix }) => fix ?? []))) await session.query(sql);
      const mended = checkContext(await readCatalogWithin(session), settings);
      expect(check.run(mended).map(({ message }) => message)).toEqual([]);
    }
    return findings;
  } finally {
    await session.query("rollback");
    await session.close();
  }
}

let kept: ReturnType<typeof testDatabase> | undefined;
function shared(server: TestServer | undefined): ReturnType<typeof testDatabase> {
  kept ??= testDatabase(server === undefined ? {} : { server });
  return kept;
}

/** To be called when a file's cases are through. */
export async function closeStage(): Promise<void> {
  await (await kept)?.close();
}
