/**
 * What a device, a queue and a transport see of the rest of the machine. Nothing here knows v86, the net
 * back ends or each other's insides: a transport knows registers and not devices, a device knows queues
 * and not registers, a queue knows rings and not notification.
 */
import type { DeviceCounters } from "../metrics/counters.ts";
import type { Traced } from "../metrics/trace-sink.ts";
import type { Virtqueue } from "./queue/virtqueue.ts";

export type { Traced };

/**
 * Guest-physical memory. RAM is [0, size). Every access is checked against it, address + length overflow
 * included; an access outside throws {@link GuestMemoryError} and touches nothing.
 * Addresses are non-negative numbers; a 64-bit guest address is given as high * 2^32 + low.
 * All multi-byte accesses are little-endian and need no alignment.
 */
export interface GuestMemory {
  /** Bytes of RAM. */
  readonly size: number;
  /** Whether [address, address + length) lies wholly in RAM. */
  contains(address: number, length: number): boolean;
  readU8(address: number): number;
  readU16(address: number): number;
  readU32(address: number): number;
  writeU8(address: number, value: number): void;
  writeU16(address: number, value: number): void;
  writeU32(address: number, value: number): void;
  /**
   * A window on RAM itself, not a copy. Valid only until control returns to the CPU: memory growth detaches it.
   * Throws {@link GuestMemoryError} when the range is not wholly RAM.
   */
  view(address: number, length: number): Uint8Array;
  /**
   * Says that [address, address + length) was written through a view: the CPU forgets code it had translated from
   * there. Call it after such a write, before control returns to the CPU. (writeU8 to writeU32 are for ring fields
   * and need no such call: no guest executes its rings.)
   */
  written(address: number, length: number): void;
}

/** A guest-physical range that is not wholly in RAM. */
export class GuestMemoryError extends Error {
  override readonly name = "GuestMemoryError";
  readonly address: number;
  readonly length: number;
  constructor(address: number, length: number) {
    super(`guest address 0x${address.toString(16)} + ${length} is outside of RAM`);
    this.address = address;
    this.length = length;
  }
}

/** One wired, level-triggered, active-high interrupt line. */
export interface InterruptLine {
  /** Drives the line. Driving it to the level it has is free and does nothing. */
  set(level: boolean): void;
}

/** What became of a message: "delivered", "merged" (its IRR bit was already set) or "refused" (illegal). */
export type MessageOutcome = "delivered" | "merged" | "refused";

/** Where messages go: the local APIC's message port. */
export interface MessagePort {
  /** Sends one message-signalled interrupt. Both are unsigned 32-bit; addressHigh is the upper half of the address. */
  send(addressHigh: number, addressLow: number, data: number): MessageOutcome;
}

/** A device's clock. Time is injected: no Date and no setTimeout in a device. */
export interface Clock {
  /** Monotonic host time in milliseconds. */
  now(): number;
  /** Calls back once, not before `milliseconds` from now, never synchronously. Returns a function that cancels it. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** One function on a PCI bus, as configuration cycles reach it (PCI Local Bus Specification 3.0, section 3.2.2.3). */
export interface PciFunction {
  /** The 32 bits at `offset`, a multiple of 4 from 0 to 252, unsigned. */
  read32(offset: number): number;
  /** Writes `size` bytes at a multiple of `size`; `value` is unsigned. */
  write(offset: number, size: 1 | 2 | 4, value: number): void;
}

/** Where a device's log lines go: once for each distinct reason, so that a hostile guest cannot flood it. */
export type LogSink = (message: string) => void;

/**
 * A virtio device, the same on every transport.
 *
 * Life: construct; the driver negotiates; `activate` at DRIVER_OK; then `notify` for each available buffer
 * notification; `reset` at any time (also when never activated), after which the context is dead.
 * A device may throw {@link GuestMemoryError} or VirtqueueError out of `notify` and out of any function it runs
 * by `context.run`: the transport's core turns either into DEVICE_NEEDS_RESET with the reason counted.
 */
export interface VirtioDevice {
  /** Device ID of the standard (virtio 1.2, section 5). */
  readonly type: number;
  /** Short name used in counters and logs: "net", "console", "rng". */
  readonly name: string;
  /** Device-specific feature bits offered (bits 0..23 and 50..). Ring and transport features are the transport's. */
  readonly features: bigint;
  /** QueueNumMax for each queue, in queue order. */
  readonly queueSizes: readonly number[];
  /** Bytes of configuration space; reads past it give 0, writes past it are ignored (the core checks). */
  readonly configSize: number;
  /** Reads one byte of configuration space at 0 <= offset < configSize. */
  readConfig(offset: number): number;
  /** Writes `size` (1, 2 or 4) bytes, little-endian, within configuration space. A read-only field ignores it. */
  writeConfig(offset: number, size: number, value: number): void;
  /** The driver has set DRIVER_OK: queues that it enabled are live from now on. */
  activate(context: DeviceContext): void;
  /** The driver has made buffers available in queue `index`; never called before activate or for a queue not enabled. */
  notify(index: number): void;
  /** Forget the context and everything negotiated; keep what belongs to the outside (link state, port list, frames waiting). */
  reset(): void;
  /**
   * The machine is about to ask the driver to reset the device (a live switch): put nothing more into the
   * driver's rings that the driver could throw away with them (received frames, input), keep it until the next activate,
   * but go on taking what the driver gives. Returns true when the driver has seen all that was delivered.
   * Called again until it returns true or a deadline passes.
   */
  quiesce(): boolean;
  /** Takes {@link quiesce} back: the switch was given up, and the driver never reset. Not needed by a device that keeps nothing back. */
  resume?(): void;
}

/** What an activated device holds: its queues and its way to the driver. Dead after reset. */
export interface DeviceContext {
  /** Queues by index; undefined where the driver did not enable the queue. */
  readonly queues: readonly (Virtqueue | undefined)[];
  /** All negotiated feature bits, ring features included. */
  readonly features: bigint;
  readonly counters: DeviceCounters;
  /**
   * Tells the driver of used buffers in queue `index`, if the driver wants to be told
   * (used buffer notification suppression, virtio 1.2 section 2.7.7). Call once after a batch of `push`.
   */
  notifyUsed(index: number): void;
  /** Configuration space changed: ConfigGeneration advances and the driver gets a configuration change notification. */
  configChanged(): void;
  /** The driver did something that cannot be served: DEVICE_NEEDS_RESET, counted under `reason`, logged once. */
  needsReset(reason: string): void;
  /**
   * Runs device code that was started from outside a register access (a frame arrived, a key was pressed, a timer).
   * Errors that the guest caused become DEVICE_NEEDS_RESET. Does nothing when the context is dead or the device is stopped.
   */
  run(work: () => void): void;
}
