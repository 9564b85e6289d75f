/**
 * What the panel and the chart show, computed from the machine's counters: rates over the last second,
 * totals, and one minute of history. No DOM here.
 */
import type { InterruptMode, MetricsSnapshot } from "../src/index.ts";

/** Picks one growing number out of a snapshot. */
export type Counter = (snapshot: MetricsSnapshot) => number;

/** Names of the lines in the chart. */
export const SERIES = ["exits", "wired", "msi", "transactions"] as const;
export type SeriesName = (typeof SERIES)[number];

/** The counter behind each line of the chart; exits and interrupts of all devices. */
export const SERIES_COUNTERS: Record<SeriesName, Counter> = {
  exits: (m) => sum(m, (device) => device.exits.total),
  wired: (m) => sum(m, (device) => device.interrupts.wired),
  msi: (m) => sum(m, (device) => device.interrupts.msi),
  transactions: (m) => m.peer.transactions,
};

/** Trapped accesses of the network device. */
export const netExits: Counter = (m) => m.devices.net0?.exits.total ?? 0;
/** Interrupts that the network device delivered, by either way. Merged ones are not: the CPU never saw them apart. */
export const netInterrupts: Counter = (m) => {
  const interrupts = m.devices.net0?.interrupts;
  return interrupts === undefined ? 0 : interrupts.wired + interrupts.msi;
};

function sum(
  snapshot: MetricsSnapshot,
  pick: (device: MetricsSnapshot["devices"][string]) => number,
): number {
  let total = 0;
  for (const device of Object.values(snapshot.devices)) total += pick(device);
  return total;
}

/** Two snapshots, about one second apart: the source of every "per second" on the page. */
export class Reading {
  readonly current: MetricsSnapshot;
  readonly earlier: MetricsSnapshot;
  /** Seconds between the two; 0 for the very first reading. */
  readonly seconds: number;

  constructor(current: MetricsSnapshot, earlier: MetricsSnapshot, seconds: number) {
    this.current = current;
    this.earlier = earlier;
    this.seconds = seconds;
  }

  /** The counter's growth per second. */
  rate(counter: Counter): number {
    return this.seconds > 0 ? (counter(this.current) - counter(this.earlier)) / this.seconds : 0;
  }

  /** The counter's growth per transaction, or undefined when no transaction was completed. */
  perTransaction(counter: Counter): number | undefined {
    const transactions = this.current.peer.transactions - this.earlier.peer.transactions;
    return transactions > 0 ? (counter(this.current) - counter(this.earlier)) / transactions : undefined;
  }
}

/** Sums of one interrupt mode, for its averages. */
interface Tally {
  transactions: number;
  exits: number;
  interrupts: number;
}

/** Averages of one interrupt mode over every moment with transactions since the machine started. */
export interface ModeAverage {
  readonly exits: number;
  readonly interrupts: number;
}

/** A moment worth a line in the chart. */
export interface Mark {
  /** Host milliseconds, the clock of {@link MetricsHistory.push}. */
  readonly at: number;
  readonly label: string;
}

interface Sample {
  readonly at: number;
  readonly snapshot: MetricsSnapshot;
}

const RATE_SPAN_MS = 1000;
/** Milliseconds that the chart shows. */
export const HISTORY_MS = 60_000;

/** One minute of readings. Feed it with `push`; everything else reads. */
export class MetricsHistory {
  /** Host milliseconds of each point of the chart, oldest first. */
  readonly times: number[] = [];
  /** Per-second values of each line, same length as `times`. */
  readonly values: Record<SeriesName, number[]> = { exits: [], wired: [], msi: [], transactions: [] };
  readonly #marks: Mark[] = [];
  readonly #recent: Sample[] = [];
  readonly #tallies = new Map<InterruptMode, Tally>();
  #reading: Reading | undefined;

  /** The newest reading, absent before the first sample. */
  get reading(): Reading | undefined {
    return this.#reading;
  }

  get marks(): readonly Mark[] {
    return this.#marks;
  }

  /** Takes a sample. `at` is host time in milliseconds and must not run backwards. */
  push(at: number, snapshot: MetricsSnapshot): void {
    const last = this.#recent.at(-1);
    if (last !== undefined) this.#tally(last.snapshot, snapshot);
    this.#recent.push({ at, snapshot });
    // The reference is the youngest sample that is at least one second old (or the oldest there is).
    while (this.#recent.length > 2 && at - (this.#recent[1]?.at ?? at) >= RATE_SPAN_MS) this.#recent.shift();
    const reference = this.#recent[0] ?? { at, snapshot };
    const reading = new Reading(snapshot, reference.snapshot, (at - reference.at) / 1000);
    this.#reading = reading;
    this.times.push(at);
    for (const name of SERIES) this.values[name].push(reading.rate(SERIES_COUNTERS[name]));
    this.#forget(at - HISTORY_MS);
  }

  /** Marks a moment: a completed switch. */
  mark(at: number, label: string): void {
    this.#marks.push({ at, label });
  }

  /** Averages per transaction in `mode` since the machine started; undefined when there was no transaction in it. */
  average(mode: InterruptMode): ModeAverage | undefined {
    const tally = this.#tallies.get(mode);
    if (tally === undefined) return undefined;
    return { exits: tally.exits / tally.transactions, interrupts: tally.interrupts / tally.transactions };
  }

  #tally(earlier: MetricsSnapshot, current: MetricsSnapshot): void {
    const mode = current.devices.net0?.interrupts.mode;
    const transactions = current.peer.transactions - earlier.peer.transactions;
    // A span with a switch in it belongs to neither mode.
    const steady =
      earlier.switches === current.switches &&
      earlier.devices.net0?.interrupts.mode === mode &&
      mode !== undefined;
    if (!steady || transactions <= 0) return;
    const tally = this.#tallies.get(mode) ?? { transactions: 0, exits: 0, interrupts: 0 };
    tally.transactions += transactions;
    tally.exits += netExits(current) - netExits(earlier);
    tally.interrupts += netInterrupts(current) - netInterrupts(earlier);
    this.#tallies.set(mode, tally);
  }

  #forget(before: number): void {
    while ((this.times[0] ?? before) < before) {
      this.times.shift();
      for (const name of SERIES) this.values[name].shift();
    }
    while ((this.#marks[0]?.at ?? before) < before) this.#marks.shift();
  }
}
