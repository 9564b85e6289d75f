/** The journey of one packet, recorded from the real machine in a real browser. */
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OpenPage, type Site, serveBuiltPage, untilReady, violations } from "./harness.ts";

let site: Site;
let opened: OpenPage;
let page: Page;
let journey: Locator;

beforeAll(async () => {
  site = await serveBuiltPage();
  opened = await site.open({ reducedMotion: "reduce" }, "/?view=journey");
  page = opened.page;
  journey = page.locator("doorbell-journey");
  await untilReady(page);
});

afterAll(async () => {
  await opened?.close();
  await site?.close();
});

/** A row of the table of figures: the wire's, then the messages'. */
const figure = (id: string): Promise<string[]> => journey.locator(`#${id} td`).allInnerTexts();
const now = (): Promise<string> => journey.locator("#now").innerText();
const current = (): Promise<string> => journey.locator('[aria-current="step"]').innerText();

describe("the journey of one packet", () => {
  it("is recorded by one button in both ways, with the live switch between, and back", async () => {
    await journey.locator("#record").click();
    await journey.locator(".timeline").waitFor({ timeout: 60_000 });
    expect(await page.locator("#interrupts input:checked").getAttribute("value")).toBe("msi");
    expect(await page.evaluate(() => document.querySelector("doorbell-app")?.store.machine?.interrupts)).toBe(
      "msi",
    );
    expect(await page.locator("#notice p").count()).toBe(0);
  });

  it("shows 1 read of InterruptStatus with the wire and 0 with MSI, 3 exits and 1, from the events", async () => {
    expect(await figure("status-reads")).toEqual(["1", "0"]);
    expect(await figure("acknowledgements")).toEqual(["1", "0"]);
    expect(await figure("exits")).toEqual(["3", "1"]);
    expect(await figure("interrupts")).toEqual(["1", "1"]);
    const dots = (mode: string, kind: string): Promise<number> =>
      journey.locator(`svg.lanes.${mode} .dot.${kind}`).count();
    expect([await dots("wired", "exit"), await dots("msi", "exit")]).toEqual([3, 1]);
    expect([await dots("wired", "inferred"), await dots("msi", "inferred")]).toEqual([5, 5]);
  });

  it("is walked by keyboard, and each step says what was recorded, or that it is inferred", async () => {
    await journey.locator('[aria-current="step"]').focus();
    expect(await now()).toMatch(/^1\. The program sends[\s\S]*inferred, not observed/);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowRight");
    await expect.poll(current).toMatch(/^The driver rings the doorbell/);
    expect(await now()).toMatch(/write Doorbell \(0x1004\) = 0x1[\s\S]*exit[\s\S]*recorded/);
    await page.keyboard.press("End");
    await expect.poll(current).toMatch(/^The program has its response/);
    await page.keyboard.press("Home");
    await expect.poll(current).toMatch(/^The program sends/);
    await journey.getByRole("button", { name: /^The driver asks why/ }).click();
    const text = await now();
    expect(text).toMatch(/Legacy \(wired\)[\s\S]*read InterruptStatus \(0x060\) = 0x1/);
    expect(text).toMatch(/MSI[\s\S]*No read, no exit/);
    await page.keyboard.press("ArrowUp");
    await expect.poll(current).toMatch(/^The handler begins/);
  });

  it("shows the clause of the register specification that a step stands on", async () => {
    await journey.getByRole("button", { name: /^The driver asks why/ }).click();
    const clauses = journey.locator("#now details");
    await clauses.last().locator("summary").click();
    expect(await clauses.last().innerText()).toMatch(/InterruptStatus reads 0 while MSI is enabled/);
    await clauses.last().locator("summary").click();
    // Every step has one, in each way.
    const steps = await journey.locator(".steps button").count();
    await journey.locator(".steps button").first().click();
    for (let step = 0; step < steps; step++) {
      expect(await clauses.count(), await current()).toBe(2);
      await page.keyboard.press("ArrowDown");
    }
    expect(await journey.locator("a").count()).toBe(0);
  });

  it("plays with the space bar, and stops", async () => {
    await journey.locator(".steps button").first().click();
    await page.keyboard.press("Space");
    await expect.poll(current, { timeout: 10_000 }).toMatch(/^The driver rings the doorbell/);
    await page.keyboard.press("Space");
    const stopped = await current();
    await page.waitForTimeout(1500);
    expect(await current()).toBe(stopped);
    // Reduced motion: it steps, and nothing glides.
    expect(
      await journey
        .locator(".token")
        .first()
        .evaluate((token) => getComputedStyle(token).transitionProperty),
    ).toBe("none");
  });

  it.each([
    [1280, 800, "light"],
    [1280, 800, "dark"],
    [390, 844, "light"],
    [390, 844, "dark"],
  ] as const)("fits %d x %d pixels, %s, without a violation", async (width, height, colorScheme) => {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    await page.waitForTimeout(300);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    expect(await violations(page)).toEqual([]);
  });

  it("says in words when there is nothing to record, and goes on", async () => {
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.locator("#pause").click();
    await journey.locator("#record").click();
    await journey.getByRole("alert").getByText("The guest is not ready").waitFor();
    await page.locator("#pause").click();
    await journey.locator("#record").click();
    await journey.getByRole("alert").waitFor({ state: "detached" });
    await expect.poll(() => journey.locator("#progress").innerText(), { timeout: 60_000 }).toBe("");
    expect(await figure("status-reads")).toEqual(["1", "0"]);
    expect(opened.complaints).toEqual([]);
  });
});

describe("the journey on PCI", () => {
  it("is one, of the way that the devices were started with", async () => {
    const pci = await site.open({}, "/?transport=pci&view=journey");
    await untilReady(pci.page);
    const one = pci.page.locator("doorbell-journey");
    await one.locator("#record").click();
    await one.locator(".timeline.single").waitFor({ timeout: 60_000 });
    expect(await one.locator("#exits td").allInnerTexts()).toEqual(["1"]);
    expect(await one.locator("#status-reads td").allInnerTexts()).toEqual(["0"]);
    expect(pci.complaints).toEqual([]);
    await pci.close();
  });
});
