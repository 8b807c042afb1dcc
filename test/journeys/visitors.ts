import { TOTP } from "otpauth";
import type { Browser, Page } from "playwright-core";
import { expect } from "vitest";
import { systemClock } from "../../src/core/index.ts";

const STEP_MS = 30_000;
/** Drawing waits its turn on a machine that is busy with other tests. */
const WAIT_MS = 30_000;

/** What people type who were not given a password. */
export const PASSWORD = "tide knot 52 ember";

function presentStep(): number {
  return Math.floor(systemClock() / STEP_MS);
}

/** Everybody's authenticator app. */
export class Authenticator {
  readonly #secrets = new Map<string, string>();
  readonly #used = new Map<string, number>();

  keep(who: string, secret: string): void {
    this.#secrets.set(who, secret);
  }

  /** Keeps a secret whose present code somebody else has given already. */
  takeOver(who: string, secret: string): void {
    this.keep(who, secret);
    this.#used.set(who, presentStep());
  }

  /** A code that was not given before: each is taken once. */
  async code(who: string): Promise<string> {
    await expect.poll(presentStep, { timeout: STEP_MS + 5_000 }).not.toBe(this.#used.get(who));
    this.#used.set(who, presentStep());
    return new TOTP({ secret: this.#secrets.get(who) ?? "" }).generate({ timestamp: systemClock() });
  }
}

/** Somebody's browser, with nothing in it yet. */
export async function newPage(browser: Browser): Promise<Page> {
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1440, height: 900 } });
  context.setDefaultTimeout(WAIT_MS);
  return await context.newPage();
}

/** Sets the second factor up, as the page asks for it, and arrives at the overview. */
export async function enrolFactor(at: Page, who: string, authenticator: Authenticator): Promise<void> {
  await at.getByRole("heading", { name: "Set up your second factor" }).waitFor();
  authenticator.keep(who, (await at.getByRole("textbox", { name: "Secret" }).textContent()) ?? "");
  await at.getByLabel("Code", { exact: true }).fill(await authenticator.code(who));
  await at.getByRole("button", { name: "Finish" }).click();
  await at.getByRole("heading", { name: "Overview" }).waitFor();
}

/** Signs in to the console with a password and a code. */
export async function signIn(
  at: Page,
  person: { readonly tenant: string; readonly email: string; readonly password: string; readonly who: string },
  authenticator: Authenticator,
): Promise<void> {
  await at.getByRole("heading", { name: "Sign in" }).waitFor();
  await at.getByLabel("Tenant").fill(person.tenant);
  await at.getByLabel("E-mail").fill(person.email);
  await at.getByLabel("Password").fill(person.password);
  await at.getByRole("button", { name: "Continue" }).click();
  await at.getByLabel("Code", { exact: true }).fill(await authenticator.code(person.who));
  await at.getByRole("button", { name: "Sign in" }).click();
  await at.getByRole("heading", { name: "Overview" }).waitFor();
}

/** Goes to a page of the console by its navigation. */
export async function go(at: Page, name: string): Promise<void> {
  await at.setViewportSize({ width: 1440, height: 900 });
  await at.getByRole("navigation").getByRole("link", { name, exact: true }).click();
  await at.getByRole("heading", { level: 1, name }).waitFor();
}
