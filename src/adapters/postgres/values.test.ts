import { createServer } from "node:net";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  PlainSecret,
  type ServiceActor,
  type SqlValue,
  statement,
  systemClock,
  type TenantId,
} from "../../core/index.ts";
import { contextSigner } from "../../data/tenants/index.ts";
import { type TestDatabase, testDatabase } from "../../testing/index.ts";
import { openSql, postgresDatabase } from "./index.ts";

let data: TestDatabase;
let a: TenantId;
let actor: ServiceActor;

beforeAll(async () => {
  data = await testDatabase();
  a = await data.createTenant("bank-a");
  actor = { type: "service", tenant: a, name: "test" };
});
afterAll(() => data.close());

const ECHO = {
  text: statement<{ value: unknown }>("echo.text", "select $1::text as value"),
  texts: statement<{ value: unknown }>("echo.texts", "select $1::text[] as value"),
  bigint: statement<{ value: unknown }>("echo.bigint", "select $1::bigint as value"),
  integer: statement<{ value: unknown }>("echo.integer", "select $1::integer as value"),
  bytea: statement<{ value: unknown }>("echo.bytea", "select $1::bytea as value"),
  boolean: statement<{ value: unknown }>("echo.boolean", "select $1::boolean as value"),
  double: statement<{ value: unknown }>("echo.double", "select $1::double precision as value"),
  timestamp: statement<{ value: unknown }>("echo.timestamp", "select $1::timestamptz as value"),
  numeric: statement<{ value: unknown }>("echo.numeric", "select $1::numeric as value"),
  date: statement<{ value: unknown }>("echo.date", "select $1::date as value"),
  json: statement<{ value: unknown }>("echo.json", "select $1::jsonb as value"),
};

async function roundTrip(type: keyof typeof ECHO, value: SqlValue): Promise<unknown> {
  return (await data.database.once(a, actor, ECHO[type], [value]))[0]?.value;
}

const text = fc.string({ unit: "binary", maxLength: 200 }).filter((one) => !one.includes("\0"));

describe("what goes in comes out", () => {
  test.each([
    ["text", text],
    ["texts", fc.array(fc.oneof(text, fc.constantFrom("", "null", "NULL", '"', "\\", "{}", ",")), { maxLength: 10 })],
    ["bigint", fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)],
    ["integer", fc.integer()],
    ["boolean", fc.boolean()],
    ["double", fc.double({ noNaN: true, noDefaultInfinity: true }).filter((one) => one !== 0)],
    ["bytea", fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))],
  ] as const)("%s", async (type, values: fc.Arbitrary<SqlValue>) => {
    await fc.assert(
      fc.asyncProperty(values, async (value) => {
        expect(await roundTrip(type, value)).toEqual(value);
      }),
      { numRuns: 60 },
    );
    expect(await roundTrip(type, null)).toBeNull();
  });

  test("times to the millisecond, days and decimals as text, JSON parsed", async () => {
    const times = fc.date({
      min: new Date("1900-01-01T00:00:00Z"),
      max: new Date("2999-12-31T00:00:00Z"),
      noInvalidDate: true,
    });
    await fc.assert(
      fc.asyncProperty(times, async (time) => {
        expect(await roundTrip("timestamp", time.toISOString())).toEqual(time);
      }),
      { numRuns: 40 },
    );
    expect(await roundTrip("date", "2026-02-28")).toBe("2026-02-28");
    expect(await roundTrip("numeric", "12345678901234567890.12")).toBe("12345678901234567890.12");
    expect(await roundTrip("json", '{"a":[1,null]}')).toEqual({ a: [1, null] });
  });

  test("a text of a million characters, and five hundred statements at once", async () => {
    const long = "ü".repeat(1_000_000);
    expect((await roundTrip("text", long)) === long).toBe(true);
    const numbers = Array.from({ length: 500 }, (_, index) => index);
    expect(await Promise.all(numbers.map((number) => roundTrip("integer", number)))).toEqual(numbers);
  });

  test("values never become part of a statement", async () => {
    const attack = "'; drop table ringwall.tenant; --";
    expect(await roundTrip("text", attack)).toBe(attack);
    await expect(roundTrip("integer", attack)).rejects.toMatchObject({ code: "request.invalid" });
  });
});

describe("a prepared statement", () => {
  test("that failed to prepare does not spoil the others of its connection", async () => {
    const wrong = statement("test.wrong", "select no_such_column");
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, index) =>
        index % 4 === 0 ? data.database.once(a, actor, wrong) : roundTrip("integer", index),
      ),
    );
    for (const [index, outcome] of outcomes.entries()) {
      if (index % 4 === 0) expect(outcome).toMatchObject({ status: "rejected", reason: { code: "internal" } });
      else expect(outcome).toEqual({ status: "fulfilled", value: index });
    }
  });

  test("is prepared anew when its table changed, in a single trip and in a transaction", async () => {
    await data.owner.query("create table ringwall.shape (id integer); grant select on ringwall.shape to ringwall_app");
    await data.owner.query("insert into ringwall.shape values (1)");
    const all = statement("test.shape", "select * from ringwall.shape");
    const small = postgresDatabase({
      target: data.target("ringwall_app"),
      signer: contextSigner(data.contextKey),
      clock: systemClock,
      connectionsMax: 2,
    });
    const inTransaction = () => small.forTenant(a, actor, (tx) => tx.run(all));
    expect(await small.once(a, actor, all)).toEqual([{ id: 1 }]);
    expect(await inTransaction()).toEqual([{ id: 1 }]);
    await data.owner.query("alter table ringwall.shape add column name text default 'x'");
    expect(await small.once(a, actor, all)).toEqual([{ id: 1, name: "x" }]);
    expect(await inTransaction()).toEqual([{ id: 1, name: "x" }]);
    await small.close();
  });
});

describe("beyond this machine", () => {
  const target = { port: 5432, database: "x", user: "x", credential: async () => new PlainSecret("x") };

  test("there is no connection without TLS", async () => {
    for (const host of ["db.example.test", "192.0.2.1", "2001:db8::1", "localhost.example.test"]) {
      const connection = openSql({ ...target, host });
      await expect(connection.connection().execute(async () => {})).rejects.toMatchObject({ code: "config.invalid" });
    }
  });

  test("a server that says it has no TLS gets neither a user name nor a password", async () => {
    const received: Buffer[] = [];
    const server = createServer((socket) => {
      socket.on("data", (chunk) => {
        received.push(chunk);
        socket.write("N");
      });
      socket.on("error", () => {});
    });
    const port = await new Promise<number>((done) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        done(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    const connection = openSql({ ...target, user: "tell-nobody", host: "127.0.0.1", port, tls: {} });
    await expect(connection.connection().execute(async () => {})).rejects.toMatchObject({
      code: "database.unavailable",
    });
    expect(Buffer.concat(received)).toHaveLength(8);
    server.close();
  });
});
