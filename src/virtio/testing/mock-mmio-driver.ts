import {
  VIRTIO_MMIO_CONFIG,
  VIRTIO_MMIO_CONFIG_GENERATION,
  VIRTIO_MMIO_DEVICE_FEATURES,
  VIRTIO_MMIO_DEVICE_FEATURES_SEL,
  VIRTIO_MMIO_DRIVER_FEATURES,
  VIRTIO_MMIO_DRIVER_FEATURES_SEL,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_INTERRUPT_STATUS,
  VIRTIO_MMIO_MSI_ADDRESS_HIGH,
  VIRTIO_MMIO_MSI_ADDRESS_LOW,
  VIRTIO_MMIO_MSI_COMMAND,
  VIRTIO_MMIO_MSI_COMMAND_MASK,
  VIRTIO_MMIO_MSI_COMMAND_SHIFT,
  VIRTIO_MMIO_MSI_COMMAND_UNMASK,
  VIRTIO_MMIO_MSI_COMMAND_UPDATE,
  VIRTIO_MMIO_MSI_DATA,
  VIRTIO_MMIO_MSI_STATUS,
  VIRTIO_MMIO_MSI_STATUS_ENABLE,
  VIRTIO_MMIO_MSI_STATUS_OFFERED,
  VIRTIO_MMIO_MSI_STATUS_VECTOR_MASK,
  VIRTIO_MMIO_QUEUE_DESC_HIGH,
  VIRTIO_MMIO_QUEUE_DESC_LOW,
  VIRTIO_MMIO_QUEUE_DEVICE_HIGH,
  VIRTIO_MMIO_QUEUE_DEVICE_LOW,
  VIRTIO_MMIO_QUEUE_DRIVER_HIGH,
  VIRTIO_MMIO_QUEUE_DRIVER_LOW,
  VIRTIO_MMIO_QUEUE_NOTIFY,
  VIRTIO_MMIO_QUEUE_NUM,
  VIRTIO_MMIO_QUEUE_NUM_MAX,
  VIRTIO_MMIO_QUEUE_READY,
  VIRTIO_MMIO_QUEUE_SEL,
  VIRTIO_MMIO_STATUS,
  VIRTIO_MMIO_VERSION,
  VIRTIO_MMIO_VERSION_EXTENDED,
} from "../defs.ts";
import type { VirtqueueLayout } from "../queue/virtqueue.ts";
import { MOCK_LOCAL_APIC, MOCK_VECTOR_BASE, MockDriver } from "./mock-driver.ts";

/** The driver's half of virtio-mmio, version 2 and 3. */
export class MockMmioDriver extends MockDriver {
  /** Doorbell offset and stride, when the device gave them. */
  doorbell: { base: number; stride: number } | undefined;

  read32(offset: number): number {
    return this.registers.read(offset, 4) >>> 0;
  }
  write32(offset: number, value: number): void {
    this.registers.write(offset, 4, value);
  }
  /** A 16-bit read, as two 8-bit ones, low byte first: so it reaches the device from the CPU. */
  read16(offset: number): number {
    const low = this.registers.read(offset, 1) & 0xff;
    return low | ((this.registers.read(offset + 1, 1) & 0xff) << 8);
  }
  write16(offset: number, value: number): void {
    this.registers.write(offset, 2, value);
  }

  get status(): number {
    return this.read32(VIRTIO_MMIO_STATUS);
  }
  writeStatus(value: number): void {
    this.write32(VIRTIO_MMIO_STATUS, value);
  }
  get version(): number {
    return this.read32(VIRTIO_MMIO_VERSION);
  }
  get interruptStatus(): number {
    return this.read32(VIRTIO_MMIO_INTERRUPT_STATUS);
  }
  acknowledgeInterrupt(): number {
    const happened = this.interruptStatus;
    this.write32(VIRTIO_MMIO_INTERRUPT_ACK, happened);
    return happened;
  }
  readonly configOffset = VIRTIO_MMIO_CONFIG;
  get generation(): number {
    return this.read32(VIRTIO_MMIO_CONFIG_GENERATION);
  }

  find(): void {}

  override reset(): void {
    super.reset();
    this.msi = false;
    this.doorbell = undefined;
  }
  readFeatureWord(word: number): number {
    this.write32(VIRTIO_MMIO_DEVICE_FEATURES_SEL, word);
    return this.read32(VIRTIO_MMIO_DEVICE_FEATURES);
  }
  writeFeatureWord(word: number, value: number): void {
    this.write32(VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
    this.write32(VIRTIO_MMIO_DRIVER_FEATURES, value);
  }
  override negotiate(features?: bigint): void {
    super.negotiate(features);
    this.findDoorbells();
  }
  queueMaximum(index: number): number {
    this.write32(VIRTIO_MMIO_QUEUE_SEL, index);
    return this.read32(VIRTIO_MMIO_QUEUE_NUM_MAX);
  }
  queueReady(index: number): number {
    this.write32(VIRTIO_MMIO_QUEUE_SEL, index);
    return this.read32(VIRTIO_MMIO_QUEUE_READY);
  }
  writeQueue(index: number, layout: VirtqueueLayout): void {
    this.write32(VIRTIO_MMIO_QUEUE_SEL, index);
    this.write32(VIRTIO_MMIO_QUEUE_NUM, layout.size);
    this.#writeAddress(VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH, layout.descriptorTable);
    this.#writeAddress(VIRTIO_MMIO_QUEUE_DRIVER_LOW, VIRTIO_MMIO_QUEUE_DRIVER_HIGH, layout.availableRing);
    this.#writeAddress(VIRTIO_MMIO_QUEUE_DEVICE_LOW, VIRTIO_MMIO_QUEUE_DEVICE_HIGH, layout.usedRing);
    this.write32(VIRTIO_MMIO_QUEUE_READY, 1);
  }
  #writeAddress(low: number, high: number, address: number): void {
    this.write32(low, address % 0x1_0000_0000);
    this.write32(high, Math.floor(address / 0x1_0000_0000));
  }

  // The extension, docs/virtio-mmio-v3.md.

  /** Largest vector index, or -1 when MSI is not offered. */
  msiVectors(): number {
    const status = this.read16(VIRTIO_MMIO_MSI_STATUS);
    return (status & VIRTIO_MMIO_MSI_STATUS_OFFERED) === 0 ? -1 : status & VIRTIO_MMIO_MSI_STATUS_VECTOR_MASK;
  }
  get vectors(): number {
    return this.version === VIRTIO_MMIO_VERSION_EXTENDED ? this.msiVectors() + 1 : 0;
  }
  msiCommand(operation: number, vector: number): void {
    this.write16(VIRTIO_MMIO_MSI_COMMAND, (operation << VIRTIO_MMIO_MSI_COMMAND_SHIFT) | vector);
  }
  stageMessage(addressLow: number, data: number, addressHigh = 0): void {
    this.write32(VIRTIO_MMIO_MSI_ADDRESS_LOW, addressLow);
    this.write32(VIRTIO_MMIO_MSI_ADDRESS_HIGH, addressHigh);
    this.write32(VIRTIO_MMIO_MSI_DATA, data);
  }
  programVector(vector: number, addressLow: number, data: number, addressHigh = 0): void {
    this.stageMessage(addressLow, data, addressHigh);
    this.msiCommand(VIRTIO_MMIO_MSI_COMMAND_UPDATE, vector);
  }
  maskVector(vector: number, masked: boolean): void {
    this.msiCommand(masked ? VIRTIO_MMIO_MSI_COMMAND_MASK : VIRTIO_MMIO_MSI_COMMAND_UNMASK, vector);
  }
  enableMessages(): void {
    for (let vector = 0; vector <= this.msiVectors(); vector++) {
      this.programVector(vector, MOCK_LOCAL_APIC, MOCK_VECTOR_BASE + vector);
    }
    this.write16(VIRTIO_MMIO_MSI_STATUS, VIRTIO_MMIO_MSI_STATUS_ENABLE);
    this.msi = true;
  }
  /** Reads where the doorbells are; the classic register is used when there are none. */
  findDoorbells(): void {
    const value = this.version === VIRTIO_MMIO_VERSION_EXTENDED ? this.read32(VIRTIO_MMIO_QUEUE_NOTIFY) : 0;
    this.doorbell = value === 0 ? undefined : { base: value & 0xffff, stride: value >>> 16 };
  }
  /** By the queue's doorbell when there is one, or by QueueNotify. */
  kick(index: number): void {
    const { doorbell } = this;
    if (doorbell === undefined) this.write32(VIRTIO_MMIO_QUEUE_NOTIFY, index);
    else this.write32(doorbell.base + doorbell.stride * index, index);
  }
}
