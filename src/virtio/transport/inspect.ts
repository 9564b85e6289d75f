/** What there is to look at in a transport. All of it is plain data, taken without an access: nothing is counted. */
import type { DoorbellMode, InterruptMode, TransportKind } from "../../metrics/counters.ts";
import type { RingsView } from "../queue/inspect.ts";
import type { VirtioCore } from "./core.ts";

/** One register. A write-only one shows what was written last, a queue's what belongs to the selected queue. */
export interface RegisterView {
  readonly name: string;
  /** From the start of the window or BAR; as the trace has it. */
  readonly offset: number;
  /** In bytes. */
  readonly width: number;
  /** Unsigned. A 64-bit field (PCI) that does not fit is rounded, as no guest address is that large. */
  readonly value: number;
  readonly access: "R" | "W" | "RW";
}

/** One queue: its configuration, and its rings while it is live. */
export interface QueueView {
  readonly index: number;
  readonly maximum: number;
  readonly size: number;
  /** QueueReady, queue_enable. */
  readonly ready: boolean;
  /** Absent unless the device is in operation and the queue enabled. */
  readonly rings?: RingsView;
}

/** One vector of the device's message table. */
export interface VectorView {
  readonly addressLow: number;
  readonly addressHigh: number;
  readonly data: number;
  readonly masked: boolean;
  /** A message is owed. */
  readonly pending: boolean;
  /** It was never given a message. */
  readonly empty: boolean;
}

/** A transport with its device. */
export interface TransportView {
  /** virtio device type by name: "net", "console", "rng". */
  readonly type: string;
  readonly transport: TransportKind;
  readonly version: number;
  readonly status: number;
  /** What the driver uses now. */
  readonly interrupts: InterruptMode;
  readonly doorbell: DoorbellMode;
  /** Feature bits as 64-bit hexadecimal numbers: all that are offered, all that the driver accepted. */
  readonly features: { readonly offered: string; readonly accepted: string };
  readonly registers: readonly RegisterView[];
  /** Bytes of configuration space. */
  readonly configuration: readonly number[];
  readonly queues: readonly QueueView[];
  readonly vectors: readonly VectorView[];
  /** By vector, what it tells of: on PCI the driver's choice. */
  readonly vectorUse: readonly string[];
}

/** The part that every transport has alike. */
export function inspectCore(
  core: VirtioCore,
): Pick<TransportView, "type" | "status" | "features" | "configuration" | "queues"> {
  const { device } = core;
  const bits = (word: (index: number) => number): string =>
    `0x${((BigInt(word(1)) << 32n) | BigInt(word(0))).toString(16).padStart(16, "0")}`;
  return {
    type: device.name,
    status: core.status,
    features: {
      offered: bits((word) => core.deviceFeatures(word)),
      accepted: bits((word) => core.driverFeatures(word)),
    },
    configuration: Array.from({ length: device.configSize }, (_, offset) => core.readConfig(offset, 1)),
    queues: device.queueSizes.map((maximum, index) => {
      const rings = core.inspectQueue(index);
      return {
        index,
        maximum,
        size: core.queueConfig(index)?.size ?? 0,
        ready: core.queueReady(index),
        ...(rings === undefined ? {} : { rings }),
      };
    }),
  };
}

/** "configuration" and the queues, as virtio-mmio maps vectors to events. */
export function mmioVectorUse(queues: number): string[] {
  return ["configuration", ...Array.from({ length: queues }, (_, index) => `queue ${index}`)];
}
