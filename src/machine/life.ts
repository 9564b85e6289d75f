/** A machine's life: the phases of its start, and how it ended. */
import type { CpuEvent } from "../cpu/cpu.ts";
import { LastWords } from "./last-words.ts";
import type { BootPhase, StopReason, Unsubscribe } from "./types.ts";

const PHASES: readonly BootPhase[] = ["created", "started", "kernel", "console", "network", "ready"];

/** See the file's head. */
export class Life {
  readonly #phaseListeners = new Set<(phase: BootPhase) => void>();
  readonly #stopListeners = new Set<(reason: StopReason) => void>();
  readonly #lastWords = new LastWords();
  #phase: BootPhase = "created";
  #over: string | undefined;
  readonly #onEnd: (why: string) => void;

  /** `onEnd`: lets everything know that waits for the guest; before the listeners, which may destroy the machine. */
  constructor(onEnd: (why: string) => void) {
    this.#onEnd = onEnd;
  }

  get phase(): BootPhase {
    return this.#phase;
  }

  /** Why it does not run any more, in a sentence. */
  get over(): string | undefined {
    return this.#over;
  }

  onPhase(callback: (phase: BootPhase) => void): Unsubscribe {
    this.#phaseListeners.add(callback);
    return () => this.#phaseListeners.delete(callback);
  }

  onStop(callback: (reason: StopReason) => void): Unsubscribe {
    this.#stopListeners.add(callback);
    return () => this.#stopListeners.delete(callback);
  }

  /** What the guest said on its serial port: a stop's reason may stand there. */
  said(bytes: Uint8Array): void {
    this.#lastWords.take(bytes);
  }

  /** A phase is reached; one that lies behind already is not reached again. */
  reach(phase: BootPhase): void {
    if (PHASES.indexOf(phase) <= PHASES.indexOf(this.#phase)) return;
    this.#phase = phase;
    for (const listener of this.#phaseListeners) listener(phase);
  }

  /** Ended, by itself or from outside: `why` is a sentence. */
  end(why: string): void {
    this.#over = why;
    this.#onEnd(why);
  }

  /** Ended by itself. */
  stopped(event: CpuEvent, detail: string): void {
    const reason = this.#lastWords.reason(event, detail);
    this.end(reason.message);
    for (const listener of this.#stopListeners) listener(reason);
  }
}
