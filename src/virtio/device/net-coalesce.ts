import { record, type StateOf, u32 } from "../../state/codec.ts";
import type { Clock } from "../types.ts";

/** How the driver wants to be told of used buffers of one direction (virtio 1.2 section 5.1.6.5.7). */
export const COALESCING_STATE = record({
  /** So many packets may become used before it is told. 0: there is no such bound. */
  packets: u32,
  /** So many microseconds it may take until it is told. 0: it is told at once. */
  microseconds: u32,
});
export type Coalescing = StateOf<typeof COALESCING_STATE>;

/** As it is after each reset. */
export const NO_COALESCING: Coalescing = { packets: 0, microseconds: 0 };

/**
 * Puts the notifications of one queue off and together. The clock of a page or of Node knows milliseconds, so a time is
 * rounded up to them.
 */
export class Coalescer {
  readonly #clock: Clock | undefined;
  readonly #notify: () => void;
  #packets = 0;
  #cancel: (() => void) | undefined;

  /** @param clock without one, nothing is put off. */
  constructor(clock: Clock | undefined, notify: () => void) {
    this.#clock = clock;
    this.#notify = notify;
  }

  /** So many packets have become used: notifies, now or when it is time. */
  used(packets: number, { packets: most, microseconds }: Coalescing): void {
    this.#packets += packets;
    if (this.#clock === undefined || microseconds === 0 || (most !== 0 && this.#packets >= most))
      this.flush();
    else this.#cancel ??= this.#clock.after(Math.ceil(microseconds / 1000), this.#timeout);
  }

  /** After a restore: what was put off when it was saved still is, and the driver is told when it is time. */
  proceed(coalescing: Coalescing): void {
    if (coalescing.microseconds > 0) this.used(1, { ...coalescing, packets: 0 });
  }

  /** Notifies now of what was put off, if anything. */
  flush(): void {
    if (this.#packets === 0) return;
    this.reset();
    this.#notify();
  }

  /** Forgets what was put off. */
  reset(): void {
    this.#packets = 0;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  readonly #timeout = (): void => {
    this.#cancel = undefined;
    this.flush();
  };
}
