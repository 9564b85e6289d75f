/** What helps a person find the way: the tour, the keyboard map, single keys, tabs by keyboard. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OpenPage, type Site, serveBuiltPage, untilReady, violations } from "./harness.ts";

let site: Site;
let opened: OpenPage;
let page: Page;

beforeAll(async () => {
  site = await serveBuiltPage();
  opened = await site.open();
  page = opened.page;
  page.setDefaultTimeout(15_000);
  await untilReady(page);
});

afterAll(async () => {
  await opened?.close();
  await site?.close();
});

const card = () => page.locator("doorbell-tour").getByRole("dialog");
const view = () => page.getByRole("tab", { selected: true }).textContent();
const blur = () => page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());

describe("the tour", () => {
  it("is offered to who is here for the first time, goes from place to place, and leads to the lessons", async () => {
    await page.getByRole("button", { name: "Take the tour" }).click();
    const titles: (string | null)[] = [];
    for (;;) {
      titles.push(await card().getByRole("heading").textContent());
      // The card is on the screen, and so is what it speaks of.
      const box = await card().boundingBox();
      expect(box && box.x >= 0 && box.y >= 0 && box.x + box.width <= 1280 && box.y + box.height <= 800).toBe(
        true,
      );
      if (titles.length === 1) expect(await violations(page)).toEqual([]);
      const next = card().getByRole("button", { name: "Next" });
      if (!(await next.isVisible())) break;
      await next.click();
      await card()
        .getByText(`${titles.length + 1} of 5`)
        .waitFor();
    }
    expect(new Set(titles).size).toBe(5);
    await card().getByRole("button", { name: "To the lessons" }).click();
    await card().waitFor({ state: "detached" });
    await expect.poll(async () => (await view())?.trim()).toBe("Lessons");
  });

  it("is not offered again, can be taken again, goes by arrow keys and ends with Escape", async () => {
    await page.reload();
    await untilReady(page);
    await page.getByText("A real Linux microVM in this page").waitFor();
    expect(await page.locator(".welcome").count()).toBe(0);
    await page.getByRole("button", { name: "What am I looking at?" }).click();
    await page.getByRole("button", { name: "Take the tour" }).click();
    await card().getByText("1 of 5").waitFor();
    await page.keyboard.press("ArrowRight");
    await card().getByText("2 of 5").waitFor();
    await page.keyboard.press("Escape");
    await card().waitFor({ state: "detached" });
  });
});

describe("the keyboard", () => {
  it("has a map behind ?, and single keys that open views, until they are turned off", async () => {
    await blur();
    await page.keyboard.press("p");
    await expect.poll(async () => (await view())?.trim()).toBe("Packets");
    await page.keyboard.press("?");
    const map = page.getByRole("dialog", { name: "Keyboard" });
    await map.waitFor();
    expect(await violations(page)).toEqual([]);
    await map.getByRole("checkbox", { name: "Single keys work" }).uncheck();
    await page.keyboard.press("Escape");
    await blur();
    await page.keyboard.press("c");
    expect((await view())?.trim()).toBe("Packets");
    await page.getByRole("button", { name: "Keys" }).click();
    await map.getByRole("checkbox", { name: "Single keys work" }).check();
    await page.keyboard.press("Escape");
    await blur();
    await page.keyboard.press("t");
    expect(await page.evaluate(() => document.activeElement?.localName)).toBe("doorbell-terminal");
    // In the terminal, letters are the guest's.
    await page.keyboard.press("c");
    expect((await view())?.trim()).toBe("Packets");
  });

  it("goes along the tabs with the arrow keys, and the address follows", async () => {
    await page.getByRole("tab", { selected: true }).focus();
    await page.keyboard.press("Home");
    await expect.poll(async () => (await view())?.trim()).toBe("Counters");
    await page.keyboard.press("ArrowRight");
    await expect.poll(async () => (await view())?.trim()).toBe("Lessons");
    expect(page.url()).toContain("view=lessons");
  });

  it("left nothing in the browser's console", () => {
    expect(opened.complaints).toEqual([]);
  });
});
