/**
 * Guest output on its way to the terminal: collected without work per byte, handed over once per animation frame,
 * and never faster than the terminal takes it. A guest that floods its console loses the middle of the flood,
 * not the page's responsiveness.
 */

/** Bytes that may wait. More than this is more than anybody reads. */
const WAITING_MAX = 1 << 20;
/** Bytes handed over at once: a frame's worth of parsing. */
const BATCH_MAX = 1 << 16;

const encoder = new TextEncoder();

export class OutputQueue {
  readonly #write: (bytes: Uint8Array, parsed: () => void) => void;
  #chunks: Uint8Array[] = [];
  #waiting = 0;
  #skipped = 0;
  #busy = false;

  /** `write` gives bytes to the terminal and calls `parsed` when it is through with them. */
  constructor(write: (bytes: Uint8Array, parsed: () => void) => void) {
    this.#write = write;
  }

  /** Takes what the guest wrote. */
  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#waiting += bytes.length;
    while (this.#waiting > WAITING_MAX && this.#chunks.length > 1) {
      const gone = this.#chunks.shift();
      this.#waiting -= gone?.length ?? 0;
      this.#skipped += gone?.length ?? 0;
    }
    this.#schedule();
  }

  /** Forgets what waits. */
  clear(): void {
    this.#chunks = [];
    this.#waiting = 0;
    this.#skipped = 0;
  }

  #schedule(): void {
    if (this.#busy || this.#waiting === 0) return;
    this.#busy = true;
    // A hidden page has no animation frames; the guest goes on there all the same.
    if (document.hidden) setTimeout(() => this.#flush(), 100);
    else requestAnimationFrame(() => this.#flush());
  }

  #flush(): void {
    const batch = this.#take();
    if (batch.length === 0) {
      this.#busy = false;
      return;
    }
    this.#write(batch, () => {
      this.#busy = false;
      this.#schedule();
    });
  }

  #take(): Uint8Array {
    const parts: Uint8Array[] = [];
    let size = 0;
    if (this.#skipped > 0) {
      const note = encoder.encode(`\r\n\x1b[0m[${this.#skipped} bytes of output skipped]\r\n`);
      this.#skipped = 0;
      parts.push(note);
      size += note.length;
    }
    while (size < BATCH_MAX) {
      const chunk = this.#chunks.shift();
      if (chunk === undefined) break;
      const room = BATCH_MAX - size;
      if (chunk.length > room) this.#chunks.unshift(chunk.subarray(room));
      const part = chunk.subarray(0, room);
      parts.push(part);
      size += part.length;
      this.#waiting -= part.length;
    }
    const batch = new Uint8Array(size);
    let offset = 0;
    for (const part of parts) {
      batch.set(part, offset);
      offset += part.length;
    }
    return batch;
  }
}
