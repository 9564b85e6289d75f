/**
 * One run of "Reproduce the table": boots a guest where a column needs one of its own, warms every column up, and
 * measures in interleaved rounds, so that a computer that gets slower or busier does so for all columns alike. Only one
 * guest runs at a time, and none is left when the run is over.
 */
import { isSettled } from "../bench/statistics.ts";
import type { DeviceMetrics, MetricsSnapshot, MicroVm, MicroVmOptions } from "../src/index.ts";
import { COLUMN_SHORT, columnMode, guestOf, type TableColumn } from "./comparison-columns.ts";
import { type RrReport, type RrRun, runRr } from "./rr-run.ts";

/** Memory of each measured guest. The page holds all of it, for up to three guests beside the visible one. */
export const GUEST_MEMORY_MIB = 32;
/** Warm-up: windows of a second until two differ by less than this part, or so many of them. */
export const SETTLED_WITHIN = 0.05;
export const WARM_UP_WINDOWS = 6;
/** Not counted, before each measurement: after a pause caches are cold and the guest's clock has jumped. */
const LEAD_IN_SECONDS = 0.5;
const BOOT_LIMIT_MS = 120_000;

export interface ComparisonSettings {
  readonly columns: readonly TableColumn[];
  readonly rounds: number;
  /** Of each column in each round. */
  readonly seconds: number;
  readonly exitCostNs: number;
}

/** The part of a machine that is used here. */
export type Guest = Pick<
  MicroVm,
  | "start"
  | "pause"
  | "resume"
  | "destroy"
  | "exec"
  | "metrics"
  | "phase"
  | "onPhase"
  | "onStop"
  | "interrupts"
  | "doorbell"
  | "setInterrupts"
  | "setDoorbell"
  | "stopCapture"
>;

export type GuestOptions = Pick<
  MicroVmOptions,
  "transport" | "interrupts" | "doorbell" | "memoryMiB" | "exitCostNs"
>;

export type CreateGuest = (options: GuestOptions) => Promise<Guest>;

/** Figures of the network card, per transaction; they do not depend on the computer. */
export interface PerTransaction {
  readonly exits: number;
  readonly interrupts: number;
  readonly merged: number;
  /** Of the network card: one for each wired interrupt. */
  readonly ioapicEois: number;
  readonly guestInstructions: number;
}

/** One column in one round. */
export interface Measurement extends RrReport {
  readonly column: TableColumn;
  /** From 1. */
  readonly round: number;
  readonly perTransaction: PerTransaction;
  readonly exitsPerTransactionByRegister: Readonly<Record<string, number>>;
}

/** The run was cancelled. */
export class CancelledError extends Error {
  override readonly name = "CancelledError";
}

interface Step {
  readonly kind: "boot" | "warm-up" | "measure";
  /** What a person is told. */
  readonly text: string;
  readonly perform: () => Promise<void>;
}

export interface ComparisonRunOptions {
  readonly settings: ComparisonSettings;
  readonly create: CreateGuest;
  readonly signal: AbortSignal;
  /** Called when a step begins and when a measurement is there. */
  readonly onChange: () => void;
}

export class ComparisonRun {
  readonly measurements: Measurement[] = [];
  /** Transactions per second of each column's warm-up, window by window. */
  readonly warmUp: Partial<Record<TableColumn, readonly number[]>> = {};
  /** Things that a reader of the figures should know. */
  readonly notes: string[] = [];
  readonly #settings: ComparisonSettings;
  readonly #create: CreateGuest;
  readonly #signal: AbortSignal;
  readonly #onChange: () => void;
  readonly #guests = new Map<string, Guest>();
  readonly #steps: readonly Step[];
  /** Milliseconds that a step of a kind takes: an estimate, then what the last one took. */
  readonly #expected: Record<Step["kind"], number>;
  #current = 0;
  #began = performance.now();

  constructor({ settings, create, signal, onChange }: ComparisonRunOptions) {
    this.#settings = settings;
    this.#create = create;
    this.#signal = signal;
    this.#onChange = onChange;
    this.#expected = {
      boot: 4000,
      "warm-up": 3500,
      measure: (settings.seconds + LEAD_IN_SECONDS) * 1000 + 300,
    };
    this.#steps = this.#plan();
  }

  /** What is being done, in words. */
  get step(): string {
    return this.#steps[this.#current]?.text ?? "";
  }

  /** How much of the run is over, 0 to 1, and the seconds that are left as far as can be told. */
  get progress(): { readonly part: number; readonly secondsLeft: number } {
    const expected = (steps: readonly Step[]) =>
      steps.reduce((sum, { kind }) => sum + this.#expected[kind], 0);
    const now = this.#steps[this.#current];
    const ofThis = now === undefined ? 0 : this.#expected[now.kind];
    const gone = Math.min(performance.now() - this.#began, ofThis);
    const done = expected(this.#steps.slice(0, this.#current)) + gone;
    const all = expected(this.#steps);
    return { part: all > 0 ? done / all : 1, secondsLeft: Math.ceil((all - done) / 1000) };
  }

  /**
   * Resolves when every round of every column is measured. Rejects with {@link CancelledError} after an abort, or with
   * an Error whose message is a sentence; what was measured until then stays in `measurements`.
   */
  async run(): Promise<void> {
    const cancelled = new Promise<never>((_, reject) => {
      this.#signal.addEventListener("abort", () => reject(new CancelledError("The run was cancelled.")));
    });
    cancelled.catch(() => {});
    try {
      for (const [index, step] of this.#steps.entries()) {
        this.#current = index;
        this.#began = performance.now();
        this.#onChange();
        // A step that is abandoned goes on until its guest is destroyed, which fails it; nobody hears of that.
        await Promise.race([step.perform(), cancelled]);
        this.#expected[step.kind] = performance.now() - this.#began;
      }
    } finally {
      await Promise.all([...this.#guests.values()].map((guest) => guest.destroy()));
      this.#guests.clear();
    }
  }

  #plan(): Step[] {
    const { columns, rounds } = this.#settings;
    const steps: Step[] = [];
    const booted = new Set<string>();
    for (const name of columns) {
      const guest = guestOf(name);
      if (!booted.has(guest)) {
        const text = guest === "mmio" ? "Booting the MMIO guest" : `Booting the ${COLUMN_SHORT[name]} guest`;
        steps.push({ kind: "boot", text, perform: () => this.#boot(name) });
        booted.add(guest);
      }
      steps.push({
        kind: "warm-up",
        text: `Warming up: ${COLUMN_SHORT[name]}`,
        perform: () => this.#warmUp(name),
      });
    }
    for (let round = 1; round <= rounds; round++) {
      for (const name of columns) {
        const text = `Round ${round} of ${rounds}: ${COLUMN_SHORT[name]}`;
        steps.push({ kind: "measure", text, perform: () => this.#measure(name, round) });
      }
    }
    return steps;
  }

  async #boot(name: TableColumn): Promise<void> {
    const guest = await this.#create({
      ...columnMode(name),
      memoryMiB: GUEST_MEMORY_MIB,
      exitCostNs: this.#settings.exitCostNs,
    });
    // Nobody waits any more for a guest that was being made when the run was cancelled.
    if (this.#signal.aborted) return guest.destroy();
    this.#guests.set(guestOf(name), guest);
    // What is recorded costs time and memory, and nobody reads it.
    guest.stopCapture();
    const ready = untilReady(guest, COLUMN_SHORT[name]);
    guest.start();
    await ready;
    if (!this.#signal.aborted) guest.pause();
  }

  async #warmUp(name: TableColumn): Promise<void> {
    const rates: number[] = [];
    await this.#alone(name, async (guest) => {
      while (rates.length < WARM_UP_WINDOWS && !isSettled(rates, SETTLED_WITHIN)) {
        rates.push((await runRr(guest, 1)).report.transactionsPerSecond);
      }
    });
    this.warmUp[name] = rates;
  }

  async #measure(name: TableColumn, round: number): Promise<void> {
    await this.#alone(name, async (guest) => {
      await runRr(guest, LEAD_IN_SECONDS);
      this.measurements.push(toMeasurement(name, round, await runRr(guest, this.#settings.seconds)));
    });
    this.#onChange();
  }

  /** Lets the column's guest run, in the column's mode, while `work` lasts. */
  async #alone(name: TableColumn, work: (guest: Guest) => Promise<void>): Promise<void> {
    const guest = this.#guests.get(guestOf(name));
    if (guest === undefined) throw new Error(`The guest of ${COLUMN_SHORT[name]} is gone.`);
    const { transport, interrupts, doorbell } = columnMode(name);
    guest.resume();
    if (transport !== "pci") {
      if (doorbell !== undefined && doorbell !== guest.doorbell) await guest.setDoorbell(doorbell);
      if (interrupts !== undefined && interrupts !== guest.interrupts) await guest.setInterrupts(interrupts);
    }
    await work(guest);
    guest.pause();
  }
}

function untilReady(guest: Guest, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(
      () => reject(new Error(`The ${name} guest was not ready after ${BOOT_LIMIT_MS / 1000} s.`)),
      BOOT_LIMIT_MS,
    );
    guest.onPhase((phase) => {
      if (phase !== "ready") return;
      clearTimeout(limit);
      resolve();
    });
    guest.onStop(({ message }) => {
      clearTimeout(limit);
      reject(new Error(`The ${name} guest stopped: ${message}`));
    });
  });
}

/** The guest's own report and the counters around it, as one measurement. */
export function toMeasurement(
  column: TableColumn,
  round: number,
  { report, before, after }: RrRun,
): Measurement {
  const per = (value: (metrics: MetricsSnapshot) => number) =>
    (value(after) - value(before)) / report.transactions;
  const net = (value: (device: DeviceMetrics) => number) =>
    per(({ devices }) => (devices.net0 === undefined ? 0 : value(devices.net0)));
  const byRegister: Record<string, number> = {};
  for (const name of Object.keys(after.devices.net0?.exits.byRegister ?? {})) {
    const exits = net((device) => device.exits.byRegister[name] ?? 0);
    if (exits > 0) byRegister[name] = exits;
  }
  return {
    column,
    round,
    ...report,
    perTransaction: {
      exits: net(({ exits }) => exits.total),
      interrupts: net(({ interrupts }) => interrupts.wired + interrupts.msi),
      merged: net(({ interrupts }) => interrupts.merged),
      ioapicEois: net(({ interrupts }) => interrupts.wired),
      guestInstructions: per(({ guestInstructions }) => guestInstructions),
    },
    exitsPerTransactionByRegister: byRegister,
  };
}
