import { checked, count, f64, record, type StateOf } from "../../state/codec.ts";

/** First and largest time until something not acknowledged is sent again, in milliseconds. */
export const RETRANSMIT_FIRST = 200;
export const RETRANSMIT_LAST = 5000;
/** After so many times without an acknowledgement the connection is given up. */
export const MAX_TRIES = 10;

/** What is kept of {@link Retries}. */
export const RETRIES_STATE = record({
  timeout: checked(f64, "time", (value) => value >= 0 && value <= RETRANSMIT_LAST),
  tries: count,
  silentTries: count,
  heard: count,
});
type RetriesState = StateOf<typeof RETRIES_STATE>;

/** How long a connection waits for an acknowledgement, and how often it asks again (RFC 6298 section 5). */
export class Retries {
  /** In milliseconds, until something not acknowledged is sent again. */
  #timeout = RETRANSMIT_FIRST;
  #tries = 0;
  #silentTries = 0;
  /** Segments that the guest had sent, to anybody, at the last timeout. */
  #heard = 0;

  get timeout(): number {
    return this.#timeout;
  }

  /** Something new was acknowledged. */
  progress(): void {
    this.#timeout = RETRANSMIT_FIRST;
    this.#tries = 0;
    this.#silentTries = 0;
  }

  /** A probe of the closed window was answered. */
  answered(): void {
    this.#tries = 0;
  }

  /** The time is over. `received`: segments that the guest has sent so far, to anybody. */
  next(received: number): "again" | "wait" | "give up" {
    const silent = received === this.#heard;
    this.#heard = received;
    if (silent) {
      // A guest that says nothing at all, to anybody, is paused, or its page is in the background. That is no reason to
      // give up its connections, nor to heap up frames at its door.
      if (this.#silentTries >= MAX_TRIES) return "wait";
      this.#silentTries++;
    } else {
      this.#silentTries = 0;
      if (++this.#tries > MAX_TRIES) return "give up";
    }
    this.#timeout = Math.min(this.#timeout * 2, RETRANSMIT_LAST);
    return "again";
  }

  save(): RetriesState {
    return {
      timeout: this.#timeout,
      tries: this.#tries,
      silentTries: this.#silentTries,
      heard: this.#heard,
    };
  }

  restore(state: RetriesState): void {
    this.#timeout = state.timeout;
    this.#tries = state.tries;
    this.#silentTries = state.silentTries;
    this.#heard = state.heard;
  }
}
