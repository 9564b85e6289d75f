import type { DeviceCounters } from "../../metrics/counters.ts";
import {
  VIRTIO_MMIO_MSI_COMMAND_ARGUMENT_MASK,
  VIRTIO_MMIO_MSI_COMMAND_MASK,
  VIRTIO_MMIO_MSI_COMMAND_SHIFT,
  VIRTIO_MMIO_MSI_COMMAND_UNMASK,
  VIRTIO_MMIO_MSI_COMMAND_UPDATE,
} from "../defs.ts";
import type { MessagePort } from "../types.ts";

/** The message that a driver writes register by register; an UPDATE command takes it over as a whole. */
export interface StagedMessage {
  addressLow: number;
  addressHigh: number;
  data: number;
}

/**
 * The vectors of one device: a message, a mask and a pending bit for each (docs/virtio-mmio-v3.md, V3-MSI-*).
 * A message is replaced by one command, so an interrupt carries the old pair of address and data or the new
 * one and never a mix. Whether a message is legal is for the message port to say.
 */
export class MsiTable {
  /** Staged address and data, written by the driver at any time. */
  readonly staged: StagedMessage = { addressLow: 0, addressHigh: 0, data: 0 };
  /** Number of vectors: 1 for the configuration and 1 for each queue. */
  readonly vectors: number;

  readonly #port: MessagePort;
  readonly #counters: DeviceCounters;
  readonly #addressLow: Uint32Array;
  readonly #addressHigh: Uint32Array;
  readonly #data: Uint32Array;
  // One byte for each vector rather than a bit: no shift by a guest's number can go wrong.
  readonly #programmed: Uint8Array;
  readonly #masked: Uint8Array;
  readonly #pending: Uint8Array;

  constructor(vectors: number, port: MessagePort, counters: DeviceCounters) {
    this.vectors = vectors;
    this.#port = port;
    this.#counters = counters;
    this.#addressLow = new Uint32Array(vectors);
    this.#addressHigh = new Uint32Array(vectors);
    this.#data = new Uint32Array(vectors);
    this.#programmed = new Uint8Array(vectors);
    this.#masked = new Uint8Array(vectors);
    this.#pending = new Uint8Array(vectors);
  }

  /** Carries out a value written to MsiCommand; returns why it was refused, or undefined. */
  command(value: number): string | undefined {
    const vector = value & VIRTIO_MMIO_MSI_COMMAND_ARGUMENT_MASK;
    const operation = (value & 0xffff) >>> VIRTIO_MMIO_MSI_COMMAND_SHIFT;
    // The index is judged first, for every operation alike (V3-MSI-08).
    if (vector >= this.vectors) return "MsiCommand: vector out of range";
    switch (operation) {
      case VIRTIO_MMIO_MSI_COMMAND_UPDATE:
        // Typed arrays: what is stored is the unsigned 32-bit value, whatever came in.
        this.#addressLow[vector] = this.staged.addressLow;
        this.#addressHigh[vector] = this.staged.addressHigh;
        this.#data[vector] = this.staged.data;
        this.#programmed[vector] = 1;
        return undefined;
      case VIRTIO_MMIO_MSI_COMMAND_MASK:
        this.#masked[vector] = 1;
        return undefined;
      case VIRTIO_MMIO_MSI_COMMAND_UNMASK:
        this.#masked[vector] = 0;
        if (this.#pending[vector] !== 0) {
          this.#pending[vector] = 0;
          this.#send(vector);
        }
        return undefined;
      default:
        return "MsiCommand: unknown operation";
    }
  }

  /** An event of this vector happened: sends its message, or remembers that one is owed while it is masked. */
  fire(vector: number): void {
    if (this.#masked[vector] !== 0) {
      if (this.#pending[vector] !== 0) this.#counters.merged++;
      this.#pending[vector] = 1;
      return;
    }
    this.#send(vector);
  }

  isMasked(vector: number): boolean {
    return this.#masked[vector] === 1;
  }

  isPending(vector: number): boolean {
    return this.#pending[vector] === 1;
  }

  /** Clears every message, mask and pending bit, and what was staged. */
  reset(): void {
    this.staged.addressLow = 0;
    this.staged.addressHigh = 0;
    this.staged.data = 0;
    this.#addressLow.fill(0);
    this.#addressHigh.fill(0);
    this.#data.fill(0);
    this.#programmed.fill(0);
    this.#masked.fill(0);
    this.#pending.fill(0);
  }

  #send(vector: number): void {
    const counters = this.#counters;
    const addressHigh = this.#addressHigh[vector];
    const addressLow = this.#addressLow[vector];
    const data = this.#data[vector];
    // A vector that was never programmed has no message to send: a driver leaves it so when it does not want to hear
    // of the queue (V3-MSI). That is nothing refused. A vector that does not exist has no entry.
    if (
      this.#programmed[vector] !== 1 ||
      addressHigh === undefined ||
      addressLow === undefined ||
      data === undefined
    ) {
      return;
    }
    switch (this.#port.send(addressHigh, addressLow, data)) {
      case "delivered":
        counters.msi++;
        break;
      case "merged":
        counters.merged++;
        break;
      default:
        counters.refused++;
        return;
    }
    counters.byVector[vector] = (counters.byVector[vector] ?? 0) + 1;
  }
}
