import type { DeviceCounters } from "../../metrics/counters.ts";
import { record, type StateOf, u32 } from "../../state/codec.ts";
import {
  VIRTIO_MMIO_MSI_COMMAND_ARGUMENT_MASK,
  VIRTIO_MMIO_MSI_COMMAND_MASK,
  VIRTIO_MMIO_MSI_COMMAND_SHIFT,
  VIRTIO_MMIO_MSI_COMMAND_UNMASK,
  VIRTIO_MMIO_MSI_COMMAND_UPDATE,
} from "../defs.ts";
import type { MessagePort } from "../types.ts";
import type { VectorView } from "./inspect.ts";
import { MESSAGES_STATE, MessageVectors } from "./messages.ts";

/** The message that a driver writes register by register; an UPDATE command takes it over as a whole. */
export interface StagedMessage {
  addressLow: number;
  addressHigh: number;
  data: number;
}

/** What is kept of a {@link MsiTable}. */
export const MSI_STATE = record({
  staged: record({ addressLow: u32, addressHigh: u32, data: u32 }),
  messages: MESSAGES_STATE,
});
export type MsiState = StateOf<typeof MSI_STATE>;

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
  readonly #messages: MessageVectors;

  constructor(vectors: number, port: MessagePort, counters: DeviceCounters) {
    this.vectors = vectors;
    this.#messages = new MessageVectors(vectors, port, counters);
  }

  /** Carries out a value written to MsiCommand; returns why it was refused, or undefined. */
  command(value: number): string | undefined {
    const vector = value & VIRTIO_MMIO_MSI_COMMAND_ARGUMENT_MASK;
    const operation = (value & 0xffff) >>> VIRTIO_MMIO_MSI_COMMAND_SHIFT;
    // The index is judged first, for every operation alike (V3-MSI-08).
    if (vector >= this.vectors) return "MsiCommand: vector out of range";
    switch (operation) {
      case VIRTIO_MMIO_MSI_COMMAND_UPDATE:
        this.#messages.setAddressLow(vector, this.staged.addressLow);
        this.#messages.setAddressHigh(vector, this.staged.addressHigh);
        this.#messages.setData(vector, this.staged.data);
        return undefined;
      case VIRTIO_MMIO_MSI_COMMAND_MASK:
        this.#messages.setMasked(vector, true);
        return undefined;
      case VIRTIO_MMIO_MSI_COMMAND_UNMASK:
        this.#messages.setMasked(vector, false);
        return undefined;
      default:
        return "MsiCommand: unknown operation";
    }
  }

  /** An event of this vector happened: sends its message, or remembers that one is owed while it is masked. */
  fire(vector: number): void {
    this.#messages.fire(vector);
  }

  isMasked(vector: number): boolean {
    return this.#messages.isMasked(vector);
  }

  isPending(vector: number): boolean {
    return this.#messages.isPending(vector);
  }

  save(): MsiState {
    return { staged: { ...this.staged }, messages: this.#messages.save() };
  }

  restore(state: MsiState): void {
    Object.assign(this.staged, state.staged);
    this.#messages.restore(state.messages);
  }

  /** All vectors, for looking at. */
  inspect(): VectorView[] {
    return this.#messages.inspect();
  }

  /** Clears every message, mask and pending bit, and what was staged. */
  reset(): void {
    this.staged.addressLow = 0;
    this.staged.addressHigh = 0;
    this.staged.data = 0;
    this.#messages.reset();
  }
}
