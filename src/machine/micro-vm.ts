/**
 * MicroVm: the machine put together. The emulated CPU, RAM, a bus of virtio-mmio windows with console, network card
 * and entropy source, the in-page peer behind the card, and a kernel entered directly.
 */
import { BootError } from "../boot/errors.ts";
import { Cpu } from "../cpu/cpu.ts";
import { canHold } from "../cpu/memory-room.ts";
import { V86MismatchError } from "../cpu/v86-internals.ts";
import type {
  DeviceMetrics,
  DoorbellMode,
  InterruptMode,
  MetricsSnapshot,
  TransportKind,
} from "../metrics/counters.ts";
import type { TraceEvent, TraceEventKind } from "../metrics/trace-events.ts";
import { NETWORK } from "../net/addresses.ts";
import type { CapturedFrame } from "../net/pcap.ts";
import type { Clock } from "../virtio/types.ts";
import { Agent } from "./agent.ts";
import { type Assembly, assemble, type DeviceOptions } from "./assembly.ts";
import { CommandGate } from "./command-gate.ts";
import { type CaptureState, FrameRecorder } from "./frame-recorder.ts";
import { enterGuest, openGuestFiles } from "./guest-files.ts";
import { inspectMachine, type MachineInspection } from "./inspect.ts";
import { Life } from "./life.ts";
import { LiveSwitch, type Mode } from "./live-switch.ts";
import { MachineTrace } from "./machine-trace.ts";
import { BARS, SPARE_WINDOW, WINDOWS } from "./memory-map.ts";
import { checkOptions, MIB } from "./options.ts";
import { serialChannel } from "./serial-channel.ts";
import { MACHINE_STATE, type MachineParts, restoreMachine, saveMachine } from "./snapshot.ts";
import { checkFits, imageOf, readBody, readHeader, refused, writeSnapshot } from "./snapshot-file.ts";
import {
  type BootPhase,
  type ByteChannel,
  type ConsoleChannel,
  type ExecOptions,
  type MicroVmOptions,
  type RestoreOptions,
  type SaveOptions,
  SnapshotError,
  type StopReason,
  SwitchError,
  type SwitchResult,
  type Unsubscribe,
} from "./types.ts";
import { cardMetrics } from "./v86-card.ts";

const CONSOLE_PORT = 0;
const AGENT_PORT = 1;

const CLOCK: Clock = {
  now: () => performance.now(),
  after: (milliseconds, callback) => {
    const handle = setTimeout(callback, milliseconds);
    return () => clearTimeout(handle);
  },
};

/** A running microVM. Create, start, and destroy it when done: its memory goes with it. */
export class MicroVm {
  /** The terminal: port 0 of the virtio console. */
  readonly console: ConsoleChannel;
  /** The first serial port: early messages and panics. */
  readonly serial: ByteChannel;
  /** Guest memory. */
  readonly memoryMiB: number;
  /** Whether devices offer RING_EVENT_IDX. */
  readonly eventIndex: boolean;
  /** What carries virtio, from start to end. */
  readonly transport: TransportKind;
  /** Records what happens between the guest and its devices, event by event. Off until started. */
  readonly trace: MachineTrace;
  /** Pairs of queues that the network card offers. */
  readonly queuePairs: number;
  readonly #cpu: Cpu;
  readonly #devices: Assembly;
  readonly #switch: LiveSwitch;
  readonly #agent: Agent;
  readonly #image: () => Promise<string>;
  readonly #life = new Life((why) => {
    this.#agent.close(why);
    this.#switch.end(why);
  });
  readonly #commands = new CommandGate((command) => this.#agent.exec(command));
  readonly #frames: FrameRecorder;
  #created = CLOCK.now();
  #startedAt = this.#created;

  /**
   * Checks and loads everything; nothing runs until {@link start}.
   * @throws BootError (kernel, initramfs, memory size or command line cannot be booted) or another Error whose
   *   message is a sentence.
   */
  static async create(options: MicroVmOptions): Promise<MicroVm> {
    const checked = checkOptions(options);
    // Inflating and WebAssembly compilation go on side by side; a file that is no kernel is told at once.
    const cpu = createCpu(checked);
    cpu.catch(() => {});
    try {
      const files = await openGuestFiles(options);
      const vm = new MicroVm(await cpu, checked, () => imageOf(options));
      enterGuest(vm.#cpu, files, options);
      return vm;
    } catch (error) {
      // A CPU that nobody will run is let go of, whenever it is there.
      cpu.then(
        (unused) => unused.destroy(),
        () => {},
      );
      throw error;
    }
  }

  /**
   * The machine of a snapshot that {@link save} made, as it was then; it goes on at {@link start}. Its devices' state, its
   * connections to the peer and its counters go on too; a command that was running in it goes on, but nobody hears of
   * its end. The wall clock is set by our guest image as soon as it runs.
   * @throws SnapshotError when the bytes are none, are damaged, or do not fit what `options` ask for; BootError when
   *   there is no room for the machine.
   */
  static async restore(bytes: Uint8Array, options: RestoreOptions): Promise<MicroVm> {
    const header = await readHeader(bytes, MACHINE_STATE);
    checkFits(header, options);
    // Reading goes on beside the compilation of the emulator.
    const body = readBody(bytes, header, MACHINE_STATE, options.trusted);
    const machine = { ...options, ...header };
    const cpu = createCpu(machine);
    body.catch(() => {});
    cpu.catch(() => {});
    let vm: MicroVm | undefined;
    try {
      const { state, forEachPiece } = await body;
      vm = new MicroVm(await cpu, machine, async () => header.image);
      const { memory } = vm.#cpu;
      forEachPiece((address, piece) => memory.view(address, piece.length).set(piece));
      restoreMachine(vm.#parts, state);
      vm.#life.reach(header.phase);
      vm.#created -= state.wallMs;
      vm.#startedAt = vm.#created;
      if (header.phase === "ready") vm.#commands.close();
      return vm;
    } catch (cause) {
      await vm?.destroy();
      cpu.then(
        (unused) => unused.destroy(),
        () => {},
      );
      throw cause instanceof V86MismatchError || cause instanceof BootError ? cause : refused(cause);
    }
  }

  private constructor(cpu: Cpu, options: DeviceOptions, image: () => Promise<string>) {
    cpu.exitCost.set(options.exitCostNs ?? 0);
    this.#cpu = cpu;
    this.#image = image;
    this.memoryMiB = options.memoryMiB;
    this.queuePairs = options.queuePairs;
    this.transport = options.transport ?? "mmio";
    const devices = assemble(cpu, options, CLOCK, () => this.metrics());
    this.#devices = devices;
    this.eventIndex = devices.eventIndex;
    this.#frames = new FrameRecorder(devices.peer, () => CLOCK.now() - this.#startedAt);
    this.trace = new MachineTrace({
      cpu,
      counters: new Map([...devices.every].map(([name, { counters }]) => [name, counters])),
      peer: devices.peer,
      now: () => CLOCK.now() - this.#created,
    });
    this.#switch = new LiveSwitch({
      transports: devices.switchable,
      clock: CLOCK,
      mode: devices.mode,
      canRun: () => cpu.running,
      onStep: (device, step) => this.trace.switchStep(device, step),
    });

    const agentPort = devices.console.port(AGENT_PORT);
    this.#agent = new Agent({
      send: (bytes) => agentPort.write(bytes),
      clock: CLOCK,
      onReady: () => {
        this.#life.reach("network");
        this.#life.reach("ready");
      },
    });
    agentPort.onOutput((bytes) => this.#agent.receive(bytes));
    const consolePort = devices.console.port(CONSOLE_PORT);
    consolePort.onOutput(() => this.#life.reach("console"));
    devices.transports.get("console0")?.onReady(() => this.#life.reach("kernel"));
    this.console = {
      onOutput: (callback) => consolePort.onOutput(callback),
      write: (bytes) => consolePort.write(bytes),
      resize: (columns, rows) => devices.console.resize(columns, rows),
    };
    this.serial = serialChannel(cpu);
    this.serial.onOutput((bytes) => this.#life.said(bytes));
    cpu.onGap(() => {
      if (this.phase !== "ready") return;
      this.#commands.close();
      this.#commands.running();
    });
    cpu.onEvent((event, detail) => this.#life.stopped(event, detail));
  }

  /**
   * The whole machine as a file, which {@link restore} takes; it runs on meanwhile, but for some milliseconds. A live
   * switch that is under way is waited for.
   * @throws SnapshotError with v86's own network card, whose router cannot be saved, with the spare device, and when the
   *   machine is over.
   */
  async save({ compress = true, onMoment }: SaveOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#cpu.card)
      throw new SnapshotError("A machine with v86's own network card cannot be saved: take one with ours.");
    if (this.spareDevice)
      throw new SnapshotError("A machine with the spare device cannot be saved: take one without.");
    const image = await this.#image();
    while (this.#switch.busy) await this.#switch.settled();
    // Called after a wait: then no register access is under way.
    return writeSnapshot(MACHINE_STATE, compress, () => {
      const { over } = this.#life;
      if (over !== undefined) throw new SnapshotError(`${over} There is nothing to save.`);
      if (this.#switch.busy)
        throw new SnapshotError("A live switch began while the machine was being saved: try again.");
      onMoment?.();
      return {
        subject: {
          image,
          memoryMiB: this.memoryMiB,
          queuePairs: this.queuePairs,
          transport: this.transport,
          interrupts: this.interrupts,
          doorbell: this.doorbell,
          eventIndex: this.eventIndex,
          phase: this.phase,
        },
        state: saveMachine(this.#parts, CLOCK.now() - this.#created),
        memory: this.#cpu.saveMemory(),
      };
    });
  }

  /**
   * Identifies what the machine was booted from: the same for the same kernel, initial file systems and command line.
   * @throws SnapshotError where the platform has no SHA-256.
   */
  image(): Promise<string> {
    return this.#image();
  }

  get #parts(): MachineParts {
    const { transports, console, net, rng, peer } = this.#devices;
    const agent = this.#agent;
    return { cpu: this.#cpu, transports, console, net, rng, peer, agent, liveSwitch: this.#switch };
  }

  /** Lets the guest run; also after {@link pause}. */
  start(): void {
    if (this.phase === "created") this.#startedAt = CLOCK.now();
    this.#life.reach("started");
    this.#cpu.run();
    this.#commands.running();
  }

  /** Stops the guest after its current slice of about a millisecond. Its clock goes on for 90 s; what a pause lasts longer is no guest time, and its wall clock is set. */
  pause(): void {
    this.trace.cancelNext();
    this.#cpu.stop();
  }

  /** The same as {@link start}. */
  resume(): void {
    this.start();
  }

  /**
   * Runs to the next event of a kind, by default the next register access, and pauses: with the event, or undefined when the
   * machine was paused or stopped before. Starts the trace when it is not active. The guest stands a little behind the event, some
   * tens of instructions as a rule: the emulated CPU lets go where the translated code that made the access looks up.
   */
  async stepToEvent(kinds: readonly TraceEventKind[] = ["read", "write"]): Promise<TraceEvent | undefined> {
    let stopped: Promise<void> = Promise.resolve();
    const event = this.trace.next(
      (kind) => kinds.includes(kind),
      () => {
        stopped = this.#cpu.stopSoon();
      },
    );
    this.start();
    const found = await event;
    await stopped;
    return found;
  }

  /** Devices, queues, message tables and interrupt controllers as they stand. The guest does not notice. */
  inspect(): MachineInspection {
    return inspectMachine({
      interrupts: this.#cpu.inspectInterrupts(),
      guestInstructions: this.#cpu.instructions,
      running: this.#cpu.running,
      transports: this.#devices.every,
      bases: this.transport === "pci" ? BARS : { ...WINDOWS, spare0: SPARE_WINDOW },
    });
  }

  get running(): boolean {
    return this.#cpu.running;
  }

  /** Bytes of the emulator's memory: the guest's RAM and the CPU's own state. */
  get emulatorBytes(): number {
    return this.#cpu.wasmBytes;
  }

  /** Stops the guest for good and lets go of its memory. */
  async destroy(): Promise<void> {
    this.trace.stop();
    this.#life.end("The machine was shut down.");
    this.#devices.peer.close();
    await this.#cpu.destroy();
  }

  /** How far the start has come. */
  get phase(): BootPhase {
    return this.#life.phase;
  }

  /** Calls back for each phase as it is reached. */
  onPhase(callback: (phase: BootPhase) => void): Unsubscribe {
    return this.#life.onPhase(callback);
  }

  /** Calls back once, at the guest's first access to one of its devices: a register, or PCI configuration. */
  onFirstAccess(callback: () => void): void {
    this.#cpu.onFirstAccess(callback);
  }

  /** Calls back when the machine stops by itself: the guest halted, reset or panicked, or the emulated CPU failed. */
  onStop(callback: (reason: StopReason) => void): Unsubscribe {
    return this.#life.onStop(callback);
  }

  /**
   * Runs a command by the guest's shell and resolves with its exit status (128 + n when signal n ended it). Waits for
   * the guest to be ready; rejects when the machine stops before the command has ended. Needs our guest image.
   */
  exec(command: string, options?: ExecOptions): Promise<number> {
    const run = (): Promise<number> => this.#agent.exec(command, options);
    const { opened } = this.#commands;
    if (opened === undefined) return run();
    return opened.then(() => {
      const { over } = this.#life;
      if (over !== undefined) throw new Error(over);
      return run();
    });
  }

  /** The interrupt mode offered now. */
  get interrupts(): InterruptMode {
    return this.#switch.mode.interrupts;
  }

  /** The doorbell mode offered now. */
  get doorbell(): DoorbellMode {
    return this.#switch.mode.doorbell;
  }

  /**
   * Switches all devices live; resolves when every driver has negotiated again, rejects with SwitchError, on PCI always.
   */
  setInterrupts(mode: InterruptMode): Promise<SwitchResult> {
    return this.#switchTo({ interrupts: mode });
  }

  /** As {@link setInterrupts}, for the way queues are notified. */
  setDoorbell(mode: DoorbellMode): Promise<SwitchResult> {
    return this.#switchTo({ doorbell: mode });
  }

  #switchTo(change: Partial<Mode>): Promise<SwitchResult> {
    if (this.transport === "mmio") return this.#switch.to(change);
    return Promise.reject(
      new SwitchError(
        "Devices on PCI cannot be switched while they run: the virtio-pci driver does not recover from DEVICE_NEEDS_RESET.",
      ),
    );
  }

  /**
   * Sets the exit-cost model, also while the guest runs: nanoseconds for each trapped access and IOAPIC EOI, 0 for off.
   * Calibrates for some milliseconds. Throws RangeError with a sentence.
   */
  setExitCost(nanoseconds: number): void {
    this.#cpu.exitCost.set(nanoseconds);
  }

  /** All counters at this moment. */
  metrics(): MetricsSnapshot {
    const { every, cardServices, peer } = this.#devices;
    const devices: Record<string, DeviceMetrics> = Object.fromEntries(
      [...every].map(([name, transport]) => [name, transport.metrics()]),
    );
    const { card } = this.#cpu;
    if (card) devices.net0 = cardMetrics(card);
    return {
      wallMs: CLOCK.now() - this.#created,
      guestInstructions: this.#cpu.instructions,
      switches: this.#switch.completed,
      ioapicEois: Object.values(devices).reduce((sum, { interrupts }) => sum + interrupts.wired, 0),
      exitCostNs: this.#cpu.exitCost.nanoseconds,
      peer: {
        transactions: (cardServices ?? peer.counters.services["request-response"])?.transactions ?? 0,
      },
      devices,
    };
  }

  /** Goes on recording frames; capturing is on from the start. */
  startCapture(): void {
    this.#frames.start();
  }

  /** Stops recording frames; what was recorded stays. */
  stopCapture(): void {
    this.#frames.stop();
  }

  /** What was recorded: frames, bytes of the file so far, and frames left out once the bound was reached. */
  get capture(): CaptureState {
    return this.#frames.state;
  }

  /** The newest recorded frames from number `from` on, at most `most`, oldest first; times count from the guest's start. */
  frames(from: number, most: number): CapturedFrame[] {
    return this.#frames.newest(from, most);
  }

  /** Whether there is the spare device. */
  get spareDevice(): boolean {
    return this.#devices.every.has("spare0");
  }

  /** The recorded frames as a pcapng file; times count from the guest's start. */
  pcapng(): Uint8Array {
    return this.#frames.toPcapng();
  }
}

async function createCpu({
  wasm,
  memoryMiB,
  networkCard,
  scheduler = "doorbell",
}: Pick<MicroVmOptions, "wasm" | "networkCard" | "scheduler"> & { memoryMiB: number }): Promise<Cpu> {
  if (!canHold(memoryMiB * MIB)) {
    throw new BootError(
      "no-memory",
      `There is not enough memory here for a guest with ${memoryMiB} MiB: give it less, or close what else is open.`,
    );
  }
  return Cpu.create({
    wasm,
    memoryBytes: memoryMiB * MIB,
    network: { routerIp: NETWORK.peer.ip, routerMac: NETWORK.peer.mac, guestIp: NETWORK.guest.ip },
    networkCard: networkCard === "v86",
    scheduler,
  });
}
