/**
 * The counters: the one source that the page's panel, `--stats` and the benchmark read.
 *
 * Whatever happens is counted where it happens, by adding one to a field of a plain object; nothing is
 * allocated and nothing is looked up by name on the hot path. {@link MetricsSnapshot} is the documented,
 * JSON-serialisable form.
 */

import { count, list, record, StateError, type StateOf, tally } from "../state/codec.ts";
import type { DeviceTrace, Traced } from "./trace-sink.ts";

/** More registers, and more vectors, than any device has. */
const COUNTERS_MOST = 256;

/** How the device's interrupts reach the CPU: by the wire through the IOAPIC, or as messages to the local APIC. */
export type InterruptMode = "wired" | "msi";
/** How a driver notifies a queue: one register for all queues, or one doorbell address for each. */
export type DoorbellMode = "shared" | "per-queue";
/** What carries virtio between driver and device. */
export type TransportKind = "mmio" | "pci";

/** Frames and bytes of one network device. */
export interface NetCounters {
  /** Frames taken from the guest. */
  txFrames: number;
  /** Frames put into the guest's receive buffers. */
  rxFrames: number;
  /** Bytes of Ethernet frames taken from the guest, without virtio headers. */
  txBytes: number;
  /** Bytes of Ethernet frames given to the guest, without virtio headers. */
  rxBytes: number;
  /** Frames lost, the sum of {@link NetCounters.dropReasons}. */
  dropped: number;
  /** Frames lost by reason, e.g. "receive queue full". */
  dropReasons: Record<string, number>;
}

/** Live counters of one device. Fields only ever grow. */
export class DeviceCounters implements Traced {
  /** Trapped register accesses, by index into {@link DeviceCounters.registerNames}. */
  readonly exits: Float64Array;
  /** Available buffer notifications received, by either way. */
  doorbells = 0;
  /** Interrupts raised on the wire: 0-to-1 edges of the line. */
  wired = 0;
  /** Messages accepted by the local APIC, merged ones not included. */
  msi = 0;
  /** Interrupts that found the same one still pending: a message whose IRR bit was set, or an event while the line was up. */
  merged = 0;
  /** Messages refused by the local APIC's message port (illegal address, vector or mode). */
  refused = 0;
  /**
   * Messages sent (accepted or merged), by vector index of the device. mmio: 0 configuration, i + 1 queue i.
   * pci: entries of the MSI-X table, mapped by the driver.
   */
  readonly byVector: number[];
  /** Times the device entered DEVICE_NEEDS_RESET because of what the guest did, by reason. */
  readonly faults: Record<string, number> = {};
  /** Present for network devices. */
  net?: NetCounters;
  /** Where what is counted is told one by one, while a trace is recorded. */
  trace: DeviceTrace | undefined;

  /** Register names in the order of {@link DeviceCounters.exits}. */
  readonly registerNames: readonly string[];

  constructor(registerNames: readonly string[], vectors: number) {
    this.registerNames = registerNames;
    this.exits = new Float64Array(registerNames.length);
    this.byVector = new Array<number>(vectors).fill(0);
  }

  save(): CountersState {
    const { exits, doorbells, wired, msi, merged, refused, byVector, faults } = this;
    return {
      ...{ doorbells, wired, msi, merged, refused },
      exits: [...exits],
      byVector: [...byVector],
      faults: { ...faults },
    };
  }

  /** @throws StateError when they are of another transport or another device. */
  restore(state: CountersState): void {
    const { exits, byVector, faults, ...counts } = state;
    if (exits.length !== this.exits.length || byVector.length !== this.byVector.length)
      throw new StateError("the counters are of another device");
    Object.assign(this, counts);
    this.exits.set(exits);
    byVector.forEach((value, vector) => {
      this.byVector[vector] = value;
    });
    Object.assign(this.faults, faults);
  }
}

/** What is kept of {@link DeviceCounters}; the network device keeps its own. */
export const COUNTERS_STATE = record({
  exits: list(count, COUNTERS_MOST),
  doorbells: count,
  wired: count,
  msi: count,
  merged: count,
  refused: count,
  byVector: list(count, COUNTERS_MOST),
  faults: tally,
});
export type CountersState = StateOf<typeof COUNTERS_STATE>;

/** One device's part of {@link MetricsSnapshot}. */
export interface DeviceMetrics {
  /** virtio device type by name: "net", "console", "rng". */
  type: string;
  transport: TransportKind;
  /** mmio: what the Version register says, 2, or 3 with the extension. pci: what Revision ID says, 1 without legacy interface. */
  version: number;
  /** Device status register, a sum of VIRTIO_CONFIG_S_* bits. */
  status: number;
  interrupts: {
    /** What the driver uses now. */
    mode: InterruptMode;
    wired: number;
    msi: number;
    merged: number;
    refused: number;
    byVector: number[];
  };
  exits: { total: number; byRegister: Record<string, number> };
  doorbells: number;
  /** Entries into DEVICE_NEEDS_RESET that the guest caused, by reason. */
  faults: Record<string, number>;
  /** Register accesses that were refused or had no meaning, by reason. */
  ignored: Record<string, number>;
  net?: NetCounters;
}

/** Everything that is counted, at one moment. Documented field by field in docs/counters.md. */
export interface MetricsSnapshot {
  /** Host time since the machine was created, in milliseconds. */
  wallMs: number;
  /** Guest instructions executed since the machine was created. */
  guestInstructions: number;
  /** Completed live switches of interrupt or doorbell mode. */
  switches: number;
  /** EOI broadcasts to the IOAPIC, one for each level-triggered interrupt taken (counted as such: v86 handles them out of sight). */
  ioapicEois: number;
  /** What the exit-cost model adds to each trapped access and IOAPIC EOI, in host nanoseconds; 0 is off. */
  exitCostNs: number;
  /** The in-page peer. */
  peer: {
    /** Request/response exchanges completed by its services (TCP and UDP port 12865): one is one transaction. */
    transactions: number;
  };
  devices: Record<string, DeviceMetrics>;
}
