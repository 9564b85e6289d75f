/**
 * The recorder: a ring of events of fixed size in typed arrays, so that an event costs no allocation and a long trace no
 * more memory than a short one. When the ring is full the oldest events are lost.
 */
import {
  type FrameEvent,
  type SwitchStep,
  TRACE_EVENT_KINDS,
  type TraceEvent,
  type TraceEventKind,
  type TraceStamp,
} from "./trace-events.ts";
import type { DeviceTrace, TracedOutcome } from "./trace-sink.ts";

/** Events that a ring holds unless it is told otherwise: about ten megabytes, and two seconds of a busy network card. */
export const TRACE_CAPACITY = 1 << 18;
const LEAST_CAPACITY = 16;
const MOST_CAPACITY = 1 << 22;

const OUTCOMES = ["delivered", "merged", "refused", "held"] as const satisfies readonly TracedOutcome[];
const STEPS = [
  "begin",
  "quiesced",
  "reset-requested",
  "ready",
  "withdrawn",
  "end",
] as const satisfies readonly SwitchStep[];
const MAX_DEVICES = 256;

const kindNumber = (kind: TraceEventKind): number => TRACE_EVENT_KINDS.indexOf(kind);
const READ = kindNumber("read");
const WRITE = kindNumber("write");
const DOORBELL = kindNumber("doorbell");
const AVAILABLE = kindNumber("available");
const RETURNED = kindNumber("returned");
const USED = kindNumber("used");
const RAISED = kindNumber("raised");
const MESSAGE = kindNumber("message");
const LINE = kindNumber("line");
const SWITCH = kindNumber("switch");

/** Where stamps come from. */
export interface TraceClock {
  /** Guest instructions executed. */
  instructions(): number;
  /** Host milliseconds. */
  now(): number;
}

/** What a frame event says of its frame. */
export type FrameSummary = Omit<FrameEvent, "kind" | "device" | keyof TraceStamp>;

/** See the file's head. */
export class TraceRecorder {
  /** Events the ring holds. */
  readonly capacity: number;
  /** Called with the kind of each event as it is recorded; it must not record. */
  onRecord: ((kind: TraceEventKind) => void) | undefined;
  readonly #clock: TraceClock;
  readonly #devices: { readonly name: string; readonly registers: readonly string[] }[] = [];
  readonly #time: Float64Array;
  readonly #duration: Float64Array;
  readonly #instructions: Float64Array;
  readonly #kind: Uint8Array;
  readonly #device: Uint8Array;
  readonly #n: Uint16Array;
  readonly #a: Uint32Array;
  readonly #b: Uint32Array;
  readonly #c: Uint32Array;
  /** Events ever recorded. */
  #count = 0;
  /** Index of the first event since the last {@link clear}. */
  #first = 0;
  #looked = 0;

  /** @throws RangeError with a sentence when the capacity is out of range. */
  constructor(clock: TraceClock, capacity: number = TRACE_CAPACITY) {
    if (!Number.isInteger(capacity) || capacity < LEAST_CAPACITY || capacity > MOST_CAPACITY) {
      throw new RangeError(
        `A trace cannot hold ${capacity} events: give a whole number from ${LEAST_CAPACITY} to ${MOST_CAPACITY}.`,
      );
    }
    this.capacity = capacity;
    this.#clock = clock;
    this.#time = new Float64Array(capacity);
    this.#duration = new Float64Array(capacity);
    this.#instructions = new Float64Array(capacity);
    this.#kind = new Uint8Array(capacity);
    this.#device = new Uint8Array(capacity);
    this.#n = new Uint16Array(capacity);
    this.#a = new Uint32Array(capacity);
    this.#b = new Uint32Array(capacity);
    this.#c = new Uint32Array(capacity);
    this.#looked = clock.instructions();
  }

  /** Events recorded since the start or the last {@link clear}. */
  get recorded(): number {
    return this.#count - this.#first;
  }

  /** Those of them that the ring no longer holds. */
  get lost(): number {
    return Math.max(0, this.recorded - this.capacity);
  }

  /** Forgets the events so far. */
  clear(): void {
    this.#first = this.#count;
  }

  /** Names a device and its registers; returns what the other methods want. */
  addDevice(name: string, registers: readonly string[] = []): number {
    if (this.#devices.length === MAX_DEVICES) throw new RangeError("a trace knows at most 256 devices");
    return this.#devices.push({ name, registers }) - 1;
  }

  /** A device's own way into the trace. */
  deviceTrace(name: string, registers: readonly string[]): DeviceTrace {
    const device = this.addDevice(name, registers);
    return {
      read: (register, offset, size) => this.#record(READ, device, register, 0, offset, size),
      write: (register, offset, size, value) => this.#record(WRITE, device, register, value, offset, size),
      done: (access, value) => this.#done(access, value),
      doorbell: (queue) => void this.#record(DOORBELL, device, queue, 0, 0, 0),
      available: (queue, head, readable, writable) =>
        void this.#record(AVAILABLE, device, queue, head, readable, writable),
      returned: (queue, count) => void this.#record(RETURNED, device, queue, count, 0, 0),
      used: (queue, head, written) => void this.#record(USED, device, queue, head, written, 0),
      raised: (bits, merged) => void this.#record(RAISED, device, bits, merged ? 1 : 0, 0, 0),
      message: (vector, address, data, outcome) =>
        void this.#record(MESSAGE, device, vector, address, data, OUTCOMES.indexOf(outcome)),
    };
  }

  /** A frame passed the cable of a device. */
  frame(kind: "frame-out" | "frame-in", device: number, frame: FrameSummary): void {
    const types = (frame.etherType << 16) | (frame.protocol << 8) | frame.tcpFlags;
    const ports = (frame.sourcePort << 16) | frame.destinationPort;
    const lengths = Math.min(frame.bytes, 0xffff) * 0x1_0000 + Math.min(frame.payload, 0xffff);
    this.#record(kindNumber(kind), device, 0, lengths, types, ports);
  }

  /** A device's wired line changed. */
  line(device: number, line: number, level: boolean): void {
    this.#record(LINE, device, line, level ? 1 : 0, 0, 0);
  }

  /** The local APIC changed since {@link looked}. */
  interrupt(kind: "requested" | "taken" | "eoi", device: number, vector: number): void {
    const within = Math.min(this.#clock.instructions() - this.#looked, 0xffff_ffff);
    this.#record(kindNumber(kind), device, vector, within, 0, 0);
  }

  /** The local APIC was looked at. */
  looked(): void {
    this.#looked = this.#clock.instructions();
  }

  /** A step of a live switch. */
  switchStep(device: number, step: SwitchStep): void {
    this.#record(SWITCH, device, STEPS.indexOf(step), 0, 0, 0);
  }

  #record(kind: number, device: number, n: number, a: number, b: number, c: number): number {
    const index = this.#count++;
    const at = index % this.capacity;
    this.#time[at] = this.#clock.now();
    this.#duration[at] = 0;
    this.#instructions[at] = this.#clock.instructions();
    this.#kind[at] = kind;
    this.#device[at] = device;
    this.#n[at] = n;
    this.#a[at] = a;
    this.#b[at] = b;
    this.#c[at] = c;
    if (this.onRecord !== undefined) this.onRecord(TRACE_EVENT_KINDS[kind] as TraceEventKind);
    return index;
  }

  #done(index: number, value: number): void {
    // More may have happened within the access than the ring holds.
    if (this.#count - index > this.capacity) return;
    const at = index % this.capacity;
    this.#duration[at] = this.#clock.now() - (this.#time[at] as number); // at < capacity
    this.#a[at] = value;
  }

  /** The events that the ring holds, the oldest first, as objects made now. */
  get events(): TraceEvent[] {
    return this.latest(this.capacity);
  }

  /** The newest events, at most so many, the oldest first. */
  latest(count: number): TraceEvent[] {
    const from = Math.max(this.#first + this.lost, this.#count - count);
    return Array.from({ length: this.#count - from }, (_, i) => this.#event(from + i));
  }

  #event(index: number): TraceEvent {
    const at = index % this.capacity;
    const stamp: TraceStamp = {
      index: index - this.#first,
      instructions: this.#instructions[at] ?? 0,
      timeMs: this.#time[at] ?? 0,
    };
    const owner = this.#devices[this.#device[at] ?? 0];
    const device = owner?.name ?? "";
    const n = this.#n[at] ?? 0;
    const a = this.#a[at] ?? 0;
    const b = this.#b[at] ?? 0;
    const c = this.#c[at] ?? 0;
    const kind = TRACE_EVENT_KINDS[this.#kind[at] ?? 0] ?? "read";
    switch (kind) {
      case "read":
      case "write": {
        const register = owner?.registers[n] ?? "Other";
        const durationMs = this.#duration[at] ?? 0;
        return { ...stamp, kind, device, register, offset: b, size: c, value: a, durationMs };
      }
      case "doorbell":
        return { ...stamp, kind, device, queue: n };
      case "available":
        return { ...stamp, kind, device, queue: n, head: a, readable: b, writable: c };
      case "returned":
        return { ...stamp, kind, device, queue: n, count: a };
      case "used":
        return { ...stamp, kind, device, queue: n, head: a, written: b };
      case "frame-out":
      case "frame-in":
        return {
          ...stamp,
          kind,
          device,
          bytes: a >>> 16,
          etherType: b >>> 16,
          protocol: (b >>> 8) & 0xff,
          sourcePort: c >>> 16,
          destinationPort: c & 0xffff,
          tcpFlags: b & 0xff,
          payload: a & 0xffff,
        };
      case "raised":
        return { ...stamp, kind, device, bits: n, merged: a !== 0 };
      case "message":
        return {
          ...stamp,
          kind,
          device,
          vector: n,
          address: a,
          data: b,
          outcome: OUTCOMES[c] ?? "refused",
        };
      case "line":
        return { ...stamp, kind, device, line: n, level: a !== 0 };
      case "requested":
      case "taken":
      case "eoi":
        return { ...stamp, kind, vector: n, within: a };
      case "switch":
        return { ...stamp, kind, device, step: STEPS[n] ?? "begin" };
    }
  }
}
