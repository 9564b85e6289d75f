import {
  VIRTQ_AVAIL_ELEMENT_SIZE,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_DESC_SIZE,
  VIRTQ_RING_HEADER_SIZE,
  VIRTQ_USED_ELEMENT_SIZE,
} from "../defs.ts";
import type { VirtqueueLayout } from "../queue/virtqueue.ts";
import { virtqueuePartSizes } from "../queue/virtqueue.ts";
import type { MockMemory } from "./mock-memory.ts";

/** One buffer of a chain, by its place in guest memory. */
export interface MockBuffer {
  readonly address: number;
  readonly length: number;
  readonly writable: boolean;
}

/** A used element: id and len as the device wrote them. */
export interface MockUsed {
  readonly id: number;
  readonly length: number;
}

/** One descriptor as it stands in a table. */
export interface MockDescriptor {
  readonly address: number;
  readonly length: number;
  readonly flags?: number;
  readonly next?: number;
  /** Upper half of the address, when it shall not fit below 2^32. */
  readonly addressHigh?: number;
}

/**
 * The driver's half of a split virtqueue, in guest memory. Legal traffic by {@link add}, {@link publish} and
 * {@link takeUsed}; anything else by writing descriptors and ring entries one by one.
 */
export class MockQueue {
  readonly memory: MockMemory;
  readonly size: number;
  readonly layout: VirtqueueLayout;
  readonly eventIndex: boolean;
  /** Index of the next available entry, not yet published ones included. */
  nextAvail = 0;
  /** Index of the next used entry to read. */
  nextUsed = 0;
  readonly #free: number[] = [];
  readonly #owned = new Map<number, number[]>();
  #published = 0;

  constructor(memory: MockMemory, size: number, options: { eventIndex?: boolean } = {}) {
    const sizes = virtqueuePartSizes(size);
    this.memory = memory;
    this.size = size;
    this.eventIndex = options.eventIndex ?? false;
    this.layout = {
      size,
      descriptorTable: memory.alloc(sizes.descriptorTable, 16),
      availableRing: memory.alloc(sizes.availableRing, 2),
      usedRing: memory.alloc(sizes.usedRing, 4),
    };
    for (let i = size - 1; i >= 0; i--) this.#free.push(i);
  }

  /** Descriptors that are in no chain. */
  get free(): number {
    return this.#free.length;
  }

  // Rings and table, entry by entry.

  writeDescriptor(index: number, descriptor: MockDescriptor, table = this.layout.descriptorTable): void {
    const at = table + index * VIRTQ_DESC_SIZE;
    const { address, length, flags = 0, next = 0 } = descriptor;
    this.memory.writeU32(at, address % 0x1_0000_0000);
    this.memory.writeU32(at + 4, descriptor.addressHigh ?? Math.floor(address / 0x1_0000_0000));
    this.memory.writeU32(at + 8, length);
    this.memory.writeU16(at + 12, flags);
    this.memory.writeU16(at + 14, next);
  }

  /** Writes the head into the next available entry; visible to the device after {@link publish}. */
  offer(head: number): void {
    const slot = this.nextAvail & (this.size - 1);
    this.memory.writeU16(
      this.layout.availableRing + VIRTQ_RING_HEADER_SIZE + slot * VIRTQ_AVAIL_ELEMENT_SIZE,
      head,
    );
    this.nextAvail = (this.nextAvail + 1) & 0xffff;
  }

  get availIdx(): number {
    return this.memory.readU16(this.layout.availableRing + 2);
  }
  set availIdx(value: number) {
    this.memory.writeU16(this.layout.availableRing + 2, value);
  }
  get availFlags(): number {
    return this.memory.readU16(this.layout.availableRing);
  }
  set availFlags(value: number) {
    this.memory.writeU16(this.layout.availableRing, value);
  }
  get usedEvent(): number {
    return this.memory.readU16(this.#usedEventAddress);
  }
  set usedEvent(value: number) {
    this.memory.writeU16(this.#usedEventAddress, value);
  }
  get usedFlags(): number {
    return this.memory.readU16(this.layout.usedRing);
  }
  get usedIdx(): number {
    return this.memory.readU16(this.layout.usedRing + 2);
  }
  get availEvent(): number {
    return this.memory.readU16(
      this.layout.usedRing + VIRTQ_RING_HEADER_SIZE + this.size * VIRTQ_USED_ELEMENT_SIZE,
    );
  }
  get #usedEventAddress(): number {
    return this.layout.availableRing + VIRTQ_RING_HEADER_SIZE + this.size * VIRTQ_AVAIL_ELEMENT_SIZE;
  }

  /** Used element in the slot of used index `index`. */
  usedElement(index: number): MockUsed {
    const at =
      this.layout.usedRing + VIRTQ_RING_HEADER_SIZE + (index & (this.size - 1)) * VIRTQ_USED_ELEMENT_SIZE;
    return { id: this.memory.readU32(at), length: this.memory.readU32(at + 4) };
  }

  // Legal traffic.

  /**
   * Builds a chain from free descriptors and puts its head into the available ring (not yet published).
   * With `indirect` the last `indirect` buffers go into an indirect table (true: all of them).
   */
  add(buffers: readonly MockBuffer[], options: { indirect?: boolean | number } = {}): number {
    const inTable = options.indirect === true ? buffers.length : Number(options.indirect ?? 0);
    const direct = buffers.slice(0, buffers.length - inTable);
    const indirect = buffers.slice(buffers.length - inTable);
    const needed = direct.length + (inTable > 0 ? 1 : 0);
    if (needed === 0 || needed > this.#free.length) throw new Error("mock queue: no free descriptors");
    const indices = this.#free.splice(this.#free.length - needed).reverse();
    const at = (k: number): number => indices[k] ?? 0;
    direct.forEach((buffer, k) => {
      const more = k + 1 < needed;
      this.writeDescriptor(at(k), {
        address: buffer.address,
        length: buffer.length,
        flags: (buffer.writable ? VIRTQ_DESC_F_WRITE : 0) | (more ? VIRTQ_DESC_F_NEXT : 0),
        next: more ? at(k + 1) : 0,
      });
    });
    if (inTable > 0) {
      const table = this.memory.alloc(inTable * VIRTQ_DESC_SIZE);
      this.writeDescriptor(at(needed - 1), {
        address: table,
        length: inTable * VIRTQ_DESC_SIZE,
        flags: VIRTQ_DESC_F_INDIRECT,
      });
      indirect.forEach((buffer, k) => {
        const more = k + 1 < inTable;
        this.writeDescriptor(
          k,
          {
            address: buffer.address,
            length: buffer.length,
            flags: (buffer.writable ? VIRTQ_DESC_F_WRITE : 0) | (more ? VIRTQ_DESC_F_NEXT : 0),
            next: more ? k + 1 : 0,
          },
          table,
        );
      });
    }
    const head = at(0);
    this.#owned.set(head, indices);
    this.offer(head);
    return head;
  }

  /** One readable buffer with these bytes. */
  addReadable(bytes: Uint8Array | readonly number[]): number {
    return this.add([{ address: this.memory.store(bytes), length: bytes.length, writable: false }]);
  }

  /** One writable buffer; returns head and address. */
  addWritable(length: number): { head: number; address: number } {
    const address = this.memory.alloc(length);
    return { head: this.add([{ address, length, writable: true }]), address };
  }

  /** Makes everything added visible; returns whether the device asked for a notification of it. */
  publish(): boolean {
    const before = this.#published;
    this.availIdx = this.nextAvail;
    this.#published = this.nextAvail;
    const added = (this.nextAvail - before) & 0xffff;
    if (!this.eventIndex) return added > 0 && (this.usedFlags & 1) === 0;
    return ((this.nextAvail - this.availEvent - 1) & 0xffff) < added;
  }

  /** Used elements that came since the last call; their descriptors are free again. */
  takeUsed(): MockUsed[] {
    const taken: MockUsed[] = [];
    while (this.nextUsed !== this.usedIdx) {
      const used = this.usedElement(this.nextUsed);
      this.nextUsed = (this.nextUsed + 1) & 0xffff;
      const indices = this.#owned.get(used.id);
      if (indices !== undefined) {
        this.#owned.delete(used.id);
        this.#free.push(...indices);
      }
      taken.push(used);
    }
    return taken;
  }

  /** Asks for a notification of the very next used buffer, as a driver does that has read all. */
  rearm(): void {
    if (this.eventIndex) this.usedEvent = this.nextUsed;
    else this.availFlags = 0;
  }
}
