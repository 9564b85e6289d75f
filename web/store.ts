/**
 * The page's one state. It owns the MicroVm from download to restart; elements read `state`, call actions and
 * are told of changes. Metrics come four times per second on a channel of their own.
 */
import type {
  BootPhase,
  DoorbellMode,
  InterruptMode,
  MicroVm,
  MicroVmOptions,
  StopReason,
  SwitchResult,
  Unsubscribe,
} from "../src/index.ts";
import { type DownloadProgress, Downloads } from "./downloads.ts";
import { formatMilliseconds } from "./format.ts";
import { MetricsHistory } from "./metrics-history.ts";
import { parseRrReport, type RrResult, RUN_COMMAND, summariseRun } from "./rr-run.ts";
import { DOORBELL_NAMES, INTERRUPT_NAMES, INTERRUPT_SHORT, sentence } from "./words.ts";

/** The part of the machine that the page uses. */
export type Machine = Pick<
  MicroVm,
  | "start"
  | "pause"
  | "resume"
  | "destroy"
  | "console"
  | "serial"
  | "phase"
  | "onPhase"
  | "onStop"
  | "exec"
  | "interrupts"
  | "doorbell"
  | "setInterrupts"
  | "setDoorbell"
  | "metrics"
  | "capture"
  | "pcapng"
>;

/** Where the machine and its files come from. */
export interface MachineSource {
  readonly wasmUrl: string;
  readonly kernelUrl: string;
  readonly initramfsUrl: string;
  create(options: MicroVmOptions): Promise<Machine>;
  /** Called with each new machine. */
  onMachine?(machine: Machine): void;
}

/** The terminal, as the store sees it. */
export interface TerminalSink {
  readonly columns: number;
  readonly rows: number;
  write(bytes: Uint8Array): void;
  clear(): void;
}

export type Stage = "downloading" | "booting" | "running" | "paused" | "stopped" | "failed";

/** Something that went wrong, in words: what happened and what to do. */
export interface Problem {
  readonly title: string;
  readonly detail: string;
  readonly remedy: string;
}

export interface PageState {
  readonly stage: Stage;
  readonly downloads: readonly DownloadProgress[];
  /** Milliseconds from the CPU's start to each phase reached. */
  readonly phases: Readonly<Partial<Record<BootPhase, number>>>;
  /** The boot takes longer than it ever should. */
  readonly slow: boolean;
  /** Why the machine does not run. */
  readonly problem: Problem | undefined;
  /** A failure that the machine survived. */
  readonly notice: string | undefined;
  /** The last thing worth saying aloud. */
  readonly announcement: string;
  /** What the devices offer, or while a switch is in progress what they will. */
  readonly interrupts: InterruptMode;
  readonly doorbell: DoorbellMode;
  readonly switching: "interrupts" | "doorbell" | undefined;
  readonly run: "idle" | "running" | "cancelling";
  /** Finished runs, newest first. */
  readonly results: readonly RrResult[];
}

const SAMPLE_MS = 250;
const RESULTS_KEPT = 4;
/** A boot takes one to three seconds; after this the page says that something is wrong. */
const SLOW_BOOT_MS = 20_000;

/** Options of the page itself, from its address: ?interrupts=wired&doorbell=shared&memory=128. */
export interface PageOptions {
  readonly interrupts: InterruptMode;
  readonly doorbell: DoorbellMode;
  readonly memoryMiB: number | undefined;
}

/** Reads {@link PageOptions}; what is unknown or out of range is left at its default. */
export function readPageOptions(search: string): PageOptions {
  const query = new URLSearchParams(search);
  const interrupts = query.get("interrupts");
  const memory = Number(query.get("memory") ?? "");
  return {
    interrupts: interrupts === "wired" || interrupts === "legacy" ? "wired" : "msi",
    doorbell: query.get("doorbell") === "shared" ? "shared" : "per-queue",
    memoryMiB: Number.isInteger(memory) && memory >= 16 && memory <= 1024 ? memory : undefined,
  };
}

export class MachineStore {
  readonly #source: MachineSource;
  readonly #options: PageOptions;
  readonly #downloads: Downloads;
  readonly #changed = new Set<() => void>();
  readonly #sampled = new Set<() => void>();
  #state: PageState;
  #history = new MetricsHistory();
  #machine: Machine | undefined;
  #subscriptions: Unsubscribe[] = [];
  #terminal: TerminalSink | undefined;
  #sampler: ReturnType<typeof setInterval> | undefined;
  #slowTimer: ReturnType<typeof setTimeout> | undefined;
  /** Counts starts: what an abandoned start still does must not touch its successor. */
  #generation = 0;
  #cancel: AbortController | undefined;

  constructor(source: MachineSource, options: PageOptions) {
    this.#source = source;
    this.#options = options;
    this.#downloads = new Downloads([
      { label: "emulator", url: source.wasmUrl },
      { label: "kernel", url: source.kernelUrl },
      { label: "initramfs", url: source.initramfsUrl },
    ]);
    this.#state = {
      stage: "downloading",
      downloads: this.#downloads.progress,
      phases: {},
      slow: false,
      problem: undefined,
      notice: undefined,
      announcement: "",
      interrupts: options.interrupts,
      doorbell: options.doorbell,
      switching: undefined,
      run: "idle",
      results: [],
    };
  }

  get state(): PageState {
    return this.#state;
  }

  /** Rates, totals and the last minute. */
  get history(): MetricsHistory {
    return this.#history;
  }

  /** What the capture holds, absent while there is no machine. */
  get capture(): Machine["capture"] | undefined {
    return this.#machine?.capture;
  }

  /** Calls back after each change of `state`. */
  onChange(callback: () => void): Unsubscribe {
    this.#changed.add(callback);
    return () => this.#changed.delete(callback);
  }

  /** Calls back after each sample of the metrics, at most four times per second. */
  onSample(callback: () => void): Unsubscribe {
    this.#sampled.add(callback);
    return () => this.#sampled.delete(callback);
  }

  /** Connects the terminal that shows the console from now on. */
  attachTerminal(terminal: TerminalSink): void {
    this.#terminal = terminal;
  }

  /** What the person typed. */
  type(bytes: Uint8Array): void {
    this.#machine?.console.write(bytes);
  }

  resizeTerminal(columns: number, rows: number): void {
    this.#machine?.console.resize(columns, rows);
  }

  /** Downloads what is missing and starts the machine; a machine that is there goes first. */
  async boot(): Promise<void> {
    const generation = ++this.#generation;
    const stale = () => generation !== this.#generation;
    await this.#dispose();
    if (stale()) return;
    this.#history = new MetricsHistory();
    this.#update({
      stage: "downloading",
      phases: {},
      slow: false,
      problem: undefined,
      notice: undefined,
      switching: undefined,
      run: "idle",
    });
    this.#sampled.forEach((callback) => void callback());
    try {
      const [wasm, kernel, initramfs] = await this.#downloads.run(() => this.#reportDownloads());
      if (stale() || wasm === undefined || kernel === undefined || initramfs === undefined) return;
      this.#update({ stage: "booting", downloads: this.#downloads.progress });
      this.#announce("Everything is downloaded. Linux starts.");
      const machine = await this.#source.create({
        wasm,
        kernel: { name: this.#source.kernelUrl, bytes: kernel },
        initrd: [{ name: this.#source.initramfsUrl, bytes: initramfs }],
        interrupts: this.#state.interrupts,
        doorbell: this.#state.doorbell,
        terminal: { columns: this.#terminal?.columns ?? 80, rows: this.#terminal?.rows ?? 24 },
        ...(this.#options.memoryMiB === undefined ? {} : { memoryMiB: this.#options.memoryMiB }),
      });
      if (stale()) {
        await machine.destroy();
        return;
      }
      this.#adopt(machine);
    } catch (error) {
      if (stale()) return;
      this.#fail({
        title: this.#state.stage === "downloading" ? "The download failed" : "The machine did not start",
        detail: sentence(error),
        remedy:
          this.#state.stage === "downloading"
            ? "Check the connection, then try again: what was already downloaded is kept."
            : "Try again; if that does not help, reload the page in an up-to-date browser.",
      });
    }
  }

  pause(): void {
    if (this.#state.stage !== "running" || this.#state.switching !== undefined) return;
    this.#machine?.pause();
    this.#update({ stage: "paused" });
    this.#announce("Paused.");
  }

  resume(): void {
    if (this.#state.stage !== "paused") return;
    this.#machine?.resume();
    this.#update({ stage: "running" });
    this.#announce("Running.");
  }

  setInterrupts(mode: InterruptMode): Promise<void> {
    if (mode === this.#state.interrupts) return Promise.resolve();
    return this.#switch(
      "interrupts",
      INTERRUPT_NAMES[mode],
      { interrupts: mode },
      INTERRUPT_SHORT[mode],
      (m) => m.setInterrupts(mode),
    );
  }

  setDoorbell(mode: DoorbellMode): Promise<void> {
    if (mode === this.#state.doorbell) return Promise.resolve();
    const name = DOORBELL_NAMES[mode].toLowerCase();
    return this.#switch("doorbell", `${name} doorbells`, { doorbell: mode }, name, (m) =>
      m.setDoorbell(mode),
    );
  }

  /** Runs tcp_rr in the guest and keeps its result. */
  async runTcpRr(): Promise<void> {
    const machine = this.#machine;
    if (machine === undefined || this.#state.stage !== "running" || this.#state.run !== "idle") return;
    const generation = this.#generation;
    this.#update({ run: "running", notice: undefined });
    this.#announce("tcp_rr runs.");
    const decoder = new TextDecoder();
    let output = "";
    let errors = "";
    const cancel = new AbortController();
    this.#cancel = cancel;
    const before = machine.metrics();
    const modeBefore = this.#state.interrupts;
    try {
      const status = await machine.exec(RUN_COMMAND, {
        signal: cancel.signal,
        // What a guest prints is bounded here: its result is one line.
        onStdout: (bytes) => {
          if (output.length < 65_536) output += decoder.decode(bytes, { stream: true });
        },
        onStderr: (bytes) => {
          if (errors.length < 4096) errors += new TextDecoder().decode(bytes);
        },
      });
      if (generation !== this.#generation) return;
      const report = parseRrReport(output);
      if (cancel.signal.aborted) {
        this.#announce("tcp_rr was cancelled.");
      } else if (status !== 0 || report === undefined) {
        const reason = errors.trim().split("\n").at(-1) || `it ended with status ${status}`;
        this.#update({ notice: `tcp_rr gave no result: ${sentence(reason)}` });
      } else {
        this.#keepResult(summariseRun(report, before, machine.metrics(), this.#runMode(modeBefore)));
      }
    } catch (error) {
      if (generation === this.#generation) {
        this.#update({ notice: `tcp_rr could not be run: ${sentence(error)}` });
      }
    } finally {
      if (generation === this.#generation) this.#update({ run: "idle" });
    }
  }

  /** Ends the run in progress. */
  cancelTcpRr(): void {
    if (this.#state.run !== "running") return;
    this.#update({ run: "cancelling" });
    this.#cancel?.abort();
  }

  /** The capture as a pcapng file, or undefined when there is none. */
  pcapng(): Uint8Array | undefined {
    return this.#machine?.pcapng();
  }

  dismissNotice(): void {
    this.#update({ notice: undefined });
  }

  /** Shows a failure that the machine survived. */
  showNotice(notice: string): void {
    this.#update({ notice });
  }

  #runMode(before: InterruptMode): string {
    const after = this.#state.interrupts;
    const name = INTERRUPT_SHORT[after];
    return before === after ? name : `${INTERRUPT_SHORT[before]}, then ${name}`;
  }

  #keepResult(result: RrResult): void {
    this.#update({ results: [result, ...this.#state.results].slice(0, RESULTS_KEPT) });
    const rate = Math.round(result.transactionsPerSecond).toLocaleString("en");
    const exits = result.exitsPerTransaction?.toFixed(2) ?? "an unknown number of";
    this.#announce(`tcp_rr is done: ${rate} transactions per second, ${exits} exits per transaction.`);
  }

  async #switch(
    kind: "interrupts" | "doorbell",
    name: string,
    wanted: Partial<PageState>,
    markLabel: string,
    perform: (machine: Machine) => Promise<SwitchResult>,
  ): Promise<void> {
    const machine = this.#machine;
    if (machine === undefined || this.#state.stage !== "running" || this.#state.switching !== undefined)
      return;
    const generation = this.#generation;
    this.#update({ ...wanted, switching: kind, notice: undefined });
    let done: Partial<PageState>;
    try {
      const result = await perform(machine);
      if (generation !== this.#generation) return;
      this.#history.mark(performance.now(), markLabel);
      this.#announce(`The devices use ${name}, after ${formatMilliseconds(result.milliseconds)}.`);
      done = {};
    } catch (error) {
      if (generation !== this.#generation) return;
      done = {
        notice: `The switch to ${name} did not finish: ${sentence(error)} Nothing is lost; try again.`,
      };
    }
    this.#update({
      ...done,
      switching: undefined,
      interrupts: machine.interrupts,
      doorbell: machine.doorbell,
    });
  }

  #adopt(machine: Machine): void {
    this.#machine = machine;
    this.#source.onMachine?.(machine);
    const started = performance.now();
    const reach = (phase: BootPhase) => {
      this.#update({
        phases: { ...this.#state.phases, [phase]: performance.now() - started },
        // A shell is there from "console" on: from then the machine is in use.
        ...(phase === "console" && this.#state.stage === "booting" ? { stage: "running" as const } : {}),
      });
      if (phase === "console") this.#announce("The console is connected. Linux is ready for input.");
    };
    const show = (bytes: Uint8Array) => this.#terminal?.write(bytes);
    this.#subscriptions = [
      machine.console.onOutput(show),
      machine.serial.onOutput(show),
      machine.onPhase(reach),
      machine.onStop((reason) => this.#stopped(reason)),
    ];
    this.#terminal?.clear();
    machine.start();
    this.#sampler = setInterval(() => this.#sample(), SAMPLE_MS);
    this.#sample();
    this.#slowTimer = setTimeout(() => this.#update({ slow: this.#state.stage === "booting" }), SLOW_BOOT_MS);
  }

  #sample(): void {
    const machine = this.#machine;
    if (machine === undefined) return;
    this.#history.push(performance.now(), machine.metrics());
    this.#sampled.forEach((callback) => void callback());
  }

  #stopped(reason: StopReason): void {
    clearInterval(this.#sampler);
    this.#update({
      stage: "stopped",
      switching: undefined,
      run: "idle",
      problem: {
        title: reason.kind === "cpu-fault" ? "The machine stopped on a fault" : "The guest has stopped",
        detail: sentence(reason.message),
        remedy: "The counters and the capture are kept until you restart it.",
      },
    });
  }

  #fail(problem: Problem): void {
    this.#update({ stage: "failed", problem });
  }

  async #dispose(): Promise<void> {
    clearInterval(this.#sampler);
    clearTimeout(this.#slowTimer);
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    this.#subscriptions = [];
    const machine = this.#machine;
    this.#machine = undefined;
    await machine?.destroy();
  }

  #downloadsReported = false;
  #reportDownloads(): void {
    // Chunks come by the hundred; one update per frame is what can be seen.
    if (this.#downloadsReported) return;
    this.#downloadsReported = true;
    setTimeout(() => {
      this.#downloadsReported = false;
      this.#update({ downloads: this.#downloads.progress });
    }, 16);
  }

  #announce(announcement: string): void {
    this.#update({ announcement });
  }

  #update(change: Partial<PageState>): void {
    this.#state = { ...this.#state, ...change };
    for (const callback of this.#changed) callback();
  }
}
