import type { DeviceMetrics, DoorbellMode, InterruptMode } from "../../metrics/counters.ts";
import { COUNTERS_STATE, DeviceCounters } from "../../metrics/counters.ts";
import { bool, oneOf, optional, record, type StateOf, u8, u32 } from "../../state/codec.ts";
import {
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_MMIO_CONFIG,
  VIRTIO_MMIO_CONFIG_GENERATION,
  VIRTIO_MMIO_DEVICE_FEATURES,
  VIRTIO_MMIO_DEVICE_FEATURES_SEL,
  VIRTIO_MMIO_DEVICE_ID,
  VIRTIO_MMIO_DOORBELL_BASE,
  VIRTIO_MMIO_DOORBELL_STRIDE,
  VIRTIO_MMIO_DRIVER_FEATURES,
  VIRTIO_MMIO_DRIVER_FEATURES_SEL,
  VIRTIO_MMIO_INT_CONFIG,
  VIRTIO_MMIO_INT_VRING,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_INTERRUPT_STATUS,
  VIRTIO_MMIO_MAGIC,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_MSI_ADDRESS_HIGH,
  VIRTIO_MMIO_MSI_ADDRESS_LOW,
  VIRTIO_MMIO_MSI_CONFIG_VECTOR,
  VIRTIO_MMIO_MSI_DATA,
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
  VIRTIO_MMIO_SHM_BASE_HIGH,
  VIRTIO_MMIO_SHM_BASE_LOW,
  VIRTIO_MMIO_SHM_LEN_HIGH,
  VIRTIO_MMIO_SHM_LEN_LOW,
  VIRTIO_MMIO_SHM_SEL,
  VIRTIO_MMIO_STATUS,
  VIRTIO_MMIO_VENDOR,
  VIRTIO_MMIO_VENDOR_ID,
  VIRTIO_MMIO_VERSION,
  VIRTIO_MMIO_VERSION_EXTENDED,
  VIRTIO_MMIO_VERSION_STANDARD,
} from "../defs.ts";
import type { GuestMemory, InterruptLine, LogSink, MessagePort, VirtioDevice } from "../types.ts";
import type { BusDevice } from "./bus.ts";
import { CORE_STATE, type InterruptSink, type RestoreDevice, VirtioCore } from "./core.ts";
import { deviceMetrics } from "./device-metrics.ts";
import type { TransportView } from "./inspect.ts";
import { inspectMmio } from "./mmio-inspect.ts";
import { MsiRegisters } from "./mmio-msi.ts";
import { MSI_STATE } from "./msi.ts";
import {
  MMIO_REGISTER_NAMES,
  misuse,
  READ_OF_WRITE_ONLY,
  REGISTER_CONFIG,
  REGISTER_DOORBELL,
  registerIndex,
  WRONG_WIDTH,
} from "./registers.ts";

/** What a device offers beyond the standard's interface: docs/virtio-mmio-v3.md. Neither: version 2. */
export interface MmioOffer {
  readonly interrupts: InterruptMode;
  readonly doorbell: DoorbellMode;
}

const OFFER_STATE = record({ interrupts: oneOf("wired", "msi"), doorbell: oneOf("shared", "per-queue") });

/** What is kept of a {@link MmioTransport}. */
export const MMIO_STATE = record({
  core: CORE_STATE,
  counters: COUNTERS_STATE,
  msi: MSI_STATE,
  offered: OFFER_STATE,
  nextOffer: optional(OFFER_STATE),
  msiEnabled: bool,
  interruptStatus: u8,
  deviceFeaturesSel: u32,
  driverFeaturesSel: u32,
  queueSel: u32,
});
export type MmioState = StateOf<typeof MMIO_STATE>;

/** Options of {@link MmioTransport}. */
export interface MmioTransportOptions extends MmioOffer {
  readonly device: VirtioDevice;
  readonly memory: GuestMemory;
  /** The one wired line. */
  readonly line: InterruptLine;
  /** Where messages go. */
  readonly messages: MessagePort;
  /** Made for {@link MMIO_REGISTER_NAMES} and queues + 1 vectors; made here when absent. */
  readonly counters?: DeviceCounters;
  readonly log: LogSink;
  /** Whether RING_EVENT_IDX is offered; default true. */
  readonly eventIndex?: boolean;
}

/** QueueNotify as it reads when doorbells are offered: offset, and stride in the upper half (V3-BELL-01). */
const DOORBELL_LAYOUT = VIRTIO_MMIO_DOORBELL_BASE | (VIRTIO_MMIO_DOORBELL_STRIDE << 16);
const ALL_ONES = 0xffff_ffff;

/**
 * virtio over MMIO: version 2 as the standard has it (virtio 1.2 section 4.2), version 3 as
 * docs/virtio-mmio-v3.md describes it. It knows registers and how to interrupt; the rest is the core's.
 */
export class MmioTransport implements BusDevice {
  readonly device: VirtioDevice;
  readonly counters: DeviceCounters;
  readonly #core: VirtioCore;
  readonly #line: InterruptLine;
  readonly #msi: MsiRegisters;
  readonly #exits: Float64Array;

  #offered: MmioOffer;
  /** An offer that waits for the driver's reset. */
  #nextOffer: MmioOffer | undefined;
  #interruptStatus = 0;

  #deviceFeaturesSel = 0;
  #driverFeaturesSel = 0;
  #queueSel = 0;
  readonly #listeners = new Set<() => void>();

  constructor(options: MmioTransportOptions) {
    const { device } = options;
    const vectors = device.queueSizes.length + 1;
    this.device = device;
    this.counters = options.counters ?? new DeviceCounters(MMIO_REGISTER_NAMES, vectors);
    if (this.counters.exits.length !== MMIO_REGISTER_NAMES.length) {
      throw new RangeError(`${device.name}: counters are not made for MMIO_REGISTER_NAMES`);
    }
    this.#exits = this.counters.exits;
    this.#line = options.line;
    this.#msi = new MsiRegisters(vectors, options.messages, this.counters, {
      offered: () => this.#offered.interrupts === "msi",
      driverOk: () => (this.#core.status & VIRTIO_CONFIG_S_DRIVER_OK) !== 0,
      ignore: (reason) => this.#core.ignore(reason),
    });
    this.#offered = { interrupts: options.interrupts, doorbell: options.doorbell };
    const interrupts: InterruptSink = {
      queueInterrupt: (index) => {
        if (this.#msi.enabled) this.#msi.table.fire(index + 1);
        else this.#raise(VIRTIO_MMIO_INT_VRING);
      },
      configInterrupt: () => {
        if (this.#msi.enabled) this.#msi.table.fire(VIRTIO_MMIO_MSI_CONFIG_VECTOR);
        else this.#raise(VIRTIO_MMIO_INT_CONFIG);
      },
    };
    this.#core = new VirtioCore({
      device,
      memory: options.memory,
      counters: this.counters,
      log: options.log,
      eventIndex: options.eventIndex ?? true,
      interrupts,
      onReset: () => this.#afterReset(),
    });
  }

  /** What the device offers now. */
  get offered(): MmioOffer {
    return this.#offered;
  }

  /** DRIVER_OK is set and no reset is needed. */
  get ready(): boolean {
    return this.#core.ready;
  }

  /** How interrupts go now: by messages when the driver has enabled them. */
  get interruptsInUse(): InterruptMode {
    return this.#msi.enabled ? "msi" : "wired";
  }

  /** Version register: 2 is the standard's interface, 3 has anything of the extension (V3-GEN-01). */
  get version(): number {
    const { interrupts, doorbell } = this.#offered;
    const standard = interrupts === "wired" && doorbell === "shared";
    return standard ? VIRTIO_MMIO_VERSION_STANDARD : VIRTIO_MMIO_VERSION_EXTENDED;
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
      transport: "mmio",
      version: this.version,
      status: this.#core.status,
      mode: this.interruptsInUse,
      ignored: this.ignored,
    });
  }

  // The live switch (V3-SWITCH-*).

  /** Step 1: nothing more goes into rings that the driver is about to throw away. True when it has seen all. */
  quiesce(): boolean {
    return this.#core.quiesce();
  }

  /**
   * Step 2: what the device offers from the driver's next reset on. A driver in operation is asked for that reset;
   * one that is just negotiating is asked as soon as it has set DRIVER_OK, so that nothing changes under its hands.
   */
  offer(mode: MmioOffer): void {
    const offer = { interrupts: mode.interrupts, doorbell: mode.doorbell };
    if (this.#core.status === 0) {
      this.#offered = offer;
      this.#nextOffer = undefined;
      return;
    }
    const { interrupts, doorbell } = this.#offered;
    if (this.#nextOffer === undefined && interrupts === offer.interrupts && doorbell === offer.doorbell)
      return;
    this.#nextOffer = offer;
    this.#core.requestReset();
  }

  /** Gives the switch up, when the driver did not reset in time: the device goes on as negotiated, whole again. */
  withdraw(): void {
    this.#nextOffer = undefined;
    this.#core.withdrawReset();
  }

  // Keeping the state.

  save(): MmioState {
    return {
      core: this.#core.save(),
      counters: this.counters.save(),
      msi: this.#msi.table.save(),
      offered: this.#offered,
      nextOffer: this.#nextOffer,
      msiEnabled: this.#msi.enabled,
      interruptStatus: this.#interruptStatus,
      deviceFeaturesSel: this.#deviceFeaturesSel,
      driverFeaturesSel: this.#driverFeaturesSel,
      queueSel: this.#queueSel,
    };
  }

  /** Takes a state over; see {@link VirtioCore.restore}. The level of the line is the CPU's to restore. */
  restore(state: MmioState, device: RestoreDevice): void {
    this.#offered = state.offered;
    this.#nextOffer = state.nextOffer;
    this.#msi.enabled = state.msiEnabled;
    this.#interruptStatus = state.interruptStatus;
    this.#deviceFeaturesSel = state.deviceFeaturesSel;
    this.#driverFeaturesSel = state.driverFeaturesSel;
    this.#queueSel = state.queueSel;
    this.counters.restore(state.counters);
    this.#msi.table.restore(state.msi);
    this.#core.restore(state.core, device);
  }

  #afterReset(): void {
    this.#interruptStatus = 0;
    this.#line.set(false);
    this.#msi.reset();
    this.#deviceFeaturesSel = 0;
    this.#driverFeaturesSel = 0;
    this.#queueSel = 0;
    if (this.#nextOffer !== undefined) {
      this.#offered = this.#nextOffer;
      this.#nextOffer = undefined;
    }
    this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Registers, queues and vectors as they stand, for looking at: no access, and nothing counted. */
  inspect(): TransportView {
    return inspectMmio(this.#core, this.#msi.table, {
      version: this.version,
      offered: this.#offered,
      interrupts: this.interruptsInUse,
      interruptStatus: this.#interruptStatus,
      msiStatus: this.#msi.status(),
      deviceFeaturesSel: this.#deviceFeaturesSel,
      driverFeaturesSel: this.#driverFeaturesSel,
      queueSel: this.#queueSel,
    });
  }

  // Interrupts.

  /** An event on the wire: the line is up as long as a bit stands in InterruptStatus (virtio 1.2 section 4.2.3.3). */
  #raise(bits: number): void {
    const before = this.#interruptStatus;
    this.#interruptStatus = before | bits;
    this.counters.trace?.raised(this.#interruptStatus, before !== 0);
    if (before !== 0) {
      this.counters.merged++;
      return;
    }
    this.counters.wired++;
    this.#line.set(true);
  }

  #acknowledge(bits: number): void {
    if (this.#msi.enabled) {
      this.#core.ignore("InterruptACK written while MSI is enabled"); // (V3-INT-02)
      return;
    }
    this.#interruptStatus &= ~bits;
    if (this.#interruptStatus === 0) this.#line.set(false);
  }

  // Registers.

  /** Reads a register. What is no register, no readable one, or not read in its width gives 0 and is counted. */
  read(offset: number, size: 1 | 2 | 4): number {
    if (offset >= VIRTIO_MMIO_CONFIG) return this.#readBeyond(offset, size);
    this.#count(registerIndex(offset));
    if (size !== 4 || (offset & 3) !== 0) return this.#readNarrow(offset, size);
    switch (offset) {
      case VIRTIO_MMIO_INTERRUPT_STATUS:
        return this.#interruptStatus;
      case VIRTIO_MMIO_MAGIC_VALUE:
        return VIRTIO_MMIO_MAGIC;
      case VIRTIO_MMIO_VERSION:
        return this.version;
      case VIRTIO_MMIO_DEVICE_ID:
        return this.device.type;
      case VIRTIO_MMIO_VENDOR_ID:
        return VIRTIO_MMIO_VENDOR;
      case VIRTIO_MMIO_DEVICE_FEATURES:
        return this.#core.deviceFeatures(this.#deviceFeaturesSel);
      case VIRTIO_MMIO_QUEUE_NUM_MAX:
        return this.#core.queueMaximum(this.#queueSel);
      case VIRTIO_MMIO_QUEUE_READY:
        return this.#core.queueReady(this.#queueSel) ? 1 : 0;
      case VIRTIO_MMIO_QUEUE_NOTIFY:
        if (this.#offered.doorbell === "per-queue") return DOORBELL_LAYOUT;
        // Version 3 lets a driver look for doorbells; in version 2 the register is write-only.
        if (this.version === VIRTIO_MMIO_VERSION_STANDARD) this.#core.ignore(READ_OF_WRITE_ONLY);
        return 0;
      case VIRTIO_MMIO_STATUS:
        return this.#core.status;
      case VIRTIO_MMIO_SHM_LEN_LOW:
      case VIRTIO_MMIO_SHM_LEN_HIGH:
      case VIRTIO_MMIO_SHM_BASE_LOW:
      case VIRTIO_MMIO_SHM_BASE_HIGH:
        // No shared memory region exists (virtio 1.2 section 4.2.2).
        return ALL_ONES;
      case VIRTIO_MMIO_CONFIG_GENERATION:
        return this.#core.generation;
      default:
        this.#core.ignore(misuse(offset, size, false));
        return 0;
    }
  }

  /** Writes a register. What is no register, no writable one, or not written in its width is counted only. */
  write(offset: number, size: 1 | 2 | 4, value: number): void {
    if (offset >= VIRTIO_MMIO_CONFIG) {
      this.#writeBeyond(offset, size, value);
      return;
    }
    this.#count(registerIndex(offset));
    if (size !== 4 || (offset & 3) !== 0) {
      this.#writeNarrow(offset, size, value);
      return;
    }
    const core = this.#core;
    const word = value >>> 0;
    switch (offset) {
      case VIRTIO_MMIO_QUEUE_NOTIFY:
        core.notify(word);
        break;
      case VIRTIO_MMIO_INTERRUPT_ACK:
        this.#acknowledge(word);
        break;
      case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
        this.#deviceFeaturesSel = word;
        break;
      case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
        this.#driverFeaturesSel = word;
        break;
      case VIRTIO_MMIO_DRIVER_FEATURES:
        core.writeDriverFeatures(this.#driverFeaturesSel, word);
        break;
      case VIRTIO_MMIO_QUEUE_SEL:
        this.#queueSel = word;
        break;
      case VIRTIO_MMIO_QUEUE_NUM:
        core.writeQueueSize(this.#queueSel, word);
        break;
      case VIRTIO_MMIO_QUEUE_READY:
        core.writeQueueReady(this.#queueSel, word);
        break;
      case VIRTIO_MMIO_QUEUE_DESC_LOW:
        core.writeQueueAddress(this.#queueSel, "descriptorLow", word);
        break;
      case VIRTIO_MMIO_QUEUE_DESC_HIGH:
        core.writeQueueAddress(this.#queueSel, "descriptorHigh", word);
        break;
      case VIRTIO_MMIO_QUEUE_DRIVER_LOW:
        core.writeQueueAddress(this.#queueSel, "driverLow", word);
        break;
      case VIRTIO_MMIO_QUEUE_DRIVER_HIGH:
        core.writeQueueAddress(this.#queueSel, "driverHigh", word);
        break;
      case VIRTIO_MMIO_QUEUE_DEVICE_LOW:
        core.writeQueueAddress(this.#queueSel, "deviceLow", word);
        break;
      case VIRTIO_MMIO_QUEUE_DEVICE_HIGH:
        core.writeQueueAddress(this.#queueSel, "deviceHigh", word);
        break;
      case VIRTIO_MMIO_STATUS:
        this.#writeStatus(word);
        break;
      case VIRTIO_MMIO_SHM_SEL:
        break; // whatever is selected does not exist
      case VIRTIO_MMIO_MSI_ADDRESS_LOW:
      case VIRTIO_MMIO_MSI_ADDRESS_HIGH:
      case VIRTIO_MMIO_MSI_DATA:
        this.#msi.stage(offset, word);
        break;
      default:
        core.ignore(misuse(offset, size, true));
    }
  }

  #writeStatus(value: number): void {
    const before = this.#core.status & VIRTIO_CONFIG_S_DRIVER_OK;
    this.#core.writeStatus(value);
    if (before !== 0 || (this.#core.status & VIRTIO_CONFIG_S_DRIVER_OK) === 0) return;
    // An offer that came while the driver was negotiating: it is told now that it can be told.
    if (this.#nextOffer !== undefined) this.#core.requestReset();
    this.#tell();
  }

  // The registers that are not 32 bits wide, of which all are version 3's.

  #readNarrow(offset: number, size: 1 | 2 | 4): number {
    const status = this.version === VIRTIO_MMIO_VERSION_EXTENDED ? this.#msi.read(offset, size) : undefined;
    if (status === undefined) this.#core.ignore(misuse(offset, size, false));
    return status ?? 0;
  }

  #writeNarrow(offset: number, size: 1 | 2 | 4, value: number): void {
    if (!this.#msi.write(offset, size, value)) this.#core.ignore(misuse(offset, size, true));
  }

  // Configuration space and doorbells.

  #readBeyond(offset: number, size: 1 | 2 | 4): number {
    if (offset < VIRTIO_MMIO_DOORBELL_BASE) {
      this.#count(REGISTER_CONFIG);
      return this.#core.readConfig(offset - VIRTIO_MMIO_CONFIG, size);
    }
    this.#count(REGISTER_DOORBELL);
    this.#core.ignore("read of a doorbell");
    return 0;
  }

  #writeBeyond(offset: number, size: 1 | 2 | 4, value: number): void {
    if (offset < VIRTIO_MMIO_DOORBELL_BASE) {
      this.#count(REGISTER_CONFIG);
      this.#core.writeConfig(offset - VIRTIO_MMIO_CONFIG, size, value);
      return;
    }
    this.#count(REGISTER_DOORBELL);
    const at = offset - VIRTIO_MMIO_DOORBELL_BASE;
    // The address names the queue; the value written repeats it and is not looked at (V3-BELL-03).
    if (this.#offered.doorbell !== "per-queue") this.#core.ignore("doorbell rung while not offered");
    else if (size !== 4 || at % VIRTIO_MMIO_DOORBELL_STRIDE !== 0) this.#core.ignore(WRONG_WIDTH);
    else this.#core.notify(at / VIRTIO_MMIO_DOORBELL_STRIDE);
  }

  #count(index: number): void {
    this.#exits[index] = (this.#exits[index] ?? 0) + 1;
  }
}
