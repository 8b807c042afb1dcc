import { expect, test } from "vitest";
import { type Actor, AssertionFailed, type Database, statement, type TenantId } from "../core/index.ts";

/** A database under test, with the table below in it and two active tenants. */
export interface DatabaseUnderTest {
  readonly database: Database;
  readonly tenants: readonly [TenantId, TenantId];
}

/**
 * The table the contract works on: a tenant table behind the wall, `id` unique in the tenant. The role under test may
 * select, insert and update `text`.
 */
export const CONTRACT_TABLE = "contract_note";

interface Note {
  readonly tenant_id: string;
  readonly id: number;
  readonly text: string;
}

const READ = statement<Note>("contract.read", "select tenant_id, id, text from ringwall.contract_note order by id");
const ADD = statement("contract.add", "insert into ringwall.contract_note (id, text) values ($1, $2)");
const ADD_FOR = statement(
  "contract.add_for",
  "insert into ringwall.contract_note (tenant_id, id, text) values ($1, $2, $3)",
);
const CHANGE = statement<{ text: string }>(
  "contract.change",
  "update ringwall.contract_note set text = text || $2 where id = $1 returning text",
);
const FAIL = statement("contract.fail", "select 1 / $1::integer as never");

let next = 0;
/** Ids nobody used, so that tests share the table. */
function freshId(): number {
  next += 1;
  return next;
}

function service(tenant: TenantId): Actor {
  return { type: "service", tenant, name: "contract" };
}

/** Every `Database` must pass this. */
export function databaseContract(at: () => DatabaseUnderTest): void {
  const as = (which: 0 | 1): { tenant: TenantId; actor: Actor; database: Database } => {
    const tenant = at().tenants[which];
    return { tenant, actor: service(tenant), database: at().database };
  };
  const add = async (which: 0 | 1, id: number): Promise<void> => {
    const { database, tenant, actor } = as(which);
    await database.once(tenant, actor, ADD, [id, "x"]);
  };
  const ids = async (which: 0 | 1): Promise<readonly number[]> => {
    const { database, tenant, actor } = as(which);
    return (await database.once(tenant, actor, READ)).map(({ id }) => id);
  };

  test("a tenant sees its own rows and no other's", async () => {
    const [mine, theirs] = [freshId(), freshId()];
    await add(0, mine);
    await add(1, theirs);
    expect(await ids(0)).toContain(mine);
    expect(await ids(0)).not.toContain(theirs);
    expect(await ids(1)).toContain(theirs);
    expect(await ids(1)).not.toContain(mine);
  });

  test("a row cannot be written for another tenant", async () => {
    const { database, tenant, actor } = as(0);
    const id = freshId();
    await expect(database.once(tenant, actor, ADD_FOR, [at().tenants[1], id, "x"])).rejects.toMatchObject({
      code: "internal",
      detail: { sqlstate: "42501" },
    });
    expect(await ids(1)).not.toContain(id);
  });

  test("another tenant's row cannot be changed", async () => {
    const id = freshId();
    await add(1, id);
    const { database, tenant, actor } = as(0);
    expect(await database.once(tenant, actor, CHANGE, [id, "!"])).toEqual([]);
  });

  test("an actor of another tenant is a bug, and nothing is sent", async () => {
    const { database, tenant } = as(0);
    const stranger = service(at().tenants[1]);
    await expect(database.once(tenant, stranger, READ)).rejects.toThrow(AssertionFailed);
    await expect(database.forTenant(tenant, stranger, async (tx) => await tx.run(READ))).rejects.toThrow(
      AssertionFailed,
    );
  });

  test("a named system capability may act in a tenant", async () => {
    const { database, tenant } = as(0);
    await expect(database.once(tenant, { type: "system", capability: "tenants.read" }, READ)).resolves.toBeDefined();
  });

  test("a transaction commits everything, the deferred too", async () => {
    const { database, tenant, actor } = as(0);
    const [first, second] = [freshId(), freshId()];
    const answer = await database.forTenant(tenant, actor, async (tx) => {
      tx.defer(ADD, [second, "deferred"]);
      await tx.run(ADD, [first, "now"]);
      return "done";
    });
    expect(answer).toBe("done");
    expect(await ids(0)).toEqual(expect.arrayContaining([first, second]));
  });

  test("what throws inside rolls everything back and goes on", async () => {
    const { database, tenant, actor } = as(0);
    const id = freshId();
    const failure = new Error("no");
    const attempt = database.forTenant(tenant, actor, async (tx) => {
      await tx.run(ADD, [id, "x"]);
      throw failure;
    });
    await expect(attempt).rejects.toBe(failure);
    expect(await ids(0)).not.toContain(id);
  });

  test("a deferred statement that fails fails the transaction", async () => {
    const { database, tenant, actor } = as(0);
    const id = freshId();
    const attempt = database.forTenant(tenant, actor, async (tx) => {
      await tx.run(ADD, [id, "x"]);
      tx.defer(ADD, [id, "twice"]);
    });
    await expect(attempt).rejects.toMatchObject({ code: "resource.conflict" });
    expect(await ids(0)).not.toContain(id);
  });

  test("an error that was swallowed fails the transaction all the same", async () => {
    const { database, tenant, actor } = as(0);
    const id = freshId();
    const attempt = database.forTenant(tenant, actor, async (tx) => {
      await tx.run(ADD, [id, "x"]);
      await tx.run(FAIL, [0]).catch(() => {});
    });
    await expect(attempt).rejects.toMatchObject({ detail: { sqlstate: "22012" } });
    expect(await ids(0)).not.toContain(id);
  });

  test("a statement nobody waits for is part of the transaction", async () => {
    const { database, tenant, actor } = as(0);
    const id = freshId();
    await database.forTenant(tenant, actor, async (tx) => {
      void tx.run(ADD, [id, "x"]);
      await Promise.resolve();
    });
    expect(await ids(0)).toContain(id);
  });

  test("statements of one tick run in their order", async () => {
    const { database, tenant, actor } = as(0);
    const id = freshId();
    const [, first, second] = await database.forTenant(tenant, actor, (tx) =>
      Promise.all([tx.run(ADD, [id, "a"]), tx.run(CHANGE, [id, "b"]), tx.run(CHANGE, [id, "c"])]),
    );
    expect([first, second]).toEqual([[{ text: "ab" }], [{ text: "abc" }]]);
  });

  test("a transaction is of no use after its callback", async () => {
    const { database, tenant, actor } = as(0);
    const kept = await database.forTenant(tenant, actor, async (tx) => tx);
    expect(() => kept.run(READ)).toThrow(AssertionFailed);
    expect(() => {
      kept.defer(ADD, [freshId(), "x"]);
    }).toThrow(AssertionFailed);
  });

  test("two that lock each other's rows both succeed in the end", async () => {
    const { database, tenant, actor } = as(0);
    const [left, right] = [freshId(), freshId()];
    await add(0, left);
    await add(0, right);
    const met: { resolve: () => void; promise: Promise<void> }[] = [Promise.withResolvers(), Promise.withResolvers()];
    const cross = async (own: 0 | 1, first: number, second: number): Promise<void> => {
      await database.forTenant(tenant, actor, async (tx) => {
        await tx.run(CHANGE, [first, "."]);
        met[own]?.resolve();
        await Promise.all(met.map(({ promise }) => promise));
        await tx.run(CHANGE, [second, "."]);
      });
    };
    await Promise.all([cross(0, left, right), cross(1, right, left)]);
    const notes = await database.once(tenant, actor, READ);
    for (const id of [left, right]) expect(notes.find((note) => note.id === id)?.text).toBe("x..");
  });

  test("two hundred at once are served over few connections, each with its own tenant", async () => {
    const counts = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const { database, tenant, actor } = as(index % 2 === 0 ? 0 : 1);
        const rows =
          index % 3 === 0
            ? await database.forTenant(tenant, actor, (tx) => tx.run(READ))
            : await database.once(tenant, actor, READ);
        return rows.every((row) => row.tenant_id === tenant) && rows.length > 0;
      }),
    );
    expect(counts.every(Boolean)).toBe(true);
  });
}
