import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TOTP } from "otpauth";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commands } from "../../apps/cli/commands/index.ts";
import { recorded } from "../../apps/cli/context.fixture.ts";
import { run } from "../../apps/cli/run.ts";
import { apiStage, PASSWORD, type Stage } from "../../apps/server/stage.fixture.ts";

let stage: Stage;
let folder: string;

beforeAll(async () => {
  stage = await apiStage();
  folder = await mkdtemp(join(tmpdir(), "rw-journey-"));
  // The place in a data directory where the commands look for the local socket.
  mkdirSync(join(folder, "run"));
  symlinkSync(stage.adminSocket, join(folder, "run", "admin.sock"));
});
afterAll(async () => {
  await stage.close();
  await rm(folder, { recursive: true, force: true });
});

const url = (): string => `http://127.0.0.1:${stage.port}`;
const at = (name: string): string => join(folder, name);

/** A code of the factor whose address a command wrote, of the next step: the one before may have been used. */
async function nextCode(file: string): Promise<string> {
  await stage.nextStep();
  const secret = new URL(readFileSync(at(file), "utf8").trim()).searchParams.get("secret") ?? "";
  return new TOTP({ secret }).generate({ timestamp: stage.clock() });
}

interface Said {
  readonly code: number;
  readonly out: readonly string[];
  readonly all: string;
}

/** One command line. Each answer is a text, or is found out when it is asked for. */
async function ringwall(line: string, answers: readonly (string | (() => Promise<string>))[] = []): Promise<Said> {
  const left = [...answers];
  const { context, err, out } = recorded(
    { cwd: folder },
    {
      ask: async (question) => {
        const next = left.shift();
        if (next === undefined) throw new TypeError(`nobody expected ${question}`);
        return typeof next === "string" ? next : await next();
      },
    },
  );
  const code = await run(commands, line.split(" "), context);
  expect(left, "every answer was asked for").toEqual([]);
  return { code, out, all: [...out, ...err].join("\n") };
}

test("the first administrator enrols with a link from the machine, and everybody else by invitation", async () => {
  expect((await ringwall(`bootstrap reissue --data ${folder} --link-file link.txt`)).code).toBe(0);
  const enrolled = await ringwall(
    `bootstrap enrol --link-file link.txt --url ${url()} --credential root.key --factor-file root.totp`,
    ["root@platform.example", "Root", PASSWORD, () => nextCode("root.totp")],
  );
  expect(enrolled.all).toContain("signed in until");
  expect(statSync(at("root.key")).mode & 0o777).toBe(0o600);
  expect(statSync(at("root.totp")).mode & 0o777).toBe(0o600);
  const again = await ringwall(`bootstrap reissue --data ${folder} --link-file again.txt`);
  expect([again.code, again.all]).toEqual([1, expect.stringContaining("resource.conflict")]);

  const remote = `--url ${url()} --credential root.key`;
  expect((await ringwall(`tenants create northbank ${remote}`)).code).toBe(0);
  const listed = await ringwall(`tenants list --json ${remote}`);
  expect(JSON.parse(listed.out[0] ?? "")).toMatchObject([{ id: "northbank" }, { id: "platform" }]);
  const invite = `users invite ada@northbank.example --tenant northbank --role owner --link-file ada.txt ${remote}`;
  expect((await ringwall(invite)).code).toBe(0);
  const accept = `invitations accept --link-file ada.txt --url ${url()} --credential ada.key --factor-file ada.totp --json`;
  const joined = await ringwall(accept, ["Ada", PASSWORD, () => nextCode("ada.totp")]);
  expect(JSON.parse(joined.out[0] ?? "")).toMatchObject({ credential_file: at("ada.key") });
  expect(joined.all).not.toMatch(/rw[a-z]_|otpauth/);
});

test("a viewer invited on the machine itself signs in with a password alone", async () => {
  const invite = `users invite bo@northbank.example --tenant northbank --role viewer --data ${folder} --link-file bo.txt`;
  expect((await ringwall(invite)).code).toBe(0);
  const accept = `invitations accept --link-file bo.txt --url ${url()} --credential bo.key`;
  expect((await ringwall(accept, ["Bo", PASSWORD])).code).toBe(0);
  const signedIn = await ringwall(`sign-in --url ${url()} --credential bo.key`, [
    "northbank",
    "bo@northbank.example",
    PASSWORD,
  ]);
  expect(signedIn.code).toBe(0);
  const refused = await ringwall(`audit tail --url ${url()} --credential bo.key`);
  expect([refused.code, refused.all]).toEqual([1, expect.stringContaining("access.denied")]);
});

test("an owner signs in with a code, mistyped once, and reads the tenant's audit", async () => {
  const signedIn = await ringwall(`sign-in --url ${url()} --credential ada.key`, [
    "northbank",
    "ada@northbank.example",
    PASSWORD,
    "000000",
    () => nextCode("ada.totp"),
  ]);
  expect(signedIn.all).toContain("That code was not accepted");
  await stage.sequence();
  const tail = await ringwall(`audit tail --json --url ${url()} --credential ada.key`);
  const actions = tail.out.map((line) => (JSON.parse(line) as { action: string }).action);
  expect(actions).toEqual(expect.arrayContaining(["user.invited", "user.joined", "session.created", "sign_in.failed"]));
  const wrong = await ringwall(`sign-in --url ${url()} --credential x.key`, [
    "northbank",
    "ada@northbank.example",
    "no",
  ]);
  expect([wrong.code, wrong.all]).toEqual([1, expect.stringContaining("identity.sign_in_failed")]);
});

test("the machine's operator lists and ends sessions and reads an audit, all of which that tenant sees", async () => {
  const listed = await ringwall(`sessions list --tenant northbank --data ${folder} --json`);
  const sessions = JSON.parse(listed.out[0] ?? "") as { sid: string; user: string }[];
  expect(new Set(sessions.map(({ user }) => user)).size).toBe(2);
  const bos = await ringwall(`sessions list --json --url ${url()} --credential bo.key`);
  for (const { sid } of JSON.parse(bos.out[0] ?? "") as { sid: string }[]) {
    expect(sessions.map((session) => session.sid)).toContain(sid);
    expect((await ringwall(`sessions revoke ${sid} --tenant northbank --data ${folder}`)).code).toBe(0);
  }
  const over = await ringwall(`sessions list --url ${url()} --credential bo.key`);
  expect(over.all).toContain("identity.sign_in_required");
  const unnamed = await ringwall(`audit tail --data ${folder}`);
  expect([unnamed.code, unnamed.all]).toEqual([1, expect.stringContaining("request.invalid")]);
  await stage.sequence();
  const tail = await ringwall(`audit tail --tenant northbank --limit 4 --data ${folder}`);
  expect(tail.all).toContain("session.revoked  success  system:sessions.manage");
  await stage.sequence();
  const seen = await ringwall(`audit tail --limit 1 --url ${url()} --credential ada.key`);
  expect(seen.all).toContain("audit.read  success  system:audit.read");
});

test("an owner changes a role, shuts a colleague out and lets them in again, each after a fresh code", async () => {
  const remote = `--url ${url()} --credential ada.key`;
  const people = async (): Promise<{ id: string; email: string; role: string; status: string }[]> =>
    JSON.parse((await ringwall(`users list --json ${remote}`)).out[0] ?? "");
  const bo = (await people()).find(({ email }) => email.startsWith("bo@"))?.id ?? "";
  expect((await ringwall(`sessions show ${remote}`)).all).toContain("owner of northbank");

  await stage.advance(16 * 60_000);
  const stale = await ringwall(`users set-role ${bo} editor ${remote}`);
  expect([stale.code, stale.all]).toEqual([
    1,
    expect.stringMatching(/access\.step_up_required[\s\S]*ringwall step-up/),
  ]);
  const before = readFileSync(at("ada.key"), "utf8");
  expect((await ringwall(`step-up ${remote}`, [() => nextCode("ada.totp")])).all).toContain("signed in until");
  expect(readFileSync(at("ada.key"), "utf8")).not.toBe(before);

  const dry = await ringwall(`users set-role ${bo} editor --dry-run ${remote}`);
  expect(dry.out).toEqual(["would make bo@northbank.example editor (viewer now)"]);
  const changed = await ringwall(`users set-role ${bo} editor --json ${remote}`);
  expect(JSON.parse(changed.out[0] ?? "")).toMatchObject({ from: "viewer", role: "editor" });
  const other = await ringwall(`users disable ${bo} ${remote}`, ["ada@northbank.example"]);
  expect([other.code, other.all]).toEqual([1, expect.stringContaining("nothing was done")]);
  expect((await ringwall(`users disable ${bo} --dry-run ${remote}`)).all).toContain(
    "would shut out bo@northbank.example",
  );
  expect((await people()).find(({ id }) => id === bo)).toMatchObject({ role: "editor", status: "active" });
  expect((await ringwall(`users disable ${bo} ${remote}`, ["bo@northbank.example"])).code).toBe(0);
  expect((await people()).find(({ id }) => id === bo)).toMatchObject({ status: "disabled" });
  expect((await ringwall(`users enable ${bo} ${remote}`)).code).toBe(0);

  const recovery = `recoveries issue ${bo} --kind password --link-file bo.txt ${remote}`;
  expect((await ringwall(recovery)).code).toBe(0);
  const redeem = `recoveries redeem --link-file bo.txt --url ${url()} --credential bo.key`;
  const back = await ringwall(redeem, ["another tide knot 52 ember"]);
  expect([back.code, back.all]).toEqual([0, expect.stringContaining("signed in until")]);
  const ofBo = `--url ${url()} --credential bo.key`;
  expect((await ringwall(`sessions revoke-all --user ${bo} --dry-run ${remote}`)).out).toEqual([
    "would end 1 sessions",
  ]);
  expect((await ringwall(`sessions revoke-all --user ${bo} ${remote}`)).code).toBe(0);
  expect((await ringwall(`sessions show ${ofBo}`)).all).toContain("identity.sign_in_required");
});

test("somebody sets up another second factor, and the old one is worth nothing", async () => {
  const remote = `--url ${url()} --credential ada.key`;
  const blind = await ringwall(`factor enrol ${remote}`);
  expect([blind.code, blind.all]).toEqual([2, expect.stringContaining("--factor-file")]);
  const enrolled = await ringwall(`factor enrol --factor-file new.totp ${remote}`, [
    PASSWORD,
    () => nextCode("new.totp"),
  ]);
  expect([enrolled.code, enrolled.all]).toEqual([0, expect.stringContaining("signed in until")]);
  const old = () => nextCode("ada.totp");
  const refused = await ringwall(`step-up ${remote}`, [old, old, () => nextCode("new.totp")]);
  expect([refused.code, refused.all]).toEqual([0, expect.stringContaining("That code was not accepted")]);
});

test("erasing asks for the name of what is erased, and a dry run touches nothing", async () => {
  const remote = `--url ${url()} --credential ada.key`;
  const people = JSON.parse((await ringwall(`users list --json ${remote}`)).out[0] ?? "") as {
    id: string;
    email: string;
  }[];
  const bo = people.find(({ email }) => email.startsWith("bo@"))?.id ?? "";
  expect((await ringwall(`erasures person ${bo} --dry-run ${remote}`)).all).toContain("would destroy the keys of bo@");
  expect((await ringwall(`erasures person ${bo} ${remote}`)).code).toBe(2);
  const wrong = await ringwall(`erasures person ${bo} --reason asked ${remote}`, ["bo"]);
  expect([wrong.code, wrong.all]).toEqual([1, expect.stringContaining("nothing was done")]);
  const row = await ringwall(`erasures row shop.none 4711 --reason asked ${remote}`, ["4711"]);
  expect([row.code, row.all]).toEqual([1, expect.stringContaining("resource.not_found")]);
  expect(JSON.parse((await ringwall(`erasures list --json ${remote}`)).out[0] ?? "")).toEqual([]);
  const erase = `erasures person ${bo} --reason asked --certificate-file bo.json ${remote}`;
  expect((await ringwall(erase, ["bo@northbank.example"])).all).toContain("are destroyed; certificate");
  expect((await ringwall(`erasures list ${remote}`)).all).toContain(bo);
});

test("a tenant is suspended by its name typed, and resumed", async () => {
  const local = `--data ${folder}`;
  expect((await ringwall(`tenants suspend northbank --dry-run ${local}`)).all).toContain("would suspend northbank");
  const wrong = await ringwall(`tenants suspend northbank ${local}`, ["southbank"]);
  expect([wrong.code, wrong.all]).toEqual([1, expect.stringContaining("nothing was done")]);
  expect((await ringwall(`sessions show --url ${url()} --credential ada.key`)).code).toBe(0);
  expect((await ringwall(`tenants suspend northbank ${local}`, ["northbank"])).code).toBe(0);
  expect((await ringwall(`sessions show --url ${url()} --credential ada.key`)).code).toBe(1);
  expect((await ringwall(`tenants suspend nobank ${local}`)).all).toContain("there is no tenant nobank");
  expect((await ringwall(`tenants resume northbank ${local}`)).code).toBe(0);
  expect((await ringwall(`sessions show --url ${url()} --credential ada.key`)).code).toBe(0);
});

test("an invitation is seen while it waits, and taken back", async () => {
  const remote = `--url ${url()} --credential ada.key`;
  const invite = `users invite cy@northbank.example --role viewer --link-file cy.txt ${remote}`;
  expect((await ringwall(invite)).code).toBe(0);
  const waiting = await ringwall(`invitations list --json ${remote}`);
  expect(JSON.parse(waiting.out[0] ?? "")).toMatchObject([{ email: "cy@northbank.example", role: "viewer" }]);
  expect((await ringwall(`invitations withdraw cy@northbank.example ${remote}`)).code).toBe(0);
  expect((await ringwall(`invitations list --json ${remote}`)).all).not.toContain("cy@northbank.example");
  const late = await ringwall(`invitations accept --link-file cy.txt --url ${url()} --credential cy.key`, [
    "Cy",
    PASSWORD,
  ]);
  expect(late.code).toBe(1);
  const again = await ringwall(`invitations withdraw cy@northbank.example ${remote}`);
  expect([again.code, again.all]).toEqual([1, expect.stringContaining("resource.not_found")]);
});

test("a secret is stored from a file and rotated only where that is set up", async () => {
  writeFileSync(at("value"), "a mail password\n", { mode: 0o600 });
  const stored = await ringwall(`secrets set bank/mail-password --file value --data ${folder}`);
  expect(stored.out).toEqual(["stored bank/mail-password as version 1"]);
  const rotated = await ringwall(`secrets rotate bank/mail-password --data ${folder}`);
  expect([rotated.code, rotated.all]).toEqual([1, expect.stringContaining("secrets.not_rotatable")]);
  expect((await ringwall(`secrets list --data ${folder}`)).all).not.toContain("a mail password");
});

test("signing out ends the session and removes the file, also when the session is over", async () => {
  const token = readFileSync(at("ada.key"), "utf8").trim();
  expect((await ringwall(`sign-out --url ${url()} --credential ada.key`)).code).toBe(0);
  expect((await stage.ask("GET", "/v1/session", { token })).status).toBe(401);
  expect(statSync(at("ada.key"), { throwIfNoEntry: false })).toBeUndefined();
  expect((await ringwall(`sign-out --url ${url()} --credential bo.key`)).code).toBe(0);
});

test("nothing is asked, and no link used up, before it is known where credential and factor go", async () => {
  for (const line of [
    "sign-in",
    "bootstrap enrol",
    "invitations accept",
    "bootstrap enrol --credential k",
    "sign-out",
  ]) {
    expect([line, (await ringwall(line)).code]).toEqual([line, 2]);
  }
  const nowhere = await ringwall(`sign-in --credential ${join("no", "such", "folder", "k")}`);
  expect([nowhere.code, nowhere.all]).toEqual([1, expect.stringContaining("there is no folder")]);
  const link = await ringwall("invitations accept --credential k", ["not a link"]);
  expect([link.code, link.all]).toEqual([1, expect.stringContaining("that is no link")]);
});
