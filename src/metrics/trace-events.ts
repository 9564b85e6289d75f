/** The events of a trace, as its readers see them. Field by field in docs/trace.md. */
import type { TracedOutcome } from "./trace-sink.ts";

/** What every event has. */
export interface TraceStamp {
  /** Place in the trace, counted from its start; events that the ring has lost leave a gap before the first one. */
  readonly index: number;
  /** Guest instructions executed since the machine was created. */
  readonly instructions: number;
  /** Host milliseconds since the machine was created. */
  readonly timeMs: number;
}

/** A trapped access to a register: one exit. What it caused follows it, until `timeMs + durationMs`. */
export interface AccessEvent extends TraceStamp {
  readonly kind: "read" | "write";
  readonly device: string;
  /** As the standard spells it, or Config, Doorbell, MsixTable, PciConfig, Other. */
  readonly register: string;
  /** From the start of the device's window or BAR, or in configuration space. */
  readonly offset: number;
  /** In bytes. */
  readonly size: number;
  readonly value: number;
  /** Host milliseconds in the device. */
  readonly durationMs: number;
}

/** An available buffer notification. */
export interface DoorbellEvent extends TraceStamp {
  readonly kind: "doorbell";
  readonly device: string;
  readonly queue: number;
}

/** The device took a chain that the driver had made available. */
export interface AvailableEvent extends TraceStamp {
  readonly kind: "available";
  readonly device: string;
  readonly queue: number;
  /** Index of the chain's first descriptor. */
  readonly head: number;
  /** Bytes that the device may read. */
  readonly readable: number;
  /** Bytes that the device may write. */
  readonly writable: number;
}

/** The device put chains back that it had taken: they come again. */
export interface ReturnedEvent extends TraceStamp {
  readonly kind: "returned";
  readonly device: string;
  readonly queue: number;
  readonly count: number;
}

/** The device put a chain into the used ring. */
export interface UsedEvent extends TraceStamp {
  readonly kind: "used";
  readonly device: string;
  readonly queue: number;
  readonly head: number;
  /** Bytes the device wrote. */
  readonly written: number;
}

/** A frame on the cable between network card and peer; "out" comes from the guest. */
export interface FrameEvent extends TraceStamp {
  readonly kind: "frame-out" | "frame-in";
  readonly device: string;
  /** Of the Ethernet frame. */
  readonly bytes: number;
  readonly etherType: number;
  /** IPv4 protocol, 0 when it is no IPv4. */
  readonly protocol: number;
  /** Ports of TCP or UDP, else 0. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** TCP flags (RFC 9293), else 0. */
  readonly tcpFlags: number;
  /** Bytes of TCP or UDP payload, else 0. */
  readonly payload: number;
}

/** An event for the wired line. */
export interface RaisedEvent extends TraceStamp {
  readonly kind: "raised";
  readonly device: string;
  /** What stands in InterruptStatus (PCI: ISR) now. */
  readonly bits: number;
  /** Some bit stood before: the line was up already. */
  readonly merged: boolean;
}

/** A message-signalled interrupt. */
export interface MessageEvent extends TraceStamp {
  readonly kind: "message";
  readonly device: string;
  /** The device's vector: mmio 0 configuration, i + 1 queue i; PCI the entry of the MSI-X table. */
  readonly vector: number;
  /** Lower half of the message's address; the upper half of a legal one is 0. */
  readonly address: number;
  readonly data: number;
  readonly outcome: TracedOutcome;
}

/** The wired line of a device changed its level. */
export interface LineEvent extends TraceStamp {
  readonly kind: "line";
  /** Whose line it is. */
  readonly device: string;
  readonly line: number;
  readonly level: boolean;
}

/** The local APIC: a vector was requested (IRR), taken (ISR), or its EOI was written. */
export interface InterruptEvent extends TraceStamp {
  readonly kind: "requested" | "taken" | "eoi";
  /** The CPU's interrupt vector. */
  readonly vector: number;
  /** It happened within so many guest instructions before the stamp: since the local APIC was last looked at. */
  readonly within: number;
}

/** The steps of a live switch, as docs/virtio-mmio-v3.md has them. */
export type SwitchStep = "begin" | "quiesced" | "reset-requested" | "ready" | "withdrawn" | "end";

/** A step of a live switch. "begin" and "end" are the machine's, the others each device's. */
export interface SwitchEvent extends TraceStamp {
  readonly kind: "switch";
  readonly device: string;
  readonly step: SwitchStep;
}

/** Any event. */
export type TraceEvent =
  | AccessEvent
  | DoorbellEvent
  | AvailableEvent
  | ReturnedEvent
  | UsedEvent
  | FrameEvent
  | RaisedEvent
  | MessageEvent
  | LineEvent
  | InterruptEvent
  | SwitchEvent;

export type TraceEventKind = TraceEvent["kind"];

/** The kinds in the order of their numbers in the ring. */
export const TRACE_EVENT_KINDS = [
  "read",
  "write",
  "doorbell",
  "available",
  "returned",
  "used",
  "frame-out",
  "frame-in",
  "raised",
  "message",
  "line",
  "requested",
  "taken",
  "eoi",
  "switch",
] as const satisfies readonly TraceEventKind[];
