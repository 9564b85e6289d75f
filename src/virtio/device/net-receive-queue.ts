import type { DescriptorChain, Virtqueue } from "../queue/virtqueue.ts";
import type { NetCounts } from "./net-counts.ts";
import { ETH_HLEN, HDR_NUM_BUFFERS, VIRTIO_NET_HDR_SIZE } from "./net-defs.ts";

/** Puts frames into the buffers of one receive queue, virtio 1.2 section 5.1.6.4, for one activation of the device. */
export class ReceiveQueue {
  readonly queue: Virtqueue;
  /** Buffers became used and the driver was not yet notified. */
  used = false;
  /** Receive buffers given back empty because they cannot even hold a header and a frame's start. */
  unusable = 0;

  readonly #counts: NetCounts;
  readonly #mergeable: boolean;
  /** Whether the driver was asked to notify of receive buffers: only while frames wait for them. */
  #kicks: boolean;
  /**
   * What all buffers together hold, once a frame was found too long for all of them; until one is used the driver can
   * add none, so that longer frames need not try again.
   */
  #room = Number.POSITIVE_INFINITY;
  /** All zero but num_buffers: no checksum and no segmentation offload (NET-RX-06, NET-RX-12). */
  readonly #header = new Uint8Array(VIRTIO_NET_HDR_SIZE);

  constructor(queue: Virtqueue, mergeable: boolean, counts: NetCounts, kicks: boolean) {
    this.queue = queue;
    this.#kicks = kicks;
    this.#mergeable = mergeable;
    this.#counts = counts;
  }

  wantKicks(wanted: boolean): void {
    if (wanted === this.#kicks) return;
    this.#kicks = wanted;
    // Nothing else runs between finding too few buffers and asking for more: there is nothing to check again.
    this.queue.setNotificationsWanted(wanted);
  }

  /**
   * Puts one frame into receive buffers; false when there are not enough of them, and none is used then. True also
   * when the frame was dropped because these buffers can never hold it.
   */
  put(frame: Uint8Array): boolean {
    const { queue } = this;
    const wanted = VIRTIO_NET_HDR_SIZE + frame.length;
    if (wanted > this.#room) return this.#tooSmall();
    const first = this.#firstBuffer();
    if (first === undefined) return false;
    if (first.writableLength < wanted) {
      if (this.#mergeable) return this.#putMerged(first, frame);
      // The buffer may still do for the next frame.
      queue.undoPop(1);
      return this.#tooSmall();
    }
    this.#writeHeader(first, 1);
    first.write(VIRTIO_NET_HDR_SIZE, frame);
    queue.push(first, wanted);
    this.#received(frame);
    return true;
  }

  /** The same for a frame that the first buffer cannot hold alone. */
  #putMerged(first: DescriptorChain, frame: Uint8Array): boolean {
    const { queue } = this;
    const wanted = VIRTIO_NET_HDR_SIZE + frame.length;
    const chains = [first];
    for (let room = first.writableLength; room < wanted; ) {
      const chain = chains.length < queue.size ? queue.pop() : undefined;
      if (chain === undefined) {
        queue.undoPop(chains.length);
        if (chains.length < queue.size) return false;
        this.#room = room;
        return this.#tooSmall();
      }
      chains.push(chain);
      room += chain.writableLength;
    }
    this.#writeHeader(first, chains.length);
    // All but the last are filled completely, and all become used together (5.1.6.4.1).
    let done = first.write(VIRTIO_NET_HDR_SIZE, frame);
    const written = [VIRTIO_NET_HDR_SIZE + done];
    for (const chain of chains.slice(1)) {
      const count = chain.write(0, frame.subarray(done));
      written.push(count);
      done += count;
    }
    queue.pushAll(chains, written);
    this.#received(frame);
    return true;
  }

  /** These buffers can never hold the frame: it is dropped. */
  #tooSmall(): true {
    this.#counts.drop("receive buffers too small");
    return true;
  }

  /**
   * The next receive buffer that can begin a frame: all of it device-writable, and a header at least (5.1.6.3.1).
   * What is none is of no use for any frame and goes back empty.
   */
  #firstBuffer(): DescriptorChain | undefined {
    const { queue } = this;
    const least = this.#mergeable ? VIRTIO_NET_HDR_SIZE : VIRTIO_NET_HDR_SIZE + ETH_HLEN;
    for (let tried = 0; tried < queue.size; tried++) {
      const chain = queue.pop();
      if (chain === undefined || (chain.writableLength >= least && chain.readableLength === 0)) return chain;
      queue.push(chain, 0);
      this.unusable++;
      this.#consumed();
    }
    return undefined;
  }

  /** num_buffers is little-endian, and 1 without VIRTIO_NET_F_MRG_RXBUF too (5.1.6.4.1). */
  #writeHeader(first: DescriptorChain, buffers: number): void {
    this.#header[HDR_NUM_BUFFERS] = buffers & 0xff;
    this.#header[HDR_NUM_BUFFERS + 1] = buffers >> 8;
    first.write(0, this.#header);
  }

  #received(frame: Uint8Array): void {
    this.#counts.received(frame.length);
    this.#consumed();
  }

  #consumed(): void {
    this.used = true;
    this.#room = Number.POSITIVE_INFINITY;
  }
}
