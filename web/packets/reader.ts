/** Reads a frame from front to back; no byte of it is trusted. */

/** The frame ends before what its headers promise. */
export class CutShort extends Error {
  override readonly name = "CutShort";
}

/** Big-endian numbers and names at a position that moves. Every read past the end throws {@link CutShort}. */
export class Reader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = Math.min(end, bytes.length);
  }

  get left(): number {
    return Math.max(0, this.end - this.at);
  }

  u8(): number {
    const value = this.at < this.end ? this.bytes[this.at] : undefined;
    if (value === undefined) throw new CutShort();
    this.at++;
    return value;
  }

  u16(): number {
    return this.u8() * 0x100 + this.u8();
  }

  u32(): number {
    return this.u16() * 0x1_0000 + this.u16();
  }

  skip(count: number): void {
    if (count > this.left) throw new CutShort();
    this.at += count;
  }

  take(count: number): Uint8Array {
    this.skip(count);
    return this.bytes.subarray(this.at - count, this.at);
  }

  mac(): string {
    return [...this.take(6)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  }

  ipv4(): string {
    return this.take(4).join(".");
  }

  /** A reader of the next `count` bytes, or of what is left of them. */
  part(count: number): Reader {
    return new Reader(this.bytes, this.at, Math.min(this.end, this.at + count));
  }
}
