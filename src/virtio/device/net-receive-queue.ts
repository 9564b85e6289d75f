import type { DescriptorChain, Virtqueue } from "../queue/virtqueue.ts";
import type { NetCounts } from "./net-counts.ts";
import { ETH_HLEN, VIRTIO_NET_HDR_SIZE } from "./net-defs.ts";
import { putBuffers } from "./net-header.ts";

/** Puts frames into the buffers of one receive queue, virtio 1.2 section 5.1.6.4, for one activation of the device. */
export class ReceiveQueue {
  readonly queue: Virtqueue;
  /** Frames, and unusable buffers, for which buffers became used and the driver was not yet notified. */
  used = 0;
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
  // The buffers of one frame and the bytes in each; used again for the next.
  readonly #chains: DescriptorChain[] = [];
  readonly #written: number[] = [];

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
   * Puts one frame, of one part or two, behind its header into receive buffers; false when there are not enough of them,
   * and none is used then. True also when the frame was dropped because these buffers can never hold it.
   */
  put(header: Uint8Array, frame: Uint8Array, tail: Uint8Array): boolean {
    const { queue } = this;
    const length = frame.length + tail.length;
    const wanted = VIRTIO_NET_HDR_SIZE + length;
    if (wanted > this.#room) return this.#tooSmall();
    const most = this.#mergeable ? queue.size : 1;
    let count = 0;
    for (let room = 0; room < wanted; count++) {
      const chain = count === 0 ? this.#firstBuffer() : count < most ? queue.pop() : undefined;
      if (chain === undefined) {
        // The buffers may still do for the next frame.
        queue.undoPop(count);
        if (count < most) return false;
        if (this.#mergeable) this.#room = room;
        return this.#tooSmall();
      }
      this.#chains[count] = chain;
      room += chain.writableLength;
    }
    putBuffers(header, count);
    this.#fill(count, header, frame, tail);
    queue.pushAll(this.#chains, this.#written, count);
    this.#counts.received(length);
    this.#consumed();
    return true;
  }

  /** These buffers can never hold the frame: it is dropped. */
  #tooSmall(): true {
    this.#counts.drop("receive buffers too small");
    return true;
  }

  #consumed(): void {
    this.used++;
    this.#room = Number.POSITIVE_INFINITY;
  }

  /** All but the last are filled completely, and all become used together (5.1.6.4.1). */
  #fill(count: number, header: Uint8Array, frame: Uint8Array, tail: Uint8Array): void {
    let part = header;
    let done = 0;
    for (let i = 0; i < count; i++) {
      const chain = this.#chains[i] as DescriptorChain; // i < count
      let at = 0;
      for (;;) {
        const fitted = chain.write(at, part, done);
        at += fitted;
        done += fitted;
        if (done < part.length || part === tail) break;
        part = part === header ? frame : tail;
        done = 0;
      }
      this.#written[i] = at;
    }
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
}
