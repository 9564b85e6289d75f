/** The public shape of the machine: options, events and results. The class itself is MicroVm in micro-vm.ts. */
import type { Scheduler } from "../cpu/scheduler.ts";
import type { DoorbellMode, InterruptMode, TransportKind } from "../metrics/counters.ts";

/** Stops a subscription. Calling it twice is harmless. */
export type Unsubscribe = () => void;

/** A file given by its bytes and the name that error messages use for it. */
export interface NamedBytes {
  /** What a person would recognise: a path or an URL. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** How far a start has come. Phases come in this order; "network" and "ready" need our guest image. */
export type BootPhase = "created" | "started" | "kernel" | "console" | "network" | "ready";

/** Ours, or that of the emulated PC. */
export type NetworkCard = "doorbell" | "v86";

/** Options of {@link MicroVm.create}. */
export interface MicroVmOptions {
  /** v86's WebAssembly module (build/v86.wasm of the v86 package): its bytes, or compiled already. */
  readonly wasm: Uint8Array | ArrayBuffer | WebAssembly.Module;
  /** ELF vmlinux or bzImage for i386, gzip'd or not. */
  readonly kernel: NamedBytes;
  /** Initial RAM file systems (cpio, gzip'd or not), in the order the kernel unpacks them. */
  readonly initrd?: readonly NamedBytes[];
  /** Appended to the kernel command line. */
  readonly append?: string;
  /** RAM in MiB, 16 to 1024. Default 64. */
  readonly memoryMiB?: number;
  /** What carries virtio between the guest's drivers and our devices. Default "mmio". */
  readonly transport?: TransportKind;
  /** Default "msi"; on PCI that is MSI-X, and "wired" is INTx. */
  readonly interrupts?: InterruptMode;
  /** Default "per-queue", which is all there is on PCI. */
  readonly doorbell?: DoorbellMode;
  /**
   * Whether devices offer RING_EVENT_IDX, by which each side names the buffer that it wants to hear of. Default true.
   * Without it the flags in the rings say only "notify me" or "do not" (virtio 1.2 sections 2.7.7 to 2.7.10).
   */
  readonly eventIndex?: boolean;
  /**
   * Pairs of queues that the network card offers, 1 to 8. Default 1. How many a guest uses is its own to say (`nicinfo --pairs`).
   */
  readonly queuePairs?: number;
  /**
   * Whose network card the guest has. Default "doorbell", ours. "v86", for comparison: v86's own virtio-net on PCI with
   * v86's router behind it; our console and entropy source stay where `transport` says.
   */
  readonly networkCard?: NetworkCard;
  /** What divides the page's time between guest and page. Default "doorbell". "v86", for comparison: v86's own. */
  readonly scheduler?: Scheduler;
  /**
   * Whether the guest finds its devices by ACPI tables (hardware-reduced, as a microVM's) and not by its command line: for
   * kernels that take no devices from there, as distributions' kernels do. Only on MMIO, with our network card. Our own
   * kernel has no ACPI. Default false.
   */
  readonly acpi?: boolean;
  /**
   * Whether the guest may reach the web: TCP port 80 at any address goes through the platform's fetch, as far as that
   * lets it. Default false: a guest then reaches nothing outside of its machine.
   */
  readonly web?: boolean;
  /**
   * The exit-cost model: host nanoseconds that each trapped register access, and each IOAPIC EOI of a wired interrupt,
   * costs on top. An emulated CPU has no VM exits; this models what they cost elsewhere. Default 0: off.
   */
  readonly exitCostNs?: number;
  /**
   * Whether there is a second entropy source, `spare0`, on a window of the virtio-mmio bus that the kernel is not told
   * of: for programs that drive, or break, a device by themselves. Not on PCI. Default false.
   */
  readonly spareDevice?: boolean;
  /** Terminal size at start. Default 80 x 24. */
  readonly terminal?: { readonly columns: number; readonly rows: number };
  /** Log lines of devices and of the machine (not the guest's console). Default: nowhere. */
  readonly log?: (message: string) => void;
}

/**
 * Options of {@link MicroVm.restore}. The machine is as it was saved; what is given of it here has to fit. Whether it may
 * reach the web is never the snapshot's to say.
 */
export interface RestoreOptions
  extends Pick<
    MicroVmOptions,
    | "wasm"
    | "log"
    | "web"
    | "memoryMiB"
    | "queuePairs"
    | "transport"
    | "interrupts"
    | "doorbell"
    | "eventIndex"
  > {
  /** What {@link MicroVm.image} said of the machine that was booted. */
  readonly image?: string;
  /**
   * The bytes come from where only the caller writes, so nobody can have changed them and their hash is not compared; all other
   * checks remain. Default false.
   */
  readonly trusted?: boolean;
}

/** Options of {@link MicroVm.save}. */
export interface SaveOptions {
  /** Whether the file is compressed, which takes the most time of it. Default true. */
  readonly compress?: boolean;
  /** Called at the moment whose state is kept: what the machine has put out until then belongs to it. */
  readonly onMoment?: () => void;
}

/** A snapshot that could not be made or taken; the machine that runs goes on as it was. */
export class SnapshotError extends Error {
  override readonly name = "SnapshotError";
}

/** The result of a live switch. */
export interface SwitchResult {
  readonly interrupts: InterruptMode;
  readonly doorbell: DoorbellMode;
  /** Host milliseconds from the request until the last device was ready again. */
  readonly milliseconds: number;
}

/** A switch that did not come to its end; the machine goes on with what each device negotiated last. */
export class SwitchError extends Error {
  override readonly name = "SwitchError";
}

/** A byte stream to and from the guest. */
export interface ByteChannel {
  /** Calls back with what the guest wrote; the array is the callback's own. */
  onOutput(callback: (bytes: Uint8Array) => void): Unsubscribe;
  /**
   * Gives bytes to the guest, all of them or none; they wait until it takes them. False when more than 1 MiB would
   * wait: then nothing was given.
   */
  write(bytes: Uint8Array): boolean;
}

/** The terminal: port 0 of the virtio console. */
export interface ConsoleChannel extends ByteChannel {
  /** Tells the guest the size of the terminal, in characters. */
  resize(columns: number, rows: number): void;
}

/** One command run in the guest by the agent. */
export interface ExecOptions {
  readonly onStdout?: (bytes: Uint8Array) => void;
  readonly onStderr?: (bytes: Uint8Array) => void;
  /** Aborting it sends SIGINT to the command, as Ctrl-C does; the promise still resolves with the exit status. */
  readonly signal?: AbortSignalLike;
}

/** What {@link ExecOptions} needs of the platform's AbortSignal. */
export interface AbortSignalLike {
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Why a running machine stopped by itself. */
export type StopReason =
  /** By `poweroff` or `halt`: there is nothing that the power could be cut of, so both halt the CPU. */
  | { readonly kind: "guest-halted"; readonly message: string }
  /** The message has the panic's own text. */
  | { readonly kind: "guest-panic"; readonly message: string }
  | { readonly kind: "guest-reset"; readonly message: string }
  | { readonly kind: "cpu-fault"; readonly message: string };
