/**
 * How v86 gives way to the page between its slices of about a millisecond.
 *
 * In a page v86 yields through a Worker's postMessage after each slice; the round trip makes throughput low and
 * unsteady. A MessageChannel stays in the page, browsers do not slow it down for a hidden tab, and input and frames come
 * in between. In Node v86 uses setImmediate, which is as good as it gets.
 */
import type { V86Emulator } from "./v86-internals.ts";

declare const process: unknown;
/** Chromium tells whether a person's input waits; elsewhere shorter turns have to do. */
declare const navigator: { readonly scheduling?: { isInputPending?(): boolean } } | undefined;

/** Who divides the page's time: ours, or v86's own, for comparison. */
export type Scheduler = "doorbell" | "v86";

/** Milliseconds that the guest has in one go, between two chances for the page. A quarter of a frame is never felt. */
export const TURN = { least: 1, most: 4 } as const;
/** A turn that starts later than this after it was asked for, in milliseconds, found the page busy with other things. */
const LATE = 1;

/** The length of the next turn: half when the page had something else to do, a little more when it had not. */
export function nextTurn(turn: number, lateness: number): number {
  return lateness > LATE ? Math.max(TURN.least, turn / 2) : Math.min(TURN.most, turn + 0.25);
}

/** Yields to the page; see the file's head. Returns what ends it. */
export function schedule(emulator: V86Emulator, scheduler: Scheduler): () => void {
  if (scheduler === "v86" || typeof process !== "undefined") return () => {};
  const { v86 } = emulator;
  const input = typeof navigator === "undefined" ? undefined : navigator.scheduling;
  const channel = new MessageChannel();
  let turn: number = TURN.least;
  let asked = 0;
  let due = 0;
  let inTurn = false;
  let goOn = false;
  channel.port1.onmessage = () => {
    const started = performance.now();
    turn = nextTurn(turn, started - asked);
    inTurn = true;
    try {
      do {
        goOn = false;
        v86.yield_callback(due);
      } while (goOn && performance.now() - started < turn && input?.isInputPending?.() !== true);
    } finally {
      inTurn = false;
    }
    if (goOn) ask();
  };
  const ask = (): void => {
    asked = performance.now();
    channel.port2.postMessage(null);
  };
  v86.yield = (milliseconds, tick) => {
    // Only the newest tick counts (v86 compares), so one slot is enough.
    due = tick;
    if (milliseconds >= 1) {
      goOn = false;
      setTimeout(() => v86.yield_callback(tick), milliseconds);
    } else if (inTurn) goOn = true;
    else ask();
  };
  // A port with a listener is never collected by itself, and would keep the machine and its memory.
  return () => channel.port1.close();
}
