/** The built library in a page that knows nothing else, and the page itself in a frame and from a link. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
// The element's name, for querySelector.
import type {} from "../../web/doorbell-vm.ts";
import {
  type Site,
  serveBuiltPage,
  site,
  terminalText,
  untilReady,
  untilTerminal,
  violations,
} from "./harness.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

describe("the built library", () => {
  const folder = mkdtempSync(join(tmpdir(), "doorbell-lib-"));
  const library = join(folder, "lib");
  let server: ChildProcess;
  let example: Site;

  beforeAll(async () => {
    execFileSync(process.execPath, ["scripts/build-lib.mjs", "--out", library], { cwd: ROOT, stdio: "pipe" });
    server = spawn(process.execPath, ["examples/embed/serve.mjs", library], {
      cwd: ROOT,
      env: { ...process.env, PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const url = await new Promise<string>((resolve, reject) => {
      server.stdout?.once("data", (text) => resolve(String(text).trim().replace(/\/$/, "")));
      server.once("exit", (status) => reject(new Error(`The example's server ended with ${status}.`)));
    });
    example = await site(url, async () => {
      server.kill();
    });
  });

  afterAll(async () => {
    await example?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("is all that examples/embed needs: it boots, measures, switches live and measures again", async () => {
    const { page, complaints, close } = await example.open();
    const measure = page.getByRole("button", { name: "Measure" });
    await page.getByText(/^ready after \d+ ms$/).waitFor({ timeout: 60_000 });
    await measure.click();
    const exits = (row: number) => page.locator("#results tr").nth(row).locator("td").nth(2).textContent();
    await page.locator("#results tr").first().waitFor({ timeout: 30_000 });
    expect(Number(await exits(0))).toBeGreaterThan(2.5);

    await page.getByRole("button", { name: "Switch to MSI" }).click();
    await page.getByText("Devices use msi").waitFor({ timeout: 30_000 });
    await measure.click();
    await page.locator("#results tr").nth(1).waitFor({ timeout: 30_000 });
    expect(Number(await exits(1))).toBeLessThan(1.6);

    expect(await violations(page)).toEqual([]);
    // The element that is taken away lets go of its machine, and one that is put back boots again.
    expect(
      await page.evaluate(async () => {
        const vm = document.querySelector("doorbell-vm");
        vm?.remove();
        await new Promise((resolve) => setTimeout(resolve, 100));
        return [vm?.machine === undefined, vm?.stage];
      }),
    ).toEqual([true, "off"]);
    expect(complaints).toEqual([]);
    await close();
  });

  it("has types that stand alone", () => {
    const consumer = join(folder, "consumer.ts");
    writeFileSync(
      consumer,
      `import { MicroVm, type MetricsSnapshot } from "./lib/types/src/index.js";
       import type { DoorbellVm } from "./lib/types/web/doorbell-vm.js";
       declare const vm: DoorbellVm;
       export const metrics: MetricsSnapshot | undefined = vm.metrics();
       export const machine: MicroVm | undefined = vm.machine;
       export const status: Promise<number> = vm.exec("true");`,
    );
    const flags =
      "--ignoreConfig --noEmit --strict --target es2023 --module nodenext --lib es2023,dom --types".split(
        " ",
      );
    execFileSync(join(ROOT, "node_modules/.bin/tsc"), [...flags, "", consumer], { stdio: "pipe" });
  });
});

describe("a link to the page", () => {
  let page: Site;
  beforeAll(async () => {
    page = await serveBuiltPage();
  });
  afterAll(() => page?.close());

  it("carries a command that runs when the person says so, and not before", async () => {
    const opened = await page.open({}, "/?run=echo%20from-$((40%2B2))");
    await untilReady(opened.page);
    await opened.page.getByText("The link that brought you here").waitFor();
    await opened.page.waitForTimeout(500);
    expect(await terminalText(opened.page)).not.toContain("echo");
    expect(await violations(opened.page)).toEqual([]);
    await opened.page.locator("#run-offered").click();
    await untilTerminal(opened.page, /^from-42$/m);
    // Run or dismissed, it is gone from the address: a reload does not ask again.
    expect(opened.page.url()).not.toContain("run=");
    expect(opened.complaints).toEqual([]);
    await opened.close();
  });

  it("shows the machine alone with ?embed, the layout that it names, and the modes that it names", async () => {
    const opened = await page.open(
      { viewport: { width: 720, height: 420 } },
      "/?embed&layout=terminal&interrupts=wired",
    );
    await untilReady(opened.page);
    for (const hidden of ["doorbell-controls", ".chart", ".footer", "doorbell-views", "h1"]) {
      expect(await opened.page.locator(hidden).first().isVisible(), hidden).toBe(false);
    }
    const { width, height } = await opened.page.evaluate(() =>
      document.documentElement.getBoundingClientRect(),
    );
    expect([width, height]).toEqual([720, 420]);
    const full = await opened.page.getByRole("link", { name: "Full page" }).getAttribute("href");
    expect(full).toBe("./?layout=terminal&interrupts=wired");
    expect(await violations(opened.page)).toEqual([]);
    await opened.close();
  });

  it("is copied with what was changed since", async () => {
    const opened = await page.open(
      { permissions: ["clipboard-read", "clipboard-write"] },
      "/?memory=48&view=lessons",
    );
    await untilReady(opened.page);
    await opened.page.locator("#interrupts").getByText("Legacy (wired)", { exact: true }).click();
    await opened.page.waitForFunction(
      () => document.querySelector("doorbell-app")?.store.state.switching === undefined,
    );
    await opened.page.getByRole("button", { name: "Copy link" }).click();
    const read = () => opened.page.evaluate(() => navigator.clipboard.readText());
    await expect.poll(read).toBe(`${page.url}/?memory=48&view=lessons&interrupts=wired`);
    await opened.close();
  });
});
