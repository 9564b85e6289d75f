import { bool, bytes, list, record, type StateOf, u16, u32 } from "../../state/codec.ts";
import {
  VIRTQ_AVAIL_ALIGN,
  VIRTQ_AVAIL_ELEMENT_SIZE,
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_DESC_ALIGN,
  VIRTQ_DESC_SIZE,
  VIRTQ_EVENT_SIZE,
  VIRTQ_MAX_SIZE,
  VIRTQ_RING_HEADER_SIZE,
  VIRTQ_USED_ALIGN,
  VIRTQ_USED_ELEMENT_SIZE,
  VIRTQ_USED_F_NO_NOTIFY,
} from "../defs.ts";
import type { GuestMemory, Traced } from "../types.ts";
import { DescriptorChain } from "./chain.ts";
import { VirtqueueError } from "./errors.ts";
import type { QueuePosition } from "./inspect.ts";

export { DescriptorChain } from "./chain.ts";
export { VirtqueueError } from "./errors.ts";

/** Where a split virtqueue lies: its size in descriptors and the guest-physical addresses of its parts. */
export interface VirtqueueLayout {
  readonly size: number;
  readonly descriptorTable: number;
  readonly availableRing: number;
  readonly usedRing: number;
}

/** Ring features negotiated, and who is told of chains taken and used. */
export interface VirtqueueOptions {
  /** VIRTIO_RING_F_EVENT_IDX. */
  readonly eventIndex: boolean;
  /** VIRTIO_RING_F_INDIRECT_DESC. */
  readonly indirect: boolean;
  /** The queue's index in its device, for the trace. */
  readonly index?: number;
  readonly traced?: Traced;
}

const NOT_TRACED: Traced = { trace: undefined };
/** What a queue remembers beside the rings themselves, which are in guest memory. */
export const VIRTQUEUE_STATE = record({
  nextAvail: u16,
  nextUsed: u16,
  pushed: u32,
  notificationsWanted: bool,
  /** Heads popped and not pushed. */
  inFlight: list(u16, VIRTQ_MAX_SIZE),
  /** Head popped from each ring slot, two bytes each, little-endian. */
  poppedHeads: bytes(2 * VIRTQ_MAX_SIZE),
});
export type VirtqueueState = StateOf<typeof VIRTQUEUE_STATE>;

/** Bytes of each part of a split virtqueue of `size` descriptors, virtio 1.2 section 2.7. */
export function virtqueuePartSizes(size: number): {
  descriptorTable: number;
  availableRing: number;
  usedRing: number;
} {
  return {
    descriptorTable: VIRTQ_DESC_SIZE * size,
    availableRing: VIRTQ_RING_HEADER_SIZE + VIRTQ_AVAIL_ELEMENT_SIZE * size + VIRTQ_EVENT_SIZE,
    usedRing: VIRTQ_RING_HEADER_SIZE + VIRTQ_USED_ELEMENT_SIZE * size + VIRTQ_EVENT_SIZE,
  };
}

/**
 * The device's half of a split virtqueue (virtio 1.2 section 2.7).
 *
 * The driver is not trusted: all of its ring is checked when it is read, and what breaks the standard throws
 * {@link VirtqueueError}. At most `size` chains are in flight, because a head that was popped and not yet
 * pushed cannot be popped again. Nothing is allocated once every head has been used.
 */
export class Virtqueue {
  readonly size: number;
  readonly #memory: GuestMemory;
  readonly #layout: VirtqueueLayout;
  readonly #mask: number;
  readonly #eventIndex: boolean;
  readonly #indirect: boolean;
  readonly #index: number;
  readonly #traced: Traced;

  readonly #table: number;
  readonly #availFlags: number;
  readonly #availIdx: number;
  readonly #availRing: number;
  readonly #usedEvent: number;
  readonly #usedFlags: number;
  readonly #usedIdx: number;
  readonly #usedRing: number;
  readonly #availEvent: number;

  /** Index of the next available ring entry to take, modulo 65536. */
  #nextAvail = 0;
  /** Index of the next used ring entry to fill, modulo 65536. */
  #nextUsed = 0;
  /** Used elements since the last {@link needsNotification}. */
  #pushed = 0;
  #notificationsWanted = true;
  #retired = false;

  /** One chain object for each head, made when the head is first seen. */
  readonly #chains: (DescriptorChain | undefined)[];
  /** 1 for each head that is popped and not pushed. */
  readonly #inFlight: Uint8Array;
  /** Head popped from each ring slot, for {@link undoPop}: the driver may have rewritten the slot since. */
  readonly #poppedHeads: Uint16Array;

  /**
   * @param state of a queue that goes on; without one it begins anew.
   * @throws VirtqueueError when the size, an alignment or a range is illegal, or a chain of the state is.
   */
  constructor(
    memory: GuestMemory,
    layout: VirtqueueLayout,
    options: VirtqueueOptions,
    state?: VirtqueueState,
  ) {
    const { size, descriptorTable, availableRing, usedRing } = layout;
    if (!Number.isInteger(size) || size < 1 || size > VIRTQ_MAX_SIZE || (size & (size - 1)) !== 0) {
      throw new VirtqueueError("queue size");
    }
    if (descriptorTable % VIRTQ_DESC_ALIGN !== 0) throw new VirtqueueError("descriptor table misaligned");
    if (availableRing % VIRTQ_AVAIL_ALIGN !== 0) throw new VirtqueueError("available ring misaligned");
    if (usedRing % VIRTQ_USED_ALIGN !== 0) throw new VirtqueueError("used ring misaligned");
    const sizes = virtqueuePartSizes(size);
    if (!memory.contains(descriptorTable, sizes.descriptorTable)) {
      throw new VirtqueueError("descriptor table outside RAM");
    }
    if (!memory.contains(availableRing, sizes.availableRing))
      throw new VirtqueueError("available ring outside RAM");
    if (!memory.contains(usedRing, sizes.usedRing)) throw new VirtqueueError("used ring outside RAM");

    this.size = size;
    this.#memory = memory;
    this.#layout = layout;
    this.#mask = size - 1;
    this.#eventIndex = options.eventIndex;
    this.#indirect = options.indirect;
    this.#index = options.index ?? 0;
    this.#traced = options.traced ?? NOT_TRACED;
    this.#table = descriptorTable;
    this.#availFlags = availableRing;
    this.#availIdx = availableRing + 2;
    this.#availRing = availableRing + VIRTQ_RING_HEADER_SIZE;
    this.#usedEvent = this.#availRing + VIRTQ_AVAIL_ELEMENT_SIZE * size;
    this.#usedFlags = usedRing;
    this.#usedIdx = usedRing + 2;
    this.#usedRing = usedRing + VIRTQ_RING_HEADER_SIZE;
    this.#availEvent = this.#usedRing + VIRTQ_USED_ELEMENT_SIZE * size;
    this.#chains = new Array<DescriptorChain | undefined>(size).fill(undefined);
    this.#inFlight = new Uint8Array(size);
    this.#poppedHeads = new Uint16Array(size);

    if (state !== undefined) {
      this.#restore(state);
      return;
    }
    // With EVENT_IDX the flags are 0 for good (2.7.10.1); without it 0 means that notifications are wanted.
    memory.writeU16(this.#usedFlags, 0);
    if (this.#eventIndex) memory.writeU16(this.#availEvent, 0);
  }

  save(): VirtqueueState {
    const poppedHeads = new Uint8Array(2 * this.size);
    const view = new DataView(poppedHeads.buffer);
    this.#poppedHeads.forEach((head, slot) => {
      view.setUint16(2 * slot, head, true);
    });
    return {
      nextAvail: this.#nextAvail,
      nextUsed: this.#nextUsed,
      pushed: this.#pushed,
      notificationsWanted: this.#notificationsWanted,
      inFlight: this.#chains.flatMap((_, head) => (this.#inFlight[head] === 1 ? [head] : [])),
      poppedHeads,
    };
  }

  #restore(state: VirtqueueState): void {
    if (state.poppedHeads.length !== 2 * this.size) throw new VirtqueueError("queue size");
    this.#nextAvail = state.nextAvail;
    this.#nextUsed = state.nextUsed;
    this.#pushed = state.pushed;
    this.#notificationsWanted = state.notificationsWanted;
    const view = new DataView(state.poppedHeads.buffer, state.poppedHeads.byteOffset);
    for (let slot = 0; slot < this.size; slot++) {
      const head = view.getUint16(2 * slot, true);
      if (head >= this.size) throw new VirtqueueError("head index out of range");
      this.#poppedHeads[slot] = head;
    }
    for (const head of state.inFlight) {
      if (head >= this.size) throw new VirtqueueError("head index out of range");
      const chain = new DescriptorChain(this.#memory, head);
      chain.parse(this.#table, this.size, this.#indirect);
      this.#chains[head] = chain;
      this.#inFlight[head] = 1;
    }
  }

  /** The chain that was popped with this head and not yet pushed: a device that keeps chains finds them again by it. */
  chainInFlight(head: number): DescriptorChain | undefined {
    return this.#inFlight[head] === 1 ? this.#chains[head] : undefined;
  }

  /** Where the queue is and how far it has come, for looking at. */
  get position(): QueuePosition {
    return {
      layout: this.#layout,
      eventIndex: this.#eventIndex,
      nextAvailable: this.#nextAvail,
      nextUsed: this.#nextUsed,
      inFlight: [...this.#inFlight.keys()].filter((head) => this.#inFlight[head] !== 0),
    };
  }

  /**
   * Chains made available and not yet popped.
   * @throws VirtqueueError when the index moved by more than the queue holds, or backwards (2.7.6.1).
   */
  available(): number {
    if (this.#retired) return 0;
    const count = (this.#memory.readU16(this.#availIdx) - this.#nextAvail) & 0xffff;
    if (count > this.size) throw new VirtqueueError("available index jump");
    return count;
  }

  /**
   * Takes the next available chain, or undefined when there is none. With the last one taken, if notifications
   * are wanted, the driver is asked to notify of the next.
   * @throws VirtqueueError when the ring or the chain breaks the standard; nothing is taken then.
   */
  pop(): DescriptorChain | undefined {
    const available = this.available();
    if (available === 0) return undefined;
    const slot = this.#nextAvail & this.#mask;
    const head = this.#memory.readU16(this.#availRing + slot * VIRTQ_AVAIL_ELEMENT_SIZE);
    if (head >= this.size) throw new VirtqueueError("head index out of range");
    if (this.#inFlight[head] !== 0) throw new VirtqueueError("head already in flight");
    let chain = this.#chains[head];
    if (chain === undefined) {
      chain = new DescriptorChain(this.#memory, head);
      this.#chains[head] = chain;
    }
    chain.parse(this.#table, this.size, this.#indirect);
    this.#inFlight[head] = 1;
    this.#poppedHeads[slot] = head;
    this.#nextAvail = (this.#nextAvail + 1) & 0xffff;
    this.#traced.trace?.available(this.#index, head, chain.readableLength, chain.writableLength);
    // The driver compares avail_event with its index only as that passes it: it has to name the buffer to come.
    if (available === 1 && this.#eventIndex && this.#notificationsWanted) {
      this.#memory.writeU16(this.#availEvent, this.#nextAvail);
    }
    return chain;
  }

  /**
   * Gives the last `count` popped chains back, none of them pushed: they will be popped again, in their order.
   * @throws RangeError when a chain among them is not in flight.
   */
  undoPop(count: number): void {
    if (this.#retired) return;
    for (let i = 0; i < count; i++) {
      const before = (this.#nextAvail - 1) & 0xffff;
      const head = this.#poppedHeads[before & this.#mask] as number; // masked: always inside the array
      if (this.#inFlight[head] === 0) throw new RangeError("undoPop: no such chain in flight");
      this.#inFlight[head] = 0;
      this.#nextAvail = before;
    }
    this.#traced.trace?.returned(this.#index, count);
    // Who gives back what is there waits for more of it.
    if (this.#eventIndex && this.#notificationsWanted) this.setNotificationsWanted(true);
  }

  /** Gives a chain back to the driver with the number of bytes written into it from its first writable byte on. */
  push(chain: DescriptorChain, written: number): void {
    if (this.#retired) return;
    this.#fill(0, chain, written);
    this.#publish(1);
  }

  /**
   * Gives the first `count` of several chains back at once: the driver sees all of them or none
   * (one update of the used index, as virtio 1.2 section 5.1.6.4.1 wants for merged receive buffers).
   */
  pushAll(chains: readonly DescriptorChain[], written: readonly number[], count = chains.length): void {
    if (this.#retired || count === 0) return;
    if (count > chains.length || count > written.length)
      throw new RangeError("pushAll: a length for each chain");
    for (let i = 0; i < count; i++) {
      this.#fill(i, chains[i] as DescriptorChain, written[i] as number); // i < count
    }
    this.#publish(count);
  }

  #fill(ahead: number, chain: DescriptorChain, written: number): void {
    const head = chain.head;
    if (this.#chains[head] !== chain || this.#inFlight[head] === 0)
      throw new RangeError("push: chain not in flight");
    if (written > chain.writableLength) throw new RangeError("push: more bytes than the chain can hold");
    this.#inFlight[head] = 0;
    const element = this.#usedRing + ((this.#nextUsed + ahead) & this.#mask) * VIRTQ_USED_ELEMENT_SIZE;
    this.#memory.writeU32(element, head);
    this.#memory.writeU32(element + 4, written);
    this.#traced.trace?.used(this.#index, head, written);
  }

  /** Advances the used index after the elements are complete (2.7.8.2). */
  #publish(count: number): void {
    this.#nextUsed = (this.#nextUsed + count) & 0xffff;
    this.#pushed += count;
    this.#memory.writeU16(this.#usedIdx, this.#nextUsed);
  }

  /**
   * Whether the driver wants to be told of what was pushed since the last call
   * (used buffer notification suppression, virtio 1.2 section 2.7.7.2).
   */
  needsNotification(): boolean {
    const pushed = this.#pushed;
    if (pushed === 0 || this.#retired) return false;
    this.#pushed = 0;
    if (!this.#eventIndex) {
      return (this.#memory.readU16(this.#availFlags) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
    }
    // used_event names the element whose placing is to be told: is it among the last `pushed` ones?
    const distance = (this.#nextUsed - this.#memory.readU16(this.#usedEvent) - 1) & 0xffff;
    return distance < pushed;
  }

  /**
   * Asks the driver for available buffer notifications, or not (virtio 1.2 section 2.7.10). A hint only: more may come.
   * @returns when wanting them: whether buffers are available already, for which no notification may come.
   */
  setNotificationsWanted(wanted: boolean): boolean {
    if (this.#retired) return false;
    this.#notificationsWanted = wanted;
    const memory = this.#memory;
    if (!this.#eventIndex) {
      memory.writeU16(this.#usedFlags, wanted ? 0 : VIRTQ_USED_F_NO_NOTIFY);
      return wanted && this.available() !== 0;
    }
    if (!wanted) {
      // No flag turns notifications off here; an index just passed is as far away as can be.
      memory.writeU16(this.#availEvent, (this.#nextAvail - 1) & 0xffff);
      return false;
    }
    // The buffer after those that are here already: it is the next one that the driver can notify of.
    const available = this.available();
    memory.writeU16(this.#availEvent, (this.#nextAvail + available) & 0xffff);
    return available !== 0;
  }

  /**
   * Whether the driver has consumed every used buffer and waits for the next, as far as can be seen:
   * with EVENT_IDX it asks for the very next one, without it it wants notifications.
   */
  driverCaughtUp(): boolean {
    if (this.#retired) return true;
    if (this.#eventIndex) return this.#memory.readU16(this.#usedEvent) === this.#nextUsed;
    return (this.#memory.readU16(this.#availFlags) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
  }

  /**
   * The device was reset: the rings belong to the driver again. From now on nothing is available, and pushes
   * and chains' reads and writes do nothing (virtio 1.2 section 2.4.1), so that late work cannot harm.
   */
  retire(): void {
    this.#retired = true;
    for (const chain of this.#chains) chain?.clear();
  }
}
