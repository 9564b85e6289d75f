/** Accesses as a trace shows them: what stands between a bus and a transport, and steps aside unless somebody records. */
import type { DeviceCounters } from "../../metrics/counters.ts";
import { VIRTIO_MMIO_CONFIG, VIRTIO_MMIO_DOORBELL_BASE } from "../defs.ts";
import type { PciFunction } from "../types.ts";
import type { BusDevice } from "./bus.ts";
import {
  PCI_BAR_COMMON,
  PCI_BAR_DEVICE,
  PCI_BAR_ISR,
  PCI_BAR_MSIX_TABLE,
  PCI_BAR_NOTIFY,
  VIRTIO_PCI_COMMON_SIZE,
} from "./pci-defs.ts";
import {
  fieldIndex,
  PCI_REGISTER_CONFIG,
  PCI_REGISTER_CYCLE,
  PCI_REGISTER_DOORBELL,
  PCI_REGISTER_ISR,
  PCI_REGISTER_MSIX,
  PCI_REGISTER_OTHER,
} from "./pci-registers.ts";
import { REGISTER_CONFIG, REGISTER_DOORBELL, registerIndex } from "./registers.ts";

/** A range of a bus whose accesses are told to the counters' trace. */
export class TracedWindow implements BusDevice {
  readonly #inner: BusDevice;
  readonly #counters: DeviceCounters;
  readonly #registerAt: (offset: number) => number;

  /** @param registerAt index of the register at an offset, as the counters name them. */
  constructor(inner: BusDevice, counters: DeviceCounters, registerAt: (offset: number) => number) {
    this.#inner = inner;
    this.#counters = counters;
    this.#registerAt = registerAt;
  }

  read(offset: number, size: 1 | 2 | 4): number {
    const { trace } = this.#counters;
    if (trace === undefined) return this.#inner.read(offset, size);
    const access = trace.read(this.#registerAt(offset), offset, size);
    const value = this.#inner.read(offset, size);
    trace.done(access, value);
    return value;
  }

  write(offset: number, size: 1 | 2 | 4, value: number): void {
    const { trace } = this.#counters;
    if (trace === undefined) {
      this.#inner.write(offset, size, value);
      return;
    }
    const access = trace.write(this.#registerAt(offset), offset, size, value);
    this.#inner.write(offset, size, value);
    trace.done(access, value);
  }
}

/** The same for a function's configuration cycles. */
export function tracedFunction(inner: PciFunction, counters: DeviceCounters): PciFunction {
  return {
    read32(offset) {
      const { trace } = counters;
      if (trace === undefined) return inner.read32(offset);
      const access = trace.read(PCI_REGISTER_CYCLE, offset, 4);
      const value = inner.read32(offset);
      trace.done(access, value);
      return value;
    },
    write(offset, size, value) {
      const { trace } = counters;
      if (trace === undefined) {
        inner.write(offset, size, value);
        return;
      }
      const access = trace.write(PCI_REGISTER_CYCLE, offset, size, value);
      inner.write(offset, size, value);
      trace.done(access, value);
    },
  };
}

/** Index into MMIO_REGISTER_NAMES of what lies at an offset of a window. */
export function mmioRegisterAt(offset: number): number {
  if (offset < VIRTIO_MMIO_CONFIG) return registerIndex(offset);
  return offset < VIRTIO_MMIO_DOORBELL_BASE ? REGISTER_CONFIG : REGISTER_DOORBELL;
}

/** Index into PCI_REGISTER_NAMES of what lies at an offset of the BAR. */
export function pciRegisterAt(offset: number): number {
  if (offset < PCI_BAR_COMMON + VIRTIO_PCI_COMMON_SIZE) return fieldIndex(offset);
  if (offset === PCI_BAR_ISR) return PCI_REGISTER_ISR;
  if (offset >= PCI_BAR_MSIX_TABLE) return PCI_REGISTER_MSIX;
  if (offset >= PCI_BAR_NOTIFY) return PCI_REGISTER_DOORBELL;
  return offset >= PCI_BAR_DEVICE ? PCI_REGISTER_CONFIG : PCI_REGISTER_OTHER;
}
