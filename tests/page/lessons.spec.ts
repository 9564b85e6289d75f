/** Every lesson, walked to its end by one reader who knows none of them: set, answer, run, and see that the machine agrees. */
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LESSONS } from "../../web/lessons/library.ts";
import { type OpenPage, type Site, serveBuiltPage, untilReady, violations } from "./harness.ts";

let site: Site;
let opened: OpenPage;
let page: Page;
let lesson: Locator;

beforeAll(async () => {
  site = await serveBuiltPage();
  opened = await site.open({}, "/?view=lessons");
  page = opened.page;
  page.setDefaultTimeout(15_000);
  lesson = page.locator("doorbell-lesson");
  await untilReady(page);
});

afterAll(async () => {
  await opened?.close();
  await site?.close();
});

const state = () => lesson.locator("#step-state").textContent();

/** Does what the step asks for. A frame that somebody else sent may spoil one measurement, not three. */
async function doStep(name: string): Promise<void> {
  const set = lesson.locator("#set");
  if (await set.isVisible()) {
    await set.click();
    await lesson
      .getByText("In force.")
      .waitFor({ timeout: 60_000 })
      .catch(async () => {
        throw new Error(`${name}: nothing comes into force. It shows:\n${await lesson.innerText()}`);
      });
    await untilReady(page);
  }
  const answers = lesson.getByRole("radio");
  if (await answers.count()) await answers.first().check();
  const run = lesson.locator("#run[aria-disabled=false]");
  const repeatable = await lesson.locator("#run").isVisible();
  for (let attempt = 1; ; attempt++) {
    if (repeatable) {
      await run.click();
      await lesson.getByRole("button", { name: "Run again" }).waitFor({ timeout: 60_000 });
    }
    try {
      await expect.poll(state, { timeout: repeatable ? 1000 : 20_000 }).toMatch(/This step is done/);
      return;
    } catch {
      if (attempt < 3 && repeatable) continue;
      throw new Error(`${name} does not come to its end. It shows:\n${await lesson.innerText()}`);
    }
  }
}

describe("each lesson", () => {
  it.each(LESSONS.map(({ id, title, steps }) => [id, title, steps] as const))(
    "%s passes its own checks, step by step",
    async (id, title, steps) => {
      await page.getByRole("button", { name: `Start: ${title}` }).click();
      for (const [index, step] of steps.entries()) {
        await lesson.getByRole("heading", { name: step.title, exact: true }).waitFor();
        expect(new URL(page.url()).searchParams.get("lesson")).toBe(id);
        await doStep(`${id}, step ${index + 1}`);
        if (index === 1) expect(await violations(page)).toEqual([]);
        await lesson.getByRole("button", { name: index < steps.length - 1 ? "Next" : "Finish" }).click();
      }
      await page.getByRole("button", { name: `Again: ${title}` }).waitFor();
    },
  );

  it("is remembered by the browser, can be opened at a step by its address, and be begun again", async () => {
    const [first] = LESSONS;
    if (first === undefined) throw new Error("There is no lesson.");
    await page.goto(`${site.url}/?view=lessons&lesson=${first.id}&step=2`);
    await lesson.getByRole("heading", { name: first.steps[1]?.title ?? "" }).waitFor();
    expect(await lesson.getByRole("button", { name: /^Step \d+, .*, done$/ }).count()).toBe(
      first.steps.length,
    );
    await lesson.getByRole("button", { name: "Restart the lesson" }).click();
    await lesson.getByRole("heading", { name: first.steps[0]?.title ?? "" }).waitFor();
    expect(await lesson.getByRole("button", { name: /, done$/ }).count()).toBeLessThanOrEqual(1);
    await lesson.getByRole("button", { name: "All lessons" }).click();
    await page
      .getByRole("button", { name: /^(Start|Continue): / })
      .first()
      .waitFor();
  });

  it("left nothing in the browser's console", () => {
    expect(opened.complaints).toEqual([]);
  });
});
