/**
 * A snapshot as a file (docs/snapshots.md): what identifies it, a hash over all that follows, a header that says
 * which machine it is of, and the body, deflated or not: the machine's state and its memory without what is zero.
 * Everything in it may come from anybody, so it is checked before anything is done with it.
 */

import { V86_VERSION } from "../cpu/v86-internals.ts";
import { forEachRun, type MemoryPages, PAGE_SIZE } from "../cpu/v86-state.ts";
import {
  bool,
  type Codec,
  count,
  decode,
  encode,
  f64,
  oneOf,
  record,
  StateError,
  type StateOf,
  text,
  u8,
  u16,
} from "../state/codec.ts";
import { PAIRS_MOST } from "../virtio/device/net-defs.ts";
import { MEMORY_MAP } from "./memory-map.ts";
import { type MicroVmOptions, type RestoreOptions, SnapshotError } from "./types.ts";

const MAGIC = "DOORBELL";
const VERSION = 1;
const VERSION_AT = 8;
const HASH_AT = 12;
const HASH_BYTES = 32;
const HEADER_LENGTH_AT = HASH_AT + HASH_BYTES;
const HEADER_AT = HEADER_LENGTH_AT + 4;
const HEADER_MOST = 4096;
const MIB = 0x100000;
/** More than any machine's state has, memory aside. */
const STATE_MOST = 64 * MIB;
/** The compressor gets so many bytes at a time; then whatever else waits has its turn. */
const PIECE = 256 * 1024;

const HEADER = record({
  /** Hash of the description of the state's format. */
  format: text(64),
  v86: text(32),
  /** Hash of kernel, initial file systems and command line that the machine was booted with. */
  image: text(64),
  memoryMiB: u16,
  queuePairs: u8,
  transport: oneOf("mmio", "pci"),
  interrupts: oneOf("wired", "msi"),
  doorbell: oneOf("shared", "per-queue"),
  eventIndex: bool,
  /** Milliseconds since 1970, when it was saved. */
  saved: f64,
  /** How far the boot had come. */
  phase: oneOf("created", "started", "kernel", "console", "network", "ready"),
  deflated: bool,
  /** Bytes of the state at the body's beginning, before deflating. */
  stateBytes: count,
});

/** What a caller may ask for, by the header's names. */
const FITTING = [
  ...(["memoryMiB", "queuePairs", "transport", "interrupts", "doorbell", "eventIndex"] as const),
  "image",
] as const;

/** What a snapshot says of its machine. */
export type SnapshotHeader = StateOf<typeof HEADER>;

/** The part of the header that the machine gives. */
export type SnapshotSubject = Omit<SnapshotHeader, "format" | "v86" | "saved" | "deflated" | "stateBytes">;

/** Lower-case hexadecimal SHA-256. @throws SnapshotError where the platform has none. */
async function sha256(bytes: Uint8Array): Promise<string> {
  return Array.from(await digest(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function digest(bytes: Uint8Array): Promise<Uint8Array> {
  if (crypto.subtle === undefined)
    throw new SnapshotError("Snapshots need a page from a secure address: https, or this computer's own.");
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** One hash over the hashes of all that a guest is booted from. */
export async function imageOf({ kernel, initrd = [], append = "" }: MicroVmOptions): Promise<string> {
  const hashes = await Promise.all([kernel, ...initrd].map(({ bytes }) => sha256(bytes)));
  return sha256(new TextEncoder().encode([...hashes, append].join("\n")));
}

/** @throws SnapshotError when the snapshot's machine is not the one that is asked for. */
export function checkFits(header: SnapshotHeader, options: RestoreOptions): void {
  for (const key of FITTING) {
    if (options[key] !== undefined && options[key] !== header[key])
      throw new SnapshotError(
        `The snapshot is of another machine (${key}: ${header[key]} instead of ${options[key]}): boot this one, or ask for that one.`,
      );
  }
}

/** Why a snapshot was not restored, as an error with a sentence. */
export function refused(cause: unknown): SnapshotError {
  if (cause instanceof SnapshotError) return cause;
  const why = cause instanceof StateError ? cause.message : "it is of no machine that there is";
  return new SnapshotError(`The snapshot cannot be restored (${why}): take another one.`, { cause });
}

/** What is kept of one moment of a machine. */
export interface SnapshotMoment<T> {
  readonly subject: SnapshotSubject;
  readonly state: T;
  readonly memory: MemoryPages;
}

/**
 * A file of a machine's state and memory. `take` is called once, when nothing is to be waited for any more: all that it
 * gives is copied before this function waits again.
 */
export async function writeSnapshot<T>(
  codec: Codec<T>,
  deflated: boolean,
  take: () => SnapshotMoment<T>,
): Promise<Uint8Array<ArrayBuffer>> {
  const format = await sha256(new TextEncoder().encode(codec.description));
  const { subject, state, memory } = take();
  const encoded = encode(codec, state);
  const fixed = { format, v86: V86_VERSION, saved: Date.now(), deflated, stateBytes: encoded.length };
  const header = encode(HEADER, { ...subject, ...fixed });
  const start = HEADER_AT + header.length;
  const pages = start + encoded.length + memory.map.length;
  const raw = new Uint8Array(pages + memory.length);
  raw.set(new TextEncoder().encode(MAGIC));
  const view = new DataView(raw.buffer);
  view.setUint32(VERSION_AT, VERSION, true);
  view.setUint32(HEADER_LENGTH_AT, header.length, true);
  raw.set(header, HEADER_AT);
  raw.set(encoded, start);
  raw.set(memory.map, start + encoded.length);
  memory.copyTo(raw.subarray(pages));
  const file = deflated ? join([raw.subarray(0, start), ...(await deflate(raw.subarray(start)))]) : raw;
  file.set(await digest(file.subarray(HEADER_LENGTH_AT)), HASH_AT);
  return file;
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * What the file says of its machine; nothing is known yet of the rest.
 * @throws SnapshotError when it is no snapshot, or one of another Doorbell.
 */
export async function readHeader<T>(bytes: Uint8Array, codec: Codec<T>): Promise<SnapshotHeader> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_AT || new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC)
    throw new SnapshotError("That is no snapshot of a Doorbell machine: take a file that was saved here.");
  if (view.getUint32(VERSION_AT, true) !== VERSION) throw foreign();
  const length = view.getUint32(HEADER_LENGTH_AT, true);
  if (length > HEADER_MOST || HEADER_AT + length > bytes.length) throw damaged();
  let header: SnapshotHeader;
  try {
    header = decode(HEADER, bytes.subarray(HEADER_AT, HEADER_AT + length));
  } catch (cause) {
    throw damaged(cause);
  }
  const format = await sha256(new TextEncoder().encode(codec.description));
  if (header.format !== format || header.v86 !== V86_VERSION) throw foreign();
  if (header.queuePairs < 1 || header.queuePairs > PAIRS_MOST) throw damaged();
  if (header.memoryMiB < 16 || header.memoryMiB > MEMORY_MAP.ram.maximum / MIB) throw damaged();
  return header;
}

/** A body that was read and found whole: the state, and memory to be put where it belongs. */
export interface SnapshotBody<T> {
  readonly state: T;
  /** Calls back with each piece of memory and the guest address where it goes. */
  forEachPiece(put: (address: number, bytes: Uint8Array) => void): void;
}

/** Checks the hash, unless the bytes are `trusted`, and reads the body. @throws SnapshotError */
export async function readBody<T>(
  bytes: Uint8Array,
  header: SnapshotHeader,
  codec: Codec<T>,
  trusted = false,
): Promise<SnapshotBody<T>> {
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(HEADER_LENGTH_AT, true);
  const body = bytes.subarray(HEADER_AT + headerBytes);
  const memoryBytes = header.memoryMiB * MIB;
  const mapBytes = memoryBytes / PAGE_SIZE / 8;
  if (header.stateBytes > STATE_MOST) throw damaged();
  const inflated = header.deflated
    ? inflate(body, header.stateBytes + mapBytes + memoryBytes)
    : Promise.resolve([body]);
  // Whichever fails first is reported.
  inflated.catch(() => {});
  if (!trusted) {
    const hash = await digest(bytes.subarray(HEADER_LENGTH_AT));
    if (hash.some((byte, index) => byte !== bytes[HASH_AT + index])) throw damaged();
  }
  const pieces = new Pieces(await inflated);
  const encoded = pieces.take(header.stateBytes);
  const map = pieces.take(mapBytes);
  const runs: { address: number; length: number }[] = [];
  let pagesBytes = 0;
  forEachRun(map, (address, length) => {
    runs.push({ address, length });
    pagesBytes += length;
  });
  if (pieces.left !== pagesBytes) throw damaged();
  let state: T;
  try {
    state = decode(codec, encoded);
  } catch (cause) {
    throw damaged(cause);
  }
  return {
    state,
    forEachPiece: (put) => {
      for (let { address, length } of runs) {
        while (length > 0) {
          const piece = pieces.some(length);
          put(address, piece);
          address += piece.length;
          length -= piece.length;
        }
      }
    },
  };
}

function damaged(cause?: unknown): SnapshotError {
  const where = cause instanceof StateError ? ` (${cause.message})` : "";
  return new SnapshotError(`The snapshot is cut short or was changed${where}: take another one.`, { cause });
}

function foreign(): SnapshotError {
  return new SnapshotError(
    "The snapshot was saved by another version of Doorbell: boot the machine anew and save it again.",
  );
}

/** Bytes in pieces, taken from front to back. */
class Pieces {
  readonly #pieces: readonly Uint8Array[];
  #index = 0;
  #at = 0;
  left: number;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
    this.left = pieces.reduce((sum, { length }) => sum + length, 0);
  }

  /** The next bytes, at most so many and at least one, as a window. */
  some(most: number): Uint8Array {
    let piece = this.#pieces[this.#index];
    while (piece !== undefined && this.#at === piece.length) {
      piece = this.#pieces[++this.#index];
      this.#at = 0;
    }
    if (piece === undefined) throw damaged();
    const window = piece.subarray(this.#at, this.#at + most);
    this.#at += window.length;
    this.left -= window.length;
    return window;
  }

  /** Exactly so many bytes in one piece. */
  take(length: number): Uint8Array {
    if (length > this.left) throw damaged();
    const first = length === 0 ? new Uint8Array(0) : this.some(length);
    if (first.length === length) return first;
    const whole = new Uint8Array(length);
    whole.set(first);
    for (let at = first.length; at < length; ) {
      const more = this.some(length - at);
      whole.set(more, at);
      at += more.length;
    }
    return whole;
  }
}

async function deflate(bytes: Uint8Array): Promise<Uint8Array[]> {
  const stream = new CompressionStream("deflate-raw");
  const reading = readAll(stream.readable, Number.POSITIVE_INFINITY);
  const writer = stream.writable.getWriter();
  for (let at = 0; at < bytes.length; at += PIECE) {
    await writer.write(bytes.subarray(at, at + PIECE));
    await new Promise<void>((resolve) => void setTimeout(resolve, 0));
  }
  await writer.close();
  return reading;
}

async function inflate(bytes: Uint8Array, most: number): Promise<Uint8Array[]> {
  const stream = new DecompressionStream("deflate-raw");
  const writer = stream.writable.getWriter();
  // Both ends at once: the stream holds only a little. A failed write shows at the reading end as well.
  const writing = writer.write(bytes).then(() => writer.close());
  writing.catch(() => {});
  try {
    return await readAll(stream.readable, most);
  } catch (cause) {
    throw damaged(cause);
  }
}

/** All that comes; throws when it is more than it can be, without reading on. */
async function readAll(readable: ReadableStreamLike, most: number): Promise<Uint8Array[]> {
  const reader = readable.getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return pieces;
    if (value === undefined) continue;
    length += value.length;
    if (length > most) {
      void reader.cancel().catch(() => {});
      throw new StateError("more bytes than the machine has");
    }
    pieces.push(value);
  }
}
