import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TOTP } from "otpauth";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/core/index.ts";
import { type RunningSystem, startSystem } from "../running-system.ts";
import { complaintsOf, lookAt, NO_BROWSER, openBrowser } from "./browser.ts";

const PASSWORD = "tide knot 52 ember";
const STEP_MS = 30_000;

// The whole system, started as a person starts it, and everything done as a person does it: in a browser.
describe.skipIf(NO_BROWSER !== undefined)(["the console in Chromium", NO_BROWSER ?? []].flat().join(", "), () => {
  let system: RunningSystem;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  const secrets = new Map<string, string>();
  let used = 0;

  beforeAll(async () => {
    [system, browser] = await Promise.all([startSystem(), openBrowser()]);
    page = await newPage();
    complaints = complaintsOf(page);
  });
  afterAll(async () => {
    await browser.close();
    await system.stop();
  });

  const origin = (): string => `http://localhost:${system.apiPort}`;

  async function newPage(): Promise<Page> {
    const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1440, height: 900 } });
    context.setDefaultTimeout(10_000);
    return await context.newPage();
  }

  /** A code that was not given before: each is taken once. */
  async function code(who: string): Promise<string> {
    const totp = new TOTP({ secret: secrets.get(who) ?? "" });
    await expect.poll(() => Math.floor(systemClock() / STEP_MS), { timeout: STEP_MS + 5_000 }).not.toBe(used);
    used = Math.floor(systemClock() / STEP_MS);
    return totp.generate({ timestamp: systemClock() });
  }

  async function enrolFactor(at: Page, who: string): Promise<void> {
    await at.getByRole("heading", { name: "Set up your second factor" }).waitFor();
    secrets.set(who, (await at.getByRole("textbox", { name: "Secret" }).textContent()) ?? "");
    await at.getByLabel("Code", { exact: true }).fill(await code(who));
    await at.getByRole("button", { name: "Finish" }).click();
    await at.getByRole("heading", { name: "Overview" }).waitFor();
  }

  async function go(name: string): Promise<void> {
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
    await page.getByRole("heading", { level: 1, name }).waitFor();
  }

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
    await enrolFactor(page, "ada");
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
    ["Settings check", "Disk"],
    ["Audit", "Verify what is shown"],
  ])("%s shows what is there, in two widths and schemes, without a finding of axe", async (name, text) => {
    await go(name);
    await page.getByText(text).first().waitFor();
    await lookAt(page, name.toLowerCase().replace(" ", "-"));
  });

  test("a tenant is made, its owner invited, and suspended only once its name is typed", async () => {
    await go("Tenants");
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
    const owner = await newPage();
    await owner.goto(link);
    await owner.getByLabel("Name").fill("Olga");
    await owner.getByLabel("Password").fill(PASSWORD);
    await owner.getByRole("button", { name: "Join" }).click();
    await enrolFactor(owner, "olga");
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
    await page.getByText("suspended").waitFor();
    await owner.close();
  });

  test("the audit is verified in the browser, from the first entry to the signed head", async () => {
    await go("Audit");
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
    await page.route("**/v1/keys", (route) =>
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
    await page.unroute("**/v1/keys");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("Master key", { exact: true }).waitFor();
  });

  test("somebody signs in with a code, and a session that is revoked elsewhere is over within a second", async () => {
    const other = await newPage();
    await other.goto(`${origin()}/`);
    await other.getByRole("heading", { name: "Sign in" }).waitFor();
    await lookAt(other, "sign-in");
    await other.getByLabel("Tenant").fill("platform");
    await other.getByLabel("E-mail").fill("ada@ringwall.example");
    await other.getByLabel("Password").fill(PASSWORD);
    await other.getByRole("button", { name: "Continue" }).click();
    await other.getByLabel("Code", { exact: true }).fill(await code("ada"));
    await other.getByRole("button", { name: "Sign in" }).click();
    await other.getByRole("heading", { name: "Overview" }).waitFor();
    await other.mouse.move(10, 10);
    await go("Sessions");
    const row = page.getByRole("row").filter({ hasNotText: "this one" }).filter({ hasText: "End" });
    await row.getByRole("button").first().click();
    await page.getByRole("dialog").getByRole("button", { name: "End session" }).click();
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    const endedMs = performance.now();
    await other.getByText("Your session has ended.").waitFor();
    // A second for the looking, and what the browser takes to draw on a busy machine.
    expect(performance.now() - endedMs).toBeLessThan(2_000);
    await other.close();
  });

  test("everything can be reached with the keyboard, and the page complained about nothing", async () => {
    await go("Users");
    await page.keyboard.press("Tab");
    const focused = await page.evaluate("document.activeElement?.matches('a, button, input, select')");
    expect(focused).toBe(true);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    expect(complaints).toEqual([]);
  });
});
