/** Smallest capacity that is allocated, in bytes: a power of two. */
const SMALLEST = 2048;

/**
 * Bytes sent and not acknowledged, and bytes not yet sent: a ring that grows by doubling, allocated when the first byte
 * comes. Whoever writes into it bounds its length.
 */
export class SendBuffer {
  #bytes = new Uint8Array(0);
  #start = 0;
  #length = 0;

  /** Bytes held. */
  get length(): number {
    return this.#length;
  }

  /** A copy of all that is held. */
  contents(): Uint8Array {
    const contents = new Uint8Array(this.#length);
    this.copy(0, this.#length, contents, 0);
    return contents;
  }

  /** Copies `source` behind what is there. */
  append(source: Uint8Array): void {
    const needed = this.#length + source.length;
    if (needed > this.#bytes.length) this.#grow(needed);
    const bytes = this.#bytes;
    const at = (this.#start + this.#length) & (bytes.length - 1);
    const untilEnd = bytes.length - at;
    if (source.length <= untilEnd) {
      bytes.set(source, at);
    } else {
      bytes.set(source.subarray(0, untilEnd), at);
      bytes.set(source.subarray(untilEnd), 0);
    }
    this.#length = needed;
  }

  /** Copies [offset, offset + length) to `target` at `at`. The range must be held, and `target` long enough. */
  copy(offset: number, length: number, target: Uint8Array, at: number): void {
    if (length === 0) return;
    const bytes = this.#bytes;
    const from = (this.#start + offset) & (bytes.length - 1);
    const untilEnd = bytes.length - from;
    if (length <= untilEnd) {
      target.set(bytes.subarray(from, from + length), at);
    } else {
      target.set(bytes.subarray(from), at);
      target.set(bytes.subarray(0, length - untilEnd), at + untilEnd);
    }
  }

  /** The same bytes where they lie, valid until the buffer is changed; undefined when they do not lie in one piece. */
  view(offset: number, length: number): Uint8Array | undefined {
    const from = (this.#start + offset) & (this.#bytes.length - 1);
    return from + length <= this.#bytes.length ? this.#bytes.subarray(from, from + length) : undefined;
  }

  /** Drops the oldest `count` bytes, which must be held. */
  drop(count: number): void {
    this.#length -= count;
    // Empty begins anew: short answers then never wrap, and are copied in one piece.
    this.#start = this.#length === 0 ? 0 : (this.#start + count) & (this.#bytes.length - 1);
  }

  /** Drops everything and the memory with it. */
  release(): void {
    this.#bytes = new Uint8Array(0);
    this.#start = 0;
    this.#length = 0;
  }

  #grow(needed: number): void {
    let capacity = Math.max(SMALLEST, this.#bytes.length);
    while (capacity < needed) capacity *= 2;
    const grown = new Uint8Array(capacity);
    this.copy(0, this.#length, grown, 0);
    this.#bytes = grown;
    this.#start = 0;
  }
}
