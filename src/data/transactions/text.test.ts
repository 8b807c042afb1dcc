import * as fc from "fast-check";
import { expect, test } from "vitest";
import { boundary, callsWhatStays, refusal, TEXT_LENGTH_MAX } from "./text.ts";

test("a boundary is what builders send, alone and in any case", () => {
  for (const text of ["BEGIN", "begin;", " start transaction ", "begin work"]) expect(boundary(text)).toBe("begin");
  for (const text of ["commit", "END;", "commit work", "end transaction"]) expect(boundary(text)).toBe("commit");
  for (const text of ["rollback", "ABORT ;", "rollback work"]) expect(boundary(text)).toBe("rollback");
  for (const text of [
    "begin isolation level serializable",
    "rollback to savepoint a",
    "commit; select 1",
    "select 1",
    `commit${" ".repeat(1_000_000)}x`,
    `commit${" ".repeat(1_000_000)}`,
  ]) {
    expect(boundary(text)).toBeUndefined();
  }
});

test("what belongs to a session is refused, and what ends with its transaction is not", () => {
  for (const text of [
    "set role other",
    "SET SESSION AUTHORIZATION other",
    "reset all",
    "discard all",
    "prepare p as select 1",
    "listen c",
    "declare c cursor with hold for select 1",
    "do $$ begin end $$",
    "copy t to program 'x'",
    "/* c */ select 1",
    "select set_config('a.b', 'c', false)",
    "select pg_advisory_lock(1)",
    "select current_setting('ringwall.context')",
    "select 1 into temp t",
    `commit${" ".repeat(1_000_000)}`,
    `select '${"x".repeat(TEXT_LENGTH_MAX)}'`,
  ]) {
    expect(refusal(text), text.slice(0, 60)).toBeDefined();
  }
  for (const text of [
    "select 1",
    "(select 1)",
    "with a as (select 1) select * from a",
    "insert into t values ($1)",
    "update t set a = 1",
    "savepoint a",
    "rollback to savepoint a",
    "release a",
    "set constraints all immediate",
    "select pg_advisory_xact_lock(1)",
  ]) {
    expect(refusal(text), text).toBeUndefined();
  }
});

test("whatever stands around it, a call that stays is seen", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (before, after) => {
      expect(callsWhatStays(`${before}set_config${after}`)).toBe(true);
      expect(refusal(`select ${before}set_config${after}`)).toBeDefined();
    }),
  );
});
