/**
 * Ethernet frames that wait for the driver, oldest first, bounded in number and in bytes
 * so that a guest that takes nothing cannot make the host hold more than that.
 */
export class FrameQueue {
  readonly #maxFrames: number;
  readonly #maxBytes: number;
  #frames: Uint8Array[] = [];
  /** Index of the oldest frame: taking one from the front costs nothing but now and then a copy of the array. */
  #head = 0;
  #bytes = 0;

  constructor(maxFrames: number, maxBytes: number) {
    this.#maxFrames = maxFrames;
    this.#maxBytes = maxBytes;
  }

  /** Frames that wait. */
  get length(): number {
    return this.#frames.length - this.#head;
  }

  /** Bytes of all frames that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a copy of `frame`; false when a bound would be passed, and nothing is kept then. */
  push(frame: Uint8Array): boolean {
    if (this.length >= this.#maxFrames || this.#bytes + frame.length > this.#maxBytes) return false;
    this.#frames.push(frame.slice());
    this.#bytes += frame.length;
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
    this.#bytes -= frame.length;
    this.#head++;
    if (this.#head === this.#frames.length) {
      this.#frames = [];
      this.#head = 0;
    } else if (this.#head >= 1024) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
  }
}
