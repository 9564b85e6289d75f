import { VIRTIO_ID_RNG } from "../defs.ts";
import type { DeviceContext, VirtioDevice } from "../types.ts";
import { takeChains } from "./take-chains.ts";

/** requestq, virtio 1.2 section 5.4.2. */
export const RNG_REQUEST_QUEUE = 0;

/** Most bytes given for one request: a chain may claim gigabytes, and the driver has to accept less than it asked for. */
export const RNG_REQUEST_MAX = 65536;

/** Options of {@link RngDevice}. */
export interface RngDeviceOptions {
  /** Fills `target`, at most {@link RNG_REQUEST_MAX} bytes, with random bytes fit for cryptography. */
  readonly random: (target: Uint8Array) => void;
}

/** The entropy device, virtio 1.2 section 5.4: no features, no configuration, one queue. */
export class RngDevice implements VirtioDevice {
  readonly type = VIRTIO_ID_RNG;
  readonly name = "rng";
  readonly features = 0n;
  readonly queueSizes: readonly number[] = [16];
  readonly configSize = 0;

  readonly #random: (target: Uint8Array) => void;
  #context: DeviceContext | undefined;

  constructor(options: RngDeviceOptions) {
    this.#random = options.random;
  }

  readConfig(_offset: number): number {
    return 0;
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
