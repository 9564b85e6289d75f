import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_RING_F_EVENT_IDX,
} from "../defs.ts";
import type { VirtqueueLayout } from "../queue/virtqueue.ts";
import {
  PCI_CAP_ID_MSIX,
  PCI_CAP_ID_VNDR,
  PCI_CAPABILITY_LIST,
  PCI_COMMAND,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_MSIX_ENTRY_DATA,
  PCI_MSIX_ENTRY_SIZE,
  PCI_MSIX_ENTRY_UPPER_ADDR,
  PCI_MSIX_ENTRY_VECTOR_CTRL,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_ENABLE,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_LENGTH,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_CAP_OFFSET,
  VIRTIO_PCI_COMMON_DF,
  VIRTIO_PCI_COMMON_DFSELECT,
  VIRTIO_PCI_COMMON_GF,
  VIRTIO_PCI_COMMON_GFSELECT,
  VIRTIO_PCI_COMMON_MSIX,
  VIRTIO_PCI_COMMON_NUMQ,
  VIRTIO_PCI_COMMON_Q_AVAILLO,
  VIRTIO_PCI_COMMON_Q_DESCLO,
  VIRTIO_PCI_COMMON_Q_ENABLE,
  VIRTIO_PCI_COMMON_Q_MSIX,
  VIRTIO_PCI_COMMON_Q_NOFF,
  VIRTIO_PCI_COMMON_Q_SELECT,
  VIRTIO_PCI_COMMON_Q_SIZE,
  VIRTIO_PCI_COMMON_Q_USEDLO,
  VIRTIO_PCI_COMMON_STATUS,
  VIRTIO_PCI_NOTIFY_CAP_MULT,
} from "../transport/pci-defs.ts";
import type { PciFunction } from "../types.ts";
import { MOCK_VECTOR_BASE, type MockDriverOptions, type RegisterAccess } from "./mock-driver.ts";
import type { MockMemory } from "./mock-memory.ts";
import { MockQueue } from "./mock-queue.ts";

const LOCAL_APIC = 0xfee0_0000;

/** Where a structure is: its capability in configuration space, and what that says. */
export interface MockStructure {
  readonly capability: number;
  readonly offset: number;
  readonly length: number;
}

/**
 * The driver's half of virtio-pci, in the order of a Linux driver: each step can be called alone, so that a test can
 * leave one out or repeat it. Structures are found by their capabilities and nothing else.
 */
export class MockPciDriver {
  readonly memory: MockMemory;
  /** Configuration space. */
  readonly configuration: PciFunction;
  /** BAR 0. */
  readonly bar: RegisterAccess;
  /** Structures by cfg_type. */
  readonly structures = new Map<number, MockStructure>();
  /** The MSI-X capability and the size of its table, when there is one. */
  readonly msix:
    | { readonly capability: number; readonly table: number; readonly vectors: number }
    | undefined;
  /** Queues set up by {@link setupQueue}. */
  readonly queues: MockQueue[] = [];
  /** Features written last. */
  features = 0n;
  /** Whether MSI-X was enabled. */
  msi = false;

  constructor(memory: MockMemory, configuration: PciFunction, bar: RegisterAccess) {
    this.memory = memory;
    this.configuration = configuration;
    this.bar = bar;
    let msix: MockPciDriver["msix"];
    for (let at = this.config8(PCI_CAPABILITY_LIST); at !== 0; at = this.config8(at + 1)) {
      if (this.config8(at) === PCI_CAP_ID_VNDR) {
        const offset = this.config32(at + VIRTIO_PCI_CAP_OFFSET);
        const length = this.config32(at + VIRTIO_PCI_CAP_LENGTH);
        this.structures.set(this.config8(at + 3), { capability: at, offset, length });
      } else if (this.config8(at) === PCI_CAP_ID_MSIX) {
        const vectors = (this.config16(at + PCI_MSIX_FLAGS) & 0x7ff) + 1;
        msix = { capability: at, table: this.config32(at + 4) & ~7, vectors };
      }
    }
    this.msix = msix;
  }

  // Configuration space.

  config32(offset: number): number {
    return this.configuration.read32(offset);
  }
  config16(offset: number): number {
    return (this.configuration.read32(offset & ~3) >>> (8 * (offset & 3))) & 0xffff;
  }
  config8(offset: number): number {
    return (this.configuration.read32(offset & ~3) >>> (8 * (offset & 3))) & 0xff;
  }
  writeConfig(offset: number, size: 1 | 2 | 4, value: number): void {
    this.configuration.write(offset, size, value);
  }
  /** Switches memory decoding and bus mastering on. */
  enable(bits = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER): void {
    this.writeConfig(PCI_COMMAND, 2, this.config16(PCI_COMMAND) | bits);
  }

  // Structures in the BAR.

  /** A structure that was found, or an error that says which is missing. */
  structure(type: number): MockStructure {
    const structure = this.structures.get(type);
    if (structure === undefined) throw new Error(`mock driver: no structure of type ${type}`);
    return structure;
  }
  #common(field: number): number {
    return this.structure(VIRTIO_PCI_CAP_COMMON_CFG).offset + field;
  }
  read8(field: number): number {
    return this.bar.read(this.#common(field), 1);
  }
  /** A 16-bit read, as two 8-bit ones, low byte first: so it reaches the device from the CPU. */
  read16(field: number): number {
    const low = this.read8(field);
    return low | (this.read8(field + 1) << 8);
  }
  read32(field: number): number {
    return this.bar.read(this.#common(field), 4);
  }
  write8(field: number, value: number): void {
    this.bar.write(this.#common(field), 1, value);
  }
  write16(field: number, value: number): void {
    this.bar.write(this.#common(field), 2, value);
  }
  write32(field: number, value: number): void {
    this.bar.write(this.#common(field), 4, value);
  }
  /** Bytes of the device's configuration structure, read one by one. */
  deviceConfig(offset: number, length: number): Uint8Array {
    const base = this.structure(VIRTIO_PCI_CAP_DEVICE_CFG).offset + offset;
    return Uint8Array.from({ length }, (_, k) => this.bar.read(base + k, 1));
  }
  /** Reads the ISR status, which clears it. */
  isr(): number {
    return this.bar.read(this.structure(VIRTIO_PCI_CAP_ISR_CFG).offset, 1);
  }

  // The steps of virtio 1.2 section 3.1.1, in order.

  get status(): number {
    return this.read8(VIRTIO_PCI_COMMON_STATUS);
  }
  reset(): void {
    this.write8(VIRTIO_PCI_COMMON_STATUS, 0);
    this.queues.length = 0;
  }
  addStatus(bits: number): void {
    this.write8(VIRTIO_PCI_COMMON_STATUS, this.status | bits);
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
      this.write32(VIRTIO_PCI_COMMON_DFSELECT, word);
      features |= BigInt(this.read32(VIRTIO_PCI_COMMON_DF)) << BigInt(32 * word);
    }
    return features;
  }
  writeFeatures(features: bigint): void {
    for (let word = 0; word < 2; word++) {
      this.write32(VIRTIO_PCI_COMMON_GFSELECT, word);
      this.write32(VIRTIO_PCI_COMMON_GF, Number((features >> BigInt(32 * word)) & 0xffff_ffffn));
    }
    this.features = features;
  }
  /** Sets FEATURES_OK; returns whether the device let it stand. */
  featuresOk(): boolean {
    this.addStatus(VIRTIO_CONFIG_S_FEATURES_OK);
    return (this.status & VIRTIO_CONFIG_S_FEATURES_OK) !== 0;
  }
  select(index: number): void {
    this.write16(VIRTIO_PCI_COMMON_Q_SELECT, index);
  }
  queueSize(index: number): number {
    this.select(index);
    return this.read16(VIRTIO_PCI_COMMON_Q_SIZE);
  }
  /** Maps a queue to a vector; returns what the device made of it. */
  mapQueue(index: number, vector: number): number {
    this.select(index);
    this.write16(VIRTIO_PCI_COMMON_Q_MSIX, vector);
    return this.read16(VIRTIO_PCI_COMMON_Q_MSIX);
  }
  /** Maps configuration changes to a vector; returns what the device made of it. */
  mapConfig(vector: number): number {
    this.write16(VIRTIO_PCI_COMMON_MSIX, vector);
    return this.read16(VIRTIO_PCI_COMMON_MSIX);
  }
  /** Builds an empty queue in guest memory and gives it to the device. */
  setupQueue(index: number, size: number): MockQueue {
    const eventIndex = (this.features & (1n << BigInt(VIRTIO_RING_F_EVENT_IDX))) !== 0n;
    const queue = new MockQueue(this.memory, size, { eventIndex });
    this.queues[index] = queue;
    this.writeQueue(index, queue.layout);
    return queue;
  }
  /** Writes a queue's registers, queue_enable last. */
  writeQueue(index: number, layout: VirtqueueLayout): void {
    this.select(index);
    this.write16(VIRTIO_PCI_COMMON_Q_SIZE, layout.size);
    this.#writeAddress(VIRTIO_PCI_COMMON_Q_DESCLO, layout.descriptorTable);
    this.#writeAddress(VIRTIO_PCI_COMMON_Q_AVAILLO, layout.availableRing);
    this.#writeAddress(VIRTIO_PCI_COMMON_Q_USEDLO, layout.usedRing);
    this.write16(VIRTIO_PCI_COMMON_Q_ENABLE, 1);
  }
  #writeAddress(field: number, address: number): void {
    this.write32(field, address % 0x1_0000_0000);
    this.write32(field + 4, Math.floor(address / 0x1_0000_0000));
  }
  driverOk(): void {
    this.addStatus(VIRTIO_CONFIG_S_DRIVER_OK);
  }
  /** Available buffer notification of a queue, where the notification structure says. */
  kick(index: number): void {
    const { capability, offset } = this.structure(VIRTIO_PCI_CAP_NOTIFY_CFG);
    this.select(index);
    const at = this.read16(VIRTIO_PCI_COMMON_Q_NOFF) * this.config32(capability + VIRTIO_PCI_NOTIFY_CAP_MULT);
    this.bar.write(offset + at, 2, index);
  }

  // MSI-X.

  /** Writes a vector's entry of the table and unmasks it. */
  programVector(vector: number, addressLow: number, data: number, addressHigh = 0): void {
    const entry = this.entry(vector);
    this.bar.write(entry, 4, addressLow);
    this.bar.write(entry + PCI_MSIX_ENTRY_UPPER_ADDR, 4, addressHigh);
    this.bar.write(entry + PCI_MSIX_ENTRY_DATA, 4, data);
    this.maskVector(vector, false);
  }
  maskVector(vector: number, masked: boolean): void {
    this.bar.write(this.entry(vector) + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, masked ? 1 : 0);
  }
  /** Offset in the BAR of a vector's entry. */
  entry(vector: number): number {
    if (this.msix === undefined) throw new Error("mock driver: MSI-X is not offered");
    return this.msix.table + vector * PCI_MSIX_ENTRY_SIZE;
  }
  /** Writes Message Control. */
  controlMsix(flags: number): void {
    if (this.msix === undefined) throw new Error("mock driver: MSI-X is not offered");
    this.writeConfig(this.msix.capability + PCI_MSIX_FLAGS, 2, flags);
    this.msi = (flags & PCI_MSIX_FLAGS_ENABLE) !== 0;
  }
  /** Programs every vector with its own interrupt vector, enables MSI-X, and maps 0 to configuration, i + 1 to queue i. */
  enableMsix(): void {
    this.controlMsix(PCI_MSIX_FLAGS_ENABLE);
    for (let vector = 0; vector < (this.msix?.vectors ?? 0); vector++) {
      this.programVector(vector, LOCAL_APIC, MOCK_VECTOR_BASE + vector);
    }
    this.mapConfig(0);
    for (let index = 0; index < this.read16(VIRTIO_PCI_COMMON_NUMQ); index++) this.mapQueue(index, index + 1);
  }

  /** Everything up to, but without, DRIVER_OK. Throws when the device refuses the features. */
  prepare(options: MockDriverOptions = {}): void {
    this.enable();
    this.reset();
    this.acknowledge();
    this.driver();
    this.writeFeatures(options.features ?? this.readFeatures());
    if (!this.featuresOk()) throw new Error("mock driver: features refused");
    if ((options.msi ?? true) && this.msix !== undefined) this.enableMsix();
    for (let index = 0; index < this.read16(VIRTIO_PCI_COMMON_NUMQ); index++) {
      const size = options.sizes?.[index] ?? Math.min(16, this.queueSize(index));
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
