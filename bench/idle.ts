/** `bench idle`: what a guest that waits at the prompt costs, as part of one CPU. */
import type { Page } from "playwright-core";
import { environment } from "./environment.ts";
import type { PlainSettings } from "./flags.ts";
import { bootOne, kernelOf, type Progress } from "./fleet.ts";
import { MachineError } from "./machine.ts";
import type { Outcome } from "./report.ts";
import { median, spread } from "./statistics.ts";
import { hundredths, markdownTable, spreadText } from "./table.ts";

/** After the prompt, until what a boot leaves to do has been done; then what is measured. */
const SETTLE = 3000;
const MEASURE = 10_000;

interface IdleMeasurement {
  readonly row: string;
  readonly round: number;
  /** Of one CPU. */
  readonly percent: number;
}

export async function runIdle(settings: PlainSettings, progress: Progress): Promise<Outcome> {
  const env = environment();
  const measurements: IdleMeasurement[] = [];
  const add = (row: string, round: number, percent: number): void => {
    measurements.push({ row, round, percent });
    progress(`round ${round} of ${settings.rounds}, ${row}: ${hundredths(percent)} %`);
  };
  if (settings.place === "node") env.kernel = await inNode(settings.rounds, add);
  else await inPage(settings.rounds, add);
  const rows = [...new Set(measurements.map(({ row }) => row))];
  const of = (row: string): number[] =>
    measurements.filter((one) => one.row === row).map(({ percent }) => percent);
  return {
    report: {
      schema: 1,
      benchmark: "idle",
      environment: env,
      modelledExitCostNs: [0],
      notes: [],
      summary: Object.fromEntries(rows.map((row) => [row, { "% of a CPU": median(of(row)) }])),
      details: { rounds: settings.rounds, seconds: MEASURE / 1000, measurements },
    },
    body: [
      `CPU time over ${MEASURE / 1000} s, ${SETTLE / 1000} s after the prompt; ${settings.rounds} rounds.`,
      markdownTable(
        ["", "% of one CPU"],
        rows.map((row) => [row, spreadText(spread(of(row)), hundredths)]),
      ),
    ].join("\n\n"),
  };
}

type Add = (row: string, round: number, percent: number) => void;

async function inNode(rounds: number, add: Add): Promise<string> {
  const booted = await bootOne("mmio-msi", "node");
  if (typeof booted === "string") throw new MachineError(booted);
  try {
    for (let round = 1; round <= rounds; round++) {
      const { cpuMilliseconds, milliseconds } = await booted.machine.calls.turn(SETTLE, MEASURE);
      if (cpuMilliseconds === undefined)
        throw new MachineError("This system does not tell the CPU time of a thread: measure on Linux.");
      add("the machine's thread", round, (100 * cpuMilliseconds) / milliseconds);
    }
    return await kernelOf([booted]);
  } finally {
    await booted.machine.end();
  }
}

/** The whole page, its panel included, with the guest waiting and with the guest paused: the difference is the guest's. */
async function inPage(rounds: number, add: Add): Promise<void> {
  const { openSite, visit } = await import("./site.ts");
  const site = await openSite();
  try {
    const { page } = await visit(await site.browser.newContext(), site.url);
    const cpu = await rendererTime(page);
    const measure = async (): Promise<number> => {
      await page.waitForTimeout(SETTLE);
      const [before, started] = [await cpu(), performance.now()];
      await page.waitForTimeout(MEASURE);
      return (100 * ((await cpu()) - before)) / (performance.now() - started);
    };
    for (let round = 1; round <= rounds; round++) {
      add("the page's process, guest waiting", round, await measure());
      await page.evaluate(() => (globalThis as unknown as { doorbell: { pause(): void } }).doorbell.pause());
      add("the page's process, guest paused", round, await measure());
      await page.evaluate(() =>
        (globalThis as unknown as { doorbell: { resume(): void } }).doorbell.resume(),
      );
    }
  } finally {
    await site.close();
  }
}

/** CPU time of the page's process in milliseconds (Chrome DevTools Protocol, Performance.getMetrics). */
async function rendererTime(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  return async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    const time = metrics.find(({ name }) => name === "ProcessTime")?.value;
    if (time === undefined) throw new MachineError("This Chromium does not tell the CPU time of a page.");
    return time * 1000;
  };
}
