import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_MMIO_CONFIG,
  VIRTIO_MMIO_DEVICE_FEATURES,
  VIRTIO_MMIO_DEVICE_FEATURES_SEL,
  VIRTIO_MMIO_DRIVER_FEATURES,
  VIRTIO_MMIO_DRIVER_FEATURES_SEL,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_INTERRUPT_STATUS,
  VIRTIO_MMIO_MSI_ADDRESS_HIGH,
  VIRTIO_MMIO_MSI_ADDRESS_LOW,
  VIRTIO_MMIO_MSI_COMMAND,
  VIRTIO_MMIO_MSI_COMMAND_SHIFT,
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
  VIRTIO_RING_F_EVENT_IDX,
} from "../defs.ts";
import type { VirtqueueLayout } from "../queue/virtqueue.ts";
import type { MockMemory } from "./mock-memory.ts";
import { MockQueue } from "./mock-queue.ts";

/** Registers of one device window, as a bus or a transport gives them. */
export interface RegisterAccess {
  read(offset: number, size: 1 | 2 | 4): number;
  write(offset: number, size: 1 | 2 | 4, value: number): void;
}

/** What {@link MockDriver.initialise} does differently from taking all that is offered. */
export interface MockDriverOptions {
  /** Features to accept; default all offered. */
  readonly features?: bigint;
  /** Queue sizes; default QueueNumMax of each, at most 16. 0 leaves a queue alone. */
  readonly sizes?: readonly number[];
  /** Set up MSI when it is offered; default true. */
  readonly msi?: boolean;
}

/** Local APIC vector that {@link MockDriver.enableMsi} programs for vector index 0; index i gets this + i. */
export const MOCK_VECTOR_BASE = 0x41;
const LOCAL_APIC = 0xfee0_0000;

/**
 * The driver's half of virtio-mmio, version 2 and 3, in the order of a Linux driver: each step can be called
 * alone, so that a test can leave one out or repeat it.
 */
export class MockDriver {
  readonly memory: MockMemory;
  readonly registers: RegisterAccess;
  /** Queues set up by {@link setupQueue}. */
  readonly queues: MockQueue[] = [];
  /** Features written last. */
  features = 0n;
  /** Doorbell offset and stride, when the device gave them. */
  doorbell: { base: number; stride: number } | undefined;
  /** Whether MSI was enabled. */
  msi = false;

  constructor(memory: MockMemory, registers: RegisterAccess) {
    this.memory = memory;
    this.registers = registers;
  }

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
  /** Bytes of configuration space, read one by one. */
  config(offset: number, length: number): Uint8Array {
    return Uint8Array.from(
      { length },
      (_, k) => this.registers.read(VIRTIO_MMIO_CONFIG + offset + k, 1) & 0xff,
    );
  }

  get status(): number {
    return this.read32(VIRTIO_MMIO_STATUS);
  }
  get version(): number {
    return this.read32(VIRTIO_MMIO_VERSION);
  }
  get interruptStatus(): number {
    return this.read32(VIRTIO_MMIO_INTERRUPT_STATUS);
  }
  /** Reads what happened and acknowledges it, as a wired interrupt handler does. */
  acknowledgeInterrupt(): number {
    const happened = this.interruptStatus;
    this.write32(VIRTIO_MMIO_INTERRUPT_ACK, happened);
    return happened;
  }

  // The steps of virtio 1.2 section 3.1.1, in order.

  reset(): void {
    this.write32(VIRTIO_MMIO_STATUS, 0);
    this.queues.length = 0;
    this.msi = false;
    this.doorbell = undefined;
  }
  addStatus(bits: number): void {
    this.write32(VIRTIO_MMIO_STATUS, this.status | bits);
  }
  acknowledge(): void {
    this.addStatus(VIRTIO_CONFIG_S_ACKNOWLEDGE);
  }
  driver(): void {
    this.addStatus(VIRTIO_CONFIG_S_DRIVER);
  }
  readFeatures(): bigint {
    let features = 0n;
    for (let word = 0; word < 2; word++) {
      this.write32(VIRTIO_MMIO_DEVICE_FEATURES_SEL, word);
      features |= BigInt(this.read32(VIRTIO_MMIO_DEVICE_FEATURES)) << BigInt(32 * word);
    }
    return features;
  }
  writeFeatures(features: bigint): void {
    for (let word = 0; word < 2; word++) {
      this.write32(VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
      this.write32(VIRTIO_MMIO_DRIVER_FEATURES, Number((features >> BigInt(32 * word)) & 0xffff_ffffn));
    }
    this.features = features;
  }
  /** Sets FEATURES_OK; returns whether the device let it stand. */
  featuresOk(): boolean {
    this.addStatus(VIRTIO_CONFIG_S_FEATURES_OK);
    return (this.status & VIRTIO_CONFIG_S_FEATURES_OK) !== 0;
  }
  /** QueueNumMax of a queue: 0 when it does not exist. */
  queueNumMax(index: number): number {
    this.write32(VIRTIO_MMIO_QUEUE_SEL, index);
    return this.read32(VIRTIO_MMIO_QUEUE_NUM_MAX);
  }
  queueReady(index: number): number {
    this.write32(VIRTIO_MMIO_QUEUE_SEL, index);
    return this.read32(VIRTIO_MMIO_QUEUE_READY);
  }
  /** Builds an empty queue in guest memory and gives it to the device. */
  setupQueue(index: number, size: number): MockQueue {
    const eventIndex = (this.features & (1n << BigInt(VIRTIO_RING_F_EVENT_IDX))) !== 0n;
    const queue = new MockQueue(this.memory, size, { eventIndex });
    this.queues[index] = queue;
    this.writeQueue(index, queue.layout);
    return queue;
  }
  /** Writes a queue's registers, QueueReady last. */
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
  driverOk(): void {
    this.addStatus(VIRTIO_CONFIG_S_DRIVER_OK);
  }

  // The extension, docs/virtio-mmio-v3.md.

  /** Largest vector index, or -1 when MSI is not offered. */
  msiVectors(): number {
    const status = this.read16(VIRTIO_MMIO_MSI_STATUS);
    return (status & VIRTIO_MMIO_MSI_STATUS_OFFERED) === 0 ? -1 : status & VIRTIO_MMIO_MSI_STATUS_VECTOR_MASK;
  }
  msiCommand(operation: number, vector: number): void {
    this.write16(VIRTIO_MMIO_MSI_COMMAND, (operation << VIRTIO_MMIO_MSI_COMMAND_SHIFT) | vector);
  }
  stageMessage(addressLow: number, data: number, addressHigh = 0): void {
    this.write32(VIRTIO_MMIO_MSI_ADDRESS_LOW, addressLow);
    this.write32(VIRTIO_MMIO_MSI_ADDRESS_HIGH, addressHigh);
    this.write32(VIRTIO_MMIO_MSI_DATA, data);
  }
  /** Stages and updates one vector. */
  updateVector(vector: number, addressLow: number, data: number, addressHigh = 0): void {
    this.stageMessage(addressLow, data, addressHigh);
    this.msiCommand(VIRTIO_MMIO_MSI_COMMAND_UPDATE, vector);
  }
  /** Programs every vector with its own interrupt vector and enables MSI. */
  enableMsi(): void {
    for (let vector = 0; vector <= this.msiVectors(); vector++) {
      this.updateVector(vector, LOCAL_APIC, MOCK_VECTOR_BASE + vector);
    }
    this.write16(VIRTIO_MMIO_MSI_STATUS, VIRTIO_MMIO_MSI_STATUS_ENABLE);
    this.msi = true;
  }
  /** Reads where the doorbells are; the classic register is used when there are none. */
  findDoorbells(): void {
    const value = this.version === 3 ? this.read32(VIRTIO_MMIO_QUEUE_NOTIFY) : 0;
    this.doorbell = value === 0 ? undefined : { base: value & 0xffff, stride: value >>> 16 };
  }
  /** Available buffer notification of a queue, by its doorbell or by QueueNotify. */
  kick(index: number): void {
    const { doorbell } = this;
    if (doorbell === undefined) this.write32(VIRTIO_MMIO_QUEUE_NOTIFY, index);
    else this.write32(doorbell.base + doorbell.stride * index, index);
  }

  /** Everything up to, but without, DRIVER_OK. Throws when the device refuses the features. */
  prepare(options: MockDriverOptions = {}): void {
    this.reset();
    this.acknowledge();
    this.driver();
    this.writeFeatures(options.features ?? this.readFeatures());
    if (!this.featuresOk()) throw new Error("mock driver: features refused");
    this.findDoorbells();
    if ((options.msi ?? true) && this.version === 3 && this.msiVectors() >= 0) this.enableMsi();
    for (let index = 0; this.queueNumMax(index) !== 0; index++) {
      const size = options.sizes?.[index] ?? Math.min(16, this.queueNumMax(index));
      if (size !== 0) this.setupQueue(index, size);
    }
  }

  /** The whole initialisation. */
  initialise(options: MockDriverOptions = {}): void {
    this.prepare(options);
    this.driverOk();
  }

  /** A queue set up before, or an error that says which is missing. */
  queue(index: number): MockQueue {
    const queue = this.queues[index];
    if (queue === undefined) throw new Error(`mock driver: queue ${index} was not set up`);
    return queue;
  }
}
