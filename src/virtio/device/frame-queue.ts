/** How many frames, and bytes of them, may wait together in all queues that share this. */
export class FrameBudget {
  readonly #maxFrames: number;
  readonly #maxBytes: number;
  #frames = 0;
  #bytes = 0;

  constructor(maxFrames: number, maxBytes: number) {
    this.#maxFrames = maxFrames;
    this.#maxBytes = maxBytes;
  }

  /** Bytes taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes room for a frame of so many bytes; false when there is none, and nothing is taken then. */
  take(bytes: number): boolean {
    if (this.#frames >= this.#maxFrames || this.#bytes + bytes > this.#maxBytes) return false;
    this.#frames++;
    this.#bytes += bytes;
    return true;
  }

  /** Gives it back. */
  giveBack(bytes: number): void {
    this.#frames--;
    this.#bytes -= bytes;
  }
}

/**
 * Frames that wait for the driver, each behind its virtio_net_hdr in one array, oldest first. Bounded by a budget, so
 * that a guest that takes nothing cannot make the host hold more than that.
 */
export class FrameQueue {
  readonly #budget: FrameBudget;
  #frames: Uint8Array[] = [];
  /** Index of the oldest frame: taking one from the front costs nothing but now and then a copy of the array. */
  #head = 0;

  constructor(budget: FrameBudget) {
    this.#budget = budget;
  }

  /** Frames that wait. */
  get length(): number {
    return this.#frames.length - this.#head;
  }

  /** Keeps a copy of the parts as one frame; false when the budget does not allow it, and nothing is kept then. */
  push(...parts: readonly Uint8Array[]): boolean {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (!this.#budget.take(length)) return false;
    const frame = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      frame.set(part, at);
      at += part.length;
    }
    this.#frames.push(frame);
    return true;
  }

  /** Copies of all frames, oldest first. */
  copies(): Uint8Array[] {
    return this.#frames.slice(this.#head).map((frame) => frame.slice());
  }

  /** The oldest frame, still waiting. */
  peek(): Uint8Array | undefined {
    return this.#frames[this.#head];
  }

  /** Lets the oldest frame go. */
  shift(): void {
    const frame = this.#frames[this.#head];
    if (frame === undefined) return;
    this.#budget.giveBack(frame.length);
    this.#head++;
    if (this.#head === this.#frames.length) {
      this.#frames = [];
      this.#head = 0;
    } else if (this.#head >= 1024) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Takes over all frames of `other`, behind its own. Both share one budget. */
  takeOver(other: FrameQueue): void {
    this.#frames.push(...other.#frames.slice(other.#head));
    other.#frames = [];
    other.#head = 0;
  }
}
