/** A trace as text: one line for each event. */
import type { FrameEvent, TraceEvent } from "./trace-events.ts";

const hex = (value: number, digits = 1): string => `0x${value.toString(16).padStart(digits, "0")}`;

const TCP_FLAG_NAMES = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"] as const;
const PROTOCOLS: Readonly<Record<number, string>> = { 1: "ICMP", 6: "TCP", 17: "UDP" };
const ETHER_TYPES: Readonly<Record<number, string>> = { 2054: "ARP", 2048: "IPv4", 34525: "IPv6" };

/** "TCP 40112 > 12865 PSH ACK, 32 bytes of data", or what else is known of a frame. */
export function describeFrame(frame: FrameEvent): string {
  const { protocol } = frame;
  if (protocol === 0) return ETHER_TYPES[frame.etherType] ?? `type ${hex(frame.etherType, 4)}`;
  const name = PROTOCOLS[protocol] ?? `protocol ${protocol}`;
  if (frame.sourcePort === 0 && frame.destinationPort === 0) return name;
  const flags = TCP_FLAG_NAMES.filter((_, bit) => (frame.tcpFlags & (1 << bit)) !== 0);
  const ports = `${frame.sourcePort} > ${frame.destinationPort}`;
  return `${[name, ports, ...flags].join(" ")}, ${frame.payload} bytes of data`;
}

/** What happened, in one line without its stamps. */
export function describeEvent(event: TraceEvent): string {
  switch (event.kind) {
    case "read":
      return `read ${event.register} (${hex(event.offset, 3)}) = ${hex(event.value)}`;
    case "write":
      return `write ${event.register} (${hex(event.offset, 3)}) = ${hex(event.value)}`;
    case "doorbell":
      return `doorbell of queue ${event.queue}`;
    case "available":
      return `queue ${event.queue}: chain ${event.head} taken, ${event.readable} bytes to read, ${event.writable} to write`;
    case "returned":
      return `queue ${event.queue}: ${event.count} chains put back`;
    case "used":
      return `queue ${event.queue}: chain ${event.head} used, ${event.written} bytes written`;
    case "frame-out":
      return `frame out, ${event.bytes} bytes: ${describeFrame(event)}`;
    case "frame-in":
      return `frame in, ${event.bytes} bytes: ${describeFrame(event)}`;
    case "raised":
      return `interrupt on the wire, InterruptStatus ${hex(event.bits)}${event.merged ? ", merged" : ""}`;
    case "message":
      return `message of vector ${event.vector}: address ${hex(event.address, 8)} data ${hex(event.data, 4)}, ${event.outcome}`;
    case "line":
      return `line ${event.line} ${event.level ? "up" : "down"}`;
    case "requested":
      return `vector ${hex(event.vector, 2)} requested (IRR)`;
    case "taken":
      return `vector ${hex(event.vector, 2)} taken (ISR), within ${event.within} instructions`;
    case "eoi":
      return `vector ${hex(event.vector, 2)} ended (EOI), within ${event.within} instructions`;
    case "switch":
      return `live switch: ${event.step}`;
  }
}

/** Who an event is of: a device, "switch", or the local APIC. */
export function eventOwner(event: TraceEvent): string {
  return "device" in event ? event.device : "apic";
}

/** All events, with stamps: guest instructions, those since the line before, host milliseconds. */
export function traceText(events: readonly TraceEvent[], lost: number): string {
  const lines = ["# guest instructions, since the line before, host ms, device, event"];
  if (lost > 0) lines.push(`# ${lost} older events did not fit`);
  let before = events[0]?.instructions ?? 0;
  for (const event of events) {
    const since = event.instructions - before;
    before = event.instructions;
    lines.push(
      [
        String(event.instructions).padStart(12),
        `+${since}`.padStart(9),
        event.timeMs.toFixed(3).padStart(12),
        eventOwner(event).padEnd(9),
        describeEvent(event),
      ].join(" "),
    );
  }
  return `${lines.join("\n")}\n`;
}
