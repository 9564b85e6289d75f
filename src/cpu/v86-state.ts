/**
 * The state of v86 itself, its CPU and the devices of its PC, as v86's own save_state writes it, but without guest memory,
 * which {@link saveMemory} takes page by page. v86 believes a state that it is given; here it is compared first with
 * one that the waiting machine has written, so that whatever comes is of the same shape, value by value.
 */
import { StateError } from "../state/codec.ts";
import { shiftTimers } from "./guest-time.ts";
import type { V86Cpu, V86Emulator } from "./v86-internals.ts";

export const PAGE_SIZE = 4096;
/** Largest state: it holds a frame buffer of 1 MiB and some tables. */
export const V86_STATE_MOST = 4 * 1024 * 1024;

/** v86's format (its state.js): magic, version, bytes in all, bytes of the JSON that describes the buffers behind it. */
const STATE_MAGIC = 0x86768676;
const HEADER_BYTES = 16;

/** Memory is kept elsewhere: v86 sees none of it in a state, neither on the way out nor in. */
export function keepMemoryOut(cpu: V86Cpu): void {
  cpu.pack_memory = () => ({
    packed_memory: new Uint8Array(0),
    bitmap: { get_buffer: () => new ArrayBuffer(0) },
  });
  cpu.unpack_memory = () => {};
}

/** Writes the state. Only between two slices: within one, translated code holds a part of it. */
export function saveV86(emulator: V86Emulator): Uint8Array {
  return new Uint8Array(emulator.v86.save_state());
}

/**
 * Takes a state over. `elapsed` is what has to be added to v86's clock readings in it, in milliseconds: they count from
 * the start of the process that wrote them.
 * @throws StateError when it is not of this machine's shape.
 */
export function restoreV86(emulator: V86Emulator, bytes: Uint8Array, elapsed: number): void {
  const cpu = emulator.v86.cpu;
  const own = parse(saveV86(emulator));
  const other = parse(bytes);
  if (!Array.isArray(own.state) || !Array.isArray(other.state) || own.state[0] !== other.state[0]) {
    throw new StateError("v86's memory is of another size");
  }
  compare(own, other, own.state, other.state);
  fillMissingBars(cpu);
  // A copy that begins where its buffer does, which v86 takes for granted.
  try {
    emulator.v86.restore_state(bytes.slice().buffer);
  } catch {
    // Numbers where numbers belong may still be such as v86 cannot do with.
    throw new StateError("v86 did not take its state");
  }
  shiftTimers(cpu, elapsed);
}

/**
 * v86's PCI bus trips over I/O BARs of a disk controller of whose channels one is absent: it moves all that a
 * configuration space names. What has no size has nothing to move.
 */
function fillMissingBars(cpu: V86Cpu): void {
  const { devices } = cpu.devices.pci;
  for (let index = 0; index < 256; index++) {
    const bars = devices[index]?.pci_bars;
    if (bars === undefined) continue;
    for (let bar = 0; bar < bars.length; bar++) bars[bar] ??= { size: 0, original_bar: 0, entries: [] };
  }
}

interface Parsed {
  readonly state: unknown;
  /** Bytes of each buffer; offsets are checked already. */
  readonly lengths: readonly number[];
}

function parse(bytes: Uint8Array): Parsed {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fits =
    bytes.length >= HEADER_BYTES &&
    view.getUint32(0, true) === STATE_MAGIC &&
    view.getUint32(8, true) === bytes.length;
  const infoBytes = fits ? view.getUint32(12, true) : 0;
  const blocks = (HEADER_BYTES + infoBytes + 3) & ~3;
  if (!fits || blocks > bytes.length) throw new StateError("v86's state has a wrong header");
  let info: unknown;
  try {
    info = JSON.parse(new TextDecoder().decode(bytes.subarray(HEADER_BYTES, HEADER_BYTES + infoBytes)));
  } catch {
    throw new StateError("v86's state is damaged");
  }
  const { state, buffer_infos: buffers } = (info ?? {}) as { state?: unknown; buffer_infos?: unknown };
  if (!Array.isArray(buffers)) throw new StateError("v86's state has no buffers");
  const lengths = buffers.map((buffer: unknown) => {
    const { offset, length } = (buffer ?? {}) as { offset?: unknown; length?: unknown };
    if (!isCount(offset) || !isCount(length) || blocks + offset + length > bytes.length)
      throw new StateError("a buffer of v86's state lies outside of it");
    return length;
  });
  return { state, lengths };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The same lists of the same lengths, numbers where numbers are, and buffers of the same type and size. */
function compare(own: Parsed, other: Parsed, mine: unknown, theirs: unknown): void {
  if (Array.isArray(mine)) {
    if (!Array.isArray(theirs) || theirs.length !== mine.length) throw wrongShape();
    for (const [index, value] of mine.entries()) compare(own, other, value, theirs[index]);
  } else if (typeof mine === "object" && mine !== null) {
    const { __state_type__: type, buffer_id: id } = mine as { __state_type__?: unknown; buffer_id?: unknown };
    const {
      __state_type__: theirType,
      buffer_id: theirId,
      ...rest
    } = (theirs ?? {}) as Record<string, unknown>;
    const same =
      theirType === type &&
      Object.keys(rest).length === 0 &&
      isCount(id) &&
      isCount(theirId) &&
      other.lengths[theirId] !== undefined &&
      other.lengths[theirId] === own.lengths[id];
    if (!same) throw wrongShape();
  } else if (typeof theirs !== typeof mine && !(isPlain(theirs) && mine === null)) {
    throw wrongShape();
  }
}

/** What a field may become that is null, or not a number, in a machine that has not run yet. */
function isPlain(value: unknown): boolean {
  return typeof value === "number" || typeof value === "boolean";
}

function wrongShape(): StateError {
  return new StateError("v86's state is not of this machine's shape");
}

/** Guest memory without what is zero. */
export interface MemoryPages {
  /** A bit for each page, lowest bit first: whether it is not zero. */
  readonly map: Uint8Array;
  /** Bytes of all pages whose bit is set. */
  readonly length: number;
  /** Copies those pages, lowest first. Before the CPU runs on. */
  copyTo(target: Uint8Array): void;
}

export function saveMemory(cpu: V86Cpu): MemoryPages {
  const size = cpu.memory_size[0] ?? 0;
  const count = size / PAGE_SIZE;
  const map = new Uint8Array(Math.ceil(count / 8));
  let used = 0;
  for (let page = 0; page < count; page++) {
    if (cpu.is_memory_zeroed(page * PAGE_SIZE, PAGE_SIZE)) continue;
    map[page >> 3] = (map[page >> 3] ?? 0) | (1 << (page & 7));
    used += 1;
  }
  const memory = new Uint8Array(cpu.wasm_memory.buffer, cpu.mem8.byteOffset, size);
  return {
    map,
    length: used * PAGE_SIZE,
    copyTo: (target) => {
      let at = 0;
      forEachRun(map, (start, length) => {
        target.set(memory.subarray(start, start + length), at);
        at += length;
      });
    },
  };
}

/** Calls back with the bytes where each run of pages begins whose bits are set, and how many there are. */
export function forEachRun(map: Uint8Array, run: (start: number, length: number) => void): void {
  const isSet = (page: number) => ((map[page >> 3] ?? 0) & (1 << (page & 7))) !== 0;
  const count = map.length * 8;
  for (let page = 0; page < count; ) {
    if (!isSet(page)) {
      page += 1;
      continue;
    }
    const first = page;
    while (page < count && isSet(page)) page += 1;
    run(first * PAGE_SIZE, (page - first) * PAGE_SIZE);
  }
}
