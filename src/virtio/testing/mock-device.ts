import type { Virtqueue } from "../queue/virtqueue.ts";
import type { DeviceContext, VirtioDevice } from "../types.ts";

/**
 * A device for tests of queues and transports. Queue 0 echoes: what the readable part of a chain holds is
 * written to its writable part. All other queues only take their chains and give them back.
 * Eight bytes of configuration, of which the driver may write the last four.
 */
export class MockDevice implements VirtioDevice {
  readonly type: number;
  readonly name = "mock";
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  readonly configSize: number;
  readonly configBytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

  /** Calls in order: "activate", "notify 0", "reset", "quiesce". */
  readonly calls: string[] = [];
  /** Chains served. */
  served = 0;
  /** Whether notify leaves the chains where they are. */
  idle = false;
  /** What the next {@link quiesce} answers. */
  drained = true;
  context: DeviceContext | undefined;
  readonly #buffer = new Uint8Array(0x1_0000);

  constructor(
    options: {
      type?: number;
      queueSizes?: readonly number[];
      features?: bigint;
      /** Up to 8. */
      configSize?: number;
    } = {},
  ) {
    this.type = options.type ?? 42;
    this.configSize = options.configSize ?? 8;
    this.queueSizes = options.queueSizes ?? [64, 16];
    this.features = options.features ?? 0b101n;
  }

  readConfig(offset: number): number {
    return this.configBytes[offset] ?? 0;
  }
  writeConfig(offset: number, size: number, value: number): void {
    for (let i = 0; i < size; i++) {
      if (offset + i >= 4) this.configBytes[offset + i] = Math.floor(value / 256 ** i) & 0xff;
    }
  }
  activate(context: DeviceContext): void {
    this.calls.push("activate");
    this.context = context;
  }
  notify(index: number): void {
    this.calls.push(`notify ${index}`);
    if (!this.idle) this.serve(index);
  }
  reset(): void {
    this.calls.push("reset");
    this.context = undefined;
  }
  quiesce(): boolean {
    this.calls.push("quiesce");
    return this.drained;
  }

  /** Takes all that is there and tells the driver once. */
  serve(index: number): void {
    const queue = this.context?.queues[index];
    if (queue === undefined) return;
    queue.setNotificationsWanted(false);
    do {
      for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
        const length = index === 0 ? chain.read(0, this.#buffer) : 0;
        queue.push(chain, chain.write(0, this.#buffer.subarray(0, length)));
        this.served++;
      }
    } while (queue.setNotificationsWanted(true));
    this.context?.notifyUsed(index);
  }

  /** A queue of the present activation. */
  queue(index: number): Virtqueue {
    const queue = this.context?.queues[index];
    if (queue === undefined) throw new Error(`mock device: queue ${index} is not live`);
    return queue;
  }
}
