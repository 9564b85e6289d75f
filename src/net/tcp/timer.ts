import type { Clock } from "../clock.ts";

/** Milliseconds that are no time: what is left of sums of fractions, as a restored timer has them. */
const ROUNDING = 1e-6;

/**
 * One timer whose deadline moves all the time. The clock's timer is left to run and looks at the deadline when it
 * ends, so that setting and stopping cost no more than reading the time.
 */
export class LazyTimer {
  readonly #clock: Clock;
  readonly #callback: () => void;
  /** In the clock's time; 0 for none. */
  #deadline = 0;
  #ends = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, callback: () => void) {
    this.#clock = clock;
    this.#callback = callback;
  }

  /** Whether a call is to come. */
  get running(): boolean {
    return this.#deadline !== 0;
  }

  /** Milliseconds until the call that is to come. */
  get left(): number | undefined {
    return this.#deadline === 0 ? undefined : Math.max(0, this.#deadline - this.#clock.now());
  }

  /** Calls back in so many milliseconds, and not when it was to before. */
  start(milliseconds: number): void {
    this.#deadline = this.#clock.now() + milliseconds;
    if (this.#cancel !== undefined) {
      if (this.#ends <= this.#deadline) return;
      this.#cancel();
    }
    this.#run(milliseconds);
  }

  stop(): void {
    this.#deadline = 0;
  }

  /** Stops, and leaves nothing with the clock. */
  dispose(): void {
    this.#deadline = 0;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #run(milliseconds: number): void {
    this.#ends = this.#deadline;
    this.#cancel = this.#clock.after(milliseconds, this.#onEnd);
  }

  readonly #onEnd = (): void => {
    this.#cancel = undefined;
    if (this.#deadline === 0) return;
    const left = this.#deadline - this.#clock.now();
    if (left > ROUNDING) {
      this.#run(left);
      return;
    }
    this.#deadline = 0;
    this.#callback();
  };
}
