/**
 * A trace in the Trace Event Format, JSON, as Perfetto and chrome://tracing open it: one track for each device's
 * registers, queues and interrupts, one for the cable, one for the local APIC. Times are host microseconds.
 */
import type { TraceEvent } from "./trace-events.ts";
import { describeEvent, eventOwner } from "./trace-text.ts";

/** What we use of the format. */
export interface ChromeTraceEvent {
  readonly name: string;
  /** X complete, i instant, b and e begin and end of something on its way, M names of tracks. */
  readonly ph: "X" | "i" | "b" | "e" | "M";
  /** Microseconds. */
  readonly ts: number;
  /** Microseconds, of X. */
  readonly dur?: number;
  readonly pid: number;
  readonly tid: number;
  readonly cat?: string;
  /** Of b and e. */
  readonly id?: string;
  /** Of i: its track. */
  readonly s?: "t";
  readonly args: Readonly<Record<string, string | number | boolean>>;
}

/** The file. */
export interface ChromeTrace {
  readonly traceEvents: readonly ChromeTraceEvent[];
  readonly displayTimeUnit: "ms";
  readonly otherData: Readonly<Record<string, string | number>>;
}

const PROCESS = 1;

/** The part of a device that an event is of. */
function part(event: TraceEvent): string {
  switch (event.kind) {
    case "read":
    case "write":
    case "doorbell":
      return `${event.device} registers`;
    case "available":
    case "returned":
    case "used":
      return `${event.device} queue ${event.queue}`;
    case "frame-out":
    case "frame-in":
      return `${event.device} cable`;
    case "raised":
    case "message":
    case "line":
      return `${event.device} interrupts`;
    case "switch":
      return "live switch";
    default:
      return "local APIC";
  }
}

function name(event: TraceEvent): string {
  switch (event.kind) {
    case "read":
    case "write":
      return `${event.kind} ${event.register}`;
    case "requested":
    case "taken":
    case "eoi":
      return `${event.kind} 0x${event.vector.toString(16)}`;
    case "switch":
      return `${event.step} ${event.device}`;
    default:
      return event.kind;
  }
}

/** Turns events into the format. */
export function chromeTrace(events: readonly TraceEvent[], lost: number): ChromeTrace {
  const tracks = new Map<string, number>();
  const track = (label: string): number => {
    const known = tracks.get(label);
    if (known !== undefined) return known;
    tracks.set(label, tracks.size + 1);
    return tracks.size;
  };
  const out: ChromeTraceEvent[] = [];
  /** Chains that the device holds, by queue and head: only what has begun here can end here. */
  const inFlight = new Set<string>();
  for (const event of events) {
    const tid = track(part(event));
    const ts = event.timeMs * 1000;
    const { kind, index, timeMs, ...rest } = event;
    const args = { event: describeEvent(event), ...rest };
    const common = { name: name(event), cat: eventOwner(event), ts, pid: PROCESS, tid, args };
    if (event.kind === "read" || event.kind === "write") {
      out.push({ ...common, ph: "X", dur: event.durationMs * 1000 });
      continue;
    }
    out.push({ ...common, ph: "i", s: "t" });
    if (event.kind !== "available" && event.kind !== "used") continue;
    const id = `${event.device} queue ${event.queue} chain ${event.head}`;
    const chain = { name: id, cat: "chain", id, ts, pid: PROCESS, tid, args: {} };
    if (event.kind === "available" && !inFlight.has(id)) {
      inFlight.add(id);
      out.push({ ...chain, ph: "b" });
    } else if (event.kind === "used" && inFlight.delete(id)) {
      out.push({ ...chain, ph: "e" });
    }
  }
  const named = (ph: "process_name" | "thread_name", tid: number, label: string): ChromeTraceEvent => ({
    name: ph,
    ph: "M",
    ts: 0,
    pid: PROCESS,
    tid,
    args: { name: label },
  });
  return {
    traceEvents: [
      named("process_name", 0, "Doorbell"),
      ...[...tracks].map(([label, tid]) => named("thread_name", tid, label)),
      ...out,
    ],
    displayTimeUnit: "ms",
    otherData: { lostEvents: lost, timeUnit: "host microseconds; guest instructions in args" },
  };
}
