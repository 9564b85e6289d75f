import type { DeviceCounters } from "../../metrics/counters.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";
import type { DeviceContext } from "../types.ts";
import type { VirtioCore } from "./core.ts";

/** What the device holds while it is activated. Each activation has its own, so that an old one stays dead. */
export class Context implements DeviceContext {
  readonly queues: readonly (Virtqueue | undefined)[];
  readonly features: bigint;
  readonly counters: DeviceCounters;
  #core: VirtioCore | undefined;

  constructor(
    core: VirtioCore,
    queues: readonly (Virtqueue | undefined)[],
    features: bigint,
    counters: DeviceCounters,
  ) {
    this.#core = core;
    // A copy: a queue that the driver disables later is retired, and stays where the device looks for it.
    this.queues = [...queues];
    this.features = features;
    this.counters = counters;
  }

  notifyUsed(index: number): void {
    this.#core?.notifyUsed(index);
  }
  configChanged(): void {
    this.#core?.configChanged();
  }
  needsReset(reason: string): void {
    this.#core?.needsReset(reason);
  }
  run(work: () => void): void {
    this.#core?.guard(work);
  }
  end(): void {
    this.#core = undefined;
  }
}
