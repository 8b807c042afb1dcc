import { expect, test } from "vitest";
import { inspectionAccess } from "../../../adapters/postgres/index.ts";
import { assert, randomBytes } from "../../../core/index.ts";
import { testDatabase } from "../../../testing/index.ts";
import type { TestServer } from "../../../testing/servers/index.ts";
import { readCatalogWithin } from "../catalog/index.ts";
import { SMALL_SCHEMA } from "../self-test/base.ts";
import type { StaticFault as Case } from "../self-test/fault.ts";
import { IsolationSettings } from "../settings.ts";
import { checkContext, runStaticChecks, type StaticCheck } from "./index.ts";

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
    await run(SMALL_SCHEMA);
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
