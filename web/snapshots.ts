/**
 * Snapshots in the page: to a file and from one, the autosave that survives a reload, and the machine at its prompt that
 * later visits start from. The store tells of what happens to its machine; here is decided what is kept and when.
 */
import { SnapshotError } from "../src/index.ts";
import { canKeep, forgetKept, type KeptMachine, type Place, writeKept } from "./kept-machines.ts";
import { START_KEY, type VisitStart } from "./kept-start.ts";
import type { Machine } from "./page-state.ts";
import { Scrollback } from "./scrollback.ts";
import { remember, remembered } from "./theme.ts";
import { sentence } from "./words.ts";

const AUTOSAVE_KEY = "doorbell-keep";
/** How often is looked whether something is to be kept, in milliseconds. */
const LOOK_MS = 250;
/** A terminal that was quiet for so long is kept; a busy one now and then all the same. */
const QUIET_MS = 750;
const BUSY_MS = 15_000;
/** At least so long lies between two autosaves. */
const APART_MS = 3000;

/** The terminal's own answer to a shell that asks where its cursor is; nobody has typed it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it begins with one
const CURSOR_POSITION = /^\x1b\[\d+;\d+R$/;

/** Where the machine that is there came from. */
export type Origin = "boot" | "file" | Place;

/** What is kept, as the page shows it. */
export interface Kept {
  /** Milliseconds since 1970. */
  readonly saved: number;
  readonly bytes: number;
  /** How long the guest stood still for it. */
  readonly pauseMs: number;
}

export interface SnapshotsState {
  /** Why nothing can be kept in the browser, in a sentence. */
  readonly impossible: string | undefined;
  readonly origin: Origin;
  /** What the person asked for and has not got yet. */
  readonly busy: "saving" | "loading" | undefined;
  readonly autosaveOn: boolean;
  /** Whether visits start from the prompt. */
  readonly warmOn: boolean;
  readonly autosave: Kept | undefined;
  readonly prompt: Kept | undefined;
}

/** What this needs of the store. */
export interface SnapshotsHost {
  readonly machine: Machine | undefined;
  /** Whether an autosave would disturb nothing just now. */
  readonly calm: boolean;
  changed(): void;
  notice(text: string): void;
}

/** See the file's head. */
export class Snapshots {
  readonly #host: SnapshotsHost;
  readonly #identity: string;
  readonly #scrollback = new Scrollback();
  readonly #mayKeep: boolean;
  #state: SnapshotsState;
  /** Something happened that is not kept yet. */
  #dirty = false;
  #lastActivity = 0;
  #lastSave = 0;
  /** The person has typed: what stands at the prompt is theirs. */
  #touched = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** The machine is being kept. What the person asks for comes after that. */
  #keeping: Promise<void> | undefined;

  constructor(host: SnapshotsHost, identity: string, visit: VisitStart) {
    this.#host = host;
    this.#identity = identity;
    this.#mayKeep = visit.mayKeep;
    const kept = (place: Place): Kept | undefined =>
      visit.from?.place === place
        ? { saved: visit.from.machine.saved, bytes: visit.from.machine.snapshot.length, pauseMs: 0 }
        : undefined;
    this.#state = {
      impossible: impossible(visit.mayKeep),
      origin: "boot",
      busy: undefined,
      autosaveOn: remembered(AUTOSAVE_KEY) !== "off",
      warmOn: remembered(START_KEY) !== "cold",
      autosave: kept("autosave"),
      prompt: kept("prompt"),
    };
    if (!visit.mayKeep) return;
    // A page that is left may not come back: what it can still write, it writes.
    document.addEventListener("visibilitychange", () => document.hidden && this.#autosave());
    addEventListener("pagehide", () => this.#autosave());
  }

  get state(): SnapshotsState {
    return this.#state;
  }

  // What the store tells.

  /** A machine is there, booted or brought back. */
  adopted(origin: Origin, scrollback: Uint8Array | undefined): void {
    this.#scrollback.clear();
    if (scrollback) this.#scrollback.push(scrollback);
    this.#touched = origin !== "boot";
    this.#dirty = true;
    this.#lastActivity = performance.now();
    this.#update({ origin });
    clearInterval(this.#timer);
    if (this.#mayKeep) this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** The machine is gone, or has stopped: there is nothing to come back to. */
  gone(): void {
    clearInterval(this.#timer);
    this.#dirty = false;
    if (this.#state.autosave !== undefined || this.#keeping) void this.forget("autosave");
  }

  printed(bytes: Uint8Array): void {
    this.#scrollback.push(bytes);
    this.#active();
  }

  typed(bytes: Uint8Array): void {
    if (!CURSOR_POSITION.test(String.fromCharCode(...bytes.subarray(0, 16)))) this.#touched = true;
    this.#active();
  }

  /** A mode was switched, or something else that is worth keeping. */
  switched(): void {
    this.#active();
  }

  #active(): void {
    this.#dirty = true;
    this.#lastActivity = performance.now();
  }

  // What the person asks for.

  /** The machine as a file. */
  async save(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { machine } = this.#host;
    if (machine === undefined || this.#state.busy) return undefined;
    this.#update({ busy: "saving" });
    try {
      await this.#keeping;
      return await machine.save();
    } catch (error) {
      this.#host.notice(`The machine was not saved: ${sentence(error)}`);
      return undefined;
    } finally {
      this.#update({ busy: undefined });
    }
  }

  /** Says that a file is being loaded, for as long as `work` takes. */
  async loading(work: () => Promise<void>): Promise<void> {
    if (this.#state.busy) return;
    this.#update({ busy: "loading" });
    try {
      await this.#keeping;
      await work();
    } catch (error) {
      this.#host.notice(
        error instanceof SnapshotError ? error.message : `The machine was not loaded: ${sentence(error)}`,
      );
    } finally {
      this.#update({ busy: undefined });
    }
  }

  setAutosave(on: boolean): void {
    remember(AUTOSAVE_KEY, on ? "on" : "off");
    this.#update({ autosaveOn: on });
    if (!on) void this.forget("autosave");
    else this.#dirty = true;
  }

  /** Whether later visits start from the prompt, or boot. */
  setWarm(on: boolean): void {
    remember(START_KEY, on ? "warm" : "cold");
    this.#update({ warmOn: on });
  }

  async forget(place: Place): Promise<void> {
    await this.#keeping;
    await forgetKept(place);
    this.#update(place === "prompt" ? { prompt: undefined } : { autosave: undefined });
  }

  // Keeping.

  #look(): void {
    const now = performance.now();
    const quiet = now - this.#lastActivity;
    if (!this.#host.calm || !this.#dirty) return;
    if (this.#state.busy || this.#keeping) return;
    if (quiet < QUIET_MS && now - this.#lastSave < BUSY_MS) return;
    if (!this.#touched && this.#state.warmOn && quiet >= QUIET_MS && this.#host.machine?.phase === "ready") {
      this.#touched = true;
      this.#keep("prompt");
    } else if (now - this.#lastSave >= APART_MS) this.#autosave();
  }

  #autosave(): void {
    if (!this.#state.autosaveOn || !this.#dirty || this.#state.busy || this.#keeping) return;
    // Halfway through a boot there is nothing to come back to.
    if (this.#host.machine?.phase !== "ready") return;
    this.#dirty = false;
    this.#lastSave = performance.now();
    this.#keep("autosave");
  }

  #keep(place: Place): void {
    const { machine } = this.#host;
    if (machine === undefined) return;
    this.#keeping = this.#write(place, machine).finally(() => {
      this.#keeping = undefined;
    });
  }

  async #write(place: Place, machine: Machine): Promise<void> {
    try {
      let scrollback = new Uint8Array(0);
      let began = 0;
      let ended = 0;
      const saving = machine.save({
        compress: false,
        onMoment: () => {
          began = performance.now();
          scrollback = this.#scrollback.copy();
          // The copy is made in one go with this call; what follows waits.
          queueMicrotask(() => {
            ended = performance.now();
          });
        },
      });
      const snapshot = await saving;
      const kept: KeptMachine = {
        identity: this.#identity,
        transport: machine.transport,
        interrupts: machine.interrupts,
        doorbell: machine.doorbell,
        memoryMiB: machine.memoryMiB,
        eventIndex: machine.eventIndex,
        queuePairs: machine.queuePairs,
        saved: Date.now(),
        scrollback,
        snapshot,
      };
      await writeKept(place, kept);
      const shown: Kept = { saved: kept.saved, bytes: snapshot.length, pauseMs: ended - began };
      this.#update(place === "prompt" ? { prompt: shown } : { autosave: shown });
    } catch (error) {
      // The browser's storage may be full or forbidden; a machine that has stopped has nothing to keep.
      if (!(error instanceof SnapshotError))
        this.#update({ impossible: `The browser did not keep the machine: ${sentence(error)}` });
    }
  }

  #update(change: Partial<SnapshotsState>): void {
    this.#state = { ...this.#state, ...change };
    this.#host.changed();
  }
}

function impossible(mayKeep: boolean): string | undefined {
  if (!canKeep())
    return "This browser has no storage that a page can write files to, so nothing is kept between visits; saving to a file works.";
  if (!mayKeep)
    return "The machine of another tab with this page is kept between visits, and only one can be; saving to a file works.";
  return undefined;
}
