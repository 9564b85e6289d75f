import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MicroVm } from "../../src/index.ts";
import { type OpenPage, type Site, serveBuiltPage, untilReady } from "./harness.ts";

let site: Site;
let opened: OpenPage;

beforeAll(async () => {
  site = await serveBuiltPage();
  opened = await site.open();
  await untilReady(opened.page);
  // A headless browser has no hidden tabs: this is what Chromium does to the timers of one.
  await opened.page.evaluate(() => {
    const { setTimeout: real } = window;
    const slow = (callback: () => void, milliseconds = 0) => real(callback, Math.max(1000, milliseconds));
    Object.assign(window, { setTimeout: slow });
  });
});

afterAll(async () => {
  await opened.close();
  await site.close();
});

interface WithMachine {
  readonly doorbell: MicroVm;
}

describe("with timers at one a second, as in a hidden tab", () => {
  it("a busy guest goes on by messages: many slices in the time of three timers", async () => {
    const instructions = await opened.page.evaluate(async () => {
      const { doorbell } = globalThis as unknown as WithMachine;
      const abort = new AbortController();
      const done = doorbell.exec("while :; do :; done", { signal: abort.signal });
      const sleep = (milliseconds: number) =>
        new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
      await sleep(1000);
      const before = doorbell.metrics().guestInstructions;
      await sleep(3000);
      const executed = doorbell.metrics().guestInstructions - before;
      abort.abort();
      await done;
      return executed;
    });
    // A slice of a millisecond is well under a million.
    expect(instructions).toBeGreaterThan(10_000_000);
  });

  it("an idle guest wakes for its timers, a second late at most for each", async () => {
    const seconds = await opened.page.evaluate(async () => {
      const { doorbell } = globalThis as unknown as WithMachine;
      const started = performance.now();
      await doorbell.exec("sleep 2");
      return (performance.now() - started) / 1000;
    });
    expect(seconds).toBeGreaterThan(1.9);
    expect(seconds).toBeLessThan(30);
  });
});
