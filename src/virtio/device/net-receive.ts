import type { Clock, DeviceContext } from "../types.ts";
import { hasFeature } from "./feature-bits.ts";
import { type FrameBudget, FrameQueue } from "./frame-queue.ts";
import { Coalescer, type Coalescing, NO_COALESCING } from "./net-coalesce.ts";
import type { NetCounts } from "./net-counts.ts";
import { receiveQueue, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_HDR_SIZE } from "./net-defs.ts";
import { clearVerified, leavesChecksum, leavesSegmentation, writeReceiveHeader } from "./net-header.ts";
import { type FrameOffload, NO_TAIL, type ReceiveOffloads } from "./net-link.ts";
import { ReceiveQueue } from "./net-receive-queue.ts";

/** What the driver of a device that is not activated takes. */
const NOTHING: ReceiveOffloads = { checksum: false, segmentation: false };

/** The receiving half of one pair of queues. */
interface Pair {
  /** Frames for this queue, kept through resets. */
  readonly waiting: FrameQueue;
  /** While the device is activated and the driver has enabled the queue. */
  queue: ReceiveQueue | undefined;
  readonly coalescer: Coalescer;
}

/**
 * The receiving half of the network device: frames from the link go into the driver's buffers at once or wait, bounded,
 * and survive a reset while they wait.
 */
export class NetReceiver {
  readonly #counts: NetCounts;
  readonly #pairs: readonly Pair[];
  readonly #header = new Uint8Array(VIRTIO_NET_HDR_SIZE);
  #context: DeviceContext | undefined;
  #offloads = NOTHING;
  #coalescing = NO_COALESCING;
  #quiescing = false;
  /** Frames from the driver are being handled: receive notifications wait for the batch's end. */
  #inBatch = false;
  // What receive() is working on. #incoming is undefined as soon as the driver has the frame.
  #incoming: Uint8Array | undefined;
  #incomingTail: Uint8Array = NO_TAIL;
  #incomingPair = 0;
  /** Of the activations before this one. */
  #unusableBefore = 0;

  constructor(counts: NetCounts, pairs: number, budget: FrameBudget, clock: Clock | undefined) {
    this.#counts = counts;
    this.#pairs = Array.from({ length: pairs }, (_, pair) => ({
      waiting: new FrameQueue(budget),
      queue: undefined,
      coalescer: new Coalescer(clock, () => this.#context?.notifyUsed(receiveQueue(pair))),
    }));
  }

  /** Frames that wait for receive buffers. */
  get waiting(): number {
    return this.#pairs.reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  /** Receive buffers given back empty because they cannot even hold a header and a frame's start. */
  get unusableBuffers(): number {
    return this.#pairs.reduce((sum, { queue }) => sum + (queue?.unusable ?? 0), this.#unusableBefore);
  }

  activate(context: DeviceContext, offloads: ReceiveOffloads): void {
    this.#begin(context, offloads, () => true);
    context.run(this.#flushAll);
  }

  /** Copies of the frames that wait, oldest first, for each pair. */
  save(): Uint8Array[][] {
    return this.#pairs.map(({ waiting }) => waiting.copies());
  }

  restore(frames: readonly (readonly Uint8Array[])[], unusable: number, coalescing: Coalescing): void {
    this.#coalescing = coalescing;
    this.#pairs.forEach(({ waiting }, index) => {
      for (const frame of frames[index] ?? []) waiting.push(frame);
    });
    this.#unusableBefore = unusable;
  }

  /** Goes on with a driver that was there before. */
  proceed(context: DeviceContext, offloads: ReceiveOffloads): void {
    // The driver is asked to notify of buffers as long as frames wait for them.
    this.#begin(context, offloads, ({ waiting }) => waiting.length > 0);
    for (const { coalescer } of this.#pairs) coalescer.proceed(this.#coalescing);
  }

  #begin(context: DeviceContext, offloads: ReceiveOffloads, kicks: (pair: Pair) => boolean): void {
    this.#context = context;
    this.#offloads = offloads;
    const mergeable = hasFeature(context.features, VIRTIO_NET_F_MRG_RXBUF);
    this.#pairs.forEach((pair, index) => {
      const queue = context.queues[receiveQueue(index)];
      pair.queue = queue && new ReceiveQueue(queue, mergeable, this.#counts, kicks(pair));
    });
  }

  reset(): void {
    this.#unusableBefore = this.unusableBuffers;
    this.#context = undefined;
    this.#offloads = NOTHING;
    this.#quiescing = false;
    this.#coalescing = NO_COALESCING;
    for (const pair of this.#pairs) {
      pair.queue = undefined;
      pair.coalescer.reset();
    }
    this.#takeOverFrom(1);
  }

  /** How the driver wants to be told of received frames. */
  set coalescing(coalescing: Coalescing) {
    this.#coalescing = coalescing;
    for (const { coalescer } of this.#pairs) coalescer.flush();
  }
  get coalescing(): Coalescing {
    return this.#coalescing;
  }

  /** From now on only the first `count` pairs get frames; what waits for others goes to the first one. */
  usePairs(count: number): void {
    this.#takeOverFrom(count);
    this.flush(0);
  }

  #takeOverFrom(pair: number): void {
    const [first, ...others] = this.#pairs;
    for (const { waiting } of others.slice(pair - 1)) first?.waiting.takeOver(waiting);
  }

  /** Keeps frames back from now on; whether the driver has seen all that it got before. */
  quiesce(): boolean {
    this.#quiescing = true;
    for (const { coalescer } of this.#pairs) coalescer.flush();
    return this.#pairs.every(({ queue }) => queue?.queue.driverCaughtUp() ?? true);
  }

  resume(): void {
    this.#quiescing = false;
    this.#context?.run(this.#flushAll);
  }

  /** Receive notifications wait from now on until {@link endBatch}. */
  beginBatch(): void {
    this.#inBatch = true;
  }

  endBatch(): void {
    this.#inBatch = false;
  }

  /**
   * Takes a sound frame for a pair: it is in the driver's buffers when this returns, or waits, or was counted as dropped.
   */
  receive(pair: number, frame: Uint8Array, offload: Readonly<FrameOffload>, tail: Uint8Array): void {
    const refusal = this.#refusal(offload.checksumStart !== 0, offload.segmentSize !== 0);
    if (refusal !== undefined) {
      this.#counts.drop(refusal);
      return;
    }
    const { waiting } = this.#pairs[pair] as Pair; // the caller's numbers are those of pairs
    writeReceiveHeader(this.#header, frame, offload);
    if (!this.#offloads.checksum) clearVerified(this.#header);
    if (this.#context !== undefined && waiting.length === 0) {
      this.#incoming = frame;
      this.#incomingTail = tail;
      this.#incomingPair = pair;
      this.#context.run(this.#receiveOne);
      if (this.#incoming === undefined) return;
      this.#incoming = undefined;
    }
    if (!waiting.push(this.#header, frame, tail)) this.#counts.drop("receive queue full");
  }

  /** Nothing is left to a driver that did not negotiate it (virtio 1.2 section 5.1.6.4.1). */
  #refusal(checksum: boolean, segmentation: boolean): string | undefined {
    if (segmentation && !this.#offloads.segmentation) return "receive segmentation not negotiated";
    if (checksum && !this.#offloads.checksum) return "receive checksum not negotiated";
    return undefined;
  }

  // All are made once: a frame costs no closure.
  readonly #receiveOne = (): void => {
    const { queue } = this.#pairs[this.#incomingPair] as Pair;
    const frame = this.#incoming;
    if (queue === undefined || frame === undefined || this.#quiescing) return;
    if (queue.put(this.#header, frame, this.#incomingTail)) this.#incoming = undefined;
    else queue.wantKicks(true);
    this.#notify(this.#incomingPair);
  };

  readonly #flushAll = (): void => {
    for (let pair = 0; pair < this.#pairs.length; pair++) this.flush(pair);
  };

  /** Puts a pair's waiting frames into the driver's buffers as far as there are any. */
  flush(pair: number): void {
    const { waiting, queue } = this.#pairs[pair] as Pair;
    if (queue === undefined || this.#quiescing) return;
    for (let delivered = 0; delivered < queue.queue.size; delivered++) {
      const kept = waiting.peek();
      if (kept === undefined) break;
      // It may have come for a driver before this one.
      const refusal = this.#refusal(leavesChecksum(kept), leavesSegmentation(kept));
      if (!this.#offloads.checksum) clearVerified(kept);
      if (refusal !== undefined) this.#counts.drop(refusal);
      else if (!queue.put(kept.subarray(0, VIRTIO_NET_HDR_SIZE), kept.subarray(VIRTIO_NET_HDR_SIZE), NO_TAIL))
        break;
      waiting.shift();
    }
    queue.wantKicks(waiting.length > 0);
    this.#notify(pair);
  }

  /** Tells the driver of used receive buffers, where there are any that it was not told of. */
  notify(): void {
    for (let pair = 0; pair < this.#pairs.length; pair++) this.#notify(pair);
  }

  #notify(pair: number): void {
    const { queue, coalescer } = this.#pairs[pair] as Pair;
    if (queue === undefined || queue.used === 0 || this.#inBatch) return;
    const { used } = queue;
    queue.used = 0;
    coalescer.used(used, this.#coalescing);
  }
}
