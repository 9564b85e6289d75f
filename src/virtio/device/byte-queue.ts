const SMALLEST = 256;

/** Bytes that wait, first in, first out: a ring that grows by doubling up to a bound. */
export class ByteQueue {
  readonly #bound: number;
  #ring: Uint8Array;
  /** Index of the oldest byte. */
  #start = 0;
  #length = 0;

  /** @param bound most bytes that wait at a time. */
  constructor(bound: number) {
    this.#bound = bound;
    this.#ring = new Uint8Array(Math.min(SMALLEST, bound));
  }

  /** Bytes that wait. */
  get length(): number {
    return this.#length;
  }

  /** Keeps a copy of all of `bytes`; false when that would pass the bound, and nothing is kept then. */
  push(bytes: Uint8Array): boolean {
    const needed = this.#length + bytes.length;
    if (needed > this.#bound) return false;
    if (needed > this.#ring.length) this.#grow(needed);
    const end = (this.#start + this.#length) % this.#ring.length;
    const first = Math.min(bytes.length, this.#ring.length - end);
    this.#ring.set(bytes.subarray(0, first), end);
    this.#ring.set(bytes.subarray(first), 0);
    this.#length = needed;
    return true;
  }

  /** A copy of all that waits. */
  copy(): Uint8Array {
    const copy = new Uint8Array(this.#length);
    const first = this.peek(this.#length);
    copy.set(first);
    copy.set(this.#ring.subarray(0, this.#length - first.length), first.length);
    return copy;
  }

  /** The oldest bytes, as many as lie together and at most `most`: a window, valid until the next change. */
  peek(most: number): Uint8Array {
    const count = Math.min(most, this.#length, this.#ring.length - this.#start);
    return this.#ring.subarray(this.#start, this.#start + count);
  }

  /** Lets the oldest `count` bytes go; the ring goes back to its smallest size when it is empty. */
  shift(count: number): void {
    this.#length -= count;
    this.#start = (this.#start + count) % this.#ring.length;
    if (this.#length > 0) return;
    this.#start = 0;
    if (this.#ring.length > SMALLEST) this.#ring = new Uint8Array(Math.min(SMALLEST, this.#bound));
  }

  #grow(needed: number): void {
    let size = this.#ring.length;
    while (size < needed) size *= 2;
    const ring = new Uint8Array(Math.min(size, this.#bound));
    const first = this.peek(this.#length);
    ring.set(first);
    ring.set(this.#ring.subarray(0, this.#length - first.length), first.length);
    this.#ring = ring;
    this.#start = 0;
  }
}
