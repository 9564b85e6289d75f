import { bool, fixedBytes, record, type StateOf } from "../../state/codec.ts";
import type { PciFunction } from "../types.ts";
import {
  PCI_BASE_ADDRESS_0,
  PCI_CAPABILITY_LIST,
  PCI_CFG_SPACE_SIZE,
  PCI_CLASS_DEVICE,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_DEVICE_ID,
  PCI_INTERRUPT_LINE,
  PCI_INTERRUPT_PIN,
  PCI_REVISION_ID,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_STATUS_INTERRUPT,
  PCI_STD_HEADER_SIZEOF,
  PCI_SUBSYSTEM_ID,
  PCI_SUBSYSTEM_VENDOR_ID,
  PCI_VENDOR_ID,
} from "./pci-defs.ts";

/** What a function says of itself in its header, and its one memory BAR. */
export interface PciHeader {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** Base class and sub-class, 16 bits. */
  readonly deviceClass: number;
  readonly subsystem: number;
  /** Interrupt line of INTA#, as a BIOS would have written it. */
  readonly interruptLine: number;
  /** Bytes of the BAR, a power of two, and where it lies in guest-physical memory, a multiple of that. */
  readonly bar: { readonly address: number; readonly size: number };
}

/** What is kept of a {@link PciConfigSpace}. */
export const PCI_CONFIG_STATE = record({ bytes: fixedBytes(PCI_CFG_SPACE_SIZE), sizing: bool });
export type PciConfigState = StateOf<typeof PCI_CONFIG_STATE>;

const INTA = 1;
const WRITABLE_COMMAND = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE;
const ALL_ONES = 0xffff_ffff;

/**
 * The 256 bytes of a function's configuration space (PCI 3.0 section 6.1), each bit writable or not. The BAR's address
 * is fixed: a driver that asks for its size gets a proper answer, and one that writes an address reads the old one
 * back. Accesses of any offset and size are harmless; bits past the end read 0.
 */
export class PciConfigSpace implements PciFunction {
  readonly #bytes = new Uint8Array(PCI_CFG_SPACE_SIZE);
  readonly #view = new DataView(this.#bytes.buffer);
  /** Bits that a write changes, byte by byte. */
  readonly #writable = new Uint8Array(PCI_CFG_SPACE_SIZE);
  readonly #bar: PciHeader["bar"];
  /** The driver has written all ones to the BAR and has not taken it back. */
  #sizing = false;
  /** Where the next capability goes, and the pointer that is to name it. */
  #free = PCI_STD_HEADER_SIZEOF;
  #pointer = PCI_CAPABILITY_LIST;

  /** @throws RangeError when the BAR is not a power of two at a multiple of itself. */
  constructor(header: PciHeader) {
    const { address, size } = header.bar;
    if (size < 16 || (size & (size - 1)) !== 0 || address % size !== 0) {
      throw new RangeError(`a BAR of ${size} bytes cannot lie at 0x${address.toString(16)}`);
    }
    this.#bar = header.bar;
    const view = this.#view;
    view.setUint16(PCI_VENDOR_ID, header.vendor, true);
    view.setUint16(PCI_DEVICE_ID, header.device, true);
    view.setUint16(PCI_STATUS, PCI_STATUS_CAP_LIST, true);
    view.setUint8(PCI_REVISION_ID, header.revision);
    view.setUint16(PCI_CLASS_DEVICE, header.deviceClass, true);
    view.setUint16(PCI_SUBSYSTEM_VENDOR_ID, header.vendor, true);
    view.setUint16(PCI_SUBSYSTEM_ID, header.subsystem, true);
    view.setUint8(PCI_INTERRUPT_LINE, header.interruptLine);
    view.setUint8(PCI_INTERRUPT_PIN, INTA);
    this.allowWrites(PCI_COMMAND, WRITABLE_COMMAND, 2);
    this.allowWrites(PCI_INTERRUPT_LINE, 0xff, 1);
  }

  /**
   * Adds a capability after the last one: its ID, and what follows the pointer to the next one. Returns its offset.
   * @throws RangeError when there is no room left.
   */
  addCapability(id: number, body: readonly number[]): number {
    const offset = this.#free;
    const end = offset + 2 + body.length;
    if (end > PCI_CFG_SPACE_SIZE) throw new RangeError("configuration space is full");
    this.#bytes[this.#pointer] = offset;
    this.#bytes.set([id, 0, ...body], offset);
    this.#pointer = offset + 1;
    this.#free = (end + 3) & ~3;
    return offset;
  }

  /** Makes bits of the 1, 2 or 4 bytes at `offset` writable. */
  allowWrites(offset: number, mask: number, size: 1 | 2 | 4): void {
    for (let i = 0; i < size; i++) this.#writable[offset + i] = (mask >>> (8 * i)) & 0xff;
  }

  save(): PciConfigState {
    return { bytes: this.#bytes.slice(), sizing: this.#sizing };
  }

  /** Takes over what a driver can have written; the rest is what the function is. */
  restore(state: PciConfigState): void {
    for (const [offset, byte] of state.bytes.entries()) this.write(offset, 1, byte);
    this.#sizing = state.sizing;
  }

  /** Command register. */
  get command(): number {
    return this.get16(PCI_COMMAND);
  }

  /** Interrupt Status bit of the Status register. */
  set interruptStatus(pending: boolean) {
    const bits = this.get16(PCI_STATUS) & ~PCI_STATUS_INTERRUPT;
    this.#view.setUint16(PCI_STATUS, pending ? bits | PCI_STATUS_INTERRUPT : bits, true);
  }

  /** Two of the bytes as they stand; offsets are the caller's own, never a guest's. */
  get16(offset: number): number {
    return this.#view.getUint16(offset, true);
  }
  /** Four of them. */
  get32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }
  /** Changes four of them, writable or not. */
  set32(offset: number, value: number): void {
    this.#view.setUint32(offset, value, true);
  }

  read32(offset: number): number {
    if (offset === PCI_BASE_ADDRESS_0) {
      return (this.#sizing ? -this.#bar.size : this.#bar.address) >>> 0;
    }
    return offset <= PCI_CFG_SPACE_SIZE - 4 ? this.get32(offset) : 0;
  }

  write(offset: number, size: 1 | 2 | 4, value: number): void {
    if (offset === PCI_BASE_ADDRESS_0 && size === 4) {
      // PCI 3.0 section 6.2.5.1: what stays of all ones is the size.
      this.#sizing = (value | (this.#bar.size - 1)) >>> 0 === ALL_ONES;
      return;
    }
    for (let i = 0; i < size; i++) {
      const mask = this.#writable[offset + i] ?? 0;
      const old = this.#bytes[offset + i] ?? 0;
      if (mask !== 0) this.#bytes[offset + i] = (old & ~mask) | ((value >>> (8 * i)) & mask);
    }
  }
}
