/** Doorbell's public API. The page and the headless runner know the machine only through this file. */

export { type CpioEntry, packCpio } from "./boot/cpio.ts";
export type { BootErrorCode } from "./boot/errors.ts";
export { BootError } from "./boot/errors.ts";
export { MAX_EXIT_COST } from "./cpu/exit-cost.ts";
export { V86MismatchError } from "./cpu/v86-internals.ts";
export type { DeviceInspection, MachineInspection, RedirectionEntry, VectorBits } from "./machine/inspect.ts";
export type { MachineTrace } from "./machine/machine-trace.ts";
export { MicroVm } from "./machine/micro-vm.ts";
export type {
  AbortSignalLike,
  BootPhase,
  ByteChannel,
  ConsoleChannel,
  ExecOptions,
  MicroVmOptions,
  NamedBytes,
  NetworkCard,
  RestoreOptions,
  SaveOptions,
  StopReason,
  SwitchResult,
  Unsubscribe,
} from "./machine/types.ts";
export { SnapshotError, SwitchError } from "./machine/types.ts";
export type {
  DeviceMetrics,
  DoorbellMode,
  InterruptMode,
  MetricsSnapshot,
  NetCounters,
  TransportKind,
} from "./metrics/counters.ts";
export type { ChromeTrace, ChromeTraceEvent } from "./metrics/trace-chrome.ts";
export type {
  AccessEvent,
  AvailableEvent,
  DoorbellEvent,
  FrameEvent,
  InterruptEvent,
  LineEvent,
  MessageEvent,
  RaisedEvent,
  ReturnedEvent,
  SwitchEvent,
  SwitchStep,
  TraceEvent,
  TraceEventKind,
  TraceStamp,
  UsedEvent,
} from "./metrics/trace-events.ts";
export { describeEvent } from "./metrics/trace-text.ts";
export type { CapturedFrame } from "./net/pcap.ts";
export type { FrameDirection } from "./net/peer.ts";
export type { DescriptorView, RingsView } from "./virtio/queue/inspect.ts";
export type { QueueView, RegisterView, TransportView, VectorView } from "./virtio/transport/inspect.ts";
