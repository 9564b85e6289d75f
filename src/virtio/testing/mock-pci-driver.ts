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
  VIRTIO_PCI_COMMON_CFGGENERATION,
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
import { MOCK_LOCAL_APIC, MOCK_VECTOR_BASE, MockDriver, type RegisterAccess } from "./mock-driver.ts";
import type { MockMemory } from "./mock-memory.ts";

/** Where a structure is: its capability in configuration space, and what that says. */
export interface MockStructure {
  readonly capability: number;
  readonly offset: number;
  readonly length: number;
}

/** The driver's half of virtio-pci. Structures are found by their capabilities and nothing else. */
export class MockPciDriver extends MockDriver {
  /** Configuration space of the function. */
  readonly configuration: PciFunction;
  /** Structures by cfg_type. */
  readonly structures = new Map<number, MockStructure>();
  /** The MSI-X capability and the size of its table, when there is one. */
  readonly msix:
    | { readonly capability: number; readonly table: number; readonly vectors: number }
    | undefined;

  constructor(memory: MockMemory, configuration: PciFunction, bar: RegisterAccess) {
    super(memory, bar);
    this.configuration = configuration;
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
    return this.registers.read(this.#common(field), 1);
  }
  /** A 16-bit read, as two 8-bit ones, low byte first: so it reaches the device from the CPU. */
  read16(field: number): number {
    const low = this.read8(field);
    return low | (this.read8(field + 1) << 8);
  }
  read32(field: number): number {
    return this.registers.read(this.#common(field), 4);
  }
  write8(field: number, value: number): void {
    this.registers.write(this.#common(field), 1, value);
  }
  write16(field: number, value: number): void {
    this.registers.write(this.#common(field), 2, value);
  }
  write32(field: number, value: number): void {
    this.registers.write(this.#common(field), 4, value);
  }
  get configOffset(): number {
    return this.structure(VIRTIO_PCI_CAP_DEVICE_CFG).offset;
  }
  get generation(): number {
    return this.read8(VIRTIO_PCI_COMMON_CFGGENERATION);
  }
  /** Reads the ISR status, which clears it. */
  acknowledgeInterrupt(): number {
    return this.registers.read(this.structure(VIRTIO_PCI_CAP_ISR_CFG).offset, 1);
  }

  find(): void {
    this.enable();
  }
  get status(): number {
    return this.read8(VIRTIO_PCI_COMMON_STATUS);
  }
  writeStatus(value: number): void {
    this.write8(VIRTIO_PCI_COMMON_STATUS, value);
  }
  readFeatureWord(word: number): number {
    this.write32(VIRTIO_PCI_COMMON_DFSELECT, word);
    return this.read32(VIRTIO_PCI_COMMON_DF);
  }
  writeFeatureWord(word: number, value: number): void {
    this.write32(VIRTIO_PCI_COMMON_GFSELECT, word);
    this.write32(VIRTIO_PCI_COMMON_GF, value);
  }
  select(index: number): void {
    this.write16(VIRTIO_PCI_COMMON_Q_SELECT, index);
  }
  /** queue_size: the maximum until another size is written. */
  queueMaximum(index: number): number {
    this.select(index);
    return this.read16(VIRTIO_PCI_COMMON_Q_SIZE);
  }
  queueReady(index: number): number {
    this.select(index);
    return this.read16(VIRTIO_PCI_COMMON_Q_ENABLE);
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
  /** Where the notification structure says. */
  kick(index: number): void {
    const { capability, offset } = this.structure(VIRTIO_PCI_CAP_NOTIFY_CFG);
    this.select(index);
    const at = this.read16(VIRTIO_PCI_COMMON_Q_NOFF) * this.config32(capability + VIRTIO_PCI_NOTIFY_CAP_MULT);
    this.registers.write(offset + at, 2, index);
  }

  // MSI-X.

  get vectors(): number {
    return this.msix?.vectors ?? 0;
  }
  programVector(vector: number, addressLow: number, data: number, addressHigh = 0): void {
    const entry = this.entry(vector);
    this.registers.write(entry, 4, addressLow);
    this.registers.write(entry + PCI_MSIX_ENTRY_UPPER_ADDR, 4, addressHigh);
    this.registers.write(entry + PCI_MSIX_ENTRY_DATA, 4, data);
    this.maskVector(vector, false);
  }
  maskVector(vector: number, masked: boolean): void {
    this.registers.write(this.entry(vector) + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, masked ? 1 : 0);
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
  enableMessages(): void {
    this.controlMsix(PCI_MSIX_FLAGS_ENABLE);
    for (let vector = 0; vector < this.vectors; vector++) {
      this.programVector(vector, MOCK_LOCAL_APIC, MOCK_VECTOR_BASE + vector);
    }
    this.mapConfig(0);
    for (let index = 0; index < this.read16(VIRTIO_PCI_COMMON_NUMQ); index++) this.mapQueue(index, index + 1);
  }
}
