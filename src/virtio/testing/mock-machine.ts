import type { Clock, InterruptLine, MessageOutcome, MessagePort } from "../types.ts";

/** An interrupt line that remembers what was done to it. */
export class MockLine implements InterruptLine {
  level = false;
  /** 0-to-1 changes. */
  edges = 0;
  set(level: boolean): void {
    if (level && !this.level) this.edges++;
    this.level = level;
  }
}

/** One message as it was sent. */
export interface MockMessage {
  readonly addressHigh: number;
  readonly addressLow: number;
  readonly data: number;
}

/**
 * A message port that remembers what was sent. As the local APIC does, it refuses what is no fixed or
 * lowest-priority edge message to 0xFEExxxxx; `pending` vectors merge until {@link acknowledge}.
 */
export class MockMessagePort implements MessagePort {
  readonly sent: MockMessage[] = [];
  readonly pending = new Set<number>();
  /** Whether a vector stays pending after it was sent (so that the next one merges). */
  holdPending = false;

  send(addressHigh: number, addressLow: number, data: number): MessageOutcome {
    const vector = data & 0xff;
    const mode = (data >>> 8) & 7;
    const legal =
      addressHigh === 0 &&
      addressLow >>> 20 === 0xfee &&
      vector >= 0x10 &&
      vector < 0xff &&
      mode <= 1 &&
      (data & 0x8000) === 0;
    if (!legal) return "refused";
    this.sent.push({ addressHigh, addressLow, data });
    if (this.pending.has(vector)) return "merged";
    if (this.holdPending) this.pending.add(vector);
    return "delivered";
  }

  /** The CPU has taken the vector: the next message with it is delivered anew. */
  acknowledge(vector: number): void {
    this.pending.delete(vector);
  }

  /** The data words sent so far, and forgets them. */
  take(): number[] {
    return this.sent.splice(0).map((message) => message.data);
  }
}

/** A clock that moves only when told to. */
export class MockClock implements Clock {
  #now = 0;
  #order = 0;
  #timers: { due: number; order: number; callback: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { due: this.#now + Math.max(0, milliseconds), order: this.#order++, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Timers not yet due. */
  get waiting(): number {
    return this.#timers.length;
  }

  /** Moves time on and runs what comes due, in order; timers set meanwhile run too when they fall due. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.due <= end)
        .sort((a, b) => a.due - b.due || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = next.due;
      next.callback();
    }
    this.#now = end;
  }

  /** Time passes in which nothing runs, as for a page that is frozen: what came due meanwhile runs at its end. */
  freeze(milliseconds: number): void {
    this.#now += milliseconds;
    const due = this.#timers.filter((timer) => timer.due <= this.#now);
    this.#timers = this.#timers.filter((timer) => !due.includes(timer));
    for (const { callback } of due.sort((a, b) => a.due - b.due || a.order - b.order)) callback();
  }
}
