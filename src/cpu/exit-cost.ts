/**
 * The exit-cost model. An emulated CPU has no VM exits: a trapped register access costs it about a tenth of a
 * microsecond, where hardware takes one or two. This charges each of them so much extra host time, by a busy wait
 * whose length is counted in turns of a loop. How long a turn takes is measured when a cost is set, and again and again
 * while it is charged, because clock rates and just-in-time compilers change their minds.
 */

/** Largest cost that can be set, in nanoseconds. */
export const MAX_EXIT_COST = 1_000_000;
/** A sample lasts so many steps of the clock: a page's clock moves in steps of up to 100 microseconds. */
const STEPS_PER_SAMPLE = 50;
/** A sample lasts at least so long, in milliseconds. */
const SAMPLE_LEAST = 0.5;
/** Samples that count; their median is believed. */
const SAMPLES = 7;
/** Turns before the first sample: enough for the compiler to have done what it will do. */
const WARM_UP_TURNS = 2_000_000;
/** Turns between two looks at the clock within a sample: about 20 microseconds. */
const TURNS_PER_LOOK = 16_384;
/** One sample more is taken each time that so many samples' time has been charged: less than 1 % of it. */
const SAMPLE_EVERY = 200;
/** How often the clock is read at most to see its step. */
const CLOCK_READS = 100_000;

/**
 * The busy wait, as a WebAssembly module. JavaScript's compilers may translate one loop in several ways at different times
 * and places, with very different speeds; this one is translated by itself.
 *
 *     (global $state (mut i32) (i32.const 1))
 *     (func (export "spin") (param $turns i32) (local $x i32)
 *       (local.set $x (global.get $state))
 *       (loop $again
 *         (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
 *         (br_if $again (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
 *       (global.set $state (local.get $x)))
 *
 * Each turn needs the result of the one before, so nothing in it can be done side by side.
 */
// biome-ignore format: by sections of the module
const SPIN_MODULE = [
  0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
  1, 5, 1, 0x60, 1, 0x7f, 0, // type: i32 to nothing
  3, 2, 1, 0, // one function of that type
  6, 6, 1, 0x7f, 1, 0x41, 1, 0x0b, // one global
  7, 8, 1, 4, 0x73, 0x70, 0x69, 0x6e, 0, 0, // export "spin"
  10, 43, 1, 41, 1, 1, 0x7f, // one body with one local
  0x23, 0, 0x21, 1,
  0x03, 0x40,
  0x20, 1, 0x41, 0x8d, 0xcc, 0xe5, 0x00, 0x6c, 0x41, 0xdf, 0xe6, 0xbb, 0xe3, 0x03, 0x6a, 0x21, 1,
  0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0,
  0x0b,
  0x20, 1, 0x24, 0,
  0x0b,
];

/** Waits for so many turns, at least one. */
export type Spin = (turns: number) => void;

let loaded: Spin | undefined;

/** Compiled at the first call: most machines never make one. */
function spin(turns: number): void {
  loaded ??= new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(SPIN_MODULE))).exports
    .spin as Spin;
  loaded(turns);
}

/** What {@link ExitCost} is built on; a test counts turns instead of waiting. */
export interface ExitCostParts {
  /** Host time in milliseconds. */
  readonly now: () => number;
  /** Busy wait of so many turns. */
  readonly spin: Spin;
}

/** Charges what an exit is said to cost. One for each machine. */
export class ExitCost {
  /** How often a cost other than 0 was charged. */
  charges = 0;
  readonly #parts: ExitCostParts;
  #nanoseconds = 0;
  /** Turns for each charge. */
  #turns = 0;
  /** Nanoseconds of a turn, the newest last. */
  #samples: number[] = [];
  #sampleMs = 0;
  /** Charges until the next sample. */
  #untilSample = 0;

  constructor(parts?: ExitCostParts) {
    this.#parts = parts ?? { now: () => performance.now(), spin };
  }

  /** What an exit costs extra, in nanoseconds. */
  get nanoseconds(): number {
    return this.#nanoseconds;
  }

  /** Turns of the busy wait for each charge. */
  get turns(): number {
    return this.#turns;
  }

  /**
   * Sets the cost; 0 switches the model off. Takes a few milliseconds to calibrate.
   * @throws RangeError with a sentence.
   */
  set(nanoseconds: number): void {
    if (!Number.isFinite(nanoseconds) || nanoseconds < 0 || nanoseconds > MAX_EXIT_COST) {
      throw new RangeError(
        `An exit cannot cost ${nanoseconds} ns: give a number from 0 to ${MAX_EXIT_COST} nanoseconds.`,
      );
    }
    this.#nanoseconds = nanoseconds;
    if (nanoseconds === 0) {
      this.#turns = 0;
      return;
    }
    this.#sampleMs = Math.max(SAMPLE_LEAST, STEPS_PER_SAMPLE * this.#clockStep());
    this.#parts.spin(WARM_UP_TURNS);
    this.#samples = Array.from({ length: SAMPLES }, () => this.#sample());
    this.#apply();
  }

  /** One exit. Costs a comparison while the model is off. */
  charge(): void {
    if (this.#turns === 0) return;
    this.charges += 1;
    this.#parts.spin(this.#turns);
    this.#untilSample -= 1;
    if (this.#untilSample <= 0) this.#sampleAgain();
  }

  #apply(): void {
    const turn = median(this.#samples);
    this.#turns = Math.max(1, Math.round(this.#nanoseconds / turn));
    this.#untilSample = Math.ceil((SAMPLE_EVERY * this.#sampleMs * 1e6) / this.#nanoseconds);
  }

  #sampleAgain(): void {
    this.#samples.shift();
    this.#samples.push(this.#sample());
    this.#apply();
  }

  /** Nanoseconds of one turn. */
  #sample(): number {
    const { now, spin } = this.#parts;
    const started = now();
    let turns = 0;
    let elapsed = 0;
    while (elapsed < this.#sampleMs) {
      spin(TURNS_PER_LOOK);
      turns += TURNS_PER_LOOK;
      elapsed = now() - started;
    }
    return (elapsed * 1e6) / turns;
  }

  /** The smallest step in which the clock is seen to go, in milliseconds. */
  #clockStep(): number {
    const { now, spin } = this.#parts;
    let step = Number.POSITIVE_INFINITY;
    let last = now();
    for (let steps = 0, reads = 0; steps < 5 && reads < CLOCK_READS; reads++) {
      spin(1);
      const time = now();
      if (time === last) continue;
      step = Math.min(step, time - last);
      last = time;
      steps += 1;
    }
    return Number.isFinite(step) ? step : 0;
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 1;
}
