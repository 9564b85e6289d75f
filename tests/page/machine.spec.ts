/** The page with the real machine in a real browser, as a person uses it. */
import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  choose,
  type OpenPage,
  panelRow,
  type Site,
  serveBuiltPage,
  typeInTerminal,
  untilReady,
  untilSwitched,
  untilTerminal,
} from "./harness.ts";
import { readPcapng } from "./pcapng.ts";

let site: Site;
let opened: OpenPage;
let page: Page;

beforeAll(async () => {
  site = await serveBuiltPage();
  opened = await site.open({ permissions: ["clipboard-read", "clipboard-write"] });
  page = opened.page;
});

afterAll(async () => {
  await opened?.close();
  await site?.close();
});

function terminalRows(of: Page): Promise<number> {
  return of.evaluate(() => document.querySelector("doorbell-terminal")?.rows ?? 0);
}

describe("the page", () => {
  it("boots Linux to a prompt and puts the keyboard on the terminal", async () => {
    await untilTerminal(page, /#$/);
    await untilReady(page);
    await page.keyboard.type("echo $((6*7))\n");
    await untilTerminal(page, /^42$/m);
  });

  it("tells the guest the size of the terminal, at start and when it changes", async () => {
    const size = () =>
      page.evaluate(() => {
        const terminal = document.querySelector("doorbell-terminal");
        return `${terminal?.rows} ${terminal?.columns}`;
      });
    const before = await size();
    await typeInTerminal(page, "stty size\n");
    await untilTerminal(page, new RegExp(`^${before}$`, "m"));
    await page.setViewportSize({ width: 1500, height: 950 });
    await expect.poll(size).not.toBe(before);
    const after = await size();
    await typeInTerminal(page, "clear; stty size\n");
    await untilTerminal(page, new RegExp(`^${after}$`, "m"));
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  it("copies what is selected and pastes, by keyboard", async () => {
    await typeInTerminal(page, "clear; echo co''py-me\n");
    await untilTerminal(page, /^copy-me$/m);
    const screen = page.locator("doorbell-terminal .xterm-screen");
    // The first line: clear took away the one with the command.
    const rowHeight = ((await screen.boundingBox())?.height ?? 0) / (await terminalRows(page));
    await screen.dblclick({ position: { x: 20, y: rowHeight * 0.5 } });
    await page.keyboard.press("Control+Shift+C");
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe("copy-me");
    await page.evaluate(() => navigator.clipboard.writeText("echo $((20+3))"));
    await page.keyboard.press("Control+Shift+V");
    await page.keyboard.press("Enter");
    await untilTerminal(page, /^23$/m);
  });

  it("offers its output to screen readers on request", async () => {
    const button = page.getByRole("button", { name: "Screen reader" });
    await button.click();
    expect(await button.getAttribute("aria-pressed")).toBe("true");
    await typeInTerminal(page, "clear; echo spo''ken\n");
    await page.locator("doorbell-terminal .xterm-accessibility").getByText("spoken").first().waitFor();
    await button.click();
    expect(await button.getAttribute("aria-pressed")).toBe("false");
  });

  it("switches interrupts while tcp_rr runs, and the panel shows that status reads come and go", async () => {
    await typeInTerminal(page, "clear; tcp_rr -H 10.0.2.2 -l 20 -r 32,1024 --verify\n");
    const rate = () => panelRow(page, "Doorbell").then(({ perSecond }) => perSecond);
    await expect.poll(rate, { timeout: 15_000 }).toBeGreaterThan(50);
    expect(await page.locator("doorbell-panel .state").textContent()).toContain("MSI");
    expect((await panelRow(page, "InterruptStatus")).total).toBe(0);
    expect((await panelRow(page, "InterruptACK")).total).toBe(0);

    await choose(page, "interrupts", "Legacy (wired)");
    await untilSwitched(page);
    await expect
      .poll(() => panelRow(page, "InterruptStatus").then(({ perSecond }) => perSecond), { timeout: 15_000 })
      .toBeGreaterThan(50);
    const exits = page.locator("doorbell-figures .figure .value").first();
    await expect
      .poll(async () => Number(await exits.textContent()), { timeout: 15_000 })
      .toBeGreaterThan(2.5);

    await choose(page, "interrupts", "MSI");
    await untilSwitched(page);
    await expect
      .poll(() => panelRow(page, "InterruptStatus").then(({ perSecond }) => perSecond), { timeout: 15_000 })
      .toBe(0);
    const reads = (await panelRow(page, "InterruptStatus")).total;
    await page.waitForTimeout(1500);
    expect(await rate()).toBeGreaterThan(50);
    expect((await panelRow(page, "InterruptStatus")).total).toBe(reads);
    await expect.poll(async () => Number(await exits.textContent()), { timeout: 15_000 }).toBeLessThan(1.5);

    const text = await untilTerminal(page, /transactions\/s/, 60_000);
    expect(text).toMatch(/verified/);
    expect(await page.locator("#notice p").count()).toBe(0);
  });

  it("switches to per-queue doorbells and back", async () => {
    await choose(page, "doorbell", "Shared");
    await untilSwitched(page);
    await typeInTerminal(page, "clear; ping -c 2 10.0.2.2\n");
    await untilTerminal(page, /2 packets received/);
    expect((await panelRow(page, "QueueNotify")).total).toBeGreaterThan(0);
    await choose(page, "doorbell", "Per queue");
    await untilSwitched(page);
    expect(await page.locator("#notice p").count()).toBe(0);
  });

  it("runs tcp_rr by its button and shows the result", async () => {
    await page.locator("#run").click();
    const row = page.locator("doorbell-runs tbody tr").first();
    await row.waitFor({ timeout: 60_000 });
    expect(await row.locator("th").textContent()).toBe("MSI");
    const numbers = (await row.locator("td").allTextContents()).map((text) =>
      Number(text.replaceAll(",", "")),
    );
    expect(numbers).toHaveLength(5);
    for (const number of numbers) expect(number).toBeGreaterThan(0);
  });

  it("cancels a run without keeping a result", async () => {
    const rows = await page.locator("doorbell-runs tbody tr").count();
    await page.locator("#run").click();
    await page.waitForTimeout(700);
    await page.locator("#run", { hasText: "Cancel" }).click();
    await page.locator("#run", { hasText: "Run tcp_rr" }).waitFor({ timeout: 20_000 });
    expect(await page.locator("doorbell-runs tbody tr").count()).toBe(rows);
    expect(await page.locator("#notice p").count()).toBe(0);
  });

  it("saves a capture that is a well-formed pcapng file with every frame in it", async () => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#pcap").click()]);
    expect(download.suggestedFilename()).toMatch(/\.pcapng$/);
    const frames = readPcapng(await readFile(await download.path()));
    expect(frames.length).toBeGreaterThan(100);
    for (const frame of frames) expect(frame.length).toBeGreaterThanOrEqual(14);
  });

  it("pauses and resumes", async () => {
    const instructions = () =>
      page.evaluate(
        () => document.querySelector("doorbell-app")?.store.history.reading?.current.guestInstructions,
      );
    await page.locator("#pause").click();
    await page.locator("#stage", { hasText: "Paused" }).waitFor();
    await page.waitForTimeout(400);
    const before = await instructions();
    await page.waitForTimeout(700);
    expect(await instructions()).toBe(before);
    await page.locator("#pause", { hasText: "Resume" }).click();
    await typeInTerminal(page, "clear; echo going $((1+1))\n");
    await untilTerminal(page, /^going 2$/m);
  });

  it("stays responsive while the guest is busy and floods its console", async () => {
    await typeInTerminal(page, "clear; yes busy | head -n 300000 & while :; do :; done\n");
    await page.waitForTimeout(500);
    const longest = await page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          let last = performance.now();
          let gap = 0;
          const end = last + 4000;
          const frame = (): void => {
            const now = performance.now();
            gap = Math.max(gap, now - last);
            last = now;
            if (now < end) requestAnimationFrame(frame);
            else resolve(gap);
          };
          requestAnimationFrame(frame);
        }),
    );
    // Not a benchmark: a page that hangs would be far beyond this on any machine.
    expect(longest).toBeLessThan(5000);
    await page.keyboard.press("Control+C");
    await typeInTerminal(page, "kill %1; clear; echo free $((3+4))\n");
    await untilTerminal(page, /^free 7$/m);
  });

  it("can be left by keyboard, and its controls can be worked by keyboard", async () => {
    await page.evaluate(() => document.querySelector("doorbell-terminal")?.focus());
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.localName)).toBe("doorbell-terminal");
    await page.keyboard.press("F6");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("panel");
    await page.evaluate(() => document.querySelector("doorbell-terminal")?.focus());
    await page.keyboard.press("Shift+F6");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("controls");

    await page.locator("#interrupts input[value=msi]").focus();
    await page.keyboard.press("ArrowLeft");
    await page.locator("#interrupts input[value=wired]:checked").waitFor();
    await untilSwitched(page);
    expect(await page.locator("#announcement").textContent()).toMatch(/Legacy \(wired\), after/);
    await page.keyboard.press("ArrowRight");
    await page.locator("#interrupts input[value=msi]:checked").waitFor();
    await untilSwitched(page);
  });

  it("describes its chart in words, switches included", async () => {
    const chart = page.getByRole("img", { name: /^Line chart of the last minute/ });
    await expect
      .poll(() => chart.getAttribute("aria-label"), { timeout: 15_000 })
      .toMatch(/exits\/s now .*switched to .*to MSI \d+ seconds ago/);
  });

  it("explains a number by keyboard", async () => {
    const term = page.locator("doorbell-figures").getByRole("button", { name: "Exits per transaction" });
    await term.focus();
    await page.keyboard.press("Enter");
    await page.getByText("Trapped register accesses of the network card").waitFor();
    await page.keyboard.press("Escape");
    await page.getByText("Trapped register accesses of the network card").waitFor({ state: "hidden" });
  });

  it("says in words that the guest has shut down, and starts it again", async () => {
    await typeInTerminal(page, "clear; poweroff -f\n");
    await page.getByRole("alert").getByText("The guest is off").waitFor({ timeout: 30_000 });
    await page.locator("#retry").click();
    await untilReady(page);
    await typeInTerminal(page, "echo again $((5+5))\n");
    await untilTerminal(page, /^again 10$/m);
  });

  it("restarts on request", async () => {
    await page.locator("#restart").click();
    await page.locator("#stage", { hasText: "Booting" }).waitFor();
    await untilReady(page);
    await untilTerminal(page, /#$/);
  });

  it("wrote nothing to the browser's console and asked nobody else for anything", () => {
    expect(opened.complaints).toEqual([]);
  });
});
