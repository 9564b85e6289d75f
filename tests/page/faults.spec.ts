/** Faults around the page and its guest, each with the outcome that docs/faults.md promises. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MicroVm } from "../../src/index.ts";
import { choose, type Site, serveBuiltPage, typeInTerminal, untilReady, untilTerminal } from "./harness.ts";

interface WithMachine {
  readonly doorbell: MicroVm;
}

let site: Site;

beforeAll(async () => {
  site = await serveBuiltPage();
});

afterAll(() => site?.close());

const switchingAlready = (page: Page) =>
  page.evaluate(() => document.querySelector("doorbell-app")?.store.state.switching);

describe("a guest that", () => {
  it("panics: the page shows its words and what it said before, and offers a restart", async () => {
    const { page, complaints, close } = await site.open();
    await untilReady(page);
    await typeInTerminal(page, "echo c > /proc/sysrq-trigger\n");
    const alert = page.getByRole("alert");
    await alert.getByText("Linux has panicked: sysrq triggered crash.").waitFor();
    await untilTerminal(page, /Kernel panic - not syncing: sysrq triggered crash/);
    expect(await page.locator("#stage").textContent()).toBe("Stopped");
    await page.getByRole("button", { name: "Restart", exact: true }).and(page.locator("#retry")).click();
    await untilReady(page);
    await typeInTerminal(page, "echo again $((5+5))\n");
    await untilTerminal(page, /^again 10$/m);
    expect(complaints).toEqual([]);
    await close();
  });

  it("resets its machine: it boots again, and the page says so", async () => {
    const { page, complaints, close } = await site.open();
    await untilReady(page);
    await typeInTerminal(page, "reboot -f\n");
    await page.locator("#notice").getByText("The guest has reset its machine, and boots again.").waitFor();
    await untilReady(page);
    await typeInTerminal(page, "cut -d. -f1 /proc/uptime; echo new $((5+5))\n");
    await untilTerminal(page, /^new 10$/m);
    expect(complaints).toEqual([]);
    await close();
  });

  it("is restarted in the middle of a switch: the next has the mode that was chosen, and nothing is left over", async () => {
    const { page, complaints, close } = await site.open();
    await untilReady(page);
    // A guest that stands still does not answer: the switch is under way for sure.
    await page.evaluate(() => {
      const { doorbell } = globalThis as unknown as WithMachine;
      const real = doorbell.setInterrupts.bind(doorbell);
      doorbell.setInterrupts = async (mode) => {
        const switched = real(mode);
        for (let turn = 0; turn < 20; turn++) await Promise.resolve();
        doorbell.pause();
        return switched;
      };
    });
    await choose(page, "interrupts", "Legacy (wired)");
    await expect.poll(() => switchingAlready(page)).toBe("interrupts");
    // Nothing else can be asked for meanwhile, but a restart.
    expect(await page.locator("#pause").getAttribute("aria-disabled")).toBe("true");
    expect(await page.locator("#doorbell").getByRole("radiogroup").getAttribute("aria-disabled")).toBe(
      "true",
    );
    await page.locator("#restart").click();
    await untilReady(page);
    expect(await switchingAlready(page)).toBeUndefined();
    expect((await page.locator("#notice").textContent())?.trim()).toBe("");
    expect(await page.locator("#interrupts input:checked").getAttribute("value")).toBe("wired");
    // The counters come four times a second.
    await expect.poll(() => page.locator("doorbell-panel .state").textContent()).toContain("Legacy (wired)");
    expect(complaints).toEqual([]);
    await close();
  });
});

describe("a page that", () => {
  it("has no memory for the guest says so in a sentence", async () => {
    const { page, close } = await site.open({}, "/icon.svg");
    // As browsers answer that have none left.
    await page.addInitScript(() => {
      const { Memory } = WebAssembly;
      const most = (512 * 1024 * 1024) / 65536;
      WebAssembly.Memory = class extends Memory {
        constructor(size: WebAssembly.MemoryDescriptor) {
          if (size.initial > most) throw new RangeError("WebAssembly.Memory(): could not allocate memory");
          super(size);
        }
      };
    });
    await page.goto(`${site.url}/?memory=1024`);
    await page
      .getByRole("alert")
      .getByText(
        "There is not enough memory here for a guest with 1024 MiB: give it less, or close what else is open.",
      )
      .waitFor();
    await close();
  });

  it("may keep nothing more in the browser says why, and goes on", async () => {
    const { page, close } = await site.open({}, "/icon.svg");
    await page.addInitScript(() => {
      FileSystemFileHandle.prototype.createWritable = () =>
        Promise.reject(new DOMException("The quota has been exceeded.", "QuotaExceededError"));
    });
    await page.goto(`${site.url}/?view=snapshots`);
    await untilReady(page);
    await page
      .getByText("The browser did not keep the machine: The quota has been exceeded.")
      .first()
      .waitFor();
    await typeInTerminal(page, "echo alive $((2+2))\n");
    await untilTerminal(page, /^alive 4$/m);
    await close();
  });

  it("is frozen for some seconds in the middle of verified transactions goes on with them, and switches", async () => {
    const { page, complaints, close } = await site.open();
    await untilReady(page);
    await page.evaluate(() => {
      const { doorbell } = globalThis as unknown as WithMachine;
      const state = {
        gap: 0,
        last: performance.now(),
        done: doorbell.exec("tcp_rr -H 10.0.2.2 -l 5 --verify"),
      };
      setInterval(() => {
        const now = performance.now();
        state.gap = Math.max(state.gap, now - state.last);
        state.last = now;
      }, 20);
      Object.assign(window, { state });
    });
    const session = await page.context().newCDPSession(page);
    // As in a frozen tab, nothing of the page runs, and the time goes on.
    await session.send("Debugger.enable");
    await session.send("Debugger.pause");
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await session.send("Debugger.resume");
    await session.send("Debugger.disable");
    const outcome = await page.evaluate(async () => {
      const { state, doorbell } = globalThis as unknown as WithMachine & {
        state: { gap: number; done: Promise<number> };
      };
      const { interrupts } = await doorbell.setInterrupts("wired");
      return { interrupts, status: await state.done, gap: state.gap };
    });
    expect(outcome.gap).toBeGreaterThan(2000);
    expect(outcome).toMatchObject({ interrupts: "wired", status: 0 });
    expect(complaints).toEqual([]);
    await close();
  });
});
