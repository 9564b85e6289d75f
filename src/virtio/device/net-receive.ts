import type { DeviceContext } from "../types.ts";
import { hasFeature } from "./feature-bits.ts";
import { FrameQueue } from "./frame-queue.ts";
import type { NetCounts } from "./net-counts.ts";
import { NET_RECEIVE_QUEUE, VIRTIO_NET_F_MRG_RXBUF } from "./net-defs.ts";
import { ReceiveQueue } from "./net-receive-queue.ts";

/**
 * The receiving half of the network device: frames from the link go into the driver's buffers at once or wait, bounded,
 * and survive a reset while they wait.
 */
export class NetReceiver {
  readonly #counts: NetCounts;
  readonly #waiting: FrameQueue;
  #context: DeviceContext | undefined;
  #queue: ReceiveQueue | undefined;
  #quiescing = false;
  /** Frames from the driver are being handled: the receive notification waits for the batch's end. */
  #inBatch = false;
  /** The frame that {@link receive} is working on; undefined as soon as the driver has it. */
  #incoming: Uint8Array | undefined;
  /** Of the activations before this one. */
  #unusableBefore = 0;

  constructor(counts: NetCounts, maxFrames: number, maxBytes: number) {
    this.#counts = counts;
    this.#waiting = new FrameQueue(maxFrames, maxBytes);
  }

  /** Frames that wait for receive buffers. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Receive buffers given back empty because they cannot even hold a header and a frame's start. */
  get unusableBuffers(): number {
    return this.#unusableBefore + (this.#queue?.unusable ?? 0);
  }

  activate(context: DeviceContext): void {
    this.#begin(context, true);
    context.run(this.flush);
  }

  /** Copies of the frames that wait, oldest first. */
  save(): Uint8Array[] {
    return this.#waiting.copies();
  }

  restore(frames: readonly Uint8Array[], unusable: number, context: DeviceContext | undefined): void {
    for (const frame of frames) this.#waiting.push(frame);
    this.#unusableBefore = unusable;
    if (context === undefined) return;
    // The driver is asked to notify of buffers as long as frames wait for them.
    this.#begin(context, this.#waiting.length > 0);
  }

  #begin(context: DeviceContext, kicks: boolean): void {
    this.#context = context;
    const queue = context.queues[NET_RECEIVE_QUEUE];
    const mergeable = hasFeature(context.features, VIRTIO_NET_F_MRG_RXBUF);
    if (queue !== undefined) this.#queue = new ReceiveQueue(queue, mergeable, this.#counts, kicks);
  }

  reset(): void {
    this.#unusableBefore = this.unusableBuffers;
    this.#context = undefined;
    this.#queue = undefined;
    this.#quiescing = false;
  }

  /** Keeps frames back from now on; whether the driver has seen all that it got before. */
  quiesce(): boolean {
    this.#quiescing = true;
    return this.#queue?.queue.driverCaughtUp() ?? true;
  }

  resume(): void {
    this.#quiescing = false;
    this.#context?.run(this.flush);
  }

  /** Receive notifications wait from now on until {@link endBatch}. */
  beginBatch(): void {
    this.#inBatch = true;
  }

  endBatch(): void {
    this.#inBatch = false;
  }

  /** Takes a sound frame: it is in the driver's buffers when this returns, or waits, or was counted as dropped. */
  receive(frame: Uint8Array): void {
    if (this.#context !== undefined && this.#waiting.length === 0) {
      this.#incoming = frame;
      this.#context.run(this.#receiveOne);
      if (this.#incoming === undefined) return;
      this.#incoming = undefined;
    }
    if (!this.#waiting.push(frame)) this.#counts.drop("receive queue full");
  }

  // Both are made once: a frame costs no closure.
  readonly #receiveOne = (): void => {
    const queue = this.#queue;
    const frame = this.#incoming;
    if (queue === undefined || frame === undefined || this.#quiescing) return;
    if (queue.put(frame)) this.#incoming = undefined;
    else queue.wantKicks(true);
    this.notify();
  };

  /** Puts waiting frames into the driver's buffers as far as there are any. */
  readonly flush = (): void => {
    const queue = this.#queue;
    if (queue === undefined || this.#quiescing) return;
    for (let delivered = 0; delivered < queue.queue.size; delivered++) {
      const frame = this.#waiting.peek();
      if (frame === undefined || !queue.put(frame)) break;
      this.#waiting.shift();
    }
    queue.wantKicks(this.#waiting.length > 0);
    this.notify();
  };

  /** Tells the driver of used receive buffers, if there are any that it was not told of. */
  notify(): void {
    if (this.#queue === undefined || !this.#queue.used || this.#inBatch) return;
    this.#queue.used = false;
    this.#context?.notifyUsed(NET_RECEIVE_QUEUE);
  }
}
