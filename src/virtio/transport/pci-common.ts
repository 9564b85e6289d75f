import { list, record, StateError, type StateOf, u16, u32 } from "../../state/codec.ts";
import { VIRTIO_CONFIG_S_DRIVER_OK, VIRTQ_MAX_SIZE } from "../defs.ts";
import type { VirtioCore } from "./core.ts";
import {
  VIRTIO_MSI_NO_VECTOR,
  VIRTIO_PCI_COMMON_CFGGENERATION,
  VIRTIO_PCI_COMMON_DF,
  VIRTIO_PCI_COMMON_DFSELECT,
  VIRTIO_PCI_COMMON_GF,
  VIRTIO_PCI_COMMON_GFSELECT,
  VIRTIO_PCI_COMMON_MSIX,
  VIRTIO_PCI_COMMON_NUMQ,
  VIRTIO_PCI_COMMON_Q_AVAILHI,
  VIRTIO_PCI_COMMON_Q_AVAILLO,
  VIRTIO_PCI_COMMON_Q_DESCHI,
  VIRTIO_PCI_COMMON_Q_DESCLO,
  VIRTIO_PCI_COMMON_Q_ENABLE,
  VIRTIO_PCI_COMMON_Q_MSIX,
  VIRTIO_PCI_COMMON_Q_NOFF,
  VIRTIO_PCI_COMMON_Q_SELECT,
  VIRTIO_PCI_COMMON_Q_SIZE,
  VIRTIO_PCI_COMMON_Q_USEDHI,
  VIRTIO_PCI_COMMON_Q_USEDLO,
  VIRTIO_PCI_COMMON_STATUS,
} from "./pci-defs.ts";
import { fieldIndex, fieldOffset, naturalWidth } from "./pci-registers.ts";
import type { QueueAddressField } from "./queue-config.ts";
import { WRONG_WIDTH } from "./registers.ts";

/** The address registers, by offset in the common configuration structure. */
const ADDRESSES: ReadonlyMap<number, QueueAddressField> = new Map([
  [VIRTIO_PCI_COMMON_Q_DESCLO, "descriptorLow"],
  [VIRTIO_PCI_COMMON_Q_DESCHI, "descriptorHigh"],
  [VIRTIO_PCI_COMMON_Q_AVAILLO, "driverLow"],
  [VIRTIO_PCI_COMMON_Q_AVAILHI, "driverHigh"],
  [VIRTIO_PCI_COMMON_Q_USEDLO, "deviceLow"],
  [VIRTIO_PCI_COMMON_Q_USEDHI, "deviceHigh"],
]);

/** More queues than any device has. */
const QUEUES_MOST = 64;

/** What is kept of {@link PciCommon}. */
export const PCI_COMMON_STATE = record({
  deviceFeatureSelect: u32,
  driverFeatureSelect: u32,
  queueSelect: u16,
  configVector: u16,
  queueVectors: list(u16, QUEUES_MOST),
});
export type PciCommonState = StateOf<typeof PCI_COMMON_STATE>;

/**
 * The common configuration structure (virtio 1.2 section 4.1.4.3): what is selected, which vector each event is mapped
 * to, and the way to the core for everything else. Offsets are from its own start.
 */
export class PciCommon {
  /** What configuration changes are mapped to. */
  configVector = VIRTIO_MSI_NO_VECTOR;
  readonly #core: VirtioCore;
  /** Vectors that exist. */
  readonly #vectors: number;
  readonly #onDriverOk: () => void;
  readonly #queueVectors: Uint16Array;
  #deviceFeatureSelect = 0;
  #driverFeatureSelect = 0;
  #queueSelect = 0;

  /** @param vectors how many an event may be mapped to; 0 when MSI-X is not offered. */
  constructor(core: VirtioCore, vectors: number, onDriverOk: () => void) {
    this.#core = core;
    this.#vectors = vectors;
    this.#onDriverOk = onDriverOk;
    this.#queueVectors = new Uint16Array(core.device.queueSizes.length).fill(VIRTIO_MSI_NO_VECTOR);
  }

  /** What used buffers of a queue are mapped to. */
  queueVector(index: number): number {
    return this.#queueVectors[index] ?? VIRTIO_MSI_NO_VECTOR;
  }

  save(): PciCommonState {
    return {
      deviceFeatureSelect: this.#deviceFeatureSelect,
      driverFeatureSelect: this.#driverFeatureSelect,
      queueSelect: this.#queueSelect,
      configVector: this.configVector,
      queueVectors: [...this.#queueVectors],
    };
  }

  /** @throws StateError when the device has other queues. */
  restore(state: PciCommonState): void {
    if (state.queueVectors.length !== this.#queueVectors.length)
      throw new StateError("the device has other queues");
    this.#deviceFeatureSelect = state.deviceFeatureSelect;
    this.#driverFeatureSelect = state.driverFeatureSelect;
    this.#queueSelect = state.queueSelect;
    this.configVector = this.#legalVector(state.configVector);
    this.#queueVectors.set(state.queueVectors.map((vector) => this.#legalVector(vector)));
  }

  reset(): void {
    this.#deviceFeatureSelect = 0;
    this.#driverFeatureSelect = 0;
    this.#queueSelect = 0;
    this.configVector = VIRTIO_MSI_NO_VECTOR;
    this.#queueVectors.fill(VIRTIO_MSI_NO_VECTOR);
  }

  /** Reads `size` bytes inside of the structure; 0 in another width than the field's. */
  read(offset: number, size: 1 | 2 | 4): number {
    if (!naturalWidth(offset, size, false)) {
      this.#core.ignore(WRONG_WIDTH);
      return 0;
    }
    const address = ADDRESSES.get(offset);
    if (address !== undefined) return this.#core.queueConfig(this.#queueSelect)?.[address] ?? 0;
    const start = fieldOffset(fieldIndex(offset));
    const value = this.#field(start);
    return size === 1 ? (value >>> (8 * (offset - start))) & 0xff : value;
  }

  #field(offset: number): number {
    const core = this.#core;
    const queue = this.#queueSelect;
    switch (offset) {
      case VIRTIO_PCI_COMMON_DFSELECT:
        return this.#deviceFeatureSelect;
      case VIRTIO_PCI_COMMON_DF:
        return core.deviceFeatures(this.#deviceFeatureSelect);
      case VIRTIO_PCI_COMMON_GFSELECT:
        return this.#driverFeatureSelect;
      case VIRTIO_PCI_COMMON_GF:
        return core.driverFeatures(this.#driverFeatureSelect);
      case VIRTIO_PCI_COMMON_MSIX:
        return this.configVector;
      case VIRTIO_PCI_COMMON_NUMQ:
        return core.device.queueSizes.length;
      case VIRTIO_PCI_COMMON_STATUS:
        return core.status;
      case VIRTIO_PCI_COMMON_CFGGENERATION:
        return core.generation & 0xff;
      case VIRTIO_PCI_COMMON_Q_SELECT:
        return queue;
      case VIRTIO_PCI_COMMON_Q_SIZE:
        // 0 says that there is no such queue (virtio 1.2 section 4.1.4.3.1).
        return core.queueConfig(queue)?.size ?? 0;
      case VIRTIO_PCI_COMMON_Q_MSIX:
        return this.queueVector(queue);
      case VIRTIO_PCI_COMMON_Q_ENABLE:
        return core.queueReady(queue) ? 1 : 0;
      case VIRTIO_PCI_COMMON_Q_NOFF:
        return core.queueMaximum(queue) === 0 ? 0 : queue;
      default:
        return 0;
    }
  }

  /** Writes `size` bytes inside of the structure; `value` is unsigned. */
  write(offset: number, size: 1 | 2 | 4, value: number): void {
    const core = this.#core;
    const queue = this.#queueSelect;
    if (!naturalWidth(offset, size, true)) {
      core.ignore(WRONG_WIDTH);
      return;
    }
    const address = ADDRESSES.get(offset);
    if (address !== undefined) {
      core.writeQueueAddress(queue, address, value);
      return;
    }
    switch (offset) {
      case VIRTIO_PCI_COMMON_DFSELECT:
        this.#deviceFeatureSelect = value;
        break;
      case VIRTIO_PCI_COMMON_GFSELECT:
        this.#driverFeatureSelect = value;
        break;
      case VIRTIO_PCI_COMMON_GF:
        core.writeDriverFeatures(this.#driverFeatureSelect, value);
        break;
      case VIRTIO_PCI_COMMON_MSIX:
        this.configVector = this.#vector(value);
        break;
      case VIRTIO_PCI_COMMON_STATUS:
        this.#writeStatus(value);
        break;
      case VIRTIO_PCI_COMMON_Q_SELECT:
        this.#queueSelect = value;
        break;
      case VIRTIO_PCI_COMMON_Q_SIZE:
        if (validSize(value, core.queueMaximum(queue))) core.writeQueueSize(queue, value);
        else core.ignore("queue_size: not a power of two up to the maximum");
        break;
      case VIRTIO_PCI_COMMON_Q_MSIX:
        if (queue < this.#queueVectors.length) this.#queueVectors[queue] = this.#vector(value);
        else core.ignore("queue does not exist");
        break;
      case VIRTIO_PCI_COMMON_Q_ENABLE:
        // There is no way to take a queue back but the reset (virtio 1.2 section 4.1.4.3.2).
        if (value === 1) core.writeQueueReady(queue, 1);
        else core.ignore("queue_enable: written other than 1");
        break;
      default:
        core.ignore("write to a read-only register");
    }
  }

  /** What an event is mapped to: a vector that does not exist reads back as none (virtio 1.2 section 4.1.5.1.2.2). */
  #vector(value: number): number {
    const vector = this.#legalVector(value);
    if (vector !== value) this.#core.ignore("MSI-X vector out of range");
    return vector;
  }

  #legalVector(value: number): number {
    return value < this.#vectors ? value : VIRTIO_MSI_NO_VECTOR;
  }

  #writeStatus(value: number): void {
    const before = this.#core.status & VIRTIO_CONFIG_S_DRIVER_OK;
    this.#core.writeStatus(value);
    if (before === 0 && (this.#core.status & VIRTIO_CONFIG_S_DRIVER_OK) !== 0) this.#onDriverOk();
  }
}

/** CVE-2026-5747 was a size taken as it came; here it is a power of two within bounds, or nothing has happened. */
function validSize(size: number, maximum: number): boolean {
  return size > 0 && size <= Math.min(maximum, VIRTQ_MAX_SIZE) && (size & (size - 1)) === 0;
}
