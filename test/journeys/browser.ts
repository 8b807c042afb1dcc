import { existsSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { expect } from "vitest";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((path) => existsSync(path));
/** Kept for looking at; git does not. */
const SHOTS = join(import.meta.dirname, "screenshots");
const WIDTHS = [360, 1440] as const;
const SCHEMES = ["light", "dark"] as const;
const HEIGHT = 900;

/** Debian's Chromium, or why a journey cannot go. */
export const NO_BROWSER = CHROMIUM === undefined ? "skipped: Debian's chromium is not installed" : undefined;

export async function openBrowser(): Promise<Browser> {
  return await chromium.launch({
    executablePath: CHROMIUM ?? "",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
}

/** Fails when axe finds anything on the page as it is. */
export async function expectAccessible(page: Page, what: string): Promise<void> {
  // Put in by the browser's own debugger, so the page's policy stays as it is.
  await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => {
    // What the line above has put there.
    const { axe: found } = globalThis as unknown as { axe: typeof axe };
    const result = await found.run({ resultTypes: ["violations"] });
    return result.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
  });
  expect(violations, what).toEqual([]);
}

/** A picture in each width and scheme, with axe on each and nothing wider than the screen. */
export async function lookAt(page: Page, name: string): Promise<void> {
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: HEIGHT });
      await page.screenshot({ path: join(SHOTS, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      await expectAccessible(page, `${name} at ${width}, ${colorScheme}`);
      const over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
      expect(over, `${name} at ${width} fits`).toBe(0);
    }
  }
}

/**
 * Notes in the page itself when something first holds there.
 * @param condition - An expression of the page's.
 * @returns Waits for it, and says when it was, in milliseconds since 1970 as the browser counts them.
 */
export async function noteWhen(page: Page, condition: string): Promise<() => Promise<number>> {
  await page.evaluate(`globalThis.noted = new Promise((resolve) => {
    new MutationObserver((_, observer) => {
      if (!(${condition})) return;
      resolve(performance.timeOrigin + performance.now());
      observer.disconnect();
    }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  });
  undefined`);
  return async () => await page.evaluate("globalThis.noted");
}

/** When the page sent the newest request whose address has this part, in milliseconds since 1970. */
export async function sentMs(page: Page, part: string): Promise<number> {
  return await page.evaluate(`performance.timeOrigin + performance.getEntriesByType("resource")
    .findLast(({ name }) => name.includes(${JSON.stringify(part)})).startTime`);
}

/** What the page's console and its policy complained about. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // A refusal that the page shows is an entry of the browser's own, and is what some steps are about.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      complaints.push(message.text());
    }
  });
  return complaints;
}
