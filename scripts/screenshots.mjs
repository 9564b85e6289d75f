/** `node scripts/screenshots.mjs`: takes the pictures in docs/images/ from the running page, anew. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ensureChromium } from "./chromium.mjs";
import { ensureInstalled, root } from "./install.mjs";

ensureInstalled();
const { chromium } = await import("playwright-core");
const { createServer } = await import("vite");
const images = join(root, "docs/images");
mkdirSync(images, { recursive: true });

const server = await createServer({
  configFile: join(root, "vite.config.ts"),
  server: { port: 0 },
  logLevel: "silent",
});
await server.listen();
const url = server.resolvedUrls.local[0];
const browser = await chromium.launch({
  executablePath: ensureChromium(),
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
});

/** The page after it has booted. */
async function open(width, height, colorScheme) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme });
  await page.goto(url);
  await page.waitForFunction(() => window.doorbell?.phase === "ready", undefined, { timeout: 60_000 });
  await page.waitForTimeout(1000);
  return page;
}

try {
  // A minute in which the devices are switched while tcp_rr runs, warmed up first.
  const page = await open(1280, 800, "light");
  await page.evaluate(() => window.doorbell.exec("tcp_rr -H 10.0.2.2 -l 15 -r 32,1024"));
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type("tcp_rr -H 10.0.2.2 -l 60 -r 32,1024\n");
  await page.waitForTimeout(8000);
  for (const mode of ["Legacy (wired)", "MSI", "Legacy (wired)"]) {
    await page.getByText(mode, { exact: true }).first().click();
    await page.waitForTimeout(5000);
  }
  await page.screenshot({ path: join(images, "page.png") });
  await page.close();

  const phone = await open(390, 844, "dark");
  await phone.screenshot({ path: join(images, "phone.png") });
  await phone.close();
} finally {
  await browser.close();
  await server.close();
}
console.error(`Pictures are in ${images}.`);
process.exit(0);
