/** Machines in pages of a headless Chromium: the harness of browser/, built and served, one page for each machine. */
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium } from "playwright-core";
import { build, type PreviewServer, preview } from "vite";
import { findChromium } from "../scripts/chromium.mjs";
import { type Link, MachineError } from "./machine.ts";

const PROJECT = fileURLToPath(new URL("../", import.meta.url));

/** Nothing that slows a page down for not being looked at: the pages that do not run are paused anyway. */
const ARGUMENTS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];

export function launchChromium(args: readonly string[] = ARGUMENTS): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath(), args: [...args] });
}

/**
 * A browser that keeps in `folder` what browsers keep: files, compiled scripts, what pages store. Contexts of
 * {@link launchChromium} are incognito windows, which keep less and in memory.
 */
export function launchProfile(folder: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(folder, { executablePath: chromiumPath(), args: [...ARGUMENTS] });
}

function chromiumPath(): string {
  const path = findChromium();
  if (path !== undefined) return path;
  throw new MachineError(
    "There is no Chromium: install one, or name one in the environment variable CHROMIUM.",
  );
}

interface Running {
  readonly browser: Browser;
  readonly server: PreviewServer;
  readonly url: string;
  pages: number;
}
let running: Promise<Running> | undefined;

async function start(): Promise<Running> {
  const config = {
    configFile: `${PROJECT}vite.config.ts`,
    root: `${PROJECT}bench/browser`,
    publicDir: `${PROJECT}public`,
    logLevel: "error",
    build: { outDir: `${PROJECT}node_modules/.cache/bench-page` },
  } as const;
  await build(config);
  const server = await preview({ ...config, preview: { port: 0, host: "127.0.0.1" } });
  const address = server.httpServer.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return { browser: await launchChromium(), server, url: `http://127.0.0.1:${address.port}/`, pages: 0 };
}

/** A page of its own, in a context of its own, for one machine. */
export async function openPage(): Promise<Link> {
  running ??= start();
  const site = await running;
  site.pages += 1;
  const context = await site.browser.newContext();
  const page = await context.newPage();
  await page.goto(site.url);
  await page.waitForFunction(() => globalThis.bench !== undefined);
  let closed = false;
  return {
    async call(name, args) {
      const answer = await page.evaluate(
        async ([what, values]) => {
          const call = globalThis.bench?.[what] as (...values: readonly unknown[]) => unknown;
          try {
            return { value: await call(...values) };
          } catch (error) {
            return { error: error instanceof Error ? error.message : String(error) };
          }
        },
        [name, args] as const,
      );
      if (answer.error !== undefined) throw new MachineError(answer.error);
      return answer.value;
    },
    async close() {
      if (closed) return;
      closed = true;
      await context.close();
      site.pages -= 1;
      if (site.pages > 0) return;
      running = undefined;
      await site.browser.close();
      await site.server.close();
    },
  };
}
