/**
 * The page's one state. It owns the MicroVm from download to restart; elements read `state`, call actions and
 * are told of changes. Metrics come four times per second on a channel of their own.
 */
import type {
  BootPhase,
  DoorbellMode,
  InterruptMode,
  MicroVmOptions,
  StopReason,
  TraceEvent,
  TraceEventKind,
  TransportKind,
  Unsubscribe,
} from "../src/index.ts";
import { Comparison, NO_COMPARISON } from "./comparison.ts";
import type { ComparisonSettings } from "./comparison-run.ts";
import type { ImageDownloads } from "./downloads.ts";
import { modelledExitCost } from "./exit-cost.ts";
import { MachineSession } from "./machine-session.ts";
import { MetricsHistory } from "./metrics-history.ts";
import type { AtStart, PageOptions } from "./page-options.ts";
import type { Machine, MachineSource, PageState, StoreAccess, TerminalSink } from "./page-state.ts";
import { startProblem, stopProblem } from "./problems.ts";
import { type Origin, Snapshots } from "./snapshots.ts";
import { Switches } from "./switches.ts";
import { TcpRrRuns } from "./tcp-rr-runs.ts";
import { INTERRUPT_SHORT, sentence, TRANSPORT_NAMES } from "./words.ts";

export class MachineStore {
  /** "Reproduce the table". */
  readonly comparison: Comparison;
  /** What is kept of the machine, in the browser and in files. */
  readonly snapshots: Snapshots;
  readonly #source: MachineSource;
  readonly #options: PageOptions;
  readonly #downloads: ImageDownloads;
  readonly #changed = new Set<() => void>();
  readonly #sampled = new Set<() => void>();
  #state: PageState;
  #history = new MetricsHistory();
  #session: MachineSession | undefined;
  #terminal: TerminalSink | undefined;
  #attach: (terminal: TerminalSink) => void = () => {};
  readonly #attached = new Promise<TerminalSink>((resolve) => {
    this.#attach = resolve;
  });
  /** Counts starts: what an abandoned start still does must not touch its successor. */
  #generation = 0;
  readonly #runs: TcpRrRuns;
  readonly #switches: Switches;

  constructor(source: MachineSource, options: PageOptions) {
    this.#source = source;
    this.#options = options;
    this.#downloads = source.downloads;
    this.comparison = new Comparison(
      async (guest) => this.#source.create({ ...(await this.#files()), ...guest }),
      () => this.#update({ comparison: this.comparison.state }),
    );
    const store = this;
    this.snapshots = new Snapshots(
      {
        get machine() {
          return store.machine;
        },
        get calm() {
          return store.#calm;
        },
        changed: () => this.#update({ snapshots: this.snapshots.state }),
        notice: (text) => this.showNotice(text),
      },
      source.kept?.identity ?? "",
      source.kept?.visit ?? { from: undefined, mayKeep: false },
    );
    const access: StoreAccess = {
      get state() {
        return store.#state;
      },
      get machine() {
        return store.machine;
      },
      update: (change) => this.#update(change),
      announce: (text) => this.announce(text),
    };
    this.#runs = new TcpRrRuns(access, () => this.#runMode());
    this.#switches = new Switches(access, (mark) => {
      this.#history.mark(performance.now(), mark);
      this.snapshots.switched();
    });
    this.#state = {
      stage: "downloading",
      downloads: this.#downloads.progress,
      phases: {},
      slow: false,
      problem: undefined,
      notice: undefined,
      announcement: "",
      transport: options.transport,
      interrupts: options.interrupts,
      doorbell: options.doorbell,
      atStart: options.atStart,
      started: undefined,
      exitCostNs: options.exitCostNs,
      switching: undefined,
      run: "idle",
      results: [],
      snapshots: this.snapshots.state,
      comparison: NO_COMPARISON,
    };
  }

  get state(): PageState {
    return this.#state;
  }

  /** Rates, totals and the last minute. */
  get history(): MetricsHistory {
    return this.#history;
  }

  /** The machine itself, absent while there is none. A view that keeps it looks again after each change. */
  get machine(): Machine | undefined {
    return this.#session?.machine;
  }

  /** What the capture holds, absent while there is no machine. */
  get capture(): Machine["capture"] | undefined {
    return this.machine?.capture;
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
    this.#attach(terminal);
  }

  /** What the person typed. */
  type(bytes: Uint8Array): void {
    this.machine?.console.write(bytes);
    this.snapshots.typed(bytes);
  }

  resizeTerminal(columns: number, rows: number): void {
    this.machine?.console.resize(columns, rows);
  }

  /** Begins the visit: with the machine that the browser has kept for it, or with a boot. */
  async start(): Promise<void> {
    const { visit, underWay } = this.#source.kept ?? {};
    const from = visit?.from;
    if (from === undefined || underWay === undefined) return this.boot();
    const generation = this.#generation;
    this.#update({ stage: "booting" });
    // What was there is seen before it goes on.
    (await this.#attached).replay(from.machine.scrollback);
    try {
      await this.#bringBack(underWay, from.place, from.machine.scrollback);
    } catch (error) {
      if (generation !== this.#generation) return;
      void this.snapshots.forget(from.place);
      await this.boot();
      this.showNotice(`The machine of the last visit could not be brought back: ${sentence(error)}`);
    }
  }

  /** Goes on with the machine of a file; the one that is there goes when the new one is. */
  load(snapshot: Uint8Array): Promise<void> {
    return this.snapshots.loading(async () => {
      if (this.#state.comparison.stage !== "idle") return;
      const restored = this.#downloads.first().then((wasm) => this.#source.restore(snapshot, { wasm }));
      await this.#bringBack(restored, "file");
      this.announce("The machine of the file goes on.");
    });
  }

  async #bringBack(
    restored: Promise<Machine | undefined>,
    origin: Origin,
    scrollback?: Uint8Array,
  ): Promise<void> {
    const generation = this.#generation;
    // A visit's begins with the page.
    const began = origin === "file" ? performance.now() : 0;
    const machine = await restored;
    if (machine === undefined) return;
    if (generation !== this.#generation) return void machine.destroy();
    // From here on what the machine before this one still does is stale.
    this.#generation++;
    await this.#dispose();
    this.#history = new MetricsHistory();
    if (origin === "file") this.#update({ exitCostNs: machine.metrics().exitCostNs });
    else machine.setExitCost(this.#state.exitCostNs);
    this.#adopt(machine, origin, scrollback);
    if (this.#terminal) machine.console.resize(this.#terminal.columns, this.#terminal.rows);
    const { transport, interrupts, doorbell } = machine;
    const phases = { ready: performance.now() - began };
    this.#update({
      ...{
        transport,
        interrupts,
        doorbell,
        atStart: atStart(machine),
        phases,
        stage: "running",
        run: "idle",
      },
      ...{ problem: undefined, notice: undefined, slow: false, switching: undefined },
    });
  }

  /** Nothing is going on that an autosave would disturb. */
  get #calm(): boolean {
    const { stage, run, switching, comparison } = this.#state;
    const there = stage === "running" || stage === "paused";
    return there && run === "idle" && switching === undefined && comparison.stage === "idle";
  }

  /** Downloads what is missing and starts the machine; a machine that is there goes first. `notice` says why, if need be. */
  async boot(notice?: string): Promise<void> {
    if (this.#state.comparison.stage !== "idle") return;
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
      notice,
      switching: undefined,
      started: undefined,
      run: "idle",
    });
    this.#sampled.forEach((callback) => void callback());
    try {
      const files = await this.#files();
      if (stale()) return;
      this.#update({ stage: "booting", downloads: this.#downloads.progress });
      this.announce("Everything is downloaded. Linux starts.");
      const { transport, interrupts, doorbell, exitCostNs } = this.#state;
      const machine = await this.#source.create({
        ...files,
        transport,
        interrupts,
        ...this.#state.atStart,
        // On PCI each queue has its own, whatever is chosen for MMIO; and the spare device is on MMIO.
        ...(transport === "pci" ? { spareDevice: false } : { doorbell }),
        exitCostNs,
        terminal: { columns: this.#terminal?.columns ?? 80, rows: this.#terminal?.rows ?? 24 },
        ...(this.#options.memoryMiB === undefined ? {} : { memoryMiB: this.#options.memoryMiB }),
      });
      if (stale()) {
        await machine.destroy();
        return;
      }
      this.#adopt(machine, "boot");
    } catch (error) {
      if (stale()) return;
      const downloading = this.#state.stage === "downloading";
      this.#update({ stage: "failed", problem: startProblem(downloading, error) });
    }
  }

  /** Lets go of the machine; what a start in progress still does is dropped. */
  async close(): Promise<void> {
    this.#generation++;
    await this.#dispose();
  }

  pause(): void {
    if (this.#state.stage !== "running" || this.#state.switching !== undefined) return;
    this.machine?.pause();
    this.#update({ stage: "paused" });
    this.announce("Paused.");
  }

  resume(): void {
    if (this.#state.stage !== "paused" || this.#state.comparison.stage !== "idle") return;
    this.machine?.resume();
    this.#update({ stage: "running" });
    this.announce("Running.");
  }

  /** Runs to the next event of one of the kinds, and pauses there; {@link pause} gives it up. */
  async step(kinds: readonly TraceEventKind[]): Promise<TraceEvent | undefined> {
    const machine = this.machine;
    const { stage, switching, comparison } = this.#state;
    if (machine === undefined || switching !== undefined || comparison.stage !== "idle") return undefined;
    if (stage !== "running" && stage !== "paused") return undefined;
    if (stage === "paused") this.#update({ stage: "running" });
    const event = await machine.stepToEvent(kinds);
    if (machine !== this.machine || event === undefined || this.#state.stage !== "running") return undefined;
    this.#update({ stage: "paused" });
    return event;
  }

  /** Live on MMIO; on PCI the choice waits for the next start. */
  setInterrupts(mode: InterruptMode): Promise<void> {
    return this.#switches.setInterrupts(mode);
  }

  setDoorbell(mode: DoorbellMode): Promise<void> {
    return this.#switches.setDoorbell(mode);
  }

  /** Chooses what carries virtio at the next start. */
  setTransport(transport: TransportKind): void {
    this.#update({ transport });
    if (this.#state.started !== undefined && this.#state.started.transport !== transport) {
      this.announce(`${TRANSPORT_NAMES[transport]} takes effect at the next restart.`);
    }
  }

  /** Chooses what the guest learns of its devices at the next start. */
  setAtStart(change: Partial<AtStart>): void {
    this.#update({ atStart: { ...this.#state.atStart, ...change } });
  }

  /** Sets the exit-cost model, live. */
  setExitCost(nanoseconds: number): void {
    this.machine?.setExitCost(nanoseconds);
    this.#update({ exitCostNs: nanoseconds });
    this.announce(modelledExitCost(nanoseconds) ?? "The exit-cost model is off.");
  }

  /** Runs tcp_rr in the guest and keeps its result. */
  runTcpRr(): Promise<void> {
    return this.#runs.run();
  }

  /** Ends the run in progress. */
  cancelTcpRr(): void {
    this.#runs.cancel();
  }

  /** The capture as a pcapng file, or undefined when there is none. */
  pcapng(): Uint8Array | undefined {
    return this.machine?.pcapng();
  }

  dismissNotice(): void {
    this.#update({ notice: undefined });
  }

  /** Shows a failure that the machine survived. */
  showNotice(notice: string): void {
    this.#update({ notice });
  }

  /** Whether the table can be measured now. */
  get canCompare(): boolean {
    const { stage, run, switching, comparison } = this.#state;
    const settled = stage === "running" || stage === "paused" || stage === "stopped";
    return settled && run === "idle" && switching === undefined && comparison.stage === "idle";
  }

  /** Measures the table with the exit cost that is set. The visible guest is paused meanwhile. */
  async compare(settings: Omit<ComparisonSettings, "exitCostNs">): Promise<void> {
    if (!this.canCompare) return;
    const resume = this.#state.stage === "running";
    this.pause();
    await this.comparison.run({ ...settings, exitCostNs: this.#state.exitCostNs });
    if (resume) this.resume();
  }

  /** What a machine is made of; downloads what is missing. */
  async #files(): Promise<Pick<MicroVmOptions, "wasm" | "kernel" | "initrd">> {
    const [wasm, kernel, initramfs] = await this.#downloads.run(() => this.#reportDownloads());
    return {
      wasm,
      kernel: { name: this.#source.kernelUrl, bytes: kernel },
      initrd: [{ name: this.#source.initramfsUrl, bytes: initramfs }],
    };
  }

  /** What the network card uses, in the words of the results. */
  #runMode(): string {
    const { started, interrupts } = this.#state;
    return started?.transport === "pci"
      ? INTERRUPT_SHORT.pci[started.interrupts]
      : INTERRUPT_SHORT.mmio[interrupts];
  }

  #adopt(machine: Machine, origin: Origin, scrollback?: Uint8Array): void {
    const session = new MachineSession(machine, {
      printed: (bytes) => {
        this.#terminal?.write(bytes);
        this.snapshots.printed(bytes);
      },
      reached: (phase, milliseconds) => this.#reached(phase, milliseconds),
      sampled: (metrics) => {
        this.#history.push(performance.now(), metrics);
        this.#sampled.forEach((callback) => void callback());
      },
      late: () => this.#update({ slow: this.#state.stage === "booting" }),
      stopped: (reason) => this.#stopped(machine, reason),
    });
    this.#session = session;
    this.snapshots.adopted(origin, scrollback);
    this.#source.onMachine?.(machine);
    this.#update({
      started: {
        transport: machine.transport,
        interrupts: machine.interrupts,
        atStart: atStart(machine),
      },
    });
    if (scrollback === undefined) this.#terminal?.clear();
    session.start();
  }

  #reached(phase: BootPhase, milliseconds: number): void {
    this.#update({
      phases: { ...this.#state.phases, [phase]: milliseconds },
      // A shell is there from "console" on: from then the machine is in use.
      ...(phase === "console" && this.#state.stage === "booting" ? { stage: "running" as const } : {}),
    });
    if (phase === "console") this.announce("The console is connected. Linux is ready for input.");
  }

  #stopped(machine: Machine, reason: StopReason): void {
    this.snapshots.gone();
    // As a computer does. Not one that never came to a console: it might go on like that for ever.
    const inUse = machine.phase !== "started" && machine.phase !== "kernel";
    if (reason.kind === "guest-reset" && inUse && this.#state.comparison.stage === "idle") {
      void this.boot("The guest has reset its machine, and boots again.");
      return;
    }
    this.#update({ stage: "stopped", switching: undefined, run: "idle", problem: stopProblem(reason) });
  }

  async #dispose(): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    this.snapshots.gone();
    this.#session = undefined;
    await session.end();
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

  /** Says something aloud. */
  announce(announcement: string): void {
    this.#update({ announcement });
  }

  #update(change: Partial<PageState>): void {
    this.#state = { ...this.#state, ...change };
    for (const callback of this.#changed) callback();
  }
}

function atStart({ eventIndex, queuePairs, spareDevice }: Machine): AtStart {
  return { eventIndex, queuePairs, spareDevice };
}
