import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { commands } from "../../apps/cli/commands/index.ts";
import { recorded, temporaryFolder } from "../../apps/cli/context.fixture.ts";
import { run } from "../../apps/cli/run.ts";
import { type TestDatabase, testDatabase } from "../../src/testing/index.ts";

// The schemas of examples/, as somebody else wrote them: their faults, what mends them, and what is left.

const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));
const EXAMPLE_NAMES = ["tracker-schema", "shop-schema"] as const;

let db: TestDatabase;
afterEach(async () => {
  await db.close();
});

async function planted(example: string): Promise<void> {
  db = await testDatabase();
  await db.owner.query(readFileSync(join(EXAMPLES, example, "schema.sql"), "utf8"));
}

/** A command of `tenancy` over the test's database, as its superuser. */
async function tenancy(example: string, ...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const folder = temporaryFolder();
  const [{ user }] = (await db.owner.query("select current_user as user")) as [{ user: string }];
  const { database, host, port, credential } = db.target(user);
  const file = join(folder, "url");
  const password = encodeURIComponent((await credential()).open());
  const url = `postgres://${user}:${password}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`;
  writeFileSync(file, url, { mode: 0o600 });
  const { context, err, out } = recorded({ cwd: folder }, { clock: db.clock });
  const line = ["tenancy", ...words, "--url-file", file, "--settings", join(EXAMPLES, example, "tenancy.json")];
  return { code: await run(commands, line, context), out: out.join("\n"), err: err.join("\n") };
}

test.each(EXAMPLE_NAMES)("what generate writes for %s runs, and leaves nothing more to write", async (example) => {
  await planted(example);
  const file = join(temporaryFolder(), "fix.sql");
  const first = await tenancy(example, "generate", "--write", file);
  console.log(first.out, first.err);
  expect(first.code).toBe(0);
  await db.owner.query(readFileSync(file, "utf8"));
  const again = await tenancy(example, "generate");
  console.log(again.out);
  expect(again.out).toContain("Nothing to change.");
});
