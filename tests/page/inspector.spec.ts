/** The inspector with the real machine in a real browser. */
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  choose,
  type OpenPage,
  type Site,
  serveBuiltPage,
  typeInTerminal,
  untilReady,
  untilSwitched,
  violations,
} from "./harness.ts";

let site: Site;
let opened: OpenPage;
let page: Page;
let inspector: Locator;

beforeAll(async () => {
  site = await serveBuiltPage();
  opened = await site.open({}, "/?view=inspector");
  page = opened.page;
  inspector = page.locator("doorbell-inspector");
  await untilReady(page);
});

afterAll(async () => {
  await opened?.close();
  await site?.close();
});

const register = (name: string): Locator => inspector.locator(`tr[data-register="${name}"]`);

describe("the inspector", () => {
  it("shows the registers of the running device with the bits spelled out", async () => {
    expect(await register("Status").innerText()).toMatch(
      /0x070[\s\S]*ACKNOWLEDGE[\s\S]*DRIVER[\s\S]*FEATURES_OK[\s\S]*DRIVER_OK/,
    );
    await inspector.getByText("registers to find, negotiate and set up").click();
    expect(await register("Version").locator(".value").innerText()).toBe("0x3");
    expect(await register("MsiStatus").innerText()).toContain("offered");
    expect(await inspector.locator(".features").innerText()).toContain("EVENT_IDX");
  });

  it("marks the access that was made last, and lists what happened", async () => {
    await typeInTerminal(page, "ping -c 2 10.0.2.2\n");
    await expect.poll(() => register("Doorbell").getAttribute("class"), { timeout: 20_000 }).toBe("last");
    await expect
      .poll(() => inspector.locator(".events").innerText())
      .toMatch(/message of vector \d+: address 0xfee/);
  });

  it("draws each queue and says in words who is to be told of what", async () => {
    await expect
      .poll(() => inspector.getByRole("img", { name: /^Available ring: \d+ wait$/ }).count())
      .toBe(1);
    await inspector.getByRole("img", { name: /^Descriptor table: \d+ descriptors are available/ }).waitFor();
    const facts = inspector.locator(".facts");
    expect(await facts.innerText()).toMatch(/used_event \d+: .*interrupt/);
    await inspector.locator("#queues").getByText("1 transmit").click();
    expect(await facts.innerText()).toMatch(/avail_event \d+: /);
  });

  it("shows the messages, each with the vector that it means", async () => {
    expect(await inspector.locator(".messages").innerText()).toMatch(
      /receive[\s\S]*0xfee[0-9a-f]{5}[\s\S]*vector 0x[0-9a-f]{2} to local APIC/,
    );
  });

  it("steps from event to event, and the machine stands still between", async () => {
    await inspector.locator("#step-to").selectOption("interrupt");
    await typeInTerminal(page, "tcp_rr -H 10.0.2.2 -l 20\n");
    await page.waitForTimeout(500);
    const state = inspector.locator("#state");
    for (let step = 0; step < 3; step++) {
      await inspector.locator("#step").click();
      await expect.poll(() => state.innerText(), { timeout: 20_000 }).toMatch(/^Paused just behind: message/);
      expect(await page.locator("#stage").innerText()).toBe("Paused");
      const count = () => inspector.locator(".bar .soft").first().innerText();
      const before = await count();
      await page.waitForTimeout(450);
      expect(await count()).toBe(before);
    }
    await inspector.locator("#run-pause").click();
    await expect.poll(() => state.innerText()).toMatch(/^Running/);
  });

  it("shows both interrupt controllers, and whose each vector is", async () => {
    await inspector.locator("#tabs").getByText("Interrupt controllers").click();
    for (const name of ["IRR", "ISR", "TMR"])
      await inspector.getByRole("img", { name: new RegExp(`^${name}: `) }).waitFor();
    expect(await inspector.locator("tbody tr").count()).toBeLessThan(24);
    await inspector.getByLabel("masked pins too").check();
    expect(await inspector.locator("tbody tr").count()).toBe(24);
    await choose(page, "interrupts", "Legacy (wired)");
    await untilSwitched(page);
    await expect
      .poll(() => inspector.getByRole("row", { name: /^10 net0/ }).innerText(), { timeout: 15_000 })
      .toMatch(/level[\s\S]*open/);
  });

  it.each([
    [1280, 800, "light"],
    [1280, 800, "dark"],
    [390, 844, "light"],
    [390, 844, "dark"],
  ] as const)("fits %d x %d pixels, %s, without a violation", async (width, height, colorScheme) => {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    for (const tab of ["net0", "Interrupt controllers"]) {
      await inspector.locator("#tabs").getByText(tab).click();
      await page.waitForTimeout(300);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
      expect(await violations(page), tab).toEqual([]);
    }
  });

  it("records nothing once it is closed, and wrote nothing to the browser's console", async () => {
    await page.setViewportSize({ width: 1280, height: 800 });
    const active = () =>
      page.evaluate(() => document.querySelector("doorbell-app")?.store.machine?.trace.active);
    expect(await active()).toBe(true);
    await page.getByRole("tab", { name: "Counters" }).click();
    expect(await active()).toBe(false);
    expect(opened.complaints).toEqual([]);
  });
});
