/** More of them are joined. */
const CHUNKS_MOST = 4096;

/** The latest of what the terminal was given, as bytes: shown again when the machine comes back. */
export class Scrollback {
  readonly #most: number;
  #chunks: Uint8Array[] = [];
  #length = 0;

  /** @param most bytes kept at least, where so many came. */
  constructor(most = 256 * 1024) {
    this.#most = most;
  }

  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes.slice());
    this.#length += bytes.length;
    // Now and then all at once, so that each byte is moved a few times at most.
    if (this.#length <= 2 * this.#most && this.#chunks.length <= CHUNKS_MOST) return;
    const latest = this.copy();
    this.#chunks = [latest];
    this.#length = latest.length;
  }

  clear(): void {
    this.#chunks = [];
    this.#length = 0;
  }

  /** A copy of the latest bytes; when older ones are left out, it begins with a line. */
  copy(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    if (all.length <= this.#most) return all;
    const lineFeed = 10;
    const cut = all.indexOf(lineFeed, all.length - this.#most);
    return all.slice(cut < 0 ? all.length - this.#most : cut + 1);
  }
}
