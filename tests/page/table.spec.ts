/** "Reproduce the table", the exit-cost slider, and the devices on PCI, with the real machine in a real browser. */
import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  choose,
  type OpenPage,
  type Site,
  serveBuiltPage,
  typeInTerminal,
  untilReady,
  untilTerminal,
  violations,
} from "./harness.ts";

let site: Site;
let opened: OpenPage;
let page: Page;

beforeAll(async () => {
  site = await serveBuiltPage();
  opened = await site.open({ permissions: ["clipboard-read", "clipboard-write"] }, "/?memory=64");
  page = opened.page;
  await untilReady(page);
});

afterAll(async () => {
  await opened?.close();
  await site?.close();
});

const state = () => page.evaluate(() => document.querySelector("doorbell-app")?.store.state);
const exitCostOfTheMachine = () =>
  page.evaluate(
    () =>
      (window as unknown as { doorbell: { metrics(): { exitCostNs: number } } }).doorbell.metrics()
        .exitCostNs,
  );

/** Sets the shortest run of these columns. */
async function prepare(columns: readonly string[]): Promise<void> {
  for (const name of ["seconds", "rounds"]) {
    await page.locator(`doorbell-table #${name}`).fill("1");
    await page.locator(`doorbell-table #${name}`).blur();
  }
  const boxes = page.locator("doorbell-table input[name=column]");
  for (const box of await boxes.all())
    await box.setChecked(columns.includes((await box.getAttribute("value")) ?? ""));
}

async function save(button: string): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator(button).click()]);
  return readFile(await download.path(), "utf8");
}

describe("the exit-cost slider", () => {
  it("sets the machine's cost, says so on the page, and puts it into the address", async () => {
    expect(await page.locator("#modelled").count()).toBe(0);
    const slider = page.locator("doorbell-figures").getByRole("slider", { name: "Exit cost" });
    await slider.focus();
    for (let step = 0; step < 3; step++) await page.keyboard.press("ArrowRight");
    await page.locator("#modelled", { hasText: "modelled exit cost 0.3 \u00b5s" }).waitFor();
    expect(await page.locator("doorbell-figures output").textContent()).toBe(
      "modelled exit cost 0.3 \u00b5s",
    );
    await expect.poll(exitCostOfTheMachine).toBe(300);
    expect(new URL(page.url()).searchParams.get("exitcost")).toBe("300");
    expect(new URL(page.url()).searchParams.get("memory")).toBe("64");
  });

  it("marks the result of a run", async () => {
    await page.locator("#run").click();
    const row = page.locator("doorbell-runs tbody th").first();
    await row.waitFor({ timeout: 60_000 });
    expect(await row.textContent()).toBe("MSImodelled exit cost 0.3 \u00b5s");
  });
});

describe("the table", () => {
  it("can be cancelled while it boots, and the visible guest goes on", async () => {
    await page.locator("#table").click();
    await prepare(["mmio-msi"]);
    await page.locator("doorbell-table #start").click();
    await page.locator("#stage", { hasText: "Paused while the table is measured" }).waitFor();
    await page.locator("doorbell-table #cancel").click();
    await page.locator("doorbell-table #start").waitFor({ timeout: 30_000 });
    expect((await state())?.comparison).toEqual({
      stage: "idle",
      step: "",
      problem: undefined,
      result: undefined,
    });
    expect((await state())?.stage).toBe("running");
  });

  it("runs to its end, on MMIO switched live and on PCI", { timeout: 240_000 }, async () => {
    await prepare(["pci-msix", "mmio-wired", "mmio-msi"]);
    await page.locator("doorbell-table #start").click();
    await page.locator("#step", { hasText: "Warming up: PCI MSI-X" }).waitFor({ timeout: 60_000 });
    expect(await page.locator("doorbell-table .left").textContent()).toMatch(/^about \d+ s left$/);
    // Closing the dialog leaves the run going.
    await page.locator("doorbell-table #close").click();
    await page.locator("#table", { hasText: "Measuring the table" }).click();
    await page.locator("doorbell-table #start").waitFor({ timeout: 200_000 });
    expect(await page.locator("doorbell-table .problem").count()).toBe(0);
    const rows = page.locator("doorbell-table-results tbody tr");
    expect(await rows.locator("th").allTextContents()).toEqual([
      "PCI MSI-X",
      "MMIO wired (version 2)",
      "MMIO MSI (version 3)",
    ]);
    expect(await page.locator("doorbell-table-results .seed rect").count()).toBe(3);
    expect(await page.locator("doorbell-table-results .ratios li").count()).toBe(2);
    expect(await page.locator("doorbell-table-results caption").textContent()).toContain(
      "modelled exit cost 0.3 \u00b5s",
    );
    expect(await page.locator("#stage").textContent()).toContain("Running");
  });

  it("counts what does not depend on the computer", async () => {
    const measurements = (await state())?.comparison.result?.measurements ?? [];
    const of = (name: string) => measurements.find(({ column }) => column === name)?.perTransaction;
    expect(of("mmio-wired")?.exits).toBeGreaterThan(2.9);
    expect(of("mmio-wired")?.ioapicEois).toBeGreaterThan(0.9);
    for (const name of ["mmio-msi", "pci-msix"]) {
      expect(of(name)?.exits).toBeLessThan(1.2);
      expect(of(name)?.interrupts).toBeLessThan(1.2);
      expect(of(name)?.ioapicEois).toBe(0);
    }
  });

  it("saves JSON, CSV and Markdown that can be read, each with the modelled exit cost", async () => {
    const json: { modelledExitCostNs: number; exitCost: string; measurements: unknown[] } = JSON.parse(
      await save("doorbell-table-results #json"),
    );
    expect(json).toMatchObject({
      schema: 1,
      modelledExitCostNs: 300,
      exitCost: "modelled exit cost 0.3 \u00b5s",
    });
    expect(json.measurements).toHaveLength(3);
    const [header = "", ...lines] = (await save("doorbell-table-results #csv")).trimEnd().split("\r\n");
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      expect(line.split(",")).toHaveLength(header.split(",").length);
      expect(line).toContain("modelled exit cost 0.3 \u00b5s");
    }
    const markdown = await save("doorbell-table-results #markdown");
    expect(markdown).toContain("modelled exit cost 0.3 \u00b5s");
    expect(markdown.split("\n").filter((line) => line.startsWith("| "))).toHaveLength(5);
    await page.locator("doorbell-table-results #copy").click();
    await page.locator("doorbell-table-results").getByText("Copied.").waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(markdown);
  });

  it.each(["light", "dark"] as const)(
    "has no serious or critical violation in %s colours",
    async (colorScheme) => {
      await page.emulateMedia({ colorScheme });
      expect(await violations(page)).toEqual([]);
    },
  );

  it("stays within a phone's width", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    // The terminal follows the window's size a little later.
    await page.waitForTimeout(300);
    const { scrolled, dialog } = await page.evaluate(() => ({
      scrolled: document.documentElement.scrollWidth,
      dialog: document.querySelector("doorbell-table")?.shadowRoot?.querySelector("dialog")?.scrollWidth,
    }));
    expect(scrolled).toBe(390);
    expect(dialog).toBeLessThanOrEqual(390);
    expect(await violations(page)).toEqual([]);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  it("keeps its result when the next run is cancelled, and the guest goes on", async () => {
    await page.locator("doorbell-table #start").click();
    await page.locator("#step", { hasText: "Warming up" }).waitFor({ timeout: 60_000 });
    await page.locator("doorbell-table #cancel").click();
    await page.locator("doorbell-table #start").waitFor({ timeout: 30_000 });
    expect((await state())?.comparison.result?.measurements).toHaveLength(3);
    await page.locator("doorbell-table #close").click();
    await typeInTerminal(page, "clear; echo going $((1+1))\n");
    await untilTerminal(page, /^going 2$/m);
  });
});

describe("the devices on PCI", () => {
  it("come with a restart, and say why interrupts and doorbells wait for one there", async () => {
    await page.locator("#transport").selectOption("pci");
    await page
      .locator("#restart-note", { hasText: "Restart to have the devices on PCI with MSI-X." })
      .waitFor();
    expect(new URL(page.url()).searchParams.get("transport")).toBe("pci");
    await page.locator("#restart").click();
    await page.locator("#stage", { hasText: "Booting" }).waitFor();
    await untilReady(page);
    expect(await page.locator("doorbell-panel .state").textContent()).toBe("virtio-pci, MSI-X");
    // The exit cost outlives the machine.
    expect(await exitCostOfTheMachine()).toBe(300);
    const note = page.locator("#restart-note");
    expect(await note.textContent()).toMatch(/does not recover from\s+DEVICE_NEEDS_RESET/);
    await choose(page, "interrupts", "INTx (wired)");
    await note.getByText("Restart to have the devices on PCI with INTx (wired).").waitFor();
    expect(await violations(page)).toEqual([]);
    await page.locator("#restart").click();
    await page.locator("#stage", { hasText: "Booting" }).waitFor();
    await untilReady(page);
    expect(await page.locator("doorbell-panel .state").textContent()).toBe("virtio-pci, INTx (wired)");
    await typeInTerminal(page, "clear; ping -c 1 10.0.2.2\n");
    await untilTerminal(page, /1 packets received/);
  });

  it("come from the address too, with its exit cost", async () => {
    const other = await site.open({}, "/?transport=pci&exitcost=1500");
    await untilReady(other.page);
    expect(await other.page.locator("doorbell-panel .state").textContent()).toBe("virtio-pci, MSI-X");
    expect(await other.page.locator("#modelled").textContent()).toBe("modelled exit cost 1.5 \u00b5s");
    expect(other.complaints).toEqual([]);
    await other.close();
  });
});

it("wrote nothing to the browser's console and asked nobody else for anything", () => {
  expect(opened.complaints).toEqual([]);
});
