/** The page itself, built as `npm run build` does, served with compression, and opened in a headless Chromium. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { build } from "vite";
import type { MicroVm } from "../src/index.ts";
// The elements' names, for querySelector.
import type {} from "../web/doorbell-app.ts";
import { launchChromium } from "./chromium.ts";
import type { BootMoment } from "./protocol.ts";

const PROJECT = fileURLToPath(new URL("../", import.meta.url));
const FOLDER = `${PROJECT}node_modules/.cache/bench-site`;

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".gz": "application/gzip",
};

export interface BuiltSite {
  readonly url: string;
  readonly browser: Browser;
  /** Bytes of bodies sent so far, as they travelled. */
  readonly sent: () => number;
  close(): Promise<void>;
}

/** Builds, serves and starts the browser. `args` are the browser's, in place of the benchmark's own. */
export async function openSite(args?: readonly string[]): Promise<BuiltSite> {
  await build({ configFile: `${PROJECT}vite.config.ts`, logLevel: "error", build: { outDir: FOLDER } });
  const files = packedFiles();
  let sent = 0;
  const server = createServer(({ url = "/", headers }, response) => {
    const path = decodeURIComponent(new URL(url, "http://localhost").pathname);
    const file = files.get(path === "/" ? "/index.html" : path);
    if (file === undefined) return void response.writeHead(404).end();
    const caching = { ETag: file.tag, "Cache-Control": "no-cache" };
    if (headers["if-none-match"] === file.tag) return void response.writeHead(304, caching).end();
    sent += file.body.length;
    response.writeHead(200, { ...caching, ...file.headers, "Content-Length": file.body.length });
    response.end(file.body);
  });
  const port = await listen(server);
  const browser = await launchChromium(args);
  return {
    url: `http://127.0.0.1:${port}/`,
    browser,
    sent: () => sent,
    close: async () => {
      await browser.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

interface PackedFile {
  readonly body: Buffer;
  readonly tag: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** All files as an ordinary server has them: compressed once, with a tag that a browser asks for on its next visit. */
function packedFiles(): ReadonlyMap<string, PackedFile> {
  const files = new Map<string, PackedFile>();
  for (const name of readdirSync(FOLDER, { recursive: true, encoding: "utf8" })) {
    const path = join(FOLDER, name);
    if (!statSync(path).isFile()) continue;
    const bytes = readFileSync(path);
    const packed = extname(name) === ".gz";
    files.set(`/${name.replaceAll("\\", "/")}`, {
      body: packed ? bytes : gzipSync(bytes, { level: 9 }),
      tag: `"${createHash("sha256").update(bytes).digest("base64url")}"`,
      headers: {
        "Content-Type": TYPES[extname(name)] ?? "application/octet-stream",
        ...(packed ? {} : { "Content-Encoding": "gzip" }),
      },
    });
  }
  return files;
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("The server has no port."));
      else resolve(address.port);
    });
  });
}

/** What a visit notes, where the page's scripts are. */
interface Visit {
  readonly moments: BootMoment[];
}

/** What a visit prints when it has come to its end. */
const ARRIVED = "the prompt is there";

/**
 * Opens the page and resolves when the prompt stands in the terminal; times count from the navigation. Nothing is asked of the page
 * until then: what evaluates scripts in a page puts a large one of its own into it first.
 */
export async function visit(
  context: BrowserContext,
  url: string,
): Promise<{ page: Page; moments: BootMoment[] }> {
  const page = await context.newPage();
  // The TypeScript loader wraps functions in a helper of this name, which the page does not have.
  await page.addInitScript("globalThis.__name = (value) => value");
  await page.addInitScript((arrived) => {
    const moments: BootMoment[] = [];
    let machine: MicroVm | undefined;
    const note = (what: BootMoment["what"]): void => {
      const guestInstructions = machine?.metrics().guestInstructions ?? 0;
      moments.push({ what, milliseconds: performance.now(), guestInstructions });
    };
    Object.defineProperty(globalThis, "moments", { value: moments });
    // The page puts its machine here before it starts it.
    Object.defineProperty(globalThis, "doorbell", {
      configurable: true,
      get: () => machine,
      set: (made: MicroVm) => {
        machine = made;
        note("created");
        made.onPhase((phase) => note(phase));
      },
    });
    const look = (): void => {
      // What is drawn before the guest runs is a picture of it.
      const text = machine?.running ? document.querySelector("doorbell-terminal")?.text : "";
      if (/[#$]$/.test(text ?? "")) {
        note("prompt");
        settle();
      } else setTimeout(look, 4);
    };
    // A restored machine has been ready before.
    const settle = (): void =>
      machine?.phase === "ready" ? console.debug(arrived) : void setTimeout(settle, 4);
    addEventListener("DOMContentLoaded", look);
  }, ARRIVED);
  const arrived = page.waitForEvent("console", {
    predicate: (message) => message.text() === ARRIVED,
    timeout: 120_000,
  });
  await page.goto(url, { waitUntil: "commit" });
  await arrived;
  const moments = await page.evaluate(() => (globalThis as unknown as Visit).moments);
  return { page, moments };
}
