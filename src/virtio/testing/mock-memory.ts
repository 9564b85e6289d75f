import type { GuestMemory } from "../types.ts";
import { GuestMemoryError } from "../types.ts";

const GUARD_SIZE = 256;
const GUARD_BYTE = 0xa5;
const GAP_SIZE = 16;
const GAP_BYTE = 0x5a;

/**
 * Guest memory for tests: RAM with guard bytes before and after it, and an allocator that leaves a gap of
 * known bytes behind each allocation. Any access outside throws {@link GuestMemoryError}, as the real one does.
 */
export class MockMemory implements GuestMemory {
  readonly size: number;
  readonly #backing: Uint8Array;
  readonly #data: DataView;
  readonly #gaps: number[] = [];
  readonly #start: number;
  #nextFree: number;
  /** Accesses of any kind so far: reads, writes, views, and reports of what was written. */
  accesses = 0;

  /** @param start where {@link alloc} begins: below it tests may place what they like by hand. */
  constructor(size = 0x10_0000, start = 0x1000) {
    this.size = size;
    this.#backing = new Uint8Array(size + 2 * GUARD_SIZE);
    this.#backing.fill(GUARD_BYTE, 0, GUARD_SIZE);
    this.#backing.fill(GUARD_BYTE, GUARD_SIZE + size);
    this.#data = new DataView(this.#backing.buffer, GUARD_SIZE, size);
    this.#start = start;
    this.#nextFree = start;
  }

  /** All of RAM is zero and free again. */
  clear(): void {
    this.#backing.fill(0, GUARD_SIZE, GUARD_SIZE + this.size);
    this.#gaps.length = 0;
    this.#nextFree = this.#start;
  }

  contains(address: number, length: number): boolean {
    return address >= 0 && length >= 0 && address + length <= this.size;
  }
  readU8(address: number): number {
    this.#check(address, 1);
    return this.#data.getUint8(address);
  }
  readU16(address: number): number {
    this.#check(address, 2);
    return this.#data.getUint16(address, true);
  }
  readU32(address: number): number {
    this.#check(address, 4);
    return this.#data.getUint32(address, true);
  }
  writeU8(address: number, value: number): void {
    this.#check(address, 1);
    this.#data.setUint8(address, value);
  }
  writeU16(address: number, value: number): void {
    this.#check(address, 2);
    this.#data.setUint16(address, value, true);
  }
  writeU32(address: number, value: number): void {
    this.#check(address, 4);
    this.#data.setUint32(address, value, true);
  }
  view(address: number, length: number): Uint8Array {
    this.#check(address, length);
    return this.#backing.subarray(GUARD_SIZE + address, GUARD_SIZE + address + length);
  }

  written(address: number, length: number): void {
    this.#check(address, length);
    this.writtenBytes += length;
    this.lastWritten = { address, length };
  }
  /** Bytes reported by {@link written} so far. */
  writtenBytes = 0;
  /** The last range reported by {@link written}. */
  lastWritten: { address: number; length: number } | undefined;

  /** A fresh, zeroed range of RAM with a gap of known bytes behind it. */
  alloc(length: number, align = 16): number {
    const address = Math.ceil(this.#nextFree / align) * align;
    this.view(address, length).fill(0);
    this.view(address + length, GAP_SIZE).fill(GAP_BYTE);
    this.#gaps.push(address + length);
    this.#nextFree = address + length + GAP_SIZE;
    return address;
  }

  /** Puts bytes into RAM at a fresh place and returns the address. */
  store(bytes: Uint8Array | readonly number[]): number {
    const address = this.alloc(bytes.length);
    this.view(address, bytes.length).set(bytes);
    return address;
  }

  /** A copy of bytes in RAM. */
  bytes(address: number, length: number): Uint8Array {
    return this.view(address, length).slice();
  }

  /** Whether nothing was written outside of RAM. */
  guardsIntact(): boolean {
    const backing = this.#backing;
    const behind = GUARD_SIZE + this.size;
    for (let i = 0; i < GUARD_SIZE; i++) {
      if (backing[i] !== GUARD_BYTE || backing[behind + i] !== GUARD_BYTE) return false;
    }
    return true;
  }

  /** Whether nothing was written between the ranges that {@link alloc} gave out. */
  gapsIntact(): boolean {
    return this.#gaps.every((gap) => this.view(gap, GAP_SIZE).every((byte) => byte === GAP_BYTE));
  }

  #check(address: number, length: number): void {
    this.accesses++;
    if (!this.contains(address, length)) throw new GuestMemoryError(address, length);
  }
}
