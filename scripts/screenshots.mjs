/** `node scripts/screenshots.mjs`: takes the pictures in docs/images/ from the running page, anew. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ensureChromium } from "./chromium.mjs";
import { ensureInstalled, fail, root } from "./install.mjs";

const HELP = `Usage: node scripts/screenshots.mjs [--out DIR] [--only NAME]... [--look]

Takes the pictures of docs/images/ anew, each at two sizes: a laptop in light colours, a phone in dark ones.

  --out DIR    where they go (default docs/images)
  --only NAME  only this picture; can be given several times
  --look       all sizes in both colours instead, for whoever changes the page; needs --out
`;

let values;
try {
  ({ values } = parseArgs({
    options: {
      out: { type: "string" },
      only: { type: "string", multiple: true },
      look: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  }));
} catch (error) {
  fail(`${error.message.split("\n")[0]} See --help.`);
}
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
if (values.look && values.out === undefined)
  fail("--look takes many pictures: say with --out where they go.");

const LAPTOP = { name: "laptop", width: 1280, height: 800 };
const PHONE = { name: "phone", width: 390, height: 844 };
const LARGE = { name: "large", width: 3840, height: 2160 };
const SHOTS = values.look
  ? [LAPTOP, PHONE, LARGE].flatMap((size) =>
      ["light", "dark"].map((scheme) => ({ size, scheme, name: `${size.name}-${scheme}` })),
    )
  : [
      { size: LAPTOP, scheme: "light", name: LAPTOP.name },
      { size: PHONE, scheme: "dark", name: PHONE.name },
    ];

/** What is pictured: the address, and what is done before. */
const PICTURES = {
  page: { query: "", prepare: switching },
  lessons: {
    query: "?view=lessons&lesson=journey&step=3",
    prepare: async (page) => {
      const lesson = page.locator("doorbell-lesson");
      await lesson.waitFor();
      const set = lesson.locator("#set");
      if (await set.isVisible()) await set.click();
      const answers = lesson.getByRole("radio");
      if (await answers.count()) await answers.first().check();
      const run = lesson.locator("#run[aria-disabled=false]");
      if (await lesson.locator("#run").isVisible()) {
        await run.click();
        await lesson.getByRole("button", { name: "Run again" }).waitFor({ timeout: 60_000 });
      }
    },
  },
  packets: {
    query: "?view=packets",
    prepare: async (page) => {
      await exec(page, "ping -c 1 10.0.2.2; nslookup doorbell.local 10.0.2.2; tcp_rr -H 10.0.2.2 -l 0.01");
      await page.locator("doorbell-packets").waitFor();
    },
  },
  inspector: {
    query: "?view=inspector",
    prepare: async (page) => {
      await exec(page, "ping -c 2 10.0.2.2");
      await page.locator("doorbell-inspector").waitFor();
    },
  },
  journey: {
    query: "?view=journey",
    prepare: async (page) => {
      await page.locator("doorbell-journey #record").click();
      await page.locator("doorbell-journey .timeline").first().waitFor({ timeout: 60_000 });
    },
  },
  snapshots: {
    query: "?view=snapshots",
    prepare: async (page) => {
      await page.waitForFunction(
        () => document.querySelector("doorbell-app").store.state.snapshots.prompt !== undefined,
        undefined,
        { timeout: 60_000 },
      );
    },
  },
  tour: {
    query: "",
    prepare: async (page) => {
      await page.locator("#take-tour").click();
      await page.locator("doorbell-tour").waitFor({ state: "attached" });
    },
  },
  keys: {
    query: "",
    prepare: async (page) => {
      await page.locator("#keys").click();
      await page.locator("doorbell-keys").waitFor({ state: "attached" });
    },
  },
  embed: {
    query: "?embed&run=uname%20-a",
    prepare: async (page) => page.locator("#run-offered").click(),
  },
};
const unknown = (values.only ?? []).filter((name) => !Object.hasOwn(PICTURES, name));
if (unknown.length > 0)
  fail(`There is no picture "${unknown[0]}": there are ${Object.keys(PICTURES).join(", ")}.`);

ensureInstalled();
const { chromium } = await import("playwright-core");
const { createServer } = await import("vite");
const images = resolve(values.out ?? join(root, "docs/images"));
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

/** Runs a command in the guest, to its end. */
function exec(page, command) {
  return page.evaluate((text) => window.doorbell.exec(text), command);
}

/** A stretch in which the devices are switched while tcp_rr runs, warmed up first. */
async function switching(page) {
  await exec(page, "tcp_rr -H 10.0.2.2 -l 5 -r 32,1024");
  await page.evaluate(() => document.querySelector("doorbell-terminal").focus());
  await page.keyboard.type("tcp_rr -H 10.0.2.2 -l 60 -r 32,1024\n");
  await page.waitForTimeout(4000);
  for (const mode of ["Legacy (wired)", "MSI", "Legacy (wired)"]) {
    await page.getByText(mode, { exact: true }).first().click();
    await page.waitForTimeout(4000);
  }
}

try {
  for (const [name, { query, prepare }] of Object.entries(PICTURES)) {
    if (values.only && !values.only.includes(name)) continue;
    for (const shot of SHOTS) {
      console.error(`${name}, ${shot.name} ...`);
      const { width, height } = shot.size;
      const page = await browser.newPage({ viewport: { width, height }, colorScheme: shot.scheme });
      await page.goto(`${url}${query}`);
      await page.waitForFunction(() => window.doorbell?.phase === "ready", undefined, { timeout: 60_000 });
      await page.waitForTimeout(500);
      await prepare(page);
      // On a phone the view stands below the terminal.
      if (query.includes("view="))
        await page.locator("doorbell-views").evaluate((views) => views.scrollIntoView());
      await page.waitForTimeout(500);
      // Playwright itself knows PNG and JPEG; WebP is a quarter of the one and sharper than the other.
      const session = await page.context().newCDPSession(page);
      const format = values.look ? { format: "png" } : { format: "webp", quality: 80 };
      const { data } = await session.send("Page.captureScreenshot", format);
      writeFileSync(join(images, `${name}-${shot.name}.${format.format}`), Buffer.from(data, "base64"));
      await page.close();
    }
  }
} finally {
  await browser.close();
  await server.close();
}
console.error(`Pictures are in ${images}.`);
process.exit(0);
