/** Guest RAM: a window on v86's WebAssembly memory, every access checked against the size of RAM. */
import { type GuestMemory, GuestMemoryError } from "../virtio/types.ts";
import type { V86Cpu } from "./v86-internals.ts";

/**
 * Guest RAM lies in the same WebAssembly memory as v86's own state: an unchecked guest address would let a guest
 * overwrite its emulator. So nothing here ever touches a byte outside of [0, size).
 */
export class V86GuestMemory implements GuestMemory {
  readonly size: number;
  readonly #memory: WebAssembly.Memory;
  readonly #start: number;
  readonly #invalidate: (start: number, end: number) => void;
  #bytes: Uint8Array;
  #data: DataView;

  constructor(cpu: V86Cpu) {
    this.size = cpu.memory_size[0] ?? 0;
    this.#memory = cpu.wasm_memory;
    this.#start = cpu.mem8.byteOffset;
    this.#invalidate = (start, end) => cpu.jit_dirty_cache(start, end);
    this.#bytes = new Uint8Array(this.#memory.buffer, this.#start, this.size);
    this.#data = new DataView(this.#memory.buffer, this.#start, this.size);
  }

  contains(address: number, length: number): boolean {
    // Both are at most 2^64 as doubles: the sum cannot wrap, it can only be too large. NaN compares false.
    return address >= 0 && length >= 0 && address + length <= this.size;
  }

  readU8(address: number): number {
    return this.#check(address, 1).getUint8(address);
  }

  readU16(address: number): number {
    return this.#check(address, 2).getUint16(address, true);
  }

  readU32(address: number): number {
    return this.#check(address, 4).getUint32(address, true);
  }

  writeU8(address: number, value: number): void {
    this.#check(address, 1).setUint8(address, value);
  }

  writeU16(address: number, value: number): void {
    this.#check(address, 2).setUint16(address, value, true);
  }

  writeU32(address: number, value: number): void {
    this.#check(address, 4).setUint32(address, value, true);
  }

  view(address: number, length: number): Uint8Array {
    this.#check(address, length);
    return this.#bytes.subarray(address, address + length);
  }

  written(address: number, length: number): void {
    if (length > 0 && this.contains(address, length)) this.#invalidate(address, address + length);
  }

  #check(address: number, length: number): DataView {
    if (!this.contains(address, length)) throw new GuestMemoryError(address, length);
    // A detached array has no length: WebAssembly memory grew and its buffer is another object now.
    if (this.#bytes.length === 0) {
      this.#bytes = new Uint8Array(this.#memory.buffer, this.#start, this.size);
      this.#data = new DataView(this.#memory.buffer, this.#start, this.size);
    }
    return this.#data;
  }
}
