/** What the bench and a measured machine say to one another, across a thread's or a browser's border. */
import type {
  BootPhase,
  DoorbellMode,
  InterruptMode,
  MetricsSnapshot,
  MicroVmOptions,
} from "../src/index.ts";

/** What can be chosen of a machine from outside. */
export type MachineOptions = Pick<
  MicroVmOptions,
  | "interrupts"
  | "doorbell"
  | "exitCostNs"
  | "memoryMiB"
  | "append"
  | "transport"
  | "networkCard"
  | "scheduler"
>;

/** A point of the boot, with what it took from the call, or from the click that opened the page. */
export interface BootMoment {
  /** Phases of the machine; the first trapped register access; the first byte that comes out; the shell's prompt. */
  readonly what: BootPhase | "first-access" | "first-word" | "prompt";
  readonly milliseconds: number;
  readonly guestInstructions: number;
}

/** What v86's own boot path takes, in base64. Without a BIOS the bzImage is entered directly, and inflates itself. */
export interface PeerImage {
  readonly bzImage: string;
  readonly bios?: { readonly system: string; readonly vga: string };
}

/** What a command in the guest did, seen from the host. */
export interface ExecResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Counters just before and just after. */
  readonly before: MetricsSnapshot;
  readonly after: MetricsSnapshot;
}

/** A machine's turn: its measured part. */
export interface TurnResult {
  /** Wall time. */
  readonly milliseconds: number;
  /** CPU time of the machine's thread, where the system tells it (Linux, in Node). */
  readonly cpuMilliseconds: number | undefined;
  readonly before: MetricsSnapshot;
  readonly after: MetricsSnapshot;
}

/** Bytes that a channel brought while a command ran. */
export interface OutputResult {
  readonly status: number;
  readonly bytes: number;
  /** From the first to the last of them. */
  readonly milliseconds: number;
  readonly before: MetricsSnapshot;
  readonly after: MetricsSnapshot;
}

/** What a machine can be asked, by name; answers come as promises on our side. */
export interface MachineCalls {
  /** Creates and starts it; resolves when the guest is ready. */
  boot(
    options: MachineOptions,
    /** In place of our own. */
    kernel?: MicroVmOptions["kernel"],
  ): { moments: BootMoment[]; metrics: MetricsSnapshot };
  /** Boots v86's own way, measures, and lets go of it. */
  bootPeer(image: PeerImage): BootMoment[];
  exec(command: string): ExecResult;
  /** Runs a command and counts what comes out of the console or of the serial port. */
  output(command: string, channel: "console" | "serial"): OutputResult;
  metrics(): MetricsSnapshot;
  /** Starts a command, which goes on, also over pauses, until `interrupt`. */
  begin(command: string): undefined;
  /** Ctrl-C for what was begun; resolves with its result. */
  interrupt(): ExecResult;
  /** Resumes, lets `leadIn` milliseconds go by, measures for `milliseconds`, and pauses again. */
  turn(leadIn: number, milliseconds: number): TurnResult;
  pause(): undefined;
  resume(): undefined;
  /** Switches live what is not so already; on MMIO only. */
  switchTo(interrupts: InterruptMode, doorbell: DoorbellMode): undefined;
  setExitCost(nanoseconds: number): undefined;
  /** Begins a new trace, or ends it. */
  trace(on: boolean): undefined;
  destroy(): undefined;
}

export interface Call {
  readonly id: number;
  readonly name: keyof MachineCalls;
  readonly args: readonly unknown[];
}

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string };
