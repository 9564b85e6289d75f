import {
  COUNTERS_STATE,
  DeviceCounters,
  type DeviceMetrics,
  type InterruptMode,
} from "../../metrics/counters.ts";
import { optional, record, StateError, type StateOf, u8, u32 } from "../../state/codec.ts";
import { VIRTIO_ID_BLOCK, VIRTIO_ID_CONSOLE, VIRTIO_ID_NET } from "../defs.ts";
import type {
  GuestMemory,
  InterruptLine,
  LogSink,
  MessagePort,
  PciFunction,
  VirtioDevice,
} from "../types.ts";
import type { BusDevice } from "./bus.ts";
import { CORE_STATE, type RestoreDevice, VirtioCore } from "./core.ts";
import { deviceMetrics } from "./device-metrics.ts";
import type { TransportView } from "./inspect.ts";
import { MSIX_STATE, MsixTable } from "./msix.ts";
import { addVirtioCapabilities, type PciCapabilities } from "./pci-capabilities.ts";
import { PCI_COMMON_STATE, PciCommon } from "./pci-common.ts";
import { PCI_CONFIG_STATE, PciConfigSpace } from "./pci-config.ts";
import {
  PCI_BAR_COMMON,
  PCI_BAR_DEVICE,
  PCI_BAR_ISR,
  PCI_BAR_MSIX_PBA,
  PCI_BAR_MSIX_TABLE,
  PCI_BAR_NOTIFY,
  PCI_BAR_SIZE,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_MEMORY,
  PCI_DEVICE_ID_VIRTIO_BASE,
  PCI_MSIX_FLAGS,
  PCI_NOTIFY_MULTIPLIER,
  PCI_VENDOR_ID_VIRTIO,
  VIRTIO_MSI_NO_VECTOR,
  VIRTIO_PCI_CAP_BAR,
  VIRTIO_PCI_CAP_LENGTH,
  VIRTIO_PCI_CAP_OFFSET,
  VIRTIO_PCI_CFG_DATA,
  VIRTIO_PCI_COMMON_SIZE,
  VIRTIO_PCI_ISR_CONFIG,
  VIRTIO_PCI_ISR_QUEUE,
  VIRTIO_PCI_REVISION,
  VIRTIO_PCI_SUBSYSTEM,
} from "./pci-defs.ts";
import { inspectPci } from "./pci-inspect.ts";
import {
  fieldIndex,
  PCI_REGISTER_CONFIG,
  PCI_REGISTER_CYCLE,
  PCI_REGISTER_DOORBELL,
  PCI_REGISTER_ISR,
  PCI_REGISTER_MSIX,
  PCI_REGISTER_NAMES,
  PCI_REGISTER_OTHER,
} from "./pci-registers.ts";
import { WRONG_WIDTH } from "./registers.ts";

/** What is kept of a {@link PciTransport}. */
export const PCI_STATE = record({
  core: CORE_STATE,
  counters: COUNTERS_STATE,
  config: PCI_CONFIG_STATE,
  /** Data register of the window on the BAR through configuration space. */
  windowData: u32,
  msix: optional(MSIX_STATE),
  common: PCI_COMMON_STATE,
  isr: u8,
});
export type PciState = StateOf<typeof PCI_STATE>;

/** Options of {@link PciTransport}. */
export interface PciTransportOptions {
  readonly device: VirtioDevice;
  readonly memory: GuestMemory;
  /** What INTA# is wired to. */
  readonly line: InterruptLine;
  /** Its number, for the Interrupt Line register. */
  readonly lineNumber: number;
  /** Where messages go. */
  readonly messages: MessagePort;
  /** Guest-physical address of the BAR, {@link PCI_BAR_SIZE} bytes. */
  readonly bar: number;
  /** Made for {@link PCI_REGISTER_NAMES} and queues + 1 vectors; made here when absent. */
  readonly counters?: DeviceCounters;
  readonly log: LogSink;
  /** Whether RING_EVENT_IDX is offered; default true. */
  readonly eventIndex?: boolean;
  /** "msi" offers MSI-X; with "wired" the capability is not there. */
  readonly interrupts: InterruptMode;
}

/** Base class and sub-class by device type (PCI 3.0 appendix D); drivers go by the device ID. */
const CLASSES: ReadonlyMap<number, number> = new Map([
  [VIRTIO_ID_NET, 0x0200],
  [VIRTIO_ID_BLOCK, 0x0100],
  [VIRTIO_ID_CONSOLE, 0x0780],
]);
const CLASS_OTHER = 0xff00;

const NOTHING_THERE = "access to the BAR where nothing is";

/**
 * virtio over PCI, without the legacy interface, with MSI-X (virtio 1.2 section 4.1). It knows structures, capabilities
 * and how to interrupt; the rest is the core's, as on every transport. Reads and writes are accesses to its BAR;
 * {@link configuration} takes configuration cycles.
 */
export class PciTransport implements BusDevice {
  readonly device: VirtioDevice;
  readonly counters: DeviceCounters;
  /** Configuration space, as the bus reaches it. */
  readonly configuration: PciFunction;
  readonly #core: VirtioCore;
  readonly #common: PciCommon;
  readonly #line: InterruptLine;
  readonly #config: PciConfigSpace;
  readonly #capabilities: PciCapabilities;
  /** Absent when MSI-X is not offered. */
  readonly #msix: MsixTable | undefined;
  readonly #exits: Float64Array;
  /** Command register: memory decoding. */
  #decodes = false;
  #isr = 0;
  /** Level of INTA#. */
  #level = false;

  readonly #listeners = new Set<() => void>();

  constructor(options: PciTransportOptions) {
    const { device } = options;
    const queues = device.queueSizes.length;
    this.device = device;
    this.counters = options.counters ?? new DeviceCounters(PCI_REGISTER_NAMES, queues + 1);
    if (this.counters.exits.length !== PCI_REGISTER_NAMES.length) {
      throw new RangeError(`${device.name}: counters are not made for PCI_REGISTER_NAMES`);
    }
    this.#exits = this.counters.exits;
    this.#line = options.line;
    this.#msix =
      options.interrupts === "msi" ? new MsixTable(queues + 1, options.messages, this.counters) : undefined;
    this.#config = new PciConfigSpace({
      vendor: PCI_VENDOR_ID_VIRTIO,
      device: PCI_DEVICE_ID_VIRTIO_BASE + device.type,
      revision: VIRTIO_PCI_REVISION,
      deviceClass: CLASSES.get(device.type) ?? CLASS_OTHER,
      subsystem: VIRTIO_PCI_SUBSYSTEM + device.type,
      interruptLine: options.lineNumber,
      bar: { address: options.bar, size: PCI_BAR_SIZE },
    });
    this.#capabilities = addVirtioCapabilities(this.#config, {
      queues,
      configSize: device.configSize,
      msixVectors: this.#msix?.size ?? 0,
    });
    this.configuration = {
      read32: (offset) => this.#readConfiguration(offset),
      write: (offset, size, value) => this.#writeConfiguration(offset, size, value),
    };
    this.#core = new VirtioCore({
      device,
      memory: options.memory,
      counters: this.counters,
      log: options.log,
      eventIndex: options.eventIndex ?? true,
      interrupts: {
        queueInterrupt: (index) => this.#interrupt(this.#common.queueVector(index), VIRTIO_PCI_ISR_QUEUE),
        configInterrupt: () => this.#interrupt(this.#common.configVector, VIRTIO_PCI_ISR_CONFIG),
      },
      onReset: () => this.#afterReset(),
    });
    this.#common = new PciCommon(this.#core, this.#msix?.size ?? 0, () => this.#tell());
  }

  /** DRIVER_OK is set and no reset is needed. */
  get ready(): boolean {
    return this.#core.ready;
  }

  /** How interrupts go now: by messages when the driver has enabled MSI-X. */
  get interruptsInUse(): InterruptMode {
    return this.#msix?.enabled ? "msi" : "wired";
  }

  /** Accesses that were refused or meant nothing, by reason. */
  get ignored(): Readonly<Record<string, number>> {
    return this.#core.ignored;
  }

  /** Calls back whenever the driver has set DRIVER_OK, and whenever it has reset the device. */
  onReady(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  metrics(): DeviceMetrics {
    return deviceMetrics(this.counters, {
      type: this.device.name,
      transport: "pci",
      version: VIRTIO_PCI_REVISION,
      status: this.#core.status,
      mode: this.interruptsInUse,
      ignored: this.ignored,
    });
  }

  // Keeping the state.

  save(): PciState {
    return {
      core: this.#core.save(),
      counters: this.counters.save(),
      config: this.#config.save(),
      windowData: this.#config.get32(this.#capabilities.pciCfg + VIRTIO_PCI_CFG_DATA),
      msix: this.#msix?.save(),
      common: this.#common.save(),
      isr: this.#isr,
    };
  }

  /** Takes a state over; see {@link VirtioCore.restore}. What v86 knows of the line is the CPU's to restore. */
  restore(state: PciState, device: RestoreDevice): void {
    if ((state.msix === undefined) !== (this.#msix === undefined))
      throw new StateError("one has MSI-X and the other has not");
    this.#config.restore(state.config);
    this.#config.set32(this.#capabilities.pciCfg + VIRTIO_PCI_CFG_DATA, state.windowData);
    this.#decodes = (this.#config.command & PCI_COMMAND_MEMORY) !== 0;
    if (state.msix !== undefined) this.#msix?.restore(state.msix);
    this.#common.restore(state.common);
    this.counters.restore(state.counters);
    this.#isr = state.isr;
    // The line is where it was, and the counters have counted how it got there.
    const { pending, level } = this.#interruptLevel();
    this.#config.interruptStatus = pending;
    this.#level = level;
    this.#core.restore(state.core, device);
  }

  /** Registers, queues and vectors as they stand, for looking at: no access, and nothing counted. */
  inspect(): TransportView {
    return inspectPci(this.#core, this.#common, this.#msix, this.#isr, this.interruptsInUse);
  }

  // Interrupts.

  /** An event: by the vector that is mapped to it, or on the wire while MSI-X is not enabled (virtio 1.2 section 4.1.5). */
  #interrupt(vector: number, isr: number): void {
    const msix = this.#msix;
    if (msix?.enabled) {
      if (vector !== VIRTIO_MSI_NO_VECTOR) msix.fire(vector);
      return;
    }
    const merged = this.#isr !== 0;
    if (merged) this.counters.merged++;
    this.#isr |= isr;
    this.counters.trace?.raised(this.#isr, merged);
    this.#driveLine();
  }

  /**
   * INTA# is asserted as long as a bit stands in the ISR status, unless messages take its place or the driver has
   * disabled it; Interrupt Status says that it would be (PCI 3.0 section 6.2.3, virtio 1.2 section 4.1.4.5.1).
   */
  #driveLine(): void {
    const { pending, level } = this.#interruptLevel();
    this.#config.interruptStatus = pending;
    if (level && !this.#level) this.counters.wired++;
    this.#level = level;
    this.#line.set(level);
  }

  #interruptLevel(): { readonly pending: boolean; readonly level: boolean } {
    const pending = this.#isr !== 0 && !this.#msix?.enabled;
    return { pending, level: pending && (this.#config.command & PCI_COMMAND_INTX_DISABLE) === 0 };
  }

  #afterReset(): void {
    this.#isr = 0;
    this.#common.reset();
    // The table belongs to the function and stays, but what is owed belongs to a life that is over.
    this.#msix?.clearPending();
    this.#driveLine();
    this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  // The BAR.

  /** Reads in the BAR; without memory decoding nobody answers, and all ones are read. */
  read(offset: number, size: 1 | 2 | 4): number {
    if (this.#decodes) return this.#readBar(offset, size);
    return size === 4 ? 0xffff_ffff : size === 2 ? 0xffff : 0xff;
  }

  /** Writes in the BAR. */
  write(offset: number, size: 1 | 2 | 4, value: number): void {
    if (this.#decodes) this.#writeBar(offset, size, value >>> 0);
  }

  #readBar(offset: number, size: 1 | 2 | 4): number {
    if (offset < PCI_BAR_COMMON + VIRTIO_PCI_COMMON_SIZE) {
      this.#count(fieldIndex(offset));
      return this.#common.read(offset, size);
    }
    if (offset === PCI_BAR_ISR) return this.#readIsr(size);
    if (offset >= PCI_BAR_DEVICE && offset < PCI_BAR_NOTIFY) {
      this.#count(PCI_REGISTER_CONFIG);
      return this.#core.readConfig(offset - PCI_BAR_DEVICE, size);
    }
    if (offset >= PCI_BAR_MSIX_TABLE) return this.#readMsix(offset, size);
    this.#count(offset >= PCI_BAR_NOTIFY ? PCI_REGISTER_DOORBELL : PCI_REGISTER_OTHER);
    this.#core.ignore(offset >= PCI_BAR_NOTIFY ? "read of a doorbell" : NOTHING_THERE);
    return 0;
  }

  #writeBar(offset: number, size: 1 | 2 | 4, value: number): void {
    if (offset >= PCI_BAR_NOTIFY && offset < PCI_BAR_MSIX_TABLE) {
      this.#ring(offset - PCI_BAR_NOTIFY, size);
    } else if (offset < PCI_BAR_COMMON + VIRTIO_PCI_COMMON_SIZE) {
      this.#count(fieldIndex(offset));
      this.#common.write(offset, size, value);
    } else if (offset >= PCI_BAR_MSIX_TABLE) {
      this.#writeMsix(offset, size, value);
    } else if (offset >= PCI_BAR_DEVICE) {
      this.#count(PCI_REGISTER_CONFIG);
      this.#core.writeConfig(offset - PCI_BAR_DEVICE, size, value);
    } else {
      this.#count(offset === PCI_BAR_ISR ? PCI_REGISTER_ISR : PCI_REGISTER_OTHER);
      this.#core.ignore(offset === PCI_BAR_ISR ? "write to a read-only register" : NOTHING_THERE);
    }
  }

  /** Available buffer notification: the address names the queue, the 16-bit value repeats it (virtio 1.2 section 4.1.5.2). */
  #ring(at: number, size: 1 | 2 | 4): void {
    this.#count(PCI_REGISTER_DOORBELL);
    if (size !== 2 || at % PCI_NOTIFY_MULTIPLIER !== 0) this.#core.ignore(WRONG_WIDTH);
    else this.#core.notify(at / PCI_NOTIFY_MULTIPLIER);
  }

  /** Reading the ISR status clears it and takes the line down (virtio 1.2 section 4.1.4.5). */
  #readIsr(size: 1 | 2 | 4): number {
    this.#count(PCI_REGISTER_ISR);
    if (size !== 1) {
      this.#core.ignore(WRONG_WIDTH);
      return 0;
    }
    const isr = this.#isr;
    this.#isr = 0;
    this.#driveLine();
    return isr;
  }

  /** MSI-X table and pending bits take 32-bit accesses (PCI 3.0 section 6.8.2). */
  #readMsix(offset: number, size: 1 | 2 | 4): number {
    this.#count(PCI_REGISTER_MSIX);
    if (this.#msix === undefined) this.#core.ignore(NOTHING_THERE);
    else if (size !== 4 || offset % 4 !== 0) this.#core.ignore(WRONG_WIDTH);
    else if (offset >= PCI_BAR_MSIX_PBA) return this.#msix.readPending(offset - PCI_BAR_MSIX_PBA);
    else if (this.#msix.contains(offset - PCI_BAR_MSIX_TABLE))
      return this.#msix.read(offset - PCI_BAR_MSIX_TABLE);
    else this.#core.ignore("MSI-X table accessed past its end");
    return 0;
  }

  #writeMsix(offset: number, size: 1 | 2 | 4, value: number): void {
    this.#count(PCI_REGISTER_MSIX);
    if (this.#msix === undefined) this.#core.ignore(NOTHING_THERE);
    else if (size !== 4 || offset % 4 !== 0) this.#core.ignore(WRONG_WIDTH);
    else if (offset >= PCI_BAR_MSIX_PBA) this.#core.ignore("write to a read-only register");
    else if (this.#msix.contains(offset - PCI_BAR_MSIX_TABLE))
      this.#msix.write(offset - PCI_BAR_MSIX_TABLE, value);
    else this.#core.ignore("MSI-X table accessed past its end");
  }

  // Configuration space.

  #readConfiguration(offset: number): number {
    this.#count(PCI_REGISTER_CYCLE);
    const data = this.#capabilities.pciCfg + VIRTIO_PCI_CFG_DATA;
    if (offset === data) {
      const window = this.#window();
      if (window !== undefined) this.#config.set32(data, this.#readBar(window.offset, window.length));
    }
    return this.#config.read32(offset);
  }

  #writeConfiguration(offset: number, size: 1 | 2 | 4, value: number): void {
    this.#count(PCI_REGISTER_CYCLE);
    const config = this.#config;
    config.write(offset, size, value);
    this.#decodes = (config.command & PCI_COMMAND_MEMORY) !== 0;
    if (this.#msix !== undefined)
      this.#msix.setControl(config.get16(this.#capabilities.msix + PCI_MSIX_FLAGS));
    this.#driveLine();
    const data = this.#capabilities.pciCfg + VIRTIO_PCI_CFG_DATA;
    if (offset < data + 4 && offset + size > data) {
      const window = this.#window();
      if (window === undefined) return;
      const { length } = window;
      const word = config.get32(data);
      this.#writeBar(window.offset, length, length === 4 ? word : word & ((1 << (8 * length)) - 1));
    }
  }

  /** What the capability for access through configuration space is set to, when it is legal (virtio 1.2 section 4.1.4.9). */
  #window(): { offset: number; length: 1 | 2 | 4 } | undefined {
    const at = this.#capabilities.pciCfg;
    const bar = this.#config.get32(at + VIRTIO_PCI_CAP_BAR) & 0xff;
    const offset = this.#config.get32(at + VIRTIO_PCI_CAP_OFFSET);
    const length = this.#config.get32(at + VIRTIO_PCI_CAP_LENGTH);
    if (
      bar === 0 &&
      (length === 1 || length === 2 || length === 4) &&
      offset % length === 0 &&
      offset < PCI_BAR_SIZE
    ) {
      return { offset, length };
    }
    this.#core.ignore("pci_cfg_data accessed with an illegal window");
    return undefined;
  }

  #count(index: number): void {
    this.#exits[index] = (this.#exits[index] ?? 0) + 1;
  }
}
