/** What the page keeps of its machine: across a reload, for later visits, and in files. */
import { readFile, writeFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
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
});
afterAll(() => site?.close());
afterEach(async () => {
  expect(opened.complaints).toEqual([]);
  await opened.close();
});

async function open(): Promise<void> {
  opened = await site.open({ acceptDownloads: true });
  page = opened.page;
  await untilReady(page);
}

function state() {
  return page.evaluate(() => document.querySelector("doorbell-app")?.store.state.snapshots);
}

/** Waits until something is kept that was saved after now. */
async function untilKept(place: "autosave" | "prompt"): Promise<void> {
  const now = await page.evaluate(() => Date.now());
  await page.waitForFunction(
    ([where, since]) =>
      (document.querySelector("doorbell-app")?.store.state.snapshots[where as "prompt"]?.saved ?? 0) > since,
    [place, now] as const,
    { timeout: 60_000 },
  );
}

async function openView(): Promise<void> {
  await page.getByRole("tab", { name: "Snapshots" }).click();
  await page.locator("doorbell-snapshots #file").waitFor();
}

describe("the page", () => {
  it("brings the machine back after a reload, and boots when that is asked for", async () => {
    await open();
    await typeInTerminal(page, "export KEPT=left-$((40+2)); echo $KEPT\n");
    await untilTerminal(page, /^left-42$/m);
    await untilKept("autosave");
    const requests: string[] = [];
    page.on("request", (request) => requests.push(request.url()));
    await page.reload();
    await untilReady(page);
    expect((await state())?.origin).toBe("autosave");
    // The terminal shows what it showed, and the shell is the one that was left.
    await untilTerminal(page, /^left-42$/m);
    await typeInTerminal(page, "echo again-$KEPT\n");
    await untilTerminal(page, /^again-left-42$/m);
    // Nothing of the guest image was needed for it.
    expect(requests.filter((url) => url.includes("/guest/"))).toEqual([]);

    await page.goto(`${site.url}/?boot=cold`);
    await untilReady(page);
    expect((await state())?.origin).toBe("boot");
    await typeInTerminal(page, "echo new-$KEPT-\n");
    await untilTerminal(page, /^new--$/m);
  });

  it("starts later visits at the prompt, until that is switched off or forgotten", async () => {
    await open();
    expect((await state())?.origin).toBe("boot");
    await page.waitForFunction(
      () => document.querySelector("doorbell-app")?.store.state.snapshots.prompt !== undefined,
      undefined,
      { timeout: 60_000 },
    );
    await openView();
    expect(await violations(page)).toEqual([]);
    // Without the machine that was left, the prompt is next.
    await page.getByLabel("Keep the machine").uncheck();
    await page.reload();
    await untilReady(page);
    expect((await state())?.origin).toBe("prompt");
    await typeInTerminal(page, "echo $((6*7))\n");
    await untilTerminal(page, /^42$/m);

    // Another machine than the one that is kept has to be booted.
    await page.goto(`${site.url}/?interrupts=wired`);
    await untilReady(page);
    expect((await state())?.origin).toBe("boot");

    await page.goto(site.url);
    await untilReady(page);
    await openView();
    await page.getByLabel("Start from the prompt").uncheck();
    await page.reload();
    await untilReady(page);
    expect((await state())?.origin).toBe("boot");
    await openView();
    await page.getByLabel("Start from the prompt").check();
    await page.getByRole("button", { name: "Forget the prompt" }).click();
    await page.waitForFunction(
      () => document.querySelector("doorbell-app")?.store.state.snapshots.prompt === undefined,
    );
    // What is typed belongs to nobody else: this machine is not kept as the prompt any more.
    await typeInTerminal(page, "true\n");
    await page.reload();
    await untilReady(page);
    expect((await state())?.origin).toBe("boot");
  });

  it("saves the machine to a file and goes on from it; a damaged one is refused and changes nothing", async () => {
    await open();
    await typeInTerminal(page, "export FILED=yes; clear\n");
    await openView();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Save to a file" }).click(),
    ]);
    const path = await download.path();
    const bytes = await readFile(path);
    expect(bytes.length).toBeLessThan(8 * 1024 * 1024);
    await typeInTerminal(page, "unset FILED; echo gone-$FILED-\n");
    await untilTerminal(page, /^gone--$/m);

    const damaged = Buffer.from(bytes);
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 1;
    await writeFile(`${path}.damaged`, damaged);
    await page.locator("doorbell-snapshots #load").setInputFiles(`${path}.damaged`);
    await page.locator("#notice", { hasText: "cut short or was changed" }).waitFor();
    await typeInTerminal(page, "echo still-here\n");
    await untilTerminal(page, /^still-here$/m);

    await page.locator("doorbell-snapshots #load").setInputFiles(path);
    await page.waitForFunction(
      () => document.querySelector("doorbell-app")?.store.state.snapshots.origin === "file",
    );
    await typeInTerminal(page, "echo filed-$FILED\n");
    await untilTerminal(page, /^filed-yes$/m);
  });

  it("saves for the person while the browser is being given its own copy", async () => {
    await open();
    await typeInTerminal(page, "echo kept\n");
    await untilTerminal(page, /^kept$/m);
    const bytes = await page.evaluate(async () => {
      const store = document.querySelector("doorbell-app")?.store;
      // The page keeps its machine when it is left.
      dispatchEvent(new Event("pagehide"));
      return (await store?.snapshots.save())?.length;
    });
    expect(bytes).toBeGreaterThan(0);
    await page.waitForFunction(
      () => document.querySelector("doorbell-app")?.store.state.snapshots.autosave !== undefined,
    );
  });
});
