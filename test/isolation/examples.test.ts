import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { afterEach, expect, test } from "vitest";
import { commands } from "../../apps/cli/commands/index.ts";
import { recorded, temporaryFolder } from "../../apps/cli/context.fixture.ts";
import { run } from "../../apps/cli/run.ts";
import { randomToken, systemClock, tenantId } from "../../src/core/index.ts";
import { presentSigner, type TestDatabase, testDatabase } from "../../src/testing/index.ts";

// The schemas of examples/, as somebody else wrote them: their faults, what mends them, and what is left.

const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));
/** Two attacks of every table, on a machine that does other things beside. */
const TEST_MS = 240_000;
const A = "11111111-1111-4111-8111-111111111111";
const B = "22222222-2222-4222-8222-222222222222";

/** Rows of two tenants, as they stand before anything is mended; and a statement for each way to another's. */
const STORIES = [
  {
    example: "tracker-schema",
    app: "tracker_app",
    rows: `
      insert into tracker.workspace (workspace_id, name) values ('${A}', 'A'), ('${B}', 'B');
      insert into tracker.member (workspace_id, email, name) values ('${A}', 'a@x', 'Ann'), ('${B}', 'b@x', 'Ben');
      insert into tracker.project (workspace_id, key, name) values ('${A}', 'ONE', 'One'), ('${B}', 'ONE', 'One');
      insert into tracker.issue (workspace_id, project_id, author_id, title)
        values ('${A}', 1, 1, 'of A'), ('${B}', 2, 2, 'of B');
      insert into tracker.comment (issue_id, author_id, body) values (1, 1, 'by A'), (2, 2, 'by B');
      insert into tracker.attachment (workspace_id, issue_id, file_name) values ('${A}', 1, 'a'), (null, 2, 'b');
      insert into tracker.share (workspace_id, shared_with, issue_id) values ('${B}', '${A}', 2);
      set search_path = tracker; update tracker.issue set body = 'text'; reset search_path;`,
    own: "select comment_id, body from tracker.comment",
    ways: [
      "select * from tracker.issue",
      "select * from tracker.issue_text",
      "select * from tracker.issue_seen",
      "select * from tracker.comment",
      "select * from tracker.member",
      "select * from tracker.workspace",
      "select * from tracker.share",
      "select * from tracker.audit_entry",
      "select * from tracker.search('text')",
    ],
    breaks: "insert into tracker.comment (issue_id, body) values (2, 'into B')",
  },
  {
    example: "shop-schema",
    app: "shop_app",
    rows: `
      insert into shop.merchant (tenant_id, name, country) values ('${A}', 'A', 'CH'), ('${B}', 'B', 'CH');
      insert into shop.customer (customer_id, tenant_id, email, name) values ('${A}', '${A}', 'a@x', 'Ann'), ('${B}', '${B}', 'b@x', 'Ben');
      insert into shop.product (product_id, tenant_id, sku, title) values ('${A}', '${A}', 'a', 'A'), ('${B}', '${B}', 'b', 'B');
      insert into shop.price values ('${A}', '${A}', 'EUR', 1), ('${B}', '${B}', 'EUR', 2);
      insert into shop."order" (tenant_id, customer_id, placed_on) values ('${A}', '${A}', '2026-01-01'), ('${B}', '${B}', '2025-06-01');
      insert into shop.order_line (order_id, placed_on, product_id, quantity, cents)
        values (1, '2026-01-01', '${A}', 1, 1), (2, '2025-06-01', '${B}', 1, 1);
      insert into shop.stock_change_old (tenant_id, change_id, product_id, difference) values ('${A}', 1, '${A}', 1), ('${B}', 2, '${B}', 1);
      refresh materialized view shop.sales;`,
    own: "select line_id, quantity from shop.order_line",
    ways: [
      'select * from shop."order"',
      "select * from shop.open_order",
      "select * from shop.open_order_count",
      "select * from shop.order_line",
      "select * from shop.stock_change",
      "select * from shop.price",
      "select * from shop.order_2025",
      "select * from shop.order_2026",
      "select * from shop.stock_change_old",
      "select * from shop.sales",
    ],
    breaks: `insert into shop.order_line (order_id, placed_on, product_id, quantity, cents) values (2, '2025-06-01', '${A}', 1, 1)`,
  },
] as const;
type Story = (typeof STORIES)[number];

let db: TestDatabase;
afterEach(async () => {
  await db.close();
});

async function planted({ example, rows }: Story): Promise<void> {
  db = await testDatabase();
  await db.owner.query(readFileSync(join(EXAMPLES, example, "schema.sql"), "utf8"));
  await db.owner.query(rows);
}

async function superuser(): Promise<string> {
  const [row] = await db.owner.query<{ name: string }>("select current_user as name");
  return row?.name ?? "";
}

/** A private file with the URL of the test's database for a login. */
function urlFile(folder: string, user: string, password: string): string {
  const { database, host, port } = db.target(user);
  const file = join(folder, `${user}.url`);
  const url = `postgres://${user}:${encodeURIComponent(password)}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`;
  writeFileSync(file, url, { mode: 0o600 });
  return file;
}

/** A command of `tenancy` over the test's database, as its superuser. */
async function tenancy(example: string, ...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const folder = temporaryFolder();
  const user = await superuser();
  const file = urlFile(folder, user, (await db.target(user).credential()).open());
  const { context, err, out } = recorded({ cwd: folder }, { clock: db.clock });
  const line = ["tenancy", ...words, "--url-file", file, "--settings", join(EXAMPLES, example, "tenancy.json")];
  return { code: await run(commands, line, context), out: out.join("\n"), err: err.join("\n") };
}

interface Found {
  readonly check: string;
  readonly level: string;
  readonly tables: readonly string[];
  readonly evidence?: unknown;
}

/** Rows of the other tenant that were really reached. */
function proven({ findings }: { readonly findings: readonly Found[] }): readonly Found[] {
  return findings.filter(({ evidence, level }) => evidence !== undefined && level === "error");
}

/** What `verify --attack` is told: the application's own login for its sessions, and the key that signs contexts. */
async function attacking({ app }: Story): Promise<readonly string[]> {
  const folder = temporaryFolder();
  const { key, kid } = db.contextKey;
  writeFileSync(join(folder, "context.key"), `${kid}:${key.toString("base64url")}\n`, { mode: 0o600 });
  const password = randomToken(18);
  await db.owner.query(`alter role ${app} password '${password}'`);
  await db.owner.query(`grant connect on database ${db.name} to ${app}`);
  return ["--attack", "--app-url-file", urlFile(folder, app, password), "--context-key", join(folder, "context.key")];
}

/** What the login of the application gets for tenant A, or PostgreSQL's refusal. */
async function asTenant({ app }: Story, statements: readonly string[]): Promise<readonly string[]> {
  const { credential, database, host, port, user } = db.target(await superuser());
  const client = new Client({ host, port, database, user, password: (await credential()).open() });
  await client.connect();
  try {
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    const token = presentSigner(db.contextKey).sign(tenantId(A), rows[0]?.pid ?? 0, systemClock());
    const answers: string[] = [];
    for (const sql of statements) {
      await client.query("begin");
      await client.query(`set local role ${app}`);
      await client.query("select set_config('ringwall.context', $1, true)", [token]);
      answers.push(
        await client.query(sql).then(
          (result) => JSON.stringify(result.rows),
          (error: Error) => error.message,
        ),
      );
      await client.query("rollback");
    }
    return answers;
  } finally {
    await client.end();
  }
}

test.each(STORIES)(
  "$example: what --fix writes turns the report green, and no way leads to another's rows",
  async (story) => {
    await planted(story);
    const before = await tenancy(story.example, "verify");
    expect(before.code, before.err).toBe(1);
    const leaks = await asTenant(story, story.ways);
    expect(leaks.filter((answer) => answer.includes(B)).length).toBeGreaterThan(story.ways.length / 2);

    const attack = await attacking(story);
    const reached = await tenancy(story.example, "verify", ...attack, "--format", "json");
    expect(reached.code, reached.err).toBe(1);
    const found = JSON.parse(reached.out);
    expect(found.skipped).toEqual([]);
    const proofs = proven(found);
    expect(new Set(proofs.flatMap(({ tables }) => tables)).size).toBeGreaterThan(3);
    for (const { evidence } of proofs) expect(evidence).toMatchObject({ reached: expect.stringMatching(/^tenant /) });

    const file = join(temporaryFolder(), "fix.sql");
    expect((await tenancy(story.example, "verify", "--fix", file)).code).toBe(1);
    await db.owner.query(readFileSync(file, "utf8"));

    const after = await tenancy(story.example, "verify", ...attack, "--strict", "--format", "json");
    const report = JSON.parse(after.out);
    expect(report.findings.filter(({ level }: { level: string }) => level === "error")).toEqual([]);
    expect([proven(report), report.skipped]).toEqual([[], []]);
    expect(after.code).toBe(0);
    const states = new Set(report.verdicts.map(({ state }: { state: string }) => state));
    expect(states).toEqual(new Set(["GLOBAL", "WALLED"]));

    const held = await asTenant(story, [story.own, ...story.ways, story.breaks]);
    expect(held.filter((answer) => answer.includes(B))).toEqual([]);
    expect(JSON.parse(held[0] ?? "")).toHaveLength(1);
    expect(held.at(-1)).toMatch(/violates foreign key/);
  },
  TEST_MS,
);
