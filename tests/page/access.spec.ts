/** The page for everyone: axe-core's rules in every state, and a phone's width. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VIEWS } from "../../web/views.ts";
import { type Site, serveBuiltPage, untilReady, violations } from "./harness.ts";

/** From a small phone to a large wall. */
const SCREENS = [
  [360, 740],
  [390, 844],
  [768, 1024],
  [1024, 768],
  [1280, 800],
  [3840, 2160],
] as const;

let site: Site;

beforeAll(async () => {
  site = await serveBuiltPage();
});

afterAll(() => site?.close());

describe.each(["light", "dark"] as const)("in %s colours", (colorScheme) => {
  it("has no serious or critical violation while downloading", async () => {
    const { page, close } = await site.open({ colorScheme });
    await page.route("**/guest/vmlinux.gz", () => {});
    await page.reload();
    await page.getByText("Downloading the machine").waitFor();
    expect(await violations(page)).toEqual([]);
    await close();
  });

  it("has none with a running machine, its explanations open", async () => {
    const { page, close } = await site.open({ colorScheme });
    await untilReady(page);
    await page.waitForTimeout(500);
    expect(await violations(page)).toEqual([]);
    await page.getByText("Set-up registers one by one").click();
    await page.getByRole("button", { name: "Exits per transaction" }).click();
    expect(await violations(page)).toEqual([]);
    await page.getByRole("button", { name: "What am I looking at?" }).click();
    expect(await violations(page)).toEqual([]);
    await close();
  });

  it("has none when a download failed", async () => {
    const { page, close } = await site.open({ colorScheme });
    await page.route("**/guest/vmlinux.gz", (route) => route.fulfill({ status: 500, body: "" }));
    await page.reload();
    await page.getByRole("alert").getByText("The download failed").waitFor();
    expect(await violations(page)).toEqual([]);
    await close();
  });
});

describe.each(VIEWS.map(({ id, element }) => [id, element] as const))("the view %s", (id, element) => {
  it("has no serious or critical violation in either colours, and does not scroll sideways", async () => {
    const { page, close } = await site.open({ colorScheme: "dark" }, `/?view=${id}`);
    await untilReady(page);
    await page.locator(element).waitFor();
    await page.waitForTimeout(500);
    expect(await violations(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
    await page.waitForTimeout(300);
    expect(await violations(page)).toEqual([]);
    for (const [width, height] of SCREENS) {
      await page.setViewportSize({ width, height });
      await page.waitForTimeout(200);
      const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(scrollWidth, `${width} x ${height}`).toBe(width);
    }
    await close();
  });
});

describe("on any screen", () => {
  it("does not scroll sideways, and fits one screen at 1280 x 800", async () => {
    const { page, close } = await site.open();
    await untilReady(page);
    for (const [width, height] of SCREENS) {
      await page.setViewportSize({ width, height });
      await page.waitForTimeout(300);
      const { scrollWidth, scrollHeight, panel } = await page.evaluate(() => {
        const { scrollWidth, scrollHeight } = document.documentElement;
        const element = document.querySelector("#panel");
        return {
          scrollWidth,
          scrollHeight,
          panel: (element?.scrollHeight ?? 0) - (element?.clientHeight ?? 0),
        };
      });
      expect(scrollWidth, `${width} x ${height}`).toBe(width);
      if (width >= 1280) expect([scrollHeight, panel], `${width} x ${height}`).toEqual([height, 0]);
    }
    await close();
  });

  it("has no serious or critical violation on a phone of 360 pixels", async () => {
    const { page, close } = await site.open({
      viewport: { width: 360, height: 740 },
      hasTouch: true,
      isMobile: true,
    });
    await untilReady(page);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    expect(await violations(page)).toEqual([]);
    await close();
  });
});
