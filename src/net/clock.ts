/** Time for whatever in the peer has to wait: given from outside, so that specs and a paused machine can hold it. */
export interface Clock {
  /** Monotonic time in milliseconds. */
  now(): number;
  /** Calls back once, not before `milliseconds` from now, never synchronously. Returns a function that cancels it. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** The host's own time. */
export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  after: (milliseconds, callback) => {
    const handle = setTimeout(callback, milliseconds);
    return () => clearTimeout(handle);
  },
};
