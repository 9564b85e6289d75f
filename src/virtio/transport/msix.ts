import type { DeviceCounters } from "../../metrics/counters.ts";
import { record, type StateOf, u16 } from "../../state/codec.ts";
import type { MessagePort } from "../types.ts";
import type { VectorView } from "./inspect.ts";
import { MESSAGES_STATE, MessageVectors } from "./messages.ts";
import {
  PCI_MSIX_ENTRY_CTRL_MASKBIT,
  PCI_MSIX_ENTRY_DATA,
  PCI_MSIX_ENTRY_LOWER_ADDR,
  PCI_MSIX_ENTRY_SIZE,
  PCI_MSIX_ENTRY_UPPER_ADDR,
  PCI_MSIX_ENTRY_VECTOR_CTRL,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_MASKALL,
} from "./pci-defs.ts";

/** What is kept of a {@link MsixTable}. */
export const MSIX_STATE = record({ control: u16, messages: MESSAGES_STATE });
export type MsixState = StateOf<typeof MSIX_STATE>;

/**
 * MSI-X as PCI 3.0 section 6.8.2 has it: a table in memory that the driver writes, a mask for each vector and one for
 * the function, and pending bits. Vectors are masked until a driver unmasks them. Offsets outside of table and pending
 * bits read 0, and a write there is refused.
 */
export class MsixTable {
  readonly #vectors: MessageVectors;
  #control = 0;

  constructor(vectors: number, port: MessagePort, counters: DeviceCounters) {
    this.#vectors = new MessageVectors(vectors, port, counters, true);
    this.#vectors.setHeld(true);
  }

  /** Entries of the table. */
  get size(): number {
    return this.#vectors.count;
  }

  /** MSI-X Enable: interrupts go this way and no other. */
  get enabled(): boolean {
    return (this.#control & PCI_MSIX_FLAGS_ENABLE) !== 0;
  }

  /** Message Control was written: MSI-X Enable and Function Mask. */
  setControl(control: number): void {
    this.#control = control;
    this.#vectors.setHeld(
      (control & (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)) !== PCI_MSIX_FLAGS_ENABLE,
    );
  }

  /** An event of the vector happened. */
  fire(vector: number): void {
    this.#vectors.fire(vector);
  }

  /** See {@link MessageVectors.clearPending}. */
  clearPending(): void {
    this.#vectors.clearPending();
  }

  save(): MsixState {
    return { control: this.#control, messages: this.#vectors.save() };
  }

  restore(state: MsixState): void {
    this.#control = state.control;
    this.#vectors.restore(state.messages);
  }

  /** All vectors, for looking at. */
  inspect(): VectorView[] {
    return this.#vectors.inspect();
  }

  /** Whether the 32 bits at an offset of the table are of an entry. */
  contains(offset: number): boolean {
    return offset < this.size * PCI_MSIX_ENTRY_SIZE;
  }

  /** 32 bits of the table at a multiple of 4. */
  read(offset: number): number {
    const vector = Math.floor(offset / PCI_MSIX_ENTRY_SIZE);
    if (vector >= this.size) return 0;
    switch (offset % PCI_MSIX_ENTRY_SIZE) {
      case PCI_MSIX_ENTRY_LOWER_ADDR:
        return this.#vectors.addressLow(vector);
      case PCI_MSIX_ENTRY_UPPER_ADDR:
        return this.#vectors.addressHigh(vector);
      case PCI_MSIX_ENTRY_DATA:
        return this.#vectors.data(vector);
      default:
        return this.#vectors.isMasked(vector) ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0;
    }
  }

  /** Writes 32 bits of the table at a multiple of 4; nothing happens outside of it. */
  write(offset: number, value: number): void {
    const vector = Math.floor(offset / PCI_MSIX_ENTRY_SIZE);
    if (vector >= this.size) return;
    switch (offset % PCI_MSIX_ENTRY_SIZE) {
      case PCI_MSIX_ENTRY_LOWER_ADDR:
        this.#vectors.setAddressLow(vector, value);
        break;
      case PCI_MSIX_ENTRY_UPPER_ADDR:
        this.#vectors.setAddressHigh(vector, value);
        break;
      case PCI_MSIX_ENTRY_DATA:
        this.#vectors.setData(vector, value);
        break;
      case PCI_MSIX_ENTRY_VECTOR_CTRL:
        this.#vectors.setMasked(vector, (value & PCI_MSIX_ENTRY_CTRL_MASKBIT) !== 0);
        break;
    }
  }

  /** 32 pending bits at a multiple of 4: bit b of word w is vector 32 * w + b. */
  readPending(offset: number): number {
    let bits = 0;
    const first = offset * 8;
    const end = Math.min(first + 32, this.size);
    for (let vector = first; vector < end; vector++) {
      if (this.#vectors.isPending(vector)) bits |= 1 << (vector - first);
    }
    return bits >>> 0;
  }
}
