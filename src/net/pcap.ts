/**
 * Captures as pcapng files, which Wireshark and tcpdump read.
 * Source: draft-ietf-opsawg-pcapng; sections are named at the blocks. Little-endian throughout.
 */
import type { FrameDirection } from "./peer.ts";

const SECTION_HEADER_BLOCK = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION_BLOCK = 1;
const INTERFACE_STATISTICS_BLOCK = 5;
const ENHANCED_PACKET_BLOCK = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINKTYPE_ETHERNET = 1;

const OPT_ENDOFOPT = 0;
const SHB_USERAPPL = 4;
const IF_NAME = 2;
const IF_TSRESOL = 9;
const ISB_IFRECV = 4;
const ISB_IFDROP = 5;
const EPB_FLAGS = 2;
/** epb_flags bits 0 and 1, as seen from the captured interface: the guest's. */
const INBOUND = 1;
const OUTBOUND = 2;

/** Block type, two block lengths, interface, timestamp (2), captured and original length. */
const PACKET_FIXED = 32;
/** epb_flags and opt_endofopt. */
const PACKET_OPTIONS = 12;
const CHUNK = 256 * 1024;

export interface CaptureOptions {
  /** Most bytes kept, default 64 MiB. What would exceed them is left out, and so is all that follows. */
  readonly limit?: number;
  /** if_name, default "net0". */
  readonly interfaceName?: string;
}

/** A frame as it was recorded. */
export interface CapturedFrame {
  /** Its number, from 0. */
  readonly index: number;
  /** Since whatever the recorder chose as 0. */
  readonly microseconds: number;
  readonly direction: FrameDirection;
  /** The caller's own copy. */
  readonly bytes: Uint8Array;
}

/** Collects frames in memory and gives them as a pcapng file at any time. */
export class Capture {
  readonly #limit: number;
  readonly #head: Uint8Array;
  /** Finished chunks; each is exactly as long as what is in it. */
  #chunks: Uint8Array[] = [];
  /** Frames in all finished chunks up to and including each. */
  #framesUpTo: number[] = [];
  #chunk = new DataView(new ArrayBuffer(0));
  /** Bytes used in the current chunk. */
  #used = 0;
  #frames = 0;
  #bytes = 0;
  #leftOut = 0;
  #lastTimestamp = 0;

  constructor(options: CaptureOptions = {}) {
    this.#limit = options.limit ?? 64 * 1024 * 1024;
    this.#head = fileHead(options.interfaceName ?? "net0");
    this.#bytes = this.#head.length;
  }

  /** Frames kept. */
  get frames(): number {
    return this.#frames;
  }

  /** Bytes of the file so far, headers included, the statistics at its end not. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Frames that no room was left for. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /**
   * Keeps a copy of `frame`. `microseconds` since whatever the caller chose as 0 (a whole number is stored, negative
   * ones as 0). Once a frame had no room, none that follows is kept: the file has no holes.
   */
  add(frame: Uint8Array, direction: FrameDirection, microseconds: number): void {
    const padded = (frame.length + 3) & ~3;
    const length = PACKET_FIXED + padded + PACKET_OPTIONS;
    if (this.#leftOut > 0 || this.#bytes + length > this.#limit) {
      this.#leftOut++;
      return;
    }
    const start = this.#reserve(length);
    const view = this.#chunk;
    const timestamp = Math.max(0, Math.floor(microseconds));
    // Section 4.3, Enhanced Packet Block.
    view.setUint32(start, ENHANCED_PACKET_BLOCK, true);
    view.setUint32(start + 4, length, true);
    view.setUint32(start + 8, 0, true);
    putTimestamp(view, start + 12, timestamp);
    view.setUint32(start + 20, frame.length, true);
    view.setUint32(start + 24, frame.length, true);
    // The rest of a chunk has never been used: the padding is 0 already.
    new Uint8Array(view.buffer, start + 28, frame.length).set(frame);
    const options = start + 28 + padded;
    view.setUint16(options, EPB_FLAGS, true);
    view.setUint16(options + 2, 4, true);
    view.setUint32(options + 4, direction === "to-guest" ? INBOUND : OUTBOUND, true);
    view.setUint32(options + 8, OPT_ENDOFOPT, true);
    view.setUint32(options + 12, length, true);
    this.#frames++;
    this.#bytes += length;
    this.#lastTimestamp = timestamp;
  }

  /** Whether frames need not be shown: one had no room, and so none that follows is kept. Counts `frames` as left out then. */
  skip(frames: number): boolean {
    if (this.#leftOut === 0) return false;
    this.#leftOut += frames;
    return true;
  }

  /** The newest frames from number `from` on, at most `most` of them, oldest first. */
  newest(from: number, most: number): CapturedFrame[] {
    const found: CapturedFrame[] = [];
    const wanted = Math.max(from, this.#frames - most, 0);
    // Whole chunks are passed over; within one, each block says how long it is.
    let part = this.#framesUpTo.findIndex((frames) => frames > wanted);
    if (part < 0) part = this.#chunks.length;
    let index = this.#framesUpTo[part - 1] ?? 0;
    for (; part <= this.#chunks.length; part++) {
      const chunk = this.#chunks[part] ?? new Uint8Array(this.#chunk.buffer, 0, this.#used);
      const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      for (let at = 0; at < chunk.length; at += view.getUint32(at + 4, true), index++) {
        if (index < wanted) continue;
        const length = view.getUint32(at + 20, true);
        const options = at + 28 + ((length + 3) & ~3);
        found.push({
          index,
          microseconds: view.getUint32(at + 12, true) * 2 ** 32 + view.getUint32(at + 16, true),
          direction: view.getUint32(options + 4, true) === INBOUND ? "to-guest" : "from-guest",
          bytes: chunk.slice(at + 28, at + 28 + length),
        });
      }
    }
    return found;
  }

  /** Forgets all frames and counts. */
  clear(): void {
    this.#chunks = [];
    this.#framesUpTo = [];
    this.#chunk = new DataView(new ArrayBuffer(0));
    this.#used = 0;
    this.#frames = 0;
    this.#bytes = this.#head.length;
    this.#leftOut = 0;
    this.#lastTimestamp = 0;
  }

  /** The file: all frames kept so far, then how many were left out. The capture goes on. */
  toPcapng(): Uint8Array {
    const tail = statistics(this.#lastTimestamp, this.#frames + this.#leftOut, this.#leftOut);
    const file = new Uint8Array(this.#bytes + tail.length);
    let offset = 0;
    for (const part of [
      this.#head,
      ...this.#chunks,
      new Uint8Array(this.#chunk.buffer, 0, this.#used),
      tail,
    ]) {
      file.set(part, offset);
      offset += part.length;
    }
    return file;
  }

  /** Room for one block in the current chunk, or in a new one. Returns where it begins. */
  #reserve(length: number): number {
    if (this.#used + length > this.#chunk.byteLength) {
      if (this.#used > 0) {
        this.#chunks.push(new Uint8Array(this.#chunk.buffer, 0, this.#used));
        this.#framesUpTo.push(this.#frames);
      }
      this.#chunk = new DataView(new ArrayBuffer(Math.max(CHUNK, length)));
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    return start;
  }
}

/** Section 4.3: the upper 32 bits first, then the lower. */
function putTimestamp(view: DataView, offset: number, timestamp: number): void {
  view.setUint32(offset, Math.floor(timestamp / 2 ** 32), true);
  view.setUint32(offset + 4, timestamp >>> 0, true);
}

/** Section 3.5: code, length, value padded to 32 bits. */
function option(code: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + ((value.length + 3) & ~3));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, code, true);
  view.setUint16(2, value.length, true);
  bytes.set(value, 4);
  return bytes;
}

/** Section 3.1: type, length, body and options (their end added), length again. */
function block(type: number, body: Uint8Array, options: readonly Uint8Array[]): Uint8Array {
  const parts = [body, ...options, option(OPT_ENDOFOPT, new Uint8Array(0))];
  const length = parts.reduce((sum, part) => sum + part.length, 12);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  let offset = 8;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  view.setUint32(offset, length, true);
  return bytes;
}

/** Sections 4.1 and 4.2: Section Header Block and Interface Description Block. */
function fileHead(interfaceName: string): Uint8Array {
  const encoder = new TextEncoder();
  const section = new DataView(new ArrayBuffer(16));
  section.setUint32(0, BYTE_ORDER_MAGIC, true);
  section.setUint16(4, 1, true);
  section.setUint16(6, 0, true);
  // The section's length is not given (all ones): it goes on to the end of the file.
  section.setBigInt64(8, -1n, true);
  const description = new DataView(new ArrayBuffer(8));
  description.setUint16(0, LINKTYPE_ETHERNET, true);
  // Snapshot length 0: frames are kept whole.
  description.setUint32(4, 0, true);
  const first = block(SECTION_HEADER_BLOCK, new Uint8Array(section.buffer), [
    option(SHB_USERAPPL, encoder.encode("Doorbell")),
  ]);
  const second = block(INTERFACE_DESCRIPTION_BLOCK, new Uint8Array(description.buffer), [
    option(IF_NAME, encoder.encode(interfaceName)),
    // 10 to the power of -6: microseconds.
    option(IF_TSRESOL, Uint8Array.of(6)),
  ]);
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

/** Section 4.6: Interface Statistics Block, frames seen and frames left out. */
function statistics(timestamp: number, seen: number, leftOut: number): Uint8Array {
  const body = new DataView(new ArrayBuffer(12));
  body.setUint32(0, 0, true);
  putTimestamp(body, 4, timestamp);
  const count = (value: number) => {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setBigUint64(0, BigInt(value), true);
    return new Uint8Array(bytes.buffer);
  };
  return block(INTERFACE_STATISTICS_BLOCK, new Uint8Array(body.buffer), [
    option(ISB_IFRECV, count(seen)),
    option(ISB_IFDROP, count(leftOut)),
  ]);
}
