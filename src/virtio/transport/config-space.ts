import { bytes, record, type StateOf, u32 } from "../../state/codec.ts";
import type { VirtioDevice } from "../types.ts";

/** Largest configuration space: what a window or a structure has room for. */
const CONFIG_MOST = 4096;

/** The generation, and the configuration as it stood when that was looked at last. */
export const CONFIG_SPACE_STATE = record({ generation: u32, seen: bytes(CONFIG_MOST) });
export type ConfigSpaceState = StateOf<typeof CONFIG_SPACE_STATE>;

/**
 * Configuration space as a driver sees it, with ConfigGeneration. A device may change its configuration at any
 * time, activated or not: comparing with what stood there at the last look finds every change that lies between
 * two reads of ConfigGeneration (virtio 1.2 section 2.5.1). The generation survives resets and only grows.
 */
export class ConfigSpace {
  readonly #device: VirtioDevice;
  readonly #seen: Uint8Array;
  #generation = 0;

  constructor(device: VirtioDevice) {
    this.#device = device;
    this.#seen = new Uint8Array(device.configSize);
    this.#look();
  }

  /** Reads `size` bytes, little-endian; bytes past the end are 0. */
  read(offset: number, size: number): number {
    const device = this.#device;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) {
      const at = offset + i;
      value = value * 256 + (at < device.configSize ? device.readConfig(at) & 0xff : 0);
    }
    return value;
  }

  /** Whether `size` bytes at `offset` lie inside. */
  contains(offset: number, size: number): boolean {
    return offset + size <= this.#device.configSize;
  }

  get generation(): number {
    if (this.#look()) this.#advance();
    return this.#generation;
  }

  /** The device says that it changed its configuration. */
  changed(): void {
    this.#look();
    this.#advance();
  }

  save(): ConfigSpaceState {
    return { generation: this.#generation, seen: this.#seen.slice() };
  }

  /** What the device has changed meanwhile is found at the next look. */
  restore(state: ConfigSpaceState): void {
    this.#generation = state.generation;
    this.#seen.set(state.seen.subarray(0, this.#seen.length));
  }

  #advance(): void {
    this.#generation = (this.#generation + 1) >>> 0;
  }

  #look(): boolean {
    const seen = this.#seen;
    let changed = false;
    for (let i = 0; i < seen.length; i++) {
      const value = this.#device.readConfig(i) & 0xff;
      if (seen[i] !== value) {
        seen[i] = value;
        changed = true;
      }
    }
    return changed;
  }
}
