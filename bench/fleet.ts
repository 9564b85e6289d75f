/** The measured machines of one run: booted one after the other, and never two of them running at a time. */
import { type ColumnName, column } from "./columns.ts";
import { BenchMachine, MachineError, type Place } from "./machine.ts";
import type { BootMoment } from "./protocol.ts";
import { isSettled } from "./statistics.ts";

/** Writes a line of progress. */
export type Progress = (line: string) => void;

export interface FleetMachine {
  readonly name: ColumnName;
  readonly machine: BenchMachine;
  readonly moments: readonly BootMoment[];
}

/**
 * Boots a machine for each column and leaves it paused. A column that this build does not have, or that does not come
 * up, is left out with a note.
 */
export async function bootFleet(
  names: readonly ColumnName[],
  place: Place,
  notes: string[],
  progress: Progress,
): Promise<FleetMachine[]> {
  const fleet: FleetMachine[] = [];
  for (const name of names) {
    progress(`${name}: booting`);
    const booted = await bootOne(name, place);
    if (typeof booted === "string") {
      notes.push(`${name} is left out: ${booted}`);
      progress(`${name} is left out: ${booted}`);
      continue;
    }
    await booted.machine.calls.pause();
    fleet.push(booted);
  }
  if (fleet.length === 0) throw new MachineError("There is nothing to measure: every column was left out.");
  return fleet;
}

/** A running machine, or why there is none. */
export async function bootOne(name: ColumnName, place: Place): Promise<FleetMachine | string> {
  const { options } = column(name);
  const machine = await BenchMachine.at(place);
  try {
    const { moments, metrics } = await machine.calls.boot(options);
    const wanted = options.transport ?? (options.networkCard === "v86" ? "pci" : "mmio");
    if (metrics.devices.net0?.transport === wanted) return { name, machine, moments };
    await machine.end();
    return "this build does not have it.";
  } catch (error) {
    await machine.end();
    return (error as Error).message;
  }
}

/** Lets one machine run while `work` lasts. */
export async function alone<T>(
  { machine }: FleetMachine,
  work: (machine: BenchMachine) => Promise<T>,
): Promise<T> {
  await machine.calls.resume();
  try {
    return await work(machine);
  } finally {
    await machine.calls.pause().catch(() => {});
  }
}

/** The guest's kernel; all columns have the same. */
export async function kernelOf([first]: readonly FleetMachine[]): Promise<string> {
  if (!first) return "unknown";
  return alone(first, async (machine) => (await machine.run("uname -r")).stdout.trim());
}

/** Throughput has settled when two windows of a second in succession differ by less than this part... */
export const SETTLED_WITHIN = 0.05;
/**
 * ...and so many transactions have been made. The emulated CPU translates what has run often enough; until that
 * has happened to all that matters, throughput stands still for seconds at a tenth of what it will be.
 */
export const SETTLED_AFTER = 20_000;

export interface WarmUp {
  /** Rates of the windows, in order. */
  readonly rates: readonly number[];
  readonly settled: boolean;
}

/** Runs windows of a second until their rates have settled, or `most` windows. A window resolves with its rate. */
export async function warmUp(most: number, window: () => Promise<number>): Promise<WarmUp> {
  const rates: number[] = [];
  const settled = (): boolean =>
    isSettled(rates, SETTLED_WITHIN) && rates.reduce((sum, rate) => sum + rate, 0) >= SETTLED_AFTER;
  while (rates.length < most && !settled()) rates.push(await window());
  return { rates, settled: settled() };
}

/** Seconds of transfers before those that count, at least and at most; and how near the last two have to be. */
const TRANSFERS = { least: 4, most: 20, within: 0.1 } as const;

/** Repeats a transfer, which resolves with how fast it was and how long it took, until it gets no faster. */
export async function warmUpByTransfers(
  transfer: () => Promise<{ readonly rate: number; readonly seconds: number }>,
): Promise<void> {
  const rates: number[] = [];
  let all = 0;
  do {
    const { rate, seconds } = await transfer();
    rates.push(rate);
    all += seconds;
  } while (all < TRANSFERS.least || (all < TRANSFERS.most && !isSettled(rates, TRANSFERS.within)));
}
