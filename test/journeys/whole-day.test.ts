import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningSystem, startSystem } from "../running-system.ts";
import { complaintsOf, lookAt, NO_BROWSER, noteWhen, openBrowser, sentMs } from "./browser.ts";
import { Authenticator, enrolFactor, go, newPage, PASSWORD, signIn } from "./visitors.ts";

/** Refusals are counted together for a moment before they are written. */
const POLL = { timeout: 15_000, interval: 500 };

/** Two waits for a new code, and everything else on a machine that is busy with other tests. */
const DAY_MS = 180_000;

/** Somebody of the seeded banks, as the first start wrote it for its reader. */
interface Seeded {
  readonly password: string;
  readonly totp: string;
  readonly account: string;
}

describe.skipIf(NO_BROWSER !== undefined)(["a day with both banks", NO_BROWSER ?? []].flat().join(", "), () => {
  let system: RunningSystem;
  let browser: Browser;
  /** An administrator of the northern bank, signed in by the first of these. */
  let iris: Page;
  const authenticator = new Authenticator();

  beforeAll(async () => {
    [system, browser] = await Promise.all([startSystem(), openBrowser()]);
    // The first start has signed both in, with a code each.
    for (const who of ["olivia", "nora"]) authenticator.takeOver(who, seeded(`${who}@northbank.example`).totp);
  });
  afterAll(async () => {
    await browser.close();
    await system.stop();
  });

  const console = (): string => `http://localhost:${system.apiPort}/`;
  const bank = (): string => `http://localhost:${system.gatewayPort}/`;

  function seeded(email: string): Seeded {
    const text = readFileSync(join(system.dataFolder, "first-run.txt"), "utf8");
    const [, own = ""] = text.split(email);
    const field = (name: string): string => new RegExp(`^\\s+${name}\\s+(\\S+)$`, "m").exec(own)?.[1] ?? "";
    return { password: field("password"), totp: field("TOTP"), account: field("account") };
  }

  /** Signs in at the gateway's own page, and arrives at the bank behind it. */
  async function enterBank(at: Page, who: string): Promise<void> {
    await at.goto(bank());
    await at.getByLabel("Tenant").fill("northbank");
    await at.getByLabel("E-mail address").fill(`${who}@northbank.example`);
    await at.getByLabel("Password").fill(seeded(`${who}@northbank.example`).password);
    await lookAt(at, "day-1-gateway");
    await at.getByRole("button", { name: "Sign in" }).click();
    await at.getByLabel("Code").fill(await authenticator.code(who));
    await at.getByRole("button", { name: "Go on" }).click();
    await at.getByRole("heading", { name: "Accounts" }).waitFor();
    expect(at.url()).toBe(bank());
  }

  async function balance(at: Page): Promise<string> {
    return (await at.getByRole("row").nth(1).getByRole("cell").nth(1).textContent()) ?? "";
  }

  test("enrol, invite, sign in with TOTP, transfer through the gateway, see the other bank refused, revoke the session " +
    "and be signed out within a second, verify the audit", { timeout: DAY_MS }, async () => {
    // Enrol: the installation's first administrator, by the link of the start.
    const ada = await newPage(browser);
    await ada.goto(readFileSync(join(system.dataFolder, "bootstrap-link.txt"), "utf8").trim());
    await ada.getByLabel("E-mail").fill("ada@ringwall.example");
    await ada.getByLabel("Name").fill("Ada Lovelace");
    await ada.getByLabel("Password").fill(PASSWORD);
    await ada.getByRole("button", { name: "Enrol" }).click();
    await enrolFactor(ada, "ada", authenticator);
    await ada.close();

    // Invite: the northern bank's owner signs in with TOTP and invites an administrator, who enrols too.
    const owner = seeded("olivia@northbank.example");
    const olivia = await newPage(browser);
    await olivia.goto(console());
    const own = { tenant: "northbank", email: "olivia@northbank.example", password: owner.password, who: "olivia" };
    await signIn(olivia, own, authenticator);
    await go(olivia, "Invitations");
    await olivia.getByRole("button", { name: "Invite" }).click();
    await olivia.getByLabel("E-mail").fill("iris@northbank.example");
    await olivia.getByLabel("Role").selectOption("admin");
    await olivia.getByRole("dialog").getByRole("button", { name: "Invite" }).click();
    const link = (await olivia.getByRole("textbox", { name: "Link" }).textContent()) ?? "";
    await olivia.getByRole("button", { name: "Close" }).click();
    // A second one is taken back before it was used: its row goes, and its link leads nowhere.
    await olivia.getByRole("button", { name: "Invite" }).click();
    await olivia.getByLabel("E-mail").fill("ivan@northbank.example");
    await olivia.getByRole("dialog").getByRole("button", { name: "Invite" }).click();
    await olivia.getByRole("textbox", { name: "Link" }).waitFor();
    await olivia.getByRole("button", { name: "Close" }).click();
    await lookAt(olivia, "day-0-invitations");
    await olivia.setViewportSize({ width: 1440, height: 900 });
    await olivia.getByRole("button", { name: "Withdraw invitation of ivan@northbank.example" }).click();
    await olivia.getByRole("dialog").getByRole("button", { name: "Withdraw" }).click();
    const waiting = olivia.getByRole("table", { name: "Invitations that wait" });
    await expect.poll(() => waiting.getByRole("row").count(), POLL).toBe(2);
    iris = await newPage(browser);
    const complaints = complaintsOf(iris);
    await iris.goto(link);
    await iris.getByLabel("Name").fill("Iris Dahl");
    await iris.getByLabel("Password").fill(PASSWORD);
    await iris.getByRole("button", { name: "Join" }).click();
    await enrolFactor(iris, "iris", authenticator);

    // Transfer: a customer signs in at the gateway with TOTP and moves money in the bank behind it.
    const nora = await newPage(browser);
    const ofBank = complaintsOf(nora);
    await enterBank(nora, "nora");
    const before = await balance(nora);
    await nora.getByLabel("To account id").fill(seeded("noel@northbank.example").account);
    await nora.getByLabel("Amount").fill("12.50");
    await nora.getByRole("button", { name: "Transfer" }).click();
    await nora.getByText(/^Moved/).waitFor();
    expect(await balance(nora)).not.toBe(before);
    await lookAt(nora, "day-2-transfer");

    // The other bank: its account answers as one that is not there.
    const foreign = seeded("sara@southbank.example").account;
    await nora.getByLabel("Account id", { exact: true }).fill(foreign);
    await nora.getByRole("button", { name: "Look", exact: true }).click();
    await nora.getByText(`${foreign}: `).waitFor();
    expect(await nora.getByText(`${foreign}: `).textContent()).not.toMatch(/balance/);
    await lookAt(nora, "day-3-other-bank");

    // Revoked in the console, seen in the bank: from asking for the end to the page that shows nothing any more.
    await go(iris, "Sessions");
    await iris.getByLabel("Whose").selectOption({ label: "Nora Lind (nora@northbank.example)" });
    await iris
      .getByRole("button", { name: /^End session/ })
      .first()
      .click();
    await nora.mouse.move(200, 200);
    const gone = await noteWhen(nora, `document.querySelector("#accounts").hidden`);
    await iris.getByRole("dialog").getByRole("button", { name: "End session" }).click();
    const goneMs = (await gone()) - (await sentMs(iris, "/v1/sessions/"));
    expect(goneMs).toBeLessThan(1_000);
    await nora.getByText("You are not signed in any more.").waitFor();
    await lookAt(nora, "day-4-signed-out");
    expect((await nora.request.get(`${bank()}api/session`)).status()).toBe(401);

    // Verify: all of it is in the bank's own log, and the browser recomputes the chain to the signed head.
    await go(iris, "Audit");
    for (const action of ["user.invited", "transfer.executed", "access.denied", "session.revoked"]) {
      const entry = iris.getByRole("table").getByText(action, { exact: true });
      await expect
        .poll(async () => {
          await iris.getByRole("button", { name: "Refresh" }).click();
          return await entry.count();
        }, POLL)
        .toBeGreaterThan(0);
    }
    await iris.getByRole("button", { name: "From the first entry" }).click();
    await iris.getByText(/Verified: #1 to #\d+ are what was signed/).waitFor();
    await lookAt(iris, "day-5-audit");
    expect([complaints, ofBank]).toEqual([[], []]);
  });

  test("a viewer is offered no keys, and is shown none at their address", async () => {
    const vera = await newPage(browser);
    await vera.goto(console());
    await vera.getByLabel("Tenant").fill("northbank");
    await vera.getByLabel("E-mail").fill("vera@northbank.example");
    await vera.getByLabel("Password").fill(seeded("vera@northbank.example").password);
    await vera.getByRole("button", { name: "Continue" }).click();
    await vera.getByRole("navigation").waitFor();
    expect(await vera.getByRole("link", { name: "Keys" }).count()).toBe(0);
    for (const page of ["keys", "gateway"]) {
      await vera.goto(`${console()}${page}`);
      await vera.getByRole("heading", { name: "Not yours to see" }).waitFor();
      await lookAt(vera, `no-permission-${page}`);
    }
  });

  test("a tenant's administrator sees the tenant's own keys, and erases a row and a person with a certificate each", async () => {
    await go(iris, "Keys");
    await iris.getByText("wraps one key for each row of sealed fields").waitFor();
    expect(await iris.getByLabel("Whose").count()).toBe(0);
    expect(await iris.getByText("session-pepper").count()).toBe(0);
    await iris.getByRole("button", { name: "Erase a row" }).click();
    const { account } = seeded("noel@northbank.example");
    await iris.getByLabel("Table").fill("bank.account");
    await iris.getByLabel("Row", { exact: true }).fill(account);
    await iris.getByLabel("Why").fill("asked for in writing");
    const erase = iris.getByRole("button", { name: "Erase", exact: true });
    expect(await erase.isDisabled()).toBe(true);
    await iris.getByLabel("Type the row's id once more").fill(account);
    await lookAt(iris, "day-6-erase-row");
    await iris.setViewportSize({ width: 1440, height: 900 });
    await erase.click();
    const certificate = iris.getByRole("textbox", { name: "Certificate" });
    expect(JSON.parse((await certificate.textContent()) ?? "")).toMatchObject({
      subject: "row",
      name: account,
      rows: 1,
    });
    await iris.getByRole("button", { name: "Close" }).click();

    await iris.getByRole("button", { name: "Erase a person" }).click();
    await iris.getByLabel("Person", { exact: true }).selectOption({ label: "Vera Holm (vera@northbank.example)" });
    await iris.getByLabel("Why").fill("asked for in writing");
    await iris.getByLabel("Type vera@northbank.example to go on").fill("vera@northbank.example");
    await lookAt(iris, "day-7-erase-person");
    await iris.setViewportSize({ width: 1440, height: 900 });
    await erase.click();
    expect(JSON.parse((await certificate.textContent()) ?? "")).toMatchObject({ subject: "person" });
    await iris.getByRole("button", { name: "Close" }).click();
    expect(await iris.getByRole("button", { name: /^Certificate of/ }).count()).toBe(2);
    await lookAt(iris, "day-8-erasures");
  });
});
