/** What the page's tests share: the page built and served, a real Chromium, and a look into the terminal. */
import { fileURLToPath } from "node:url";
import axe from "axe-core";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { build, preview } from "vite";
import { findChromium } from "../../scripts/chromium.mjs";
// The elements' names, for querySelector.
import type {} from "../../web/doorbell-app.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const configFile = `${ROOT}vite.config.ts`;
const outDir = `${ROOT}node_modules/.cache/page-tests`;

/** A server and a browser for one file of tests. */
export interface Site {
  readonly url: string;
  /** Opens the page; `path` may carry its options. */
  open(options?: BrowserContextOptions, path?: string): Promise<OpenPage>;
  close(): Promise<void>;
}

/** A page, and whatever went wrong in it. */
export interface OpenPage {
  readonly page: Page;
  /** Console messages (the browser's verbose level excepted), uncaught errors, and requests that left the site. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

/** Builds the page as `npm run build` does, elsewhere, and serves it. */
export async function serveBuiltPage(): Promise<Site> {
  await build({ configFile, logLevel: "error", build: { outDir } });
  const server = await preview({
    configFile,
    logLevel: "error",
    build: { outDir },
    preview: { port: 0, host: "127.0.0.1" },
  });
  const address = server.httpServer.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return site(`http://127.0.0.1:${address.port}`, () => server.close());
}

/** Opens `url` in Chromium. */
export async function site(url: string, closeServer: () => Promise<void>): Promise<Site> {
  const executablePath = findChromium();
  if (executablePath === undefined)
    throw new Error("There is no Chromium: run `npm test`, which installs one.");
  const browser: Browser = await chromium.launch({
    executablePath,
    args: [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  return {
    url,
    open: async (options = {}, path = "/") => {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on("console", (message) => {
        if (message.type() !== "debug") complaints.push(`${message.type()}: ${message.text()}`);
      });
      page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
      page.on("request", (request) => {
        const to = request.url();
        if (!to.startsWith(`${url}/`) && !to.startsWith("blob:")) complaints.push(`request to ${to}`);
      });
      await page.goto(`${url}${path}`);
      return { page, complaints, close: () => context.close() };
    },
    close: async () => {
      await browser.close();
      await closeServer();
    },
  };
}

/** All that stands in the terminal, scrollback included. */
export function terminalText(page: Page): Promise<string> {
  return page.evaluate(() => document.querySelector("doorbell-terminal")?.text ?? "");
}

/** Waits until the terminal shows what matches. */
export async function untilTerminal(page: Page, pattern: RegExp, milliseconds = 30_000): Promise<string> {
  const limit = Date.now() + milliseconds;
  for (;;) {
    const text = await terminalText(page);
    if (pattern.test(text)) return text;
    if (Date.now() > limit) throw new Error(`The terminal does not show ${pattern}. It shows:\n${text}`);
    await page.waitForTimeout(50);
  }
}

/** Puts the keyboard on the terminal and types. */
export async function typeInTerminal(page: Page, text: string): Promise<void> {
  await page.evaluate(() => document.querySelector("doorbell-terminal")?.focus());
  await page.keyboard.type(text);
}

/** Waits until the guest's network is up and commands can be run. */
export async function untilReady(page: Page): Promise<void> {
  await page.locator("#stage", { hasText: "ready after" }).waitFor({ timeout: 60_000 });
}

/** A row of the panel: its per-second and its total figure as shown. */
export async function panelRow(page: Page, name: string): Promise<{ perSecond: number; total: number }> {
  const cells = await page
    .locator("doorbell-panel tr")
    .filter({ has: page.getByRole("button", { name, exact: true }) })
    .first()
    .locator("td")
    .allTextContents();
  const [perSecond = Number.NaN, total = Number.NaN] = cells.map((text) => Number(text.replaceAll(",", "")));
  return { perSecond, total };
}

/** Chooses a segment of a segmented control by its visible name. */
export async function choose(page: Page, control: "interrupts" | "doorbell", name: string): Promise<void> {
  await page.locator(`#${control}`).getByText(name, { exact: true }).click();
}

/** Waits until no switch is in progress. */
export async function untilSwitched(page: Page): Promise<void> {
  await page.waitForFunction(
    () => document.querySelector("doorbell-app")?.store.state.switching === undefined,
  );
}

/** Serious and critical violations, each with where it is. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const results = await page.evaluate(
    (): Promise<axe.AxeResults> => (globalThis as unknown as { axe: typeof axe }).axe.run(document),
  );
  return results.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id} at ${target}: ${failureSummary}`),
    );
}
