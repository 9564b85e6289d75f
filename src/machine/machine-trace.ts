/** The machine's trace: joins the recorder to everything that tells, while it records, and parts it again. */
import type { Cpu } from "../cpu/cpu.ts";
import type { DeviceCounters } from "../metrics/counters.ts";
import { TraceRecorder } from "../metrics/trace.ts";
import { type ChromeTrace, chromeTrace } from "../metrics/trace-chrome.ts";
import type { SwitchStep, TraceEvent, TraceEventKind } from "../metrics/trace-events.ts";
import { traceText } from "../metrics/trace-text.ts";
import { emptySummary, summarizeFrame } from "../net/frame-summary.ts";
import type { InPagePeer } from "../net/peer.ts";
import { DEVICE_LINES } from "./interrupt-map.ts";

/** What a {@link MachineTrace} is joined to. */
export interface TraceSources {
  readonly cpu: Cpu;
  readonly counters: ReadonlyMap<string, DeviceCounters>;
  readonly peer: Pick<InPagePeer, "addTap">;
  /** Host milliseconds since the machine was created. */
  readonly now: () => number;
}

/** Records what happens between the guest and its devices. Nothing is recorded, and nothing costs, until {@link start}. */
export class MachineTrace {
  readonly #sources: TraceSources;
  #recorder: TraceRecorder | undefined;
  #switchDevices = new Map<string, number>();
  #leave: (() => void) | undefined;
  #cancelNext: (() => void) | undefined;

  constructor(sources: TraceSources) {
    this.#sources = sources;
  }

  /**
   * Begins a new trace; one that is there is thrown away.
   * @param capacity events that are kept, the newest ones; 16 to 4194304, by default 262144 (about 10 MB).
   * @throws RangeError with a sentence.
   */
  start(capacity?: number): void {
    this.stop();
    const { cpu, counters, peer, now } = this.#sources;
    const recorder = new TraceRecorder({ now, instructions: () => cpu.instructions }, capacity);
    this.#recorder = recorder;
    this.#switchDevices = new Map();
    for (const [name, device] of counters) device.trace = recorder.deviceTrace(name, device.registerNames);
    const apic = recorder.addDevice("apic");
    const lines = new Map(
      Object.entries(DEVICE_LINES).map(([name, line]) => [line as number, recorder.addDevice(name)]),
    );
    const cable = recorder.addDevice("net0");
    const frame = emptySummary();
    const endTap = peer.addTap((bytes, direction) =>
      recorder.frame(
        direction === "from-guest" ? "frame-out" : "frame-in",
        cable,
        summarizeFrame(bytes, frame),
      ),
    );
    cpu.observeInterrupts({
      line: (line, level) => recorder.line(lines.get(line) ?? apic, line, level),
      requested: (vector) => recorder.interrupt("requested", apic, vector),
      taken: (vector) => recorder.interrupt("taken", apic, vector),
      ended: (vector) => recorder.interrupt("eoi", apic, vector),
      looked: () => recorder.looked(),
    });
    this.#leave = () => {
      endTap();
      cpu.observeInterrupts(undefined);
      for (const device of counters.values()) device.trace = undefined;
    };
  }

  /**
   * Resolves with the first event from now on that `wanted` wants, as soon as it is recorded and before the guest goes on;
   * with undefined when recording ends before. Starts to record when nothing is being recorded.
   */
  next(wanted: (kind: TraceEventKind) => boolean, now: () => void): Promise<TraceEvent | undefined> {
    if (!this.active) this.start();
    const recorder = this.#recorder;
    this.#cancelNext?.();
    return new Promise((resolve) => {
      if (recorder === undefined) return;
      const finish = (event: TraceEvent | undefined): void => {
        recorder.onRecord = undefined;
        this.#cancelNext = undefined;
        resolve(event);
      };
      this.#cancelNext = () => finish(undefined);
      recorder.onRecord = (kind) => {
        if (!wanted(kind)) return;
        now();
        finish(recorder.latest(1)[0]);
      };
    });
  }

  /** Gives {@link next} up. */
  cancelNext(): void {
    this.#cancelNext?.();
  }

  /** Stops recording; what was recorded stays until the next {@link start}. */
  stop(): void {
    this.#cancelNext?.();
    this.#leave?.();
    this.#leave = undefined;
  }

  /** Whether events are being recorded. */
  get active(): boolean {
    return this.#leave !== undefined;
  }

  /** The events that are kept, the oldest first: objects made anew at each call. */
  get events(): TraceEvent[] {
    return this.#recorder?.events ?? [];
  }

  /** The newest events, at most so many, the oldest first. */
  latest(count: number): TraceEvent[] {
    return this.#recorder?.latest(count) ?? [];
  }

  /** Events since the start or the last {@link clear}, lost ones included. */
  get recorded(): number {
    return this.#recorder?.recorded ?? 0;
  }

  /** Events that no longer fitted: the oldest. */
  get lost(): number {
    return this.#recorder?.lost ?? 0;
  }

  /** Forgets the events so far, and goes on if it records. */
  clear(): void {
    this.#recorder?.clear();
  }

  /** The trace in Chrome's Trace Event Format: `JSON.stringify` it, and Perfetto opens it. */
  chrome(): ChromeTrace {
    return chromeTrace(this.events, this.lost);
  }

  /** The trace as text, one line for each event. */
  text(): string {
    return traceText(this.events, this.lost);
  }

  /** A step of the live switch, for {@link LiveSwitch}. */
  switchStep(device: string, step: SwitchStep): void {
    const recorder = this.#recorder;
    if (recorder === undefined || !this.active) return;
    let number = this.#switchDevices.get(device);
    if (number === undefined) {
      number = recorder.addDevice(device);
      this.#switchDevices.set(device, number);
    }
    recorder.switchStep(number, step);
  }
}
