/** What the page's parts know of one another: the machine as the page uses it, the terminal, and the page's one state. */
import type {
  BootPhase,
  DoorbellMode,
  InterruptMode,
  MicroVm,
  MicroVmOptions,
  RestoreOptions,
  TransportKind,
} from "../src/index.ts";
import type { ComparisonState } from "./comparison.ts";
import type { DownloadProgress, ImageDownloads } from "./downloads.ts";
import type { VisitStart } from "./kept-start.ts";
import { type AtStart, sameAtStart } from "./page-options.ts";
import type { RrResult } from "./rr-run.ts";
import type { SnapshotsState } from "./snapshots.ts";

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
  | "frames"
  | "stopCapture"
  | "transport"
  | "memoryMiB"
  | "eventIndex"
  | "queuePairs"
  | "spareDevice"
  | "save"
  | "setExitCost"
  | "trace"
  | "inspect"
  | "stepToEvent"
>;

/** Where the machine and its files come from. */
export interface MachineSource {
  readonly downloads: ImageDownloads;
  readonly kernelUrl: string;
  readonly initramfsUrl: string;
  create(options: MicroVmOptions): Promise<Machine>;
  restore(snapshot: Uint8Array, options: RestoreOptions): Promise<Machine>;
  /** Where the browser may keep the machine between visits; absent in a page that is not ours. */
  readonly kept?: {
    /** Identifies what a machine is made of: image and code. */
    readonly identity: string;
    /** What the browser has kept for this visit. */
    readonly visit: VisitStart;
    /** The machine of it, as soon as it is brought back; undefined when nothing is kept. */
    readonly underWay: Promise<Machine | undefined>;
  };
  /** Called with each new machine. */
  onMachine?(machine: Machine): void;
}

/** The terminal, as the store sees it. */
export interface TerminalSink {
  readonly columns: number;
  readonly rows: number;
  write(bytes: Uint8Array): void;
  /** Shows what was shown before: to questions in it the guest has its answers already. */
  replay(bytes: Uint8Array): void;
  clear(): void;
}

export type Stage = "downloading" | "booting" | "running" | "paused" | "stopped" | "failed";

/** Something that went wrong, in words: what happened and what to do. */
export interface Problem {
  readonly title: string;
  readonly detail: string;
  readonly remedy: string;
  /** On the button that starts anew. */
  readonly action: string;
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
  /** What carries virtio at the next start. */
  readonly transport: TransportKind;
  /**
   * What the devices offer, or while a switch is in progress what they will. On PCI, where nothing can be switched
   * live: what they will offer at the next start.
   */
  readonly interrupts: InterruptMode;
  readonly doorbell: DoorbellMode;
  /** What the guest will learn of its devices at the next start. */
  readonly atStart: AtStart;
  /** What the machine that is there was started with; undefined while there is none. */
  readonly started:
    | {
        readonly transport: TransportKind;
        readonly interrupts: InterruptMode;
        readonly atStart: AtStart;
      }
    | undefined;
  /** The exit-cost model, in nanoseconds; 0 is off. */
  readonly exitCostNs: number;
  readonly switching: "interrupts" | "doorbell" | undefined;
  readonly run: "idle" | "running" | "cancelling";
  /** Finished runs, newest first. */
  readonly results: readonly RrResult[];
  /** What is kept of the machine, in the browser and in files. */
  readonly snapshots: SnapshotsState;
  /** "Reproduce the table". */
  readonly comparison: ComparisonState;
}

/** What a part of the store needs of it. */
export interface StoreAccess {
  readonly state: PageState;
  /** The machine that is there. Whoever waited for it looks again whether it is still the same. */
  readonly machine: Machine | undefined;
  update(change: Partial<PageState>): void;
  /** Says something aloud. */
  announce(text: string): void;
}

/** Whether a choice waits for the next start. */
export function needsRestart({ started, transport, interrupts, atStart }: PageState): boolean {
  if (started === undefined) return false;
  if (!sameAtStart(atStart, started.atStart)) return true;
  return transport !== started.transport || (transport === "pci" && interrupts !== started.interrupts);
}
