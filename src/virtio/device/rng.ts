import { VIRTIO_ID_RNG } from "../defs.ts";
import type { DeviceContext, VirtioDevice } from "../types.ts";
import { takeChains } from "./take-chains.ts";

/** requestq, virtio 1.2 section 5.4.2. */
export const RNG_REQUEST_QUEUE = 0;

/** Most bytes given for one request: a chain may claim gigabytes, and the driver has to accept less than it asked for. */
export const RNG_REQUEST_MAX = 65536;

/**
 * Bytes of configuration space: a seed for a guest that was restored from a snapshot, all zero in one that was booted
 * (docs/snapshots.md). The standard's device has no configuration space.
 */
export const RNG_SEED_SIZE = 32;

/** Options of {@link RngDevice}. */
export interface RngDeviceOptions {
  /** Fills `target`, at most {@link RNG_REQUEST_MAX} bytes, with random bytes fit for cryptography. */
  readonly random: (target: Uint8Array) => void;
}

/** The entropy device, virtio 1.2 section 5.4: no features, one queue; and our seed in its configuration space. */
export class RngDevice implements VirtioDevice {
  readonly type = VIRTIO_ID_RNG;
  readonly name = "rng";
  readonly features = 0n;
  readonly queueSizes: readonly number[] = [16];
  readonly configSize = RNG_SEED_SIZE;

  readonly #random: (target: Uint8Array) => void;
  readonly #seed = new Uint8Array(RNG_SEED_SIZE);
  #context: DeviceContext | undefined;

  constructor(options: RngDeviceOptions) {
    this.#random = options.random;
  }

  readConfig(offset: number): number {
    return this.#seed[offset] ?? 0;
  }

  /**
   * The device in a restored machine: a new seed, of which no other machine knows; nothing is kept of an old one. The
   * driver is told at once, so that the guest reseeds before it does anything else.
   */
  restore(context: DeviceContext | undefined): void {
    this.#context = context;
    this.#random(this.#seed);
    context?.configChanged();
  }

  writeConfig(_offset: number, _size: number, _value: number): void {}

  activate(context: DeviceContext): void {
    this.#context = context;
  }

  reset(): void {
    this.#context = undefined;
  }

  /** Random bytes that the driver throws away are no loss. */
  quiesce(): boolean {
    return true;
  }

  notify(index: number): void {
    const context = this.#context;
    const queue = context?.queues[index];
    if (context === undefined || queue === undefined) return;
    const taken = takeChains(queue, (chain) => {
      // Readable parts, which the driver must not give (5.4.6.1), are not looked at.
      // The bytes are not kept: what one request got must not be readable from the next.
      const bytes = new Uint8Array(Math.min(chain.writableLength, RNG_REQUEST_MAX));
      if (bytes.length > 0) this.#random(bytes);
      queue.push(chain, chain.write(0, bytes));
    });
    if (taken > 0) context.notifyUsed(index);
  }
}
