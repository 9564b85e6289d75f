/** `node scripts/transfer.mjs`: what the built page loads until its prompt, with every view closed, as gzip -9 makes it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { ensureChromium } from "./chromium.mjs";
import { ensureInstalled, root } from "./install.mjs";

ensureInstalled();
const { chromium } = await import("playwright-core");
const { build, preview } = await import("vite");
const outDir = mkdtempSync(join(tmpdir(), "doorbell-transfer-"));
const options = { configFile: join(root, "vite.config.ts"), logLevel: "error", build: { outDir } };
await build(options);
const server = await preview({ ...options, preview: { port: 0, host: "127.0.0.1" } });
const browser = await chromium.launch({
  executablePath: ensureChromium(),
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
});
try {
  const page = await browser.newPage();
  const loaded = new Set();
  page.on("request", (request) => {
    const { protocol, pathname } = new URL(request.url());
    if (protocol === "http:") loaded.add(pathname === "/" ? "/index.html" : pathname);
  });
  await page.goto(`http://127.0.0.1:${server.httpServer.address().port}/`);
  await page.waitForFunction(() => window.doorbell?.phase === "ready", undefined, { timeout: 60_000 });
  const kinds = { "kernel and initramfs": 0, emulator: 0, "scripts, styles and the document": 0 };
  for (const path of [...loaded].sort()) {
    const bytes = readFileSync(join(outDir, path));
    const sent = path.endsWith(".gz") ? bytes.length : gzipSync(bytes, { level: 9 }).length;
    if (path.endsWith(".gz")) kinds["kernel and initramfs"] += sent;
    else if (path.endsWith(".wasm")) kinds.emulator += sent;
    else kinds["scripts, styles and the document"] += sent;
    console.log(`${sent.toLocaleString("en").padStart(11)}  ${path.slice(1)}`);
  }
  console.log();
  for (const [kind, sent] of Object.entries(kinds))
    console.log(`${sent.toLocaleString("en").padStart(11)}  ${kind}`);
  const total = Object.values(kinds).reduce((sum, sent) => sum + sent, 0);
  console.log(`${total.toLocaleString("en").padStart(11)}  in all, ${(total / 2 ** 20).toFixed(2)} MiB`);
} finally {
  await browser.close();
  await server.close();
  rmSync(outDir, { recursive: true });
}
process.exit(0);
