import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningSystem, startSystem } from "../running-system.ts";
import { complaintsOf, lookAt, NO_BROWSER, noteWhen, openBrowser, sentMs } from "./browser.ts";
import { Authenticator, enrolFactor, go, newPage, PASSWORD, signIn } from "./visitors.ts";

// The whole system, started as a person starts it, and everything done as a person does it: in a browser.
describe.skipIf(NO_BROWSER !== undefined)(["the console in Chromium", NO_BROWSER ?? []].flat().join(", "), () => {
  let system: RunningSystem;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  const authenticator = new Authenticator();

  beforeAll(async () => {
    [system, browser] = await Promise.all([startSystem(), openBrowser()]);
    page = await newPage(browser);
    complaints = complaintsOf(page);
  });
  afterAll(async () => {
    await browser.close();
    await system.stop();
  });

  const origin = (): string => `http://localhost:${system.apiPort}`;

  test("the first administrator enrols with the link, whose token leaves the address at once", async () => {
    await page.goto(readFileSync(join(system.dataFolder, "bootstrap-link.txt"), "utf8").trim());
    await page.getByRole("heading", { name: "First administrator" }).waitFor();
    expect(page.url()).toBe(`${origin()}/bootstrap`);
    await lookAt(page, "bootstrap");
    await page.getByLabel("E-mail").fill("ada@ringwall.example");
    await page.getByLabel("Name").fill("Ada Lovelace");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Enrol" }).click();
    await page.getByRole("heading", { name: "Set up your second factor" }).waitFor();
    await page.getByRole("img", { name: /QR code/ }).waitFor();
    await lookAt(page, "enrol");
    await enrolFactor(page, "ada", authenticator);
    expect(await page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length")).toBe(0);
  });

  test.each([
    ["Overview", "Perimeter"],
    ["Tenants", "northbank"],
    ["Users", "ada@ringwall.example"],
    ["Invitations", "Nobody was invited yet"],
    ["Sessions", "this one"],
    ["Secrets", "bank/database-password"],
    ["Keys", "anchor"],
    ["Gateway", "unix:bank.sock"],
    ["Settings check", "Disk"],
    ["Audit", "Verify what is shown"],
  ])("%s shows what is there, in two widths and schemes, without a finding of axe", async (name, text) => {
    await go(page, name);
    await page.getByText(text).first().waitFor();
    await lookAt(page, name.toLowerCase().replace(" ", "-"));
  });

  test("a key is rotated, and every key is rewrapped with a bar that fills", async () => {
    await go(page, "Keys");
    await page.getByRole("button", { name: "Rotate identity of platform" }).click();
    await lookAt(page, "keys-rotate");
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click();
    await page.getByText("version 2", { exact: true }).waitFor();
    // A key whose rotation people notice has its name typed.
    await page.getByRole("button", { name: "Rotate session-pepper of platform" }).click();
    expect(await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).isDisabled()).toBe(true);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Rewrap every key under this master" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Rewrap" }).click();
    const job = page.getByRole("table", { name: "Rewrapping jobs" }).getByRole("row").filter({ hasText: "Keys under" });
    await job.getByText("done", { exact: true }).waitFor();
    const bar = job.getByRole("progressbar");
    expect(await bar.getAttribute("value")).toBe(await bar.getAttribute("max"));
    await lookAt(page, "keys-rewrapped");
  });

  test("a job under way is asked for again until it is at its end", async () => {
    const job = { id: "0199a1c0-0000-7000-8000-000000000001", work: "rows", tenant: "northbank", target: "2" };
    const times = { started_at: "2026-01-02T03:04:05.000Z", updated_at: "2026-01-02T03:04:05.000Z" };
    let asked = 0;
    await page.route("**/v1/key-jobs*", (route) => {
      asked += 1;
      const progress = { total: 400, done: Math.min(asked * 100, 400), state: asked < 4 ? "running" : "done" };
      const finished = asked < 4 ? null : times.updated_at;
      return route.fulfill({ json: { items: [{ ...job, ...times, ...progress, finished_at: finished }] } });
    });
    await page.reload();
    await page.getByText("200 of 400").waitFor();
    await lookAt(page, "keys-rewrapping");
    await page.getByText("400 of 400").waitFor();
    await page.unroute("**/v1/key-jobs*");
  });

  test("a tenant is erased once its name is typed, and its certificate is there to read and to keep", async () => {
    await go(page, "Keys");
    await page.getByLabel("Whose").selectOption({ label: "All tenants" });
    await page.getByText("southbank", { exact: true }).click();
    await lookAt(page, "keys-all");
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.getByLabel("Whose").selectOption("southbank");
    await page.getByText("Nothing was erased").waitFor();
    await page.getByRole("button", { name: "Erase southbank" }).click();
    const erase = page.getByRole("button", { name: "Erase for good" });
    await page.getByLabel("Why").fill("the contract ended");
    expect(await erase.isDisabled()).toBe(true);
    await page.getByLabel("Type Southbank to go on").fill("southbank");
    expect(await erase.isDisabled()).toBe(true);
    await lookAt(page, "keys-erase");
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.getByLabel("Type Southbank to go on").fill("Southbank");
    await erase.click();
    await page.getByRole("heading", { name: "Erased for good" }).first().waitFor();
    const certificate = (await page.getByRole("textbox", { name: "Certificate" }).textContent()) ?? "";
    expect(JSON.parse(certificate)).toMatchObject({ subject: "tenant", tenant: "southbank" });
    await lookAt(page, "keys-certificate");
    await page.setViewportSize({ width: 1440, height: 900 });
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download" }).click(),
    ]);
    expect(readFileSync(await file.path(), "utf8")).toBe(certificate);
    await page.getByRole("button", { name: "Close" }).click();
    await page.getByRole("button", { name: /^Certificate of/ }).waitFor();
    expect(await page.getByText("erased", { exact: true }).count()).toBeGreaterThan(0);
    await lookAt(page, "keys-erased");
  });

  test("a tenant is made, its owner invited, and suspended only once its name is typed", async () => {
    await go(page, "Tenants");
    await page.getByRole("button", { name: "Create tenant" }).click();
    await page.getByLabel("Tenant id").fill("westbank");
    await page.getByLabel("Name", { exact: true }).fill("Westbank");
    await page.getByRole("button", { name: "Create", exact: true }).click();
    await page.getByRole("button", { name: "Invite owner of westbank" }).click();
    await page.getByLabel("E-mail").fill("olga@westbank.example");
    await page.getByRole("button", { name: "Invite", exact: true }).click();
    const link = (await page.getByRole("textbox", { name: "Link" }).textContent()) ?? "";
    await lookAt(page, "link");
    await page.setViewportSize({ width: 1440, height: 900 });
    const owner = await newPage(browser);
    await owner.goto(link);
    await owner.getByLabel("Name").fill("Olga");
    await owner.getByLabel("Password").fill(PASSWORD);
    await owner.getByRole("button", { name: "Join" }).click();
    await enrolFactor(owner, "olga", authenticator);
    // Another tenant's people see nothing of the installation.
    expect(await owner.getByRole("link", { name: "Tenants" }).count()).toBe(0);
    await owner.goto(`${origin()}/tenants`);
    await owner.getByRole("heading", { name: "Not yours to see" }).waitFor();
    await lookAt(owner, "no-permission");
    await page.getByRole("button", { name: "Close" }).click();
    await page.getByRole("button", { name: "Suspend westbank" }).click();
    const suspend = page.getByRole("button", { name: "Suspend", exact: true });
    expect(await suspend.isDisabled()).toBe(true);
    await page.getByLabel("Type westbank to go on").fill("westbank");
    await suspend.click();
    await page
      .getByRole("row", { name: /westbank/ })
      .getByText("suspended")
      .waitFor();
    await owner.close();
  });

  test("the audit is verified in the browser, from the first entry to the signed head", async () => {
    await go(page, "Audit");
    await page.getByRole("button", { name: "From the first entry" }).click();
    await page.getByText(/Verified: #1 to #\d+ are what was signed/).waitFor();
    await page.getByRole("button", { name: "Verify what is shown" }).click();
    await page.getByText(/Verified: #\d+ to #\d+ are what was signed/).waitFor();
    await lookAt(page, "audit-verified");
    await page.setViewportSize({ width: 1440, height: 900 });
    await page
      .getByRole("button", { name: /^Details of entry/ })
      .first()
      .click();
    await page.getByRole("dialog").getByText("Event", { exact: true }).waitFor();
    await lookAt(page, "audit-detail");
    await page.keyboard.press("Escape");
  });

  test("an answer that was changed on its way is found by the browser", async () => {
    await page.route("**/v1/audit-chain*", async (route) => {
      const answered = await route.fetch();
      const changed = (await answered.text()).replace(/tenant\.created/, "tenant.resumed");
      await route.fulfill({ response: answered, body: changed });
    });
    await page.getByRole("button", { name: "From the first entry" }).click();
    await page.getByText(/Does not hold at #\d+/).waitFor();
    await page.unroute("**/v1/audit-chain*");
  });

  test("a server that fails is shown with the request's id, and asking again goes on", async () => {
    await page.route("**/v1/keys?*", (route) =>
      route.fulfill({
        status: 503,
        headers: { "x-request-id": "0199-test" },
        contentType: "application/problem+json",
        body: JSON.stringify({ code: "database.unavailable", title: "The service is not available.", status: 503 }),
      }),
    );
    await page.goto(`${origin()}/keys`);
    await page.getByText("0199-test").waitFor();
    await lookAt(page, "failed");
    await page.unroute("**/v1/keys?*");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("Master key", { exact: true }).waitFor();
  });

  test("somebody signs in with a code, and a session that is revoked elsewhere is over within a second", async () => {
    const other = await newPage(browser);
    await other.goto(`${origin()}/`);
    await other.getByRole("heading", { name: "Sign in" }).waitFor();
    await lookAt(other, "sign-in");
    const ada = { tenant: "platform", email: "ada@ringwall.example", password: PASSWORD, who: "ada" };
    await signIn(other, ada, authenticator);
    await go(page, "Sessions");
    const row = page.getByRole("row").filter({ hasNotText: "this one" }).filter({ hasText: "End" });
    await row.getByRole("button").first().click();
    // Nobody touches that page, and what is measured is in the browser: from asking for the end to seeing it.
    const ended = await noteWhen(other, `document.body.textContent.includes("Your session has ended.")`);
    await page.getByRole("dialog").getByRole("button", { name: "End session" }).click();
    expect((await ended()) - (await sentMs(page, "/v1/sessions/"))).toBeLessThan(1_000);
    await other.close();
  });

  test("a look that is refused while the session is exchanged for another is not taken for its end", async () => {
    await go(page, "Overview");
    const refused = { code: "identity.sign_in_required", title: "Sign in first.", status: 401 };
    await page.route("**/v1/session/state", (route) => route.fulfill({ status: 401, json: refused }), { times: 1 });
    // Asked once more with what the browser has now, and then looked at as before.
    await page.waitForResponse((answered) => answered.url().endsWith("/v1/session") && answered.ok());
    await page.waitForResponse((answered) => answered.url().endsWith("/v1/session/state") && answered.ok());
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  });

  test("everything can be reached with the keyboard, and the page complained about nothing", async () => {
    await go(page, "Users");
    await page.keyboard.press("Tab");
    const focused = await page.evaluate("document.activeElement?.matches('a, button, input, select')");
    expect(focused).toBe(true);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    expect(complaints).toEqual([]);
  });
});
