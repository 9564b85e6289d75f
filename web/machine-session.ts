/** One machine, from when the page shows it until it is let go of: what it prints, how its start goes, its counters. */
import type { BootPhase, MetricsSnapshot, StopReason, Unsubscribe } from "../src/index.ts";
import type { Machine } from "./page-state.ts";

const SAMPLE_MS = 250;
/** A boot takes one to three seconds; after this the page says that something is wrong. */
const SLOW_BOOT_MS = 20_000;

/** Who is told of it. */
export interface SessionHost {
  printed(bytes: Uint8Array): void;
  /** A phase, with milliseconds since {@link MachineSession.start}. */
  reached(phase: BootPhase, milliseconds: number): void;
  /** The counters, four times a second. */
  sampled(metrics: MetricsSnapshot): void;
  /** It has run for as long as no boot should take. */
  late(): void;
  stopped(reason: StopReason): void;
}

/** See the file's head. */
export class MachineSession {
  readonly machine: Machine;
  readonly #host: SessionHost;
  #subscriptions: Unsubscribe[] = [];
  #sampler: ReturnType<typeof setInterval> | undefined;
  #lateTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(machine: Machine, host: SessionHost) {
    this.machine = machine;
    this.#host = host;
  }

  /** Lets the machine run. */
  start(): void {
    const { machine } = this;
    const host = this.#host;
    const started = performance.now();
    this.#subscriptions = [
      machine.console.onOutput((bytes) => host.printed(bytes)),
      machine.serial.onOutput((bytes) => host.printed(bytes)),
      machine.onPhase((phase) => host.reached(phase, performance.now() - started)),
      machine.onStop((reason) => {
        clearInterval(this.#sampler);
        host.stopped(reason);
      }),
    ];
    machine.start();
    const sample = () => host.sampled(machine.metrics());
    this.#sampler = setInterval(sample, SAMPLE_MS);
    sample();
    this.#lateTimer = setTimeout(() => host.late(), SLOW_BOOT_MS);
  }

  /** Lets go of the machine. */
  async end(): Promise<void> {
    clearInterval(this.#sampler);
    clearTimeout(this.#lateTimer);
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    await this.machine.destroy();
  }
}
