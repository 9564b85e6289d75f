/**
 * A stand-in for MicroVm that needs no guest: it boots in a second, echoes what is typed, counts like a machine
 * under tcp_rr, and fails when told to. For trying the page's states, never part of the built page.
 */
import type {
  BootPhase,
  DeviceMetrics,
  DoorbellMode,
  ExecOptions,
  InterruptMode,
  MetricsSnapshot,
  MicroVmOptions,
  StopReason,
  SwitchResult,
  Unsubscribe,
} from "../../src/index.ts";
import type { Machine } from "../store.ts";

const PHASES: readonly [BootPhase, number][] = [
  ["started", 30],
  ["kernel", 120],
  ["console", 700],
  ["network", 850],
  ["ready", 900],
];

class Listeners<T> {
  readonly #callbacks = new Set<(value: T) => void>();
  add(callback: (value: T) => void): Unsubscribe {
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }
  tell(value: T): void {
    for (const callback of this.#callbacks) callback(value);
  }
}

/** What a test makes go wrong. */
export interface Faults {
  /** The next switch fails with this sentence. */
  switchError?: string;
  /** Transactions per second while idle; a load without a run. */
  load?: number;
}

export class FakeVm implements Machine {
  phase: BootPhase = "created";
  interrupts: InterruptMode;
  doorbell: DoorbellMode;
  readonly faults: Faults = {};
  readonly resizes: [number, number][] = [];
  readonly #output = new Listeners<Uint8Array>();
  readonly #serial = new Listeners<Uint8Array>();
  readonly #phases = new Listeners<BootPhase>();
  readonly #stops = new Listeners<StopReason>();
  readonly #timers: ReturnType<typeof setTimeout>[] = [];
  readonly #encoder = new TextEncoder();
  readonly #counts = {
    transactions: 0,
    switches: 0,
    instructions: 0,
    wired: 0,
    msi: 0,
    status: 0,
    notify: 0,
    bell: 0,
  };
  #last = performance.now();
  #paused = false;
  #runUntil = 0;

  constructor(options: MicroVmOptions) {
    this.interrupts = options.interrupts ?? "msi";
    this.doorbell = options.doorbell ?? "per-queue";
  }

  readonly console = {
    onOutput: (callback: (bytes: Uint8Array) => void) => this.#output.add(callback),
    write: (bytes: Uint8Array) => {
      const text = new TextDecoder().decode(bytes);
      this.#print(text.replaceAll("\r", "\r\n\x1b[32mdoorbell\x1b[0m:~# "));
    },
    resize: (columns: number, rows: number) => void this.resizes.push([columns, rows]),
  };
  readonly serial = {
    onOutput: (callback: (bytes: Uint8Array) => void) => this.#serial.add(callback),
    write: () => {},
  };
  readonly capture = { frames: 0, bytes: 0, leftOut: 0, active: true };

  start(): void {
    for (const [phase, after] of PHASES) {
      this.#timers.push(
        setTimeout(() => {
          this.phase = phase;
          this.#phases.tell(phase);
          if (phase === "console")
            this.#print("Welcome to \x1b[1mDoorbell\x1b[0m.\r\n\r\n\x1b[32mdoorbell\x1b[0m:~# ");
        }, after),
      );
    }
  }
  pause(): void {
    this.#advance();
    this.#paused = true;
  }
  resume(): void {
    this.#advance();
    this.#paused = false;
  }
  async destroy(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
  }
  onPhase(callback: (phase: BootPhase) => void): Unsubscribe {
    return this.#phases.add(callback);
  }
  onStop(callback: (reason: StopReason) => void): Unsubscribe {
    return this.#stops.add(callback);
  }
  /** Stops as a guest does that powers off. */
  halt(): void {
    this.#stops.tell({ kind: "guest-halted", message: "Linux has powered off" });
  }

  exec(_command: string, options: ExecOptions = {}): Promise<number> {
    this.#runUntil = performance.now() + 5000;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        const report = {
          transactionsPerSecond: 9012.4,
          meanMicroseconds: 110.2,
          p50Microseconds: 104,
          p99Microseconds: 201,
        };
        options.onStdout?.(this.#encoder.encode(`${JSON.stringify(report)}\n`));
        resolve(0);
      }, 5000);
      options.signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        this.#runUntil = 0;
        resolve(130);
      });
    });
  }

  setInterrupts(mode: InterruptMode): Promise<SwitchResult> {
    return this.#switch(() => {
      this.interrupts = mode;
    });
  }
  setDoorbell(mode: DoorbellMode): Promise<SwitchResult> {
    return this.#switch(() => {
      this.doorbell = mode;
    });
  }

  metrics(): MetricsSnapshot {
    this.#advance();
    const { transactions, switches, instructions, wired, msi, status, notify, bell } = this.#counts;
    const net: DeviceMetrics = {
      type: "net",
      version: this.interrupts === "wired" && this.doorbell === "shared" ? 2 : 3,
      status: 15,
      interrupts: { mode: this.interrupts, wired, msi, merged: 12, refused: 0, byVector: [1, msi, 4, 0] },
      exits: {
        total: notify + bell + 2 * status + 90,
        byRegister: {
          QueueNotify: notify,
          Doorbell: bell,
          InterruptStatus: status,
          InterruptACK: status,
          Status: 14,
          DeviceFeatures: 4,
          Config: 34,
          MsiCommand: 38,
        },
      },
      doorbells: notify + bell,
      faults: {},
      net: {
        txFrames: transactions,
        rxFrames: transactions,
        txBytes: transactions * 86,
        rxBytes: transactions * 1078,
        dropped: 0,
        dropReasons: {},
      },
    };
    const other = (type: string, vectors: number): DeviceMetrics => ({
      type,
      version: 3,
      status: 15,
      interrupts: {
        mode: this.interrupts,
        wired: 0,
        msi: 40,
        merged: 0,
        refused: 0,
        byVector: Array(vectors).fill(3),
      },
      exits: { total: 120, byRegister: { Doorbell: 60, Config: 60 } },
      doorbells: 60,
      faults: {},
    });
    return {
      wallMs: performance.now(),
      guestInstructions: instructions,
      switches,
      ioapicEois: wired,
      devices: { net0: net, console0: other("console", 7), rng0: other("rng", 2) },
      peer: { transactions },
    } as MetricsSnapshot;
  }
  pcapng(): Uint8Array {
    return new Uint8Array(32);
  }

  #switch(change: () => void): Promise<SwitchResult> {
    return new Promise((resolve, reject) => {
      setTimeout(() => {
        const { switchError } = this.faults;
        delete this.faults.switchError;
        if (switchError !== undefined) {
          reject(new Error(switchError));
          return;
        }
        this.#advance();
        change();
        this.#counts.switches++;
        resolve({ interrupts: this.interrupts, doorbell: this.doorbell, milliseconds: 42.1 });
      }, 400);
    });
  }

  #advance(): void {
    const now = performance.now();
    const seconds = (now - this.#last) / 1000;
    this.#last = now;
    if (this.#paused) return;
    const running = now < this.#runUntil;
    const rate = running ? 8500 + 600 * Math.sin(now / 900) : (this.faults.load ?? 0);
    const done = Math.round(rate * seconds);
    const counts = this.#counts;
    counts.transactions += done;
    counts.instructions += Math.round((running ? 180e6 : 2e6) * seconds);
    if (this.interrupts === "wired") {
      counts.wired += done;
      counts.status += done;
    } else counts.msi += Math.round(done * 1.02);
    if (this.doorbell === "shared") counts.notify += Math.round(done * 1.01);
    else counts.bell += Math.round(done * 1.01);
    this.capture.frames += done * 2;
    this.capture.bytes += done * 1164;
  }

  #print(text: string): void {
    this.#output.tell(this.#encoder.encode(text));
  }
}
