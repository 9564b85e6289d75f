import { VIRTQ_DESC_F_INDIRECT, VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE, VIRTQ_DESC_SIZE } from "../defs.ts";
import type { GuestMemory } from "../types.ts";
import { VirtqueueError } from "./errors.ts";

const TWO_32 = 0x1_0000_0000;

/**
 * One descriptor chain, read from the descriptor table completely and once: what the driver does to its
 * descriptors afterwards changes nothing here, so that no check can be undone after it was made.
 *
 * A chain belongs to its virtqueue, which keeps one object for each head and fills it anew when the driver
 * uses the head again: it is valid from `pop` until `push`, `undoPop` or the device's reset.
 */
export class DescriptorChain {
  /** Index of the first descriptor: the id that the used element carries. */
  readonly head: number;
  /** Bytes of all device-readable buffers. */
  readableLength = 0;
  /** Bytes of all device-writable buffers. */
  writableLength = 0;

  readonly #memory: GuestMemory;
  // Buffers that hold at least one byte, readable ones first. Arrays grow to the longest chain this head had.
  readonly #addresses: number[] = [];
  readonly #lengths: number[] = [];
  #count = 0;
  #readableCount = 0;

  constructor(memory: GuestMemory, head: number) {
    this.#memory = memory;
    this.head = head;
  }

  /**
   * Reads the chain that starts at `head` from the table of `size` descriptors at `table`.
   * @throws VirtqueueError when it breaks a rule of virtio 1.2 section 2.7.4 or 2.7.5.
   */
  parse(table: number, size: number, indirectAllowed: boolean): void {
    const memory = this.#memory;
    this.clear();
    let base = table;
    let entries = size;
    let index = this.head;
    // Descriptors seen in this table (more than it has: a loop) and buffers in the whole chain.
    let walked = 0;
    let buffers = 0;
    let inTable = false;
    for (;;) {
      if (index >= entries) throw new VirtqueueError("descriptor index out of range");
      if (++walked > entries) throw new VirtqueueError("descriptor loop");
      // Each field is loaded exactly once.
      const at = base + index * VIRTQ_DESC_SIZE;
      const address = memory.readU32(at) + memory.readU32(at + 4) * TWO_32;
      const length = memory.readU32(at + 8);
      const flagsAndNext = memory.readU32(at + 12);

      if ((flagsAndNext & VIRTQ_DESC_F_INDIRECT) !== 0) {
        // Virtio 1.2 section 2.7.5.3. WRITE on this descriptor is ignored (2.7.5.3.2).
        if (!indirectAllowed) throw new VirtqueueError("indirect descriptor not negotiated");
        if (inTable) throw new VirtqueueError("nested indirect descriptor");
        if ((flagsAndNext & VIRTQ_DESC_F_NEXT) !== 0)
          throw new VirtqueueError("indirect descriptor with NEXT");
        if (length === 0 || length % VIRTQ_DESC_SIZE !== 0) throw new VirtqueueError("indirect table length");
        if (!memory.contains(address, length)) throw new VirtqueueError("indirect table outside RAM");
        base = address;
        entries = length / VIRTQ_DESC_SIZE;
        index = 0;
        walked = 0;
        inTable = true;
        continue;
      }

      // A chain is at most as long as the queue, through an indirect table too (2.7.5.3.1).
      if (++buffers > size) throw new VirtqueueError("descriptor chain too long");
      this.#add(address, length, (flagsAndNext & VIRTQ_DESC_F_WRITE) !== 0);
      if ((flagsAndNext & VIRTQ_DESC_F_NEXT) === 0) return;
      index = flagsAndNext >>> 16;
    }
  }

  #add(address: number, length: number, writable: boolean): void {
    if (!writable && this.#sawWritable) throw new VirtqueueError("readable descriptor after a writable one");
    if (writable) this.#sawWritable = true;
    // An empty buffer is legal and touches nothing, wherever it points.
    if (length === 0) return;
    if (!this.#memory.contains(address, length)) throw new VirtqueueError("buffer outside RAM");
    if (this.readableLength + this.writableLength + length > TWO_32) {
      throw new VirtqueueError("descriptor chain longer than 2^32 bytes");
    }
    this.#addresses[this.#count] = address;
    this.#lengths[this.#count] = length;
    this.#count++;
    if (writable) this.writableLength += length;
    else {
      this.readableLength += length;
      this.#readableCount++;
    }
  }
  #sawWritable = false;

  /** Copies up to `target.length` readable bytes from `offset` on; returns how many there were. */
  read(offset: number, target: Uint8Array): number {
    const wanted = target.length;
    let skip = offset;
    let done = 0;
    for (let i = 0; i < this.#readableCount && done < wanted; i++) {
      const length = this.#lengths[i] as number; // i < count: filled by #add
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const part = Math.min(length - skip, wanted - done);
      target.set(this.#memory.view((this.#addresses[i] as number) + skip, part), done);
      done += part;
      skip = 0;
    }
    return done;
  }

  /** Copies `source`, from its byte `from` on, into the writable part from `offset` on; returns how many bytes fitted. */
  write(offset: number, source: Uint8Array, from = 0): number {
    const memory = this.#memory;
    const wanted = source.length - from;
    let skip = offset;
    let done = 0;
    for (let i = this.#readableCount; i < this.#count && done < wanted; i++) {
      const length = this.#lengths[i] as number; // i < count: filled by #add
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const part = Math.min(length - skip, wanted - done);
      const at = (this.#addresses[i] as number) + skip;
      const start = from + done;
      memory.view(at, part).set(part === source.length ? source : source.subarray(start, start + part));
      memory.written(at, part);
      done += part;
      skip = 0;
    }
    return done;
  }

  /** Forgets the buffers: reads and writes then do nothing. For the virtqueue's use. */
  clear(): void {
    this.#count = 0;
    this.#readableCount = 0;
    this.readableLength = 0;
    this.writableLength = 0;
    this.#sawWritable = false;
  }
}
