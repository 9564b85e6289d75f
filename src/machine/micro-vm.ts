/**
 * MicroVm: the machine put together. The emulated CPU, RAM, a bus of virtio-mmio windows with console, network card
 * and entropy source, the in-page peer behind the card, and a kernel entered directly.
 */
import { concatArchives } from "../boot/cpio.ts";
import { BootError } from "../boot/errors.ts";
import { gunzip } from "../boot/gzip.ts";
import { type Kernel, parseKernel } from "../boot/kernel.ts";
import { loadLinux } from "../boot/load.ts";
import { Cpu, type CpuEvent } from "../cpu/cpu.ts";
import { V86MismatchError } from "../cpu/v86-internals.ts";
import type {
  DeviceMetrics,
  DoorbellMode,
  InterruptMode,
  MetricsSnapshot,
  TransportKind,
} from "../metrics/counters.ts";
import type { TraceEvent, TraceEventKind } from "../metrics/trace-events.ts";
import { NETWORK, parseMac } from "../net/addresses.ts";
import { Capture, type CapturedFrame } from "../net/pcap.ts";
import { InPagePeer } from "../net/peer.ts";
import { ConsoleDevice } from "../virtio/device/console.ts";
import { NetDevice } from "../virtio/device/net.ts";
import { PAIRS_MOST } from "../virtio/device/net-defs.ts";
import { RngDevice } from "../virtio/device/rng.ts";
import type { MmioTransport } from "../virtio/transport/mmio.ts";
import type { PciTransport } from "../virtio/transport/pci.ts";
import type { Clock } from "../virtio/types.ts";
import { ACPI_MACHINE } from "./acpi.ts";
import { AGENT_PORT_NAME, Agent } from "./agent.ts";
import { attachMmio, attachPci, attachV86Card } from "./attach.ts";
import { commandLine } from "./command-line.ts";
import { inspectMachine, type MachineInspection } from "./inspect.ts";
import { interruptMap } from "./interrupt-map.ts";
import { LiveSwitch, type Mode } from "./live-switch.ts";
import { MachineTrace } from "./machine-trace.ts";
import { BARS, type DeviceName, MEMORY_MAP, WINDOWS } from "./memory-map.ts";
import { serialChannel } from "./serial-channel.ts";
import { MACHINE_STATE, type MachineParts, restoreMachine, saveMachine } from "./snapshot.ts";
import { checkFits, imageOf, readBody, readHeader, refused, writeSnapshot } from "./snapshot-file.ts";
import { renderStatus } from "./status.ts";
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
import { type CardServices, cardMetrics, serveOnCard } from "./v86-card.ts";

const MIB = 0x100000;
const DEFAULT_MEMORY_MIB = 64;
/** Decision 0020: one CPU has no use for more, and each costs. */
const DEFAULT_QUEUE_PAIRS = 1;
const MEMORY_MIB = { least: 16, most: MEMORY_MAP.ram.maximum / MIB } as const;
const PHASES: readonly BootPhase[] = ["created", "started", "kernel", "console", "network", "ready"];
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
  readonly #cpu: Cpu;
  readonly #peer: InPagePeer;
  readonly #net: NetDevice;
  readonly #console: ConsoleDevice;
  readonly #transports: ReadonlyMap<DeviceName, MmioTransport | PciTransport>;
  /** No kernel is told of it, and no live switch concerns it. */
  readonly #spare: MmioTransport | undefined;
  readonly #cardServices: CardServices | undefined;
  readonly #switch: LiveSwitch;
  readonly #agent: Agent;
  readonly #rng: RngDevice;
  readonly #image: () => Promise<string>;
  /** Pairs of queues that the network card offers. */
  readonly queuePairs: number;
  #created = CLOCK.now();
  readonly #phaseListeners = new Set<(phase: BootPhase) => void>();
  readonly #stopListeners = new Set<(reason: StopReason) => void>();
  readonly #capture = new Capture();
  #stopTap: Unsubscribe | undefined;
  #phase: BootPhase = "created";
  #startedAt = this.#created;
  /** Why it does not run any more. */
  #over: string | undefined;
  /** Of a restored machine: sets the guest's wall clock, which stands where it was saved, and is done when that is. */
  #setClock: (() => void) | undefined;
  #clockSet: Promise<void> | undefined;

  /**
   * Checks and loads everything; nothing runs until {@link start}.
   * @throws BootError (kernel, initramfs, memory size or command line cannot be booted) or another Error whose
   *   message is a sentence.
   */
  static async create(options: MicroVmOptions): Promise<MicroVm> {
    const memoryMiB = options.memoryMiB ?? DEFAULT_MEMORY_MIB;
    if (!Number.isInteger(memoryMiB) || memoryMiB < MEMORY_MIB.least || memoryMiB > MEMORY_MIB.most) {
      throw new BootError(
        "memory-size",
        `The guest cannot have ${memoryMiB} MiB of memory: give a whole number from ${MEMORY_MIB.least} to ${MEMORY_MIB.most}.`,
      );
    }
    if (options.transport === "pci" && options.doorbell === "shared") {
      throw new Error(
        "Devices on PCI have a doorbell for each queue: leave the doorbell mode out, or take per-queue.",
      );
    }
    if (options.transport === "pci" && options.spareDevice) {
      throw new Error("The spare device is on the virtio-mmio bus: leave it out with devices on PCI.");
    }
    const pairs = options.queuePairs ?? DEFAULT_QUEUE_PAIRS;
    if (!Number.isInteger(pairs) || pairs < 1 || pairs > PAIRS_MOST) {
      throw new Error(
        `The network card cannot have ${pairs} pairs of queues: give a whole number from 1 to ${PAIRS_MOST}.`,
      );
    }
    if (options.acpi && (options.transport === "pci" || options.networkCard === "v86")) {
      throw new Error(
        "The ACPI tables describe devices on MMIO: leave transport and network card as they are by default.",
      );
    }
    // Inflating and WebAssembly compilation go on side by side; a file that is no kernel is told at once.
    const kernelBytes = gunzip(options.kernel.name, options.kernel.bytes);
    const archives = Promise.all((options.initrd ?? []).map(({ name, bytes }) => gunzip(name, bytes)));
    const cpu = createCpu(options, memoryMiB);
    // Whichever fails first is reported; the others must not be left as unhandled rejections.
    archives.catch(() => {});
    try {
      const kernel = parseKernel(options.kernel.name, await kernelBytes);
      const vm = new MicroVm(await cpu, memoryMiB, options, () => imageOf(options));
      vm.#load(options, kernel, concatArchives(await archives));
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
   * @throws SnapshotError when the bytes are none, are damaged, or do not fit what `options` ask for.
   */
  static async restore(bytes: Uint8Array, options: RestoreOptions): Promise<MicroVm> {
    const header = await readHeader(bytes, MACHINE_STATE);
    checkFits(header, options);
    // Reading goes on beside the compilation of the emulator.
    const body = readBody(bytes, header, MACHINE_STATE);
    const cpu = createCpu({ wasm: options.wasm }, header.memoryMiB);
    body.catch(() => {});
    let vm: MicroVm | undefined;
    try {
      const { state, forEachPiece } = await body;
      const machine = { ...options, ...header };
      vm = new MicroVm(await cpu, header.memoryMiB, machine, async () => header.image);
      const { memory } = vm.#cpu;
      forEachPiece((address, piece) => memory.view(address, piece.length).set(piece));
      restoreMachine(vm.#parts, state);
      vm.#phase = header.phase;
      vm.#created -= state.wallMs;
      vm.#startedAt = vm.#created;
      if (header.phase === "ready") vm.#holdCommands();
      return vm;
    } catch (cause) {
      await vm?.destroy();
      cpu.then(
        (unused) => unused.destroy(),
        () => {},
      );
      throw cause instanceof V86MismatchError ? cause : refused(cause);
    }
  }

  private constructor(
    cpu: Cpu,
    memoryMiB: number,
    options: Omit<MicroVmOptions, "wasm" | "kernel" | "initrd">,
    image: () => Promise<string>,
  ) {
    const log = options.log ?? (() => {});
    cpu.exitCost.set(options.exitCostNs ?? 0);
    const mode = {
      interrupts: options.interrupts ?? "msi",
      doorbell: options.doorbell ?? "per-queue",
    } as const;
    this.transport = options.transport ?? "mmio";
    this.#cpu = cpu;
    this.memoryMiB = memoryMiB;
    this.queuePairs = options.queuePairs ?? DEFAULT_QUEUE_PAIRS;
    this.#image = image;
    this.#peer = new InPagePeer({
      router: cpu.router,
      clock: CLOCK,
      web: options.web ?? false,
      status: () => renderStatus(this.metrics()),
      log: (message) => log(`peer: ${message}`),
    });
    this.startCapture();
    this.#net = new NetDevice({
      mac: parseMac(NETWORK.guest.mac),
      mtu: NETWORK.mtu,
      link: this.#peer,
      queuePairs: this.queuePairs,
      clock: CLOCK,
    });
    this.#console = new ConsoleDevice({
      columns: options.terminal?.columns ?? 80,
      rows: options.terminal?.rows ?? 24,
      ports: [
        { name: "console", console: true },
        { name: AGENT_PORT_NAME, console: false },
      ],
    });
    const random = (target: Uint8Array): Uint8Array => crypto.getRandomValues(target);
    this.#rng = new RngDevice({ random });

    const { card } = cpu;
    if (card) {
      this.#cardServices = serveOnCard(card);
      attachV86Card(cpu, this.transport);
    }
    const devices = { console0: this.#console, ...(card ? {} : { net0: this.#net }), rng0: this.#rng };
    this.eventIndex = options.eventIndex ?? true;
    const offer = { ...mode, eventIndex: this.eventIndex };
    const spare = options.spareDevice ? new RngDevice({ random }) : undefined;
    const onMmio = this.transport === "mmio" ? attachMmio(cpu, devices, offer, log, spare) : undefined;
    this.#transports = onMmio?.transports ?? attachPci(cpu, devices, offer, log);
    this.#spare = onMmio?.spare;
    this.trace = new MachineTrace({
      cpu,
      counters: new Map([...this.#transports].map(([name, { counters }]) => [name, counters])),
      peer: this.#peer,
      now: () => CLOCK.now() - this.#created,
    });
    this.#switch = new LiveSwitch({
      transports: onMmio?.transports ?? new Map(),
      clock: CLOCK,
      mode,
      canRun: () => cpu.running,
      onStep: (device, step) => this.trace.switchStep(device, step),
    });

    const agentPort = this.#console.port(AGENT_PORT);
    this.#agent = new Agent({
      send: (bytes) => agentPort.write(bytes),
      clock: CLOCK,
      onReady: () => {
        this.#reach("network");
        this.#reach("ready");
      },
    });
    agentPort.onOutput((bytes) => this.#agent.receive(bytes));
    const consolePort = this.#console.port(CONSOLE_PORT);
    consolePort.onOutput(() => this.#reach("console"));
    this.#transports.get("console0")?.onReady(() => this.#reach("kernel"));
    this.console = {
      onOutput: (callback) => consolePort.onOutput(callback),
      write: (bytes) => consolePort.write(bytes),
      resize: (columns, rows) => this.#console.resize(columns, rows),
    };
    this.serial = serialChannel(cpu);
    cpu.onEvent((event, detail) => this.#stopped(event, detail));
  }

  #load(options: MicroVmOptions, kernel: Kernel, initrd: Uint8Array): void {
    const cpu = this.#cpu;
    cpu.enter(
      loadLinux(cpu.memory, {
        kernelName: options.kernel.name,
        kernel,
        initrd,
        commandLine: commandLine(options.append, this.transport, options.networkCard, options.acpi),
        lines: interruptMap(this.transport, options.networkCard),
        ...(options.acpi ? { acpi: ACPI_MACHINE } : {}),
      }),
    );
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
    if (this.#spare)
      throw new SnapshotError("A machine with the spare device cannot be saved: take one without.");
    const image = await this.#image();
    while (this.#switch.busy) await this.#switch.settled();
    // Called after a wait: then no register access is under way.
    return writeSnapshot(MACHINE_STATE, compress, () => {
      if (this.#over !== undefined) throw new SnapshotError(`${this.#over} There is nothing to save.`);
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
          phase: this.#phase,
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
    return {
      cpu: this.#cpu,
      transports: this.#transports,
      console: this.#console,
      net: this.#net,
      rng: this.#rng,
      peer: this.#peer,
      agent: this.#agent,
      liveSwitch: this.#switch,
    };
  }

  /** Lets the guest run; also after {@link pause}. */
  start(): void {
    if (this.#phase === "created") this.#startedAt = CLOCK.now();
    this.#reach("started");
    this.#cpu.run();
    this.#setClock?.();
  }

  /** Stops the guest after its current slice of about a millisecond. Its clock goes on, as on a suspended computer. */
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
      transports: this.#transports,
      bases: this.transport === "pci" ? BARS : WINDOWS,
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
    this.#over = "The machine was shut down.";
    this.#agent.close(this.#over);
    this.#peer.close();
    await this.#cpu.destroy();
  }

  /** How far the start has come. */
  get phase(): BootPhase {
    return this.#phase;
  }

  /** Calls back for each phase as it is reached. */
  onPhase(callback: (phase: BootPhase) => void): Unsubscribe {
    this.#phaseListeners.add(callback);
    return () => this.#phaseListeners.delete(callback);
  }

  /** Calls back once, at the guest's first access to one of its devices: a register, or PCI configuration. */
  onFirstAccess(callback: () => void): void {
    this.#cpu.onFirstAccess(callback);
  }

  /** Calls back when the machine stops by itself: the guest halted or reset, or the emulated CPU failed. */
  onStop(callback: (reason: StopReason) => void): Unsubscribe {
    this.#stopListeners.add(callback);
    return () => this.#stopListeners.delete(callback);
  }

  /**
   * Runs a command by the guest's shell and resolves with its exit status (128 + n when signal n ended it). Waits for
   * the guest to be ready; rejects when the machine stops before the command has ended. Needs our guest image.
   */
  exec(command: string, options?: ExecOptions): Promise<number> {
    const run = (): Promise<number> => this.#agent.exec(command, options);
    if (this.#clockSet === undefined) return run();
    return this.#clockSet.then(() => {
      if (this.#over !== undefined) throw new Error(this.#over);
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
    const devices: Record<string, DeviceMetrics> = Object.fromEntries(
      [...this.#transports].map(([name, transport]) => [name, transport.metrics()]),
    );
    const { card } = this.#cpu;
    if (card) devices.net0 = cardMetrics(card);
    if (this.#spare) devices.spare0 = this.#spare.metrics();
    return {
      wallMs: CLOCK.now() - this.#created,
      guestInstructions: this.#cpu.instructions,
      switches: this.#switch.completed,
      ioapicEois: Object.values(devices).reduce((sum, { interrupts }) => sum + interrupts.wired, 0),
      exitCostNs: this.#cpu.exitCost.nanoseconds,
      peer: {
        transactions:
          (this.#cardServices ?? this.#peer.counters.services["request-response"])?.transactions ?? 0,
      },
      devices,
    };
  }

  /** Goes on recording frames; capturing is on from the start. */
  startCapture(): void {
    this.#stopTap ??= this.#peer.addTap(
      (frame, direction) => this.#capture.add(frame, direction, (CLOCK.now() - this.#startedAt) * 1000),
      { skip: (frames) => this.#capture.skip(frames) },
    );
  }

  /** Stops recording frames; what was recorded stays. */
  stopCapture(): void {
    this.#stopTap?.();
    this.#stopTap = undefined;
  }

  /** What was recorded: frames, bytes of the file so far, and frames left out once the bound was reached. */
  get capture(): { frames: number; bytes: number; leftOut: number; active: boolean } {
    const { frames, bytes, leftOut } = this.#capture;
    return { frames, bytes, leftOut, active: this.#stopTap !== undefined };
  }

  /** The newest recorded frames from number `from` on, at most `most`, oldest first; times count from the guest's start. */
  frames(from: number, most: number): CapturedFrame[] {
    return this.#capture.newest(from, most);
  }

  /** Whether there is the spare device. */
  get spareDevice(): boolean {
    return this.#spare !== undefined;
  }

  /** The recorded frames as a pcapng file; times count from the guest's start. */
  pcapng(): Uint8Array {
    return this.#capture.toPcapng();
  }

  /**
   * Guest time goes on where it stood; the time of day does not, and only the guest can set its own clock. It does so
   * first of all, and commands wait for it.
   */
  #holdCommands(): void {
    this.#clockSet = new Promise((resolve) => {
      this.#setClock = () => {
        this.#setClock = undefined;
        const done = (): void => {
          this.#clockSet = undefined;
          resolve();
        };
        this.#agent.exec(`date -u -s @${Math.round(Date.now() / 1000)}`).then(done, done);
      };
    });
  }

  #reach(phase: BootPhase): void {
    if (PHASES.indexOf(phase) <= PHASES.indexOf(this.#phase)) return;
    this.#phase = phase;
    for (const listener of this.#phaseListeners) listener(phase);
  }

  #stopped(event: CpuEvent, detail: string): void {
    const reason: StopReason = {
      kind: event === "halted" ? "guest-halted" : event === "reboot" ? "guest-reset" : "cpu-fault",
      message:
        event === "halted"
          ? "The guest has halted."
          : event === "reboot"
            ? "The guest has reset its machine."
            : `The emulated CPU failed: ${detail}.`,
    };
    this.#over = reason.message;
    this.#agent.close(reason.message);
    for (const listener of this.#stopListeners) listener(reason);
  }
}

function createCpu(
  { wasm, networkCard, scheduler = "doorbell" }: Pick<MicroVmOptions, "wasm" | "networkCard" | "scheduler">,
  memoryMiB: number,
): Promise<Cpu> {
  return Cpu.create({
    wasm,
    memoryBytes: memoryMiB * MIB,
    network: { routerIp: NETWORK.peer.ip, routerMac: NETWORK.peer.mac, guestIp: NETWORK.guest.ip },
    networkCard: networkCard === "v86",
    scheduler,
  });
}
