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

/** How v86 is driven from now on. */
export interface Schedule {
  /**
   * An interrupt came from outside: the guest has a turn as soon as what brought it is done, before the page's next task.
   * A browser may hold tasks back after a key press until the next frame is drawn, and that turn is the press's echo.
   */
  kick(): void;
  end(): void;
}

/** Nothing to do beside v86's own. */
const AS_IT_COMES: Schedule = { kick: () => {}, end: () => {} };

/** Yields to the page; see the file's head. */
export function schedule(emulator: V86Emulator, scheduler: Scheduler): Schedule {
  if (scheduler === "v86" || typeof process !== "undefined") return AS_IT_COMES;
  const { v86 } = emulator;
  const input = typeof navigator === "undefined" ? undefined : navigator.scheduling;
  const channel = new MessageChannel();
  let turn: number = TURN.least;
  let asked = 0;
  let posted = false;
  let due = 0;
  let inTurn = false;
  let goOn = false;
  /** When the last turn that a kick brought had ended. */
  let kicked = Number.NEGATIVE_INFINITY;
  let kicking = false;
  let begun = false;
  const ask = (): void => {
    if (posted) return;
    posted = true;
    asked = performance.now();
    channel.port2.postMessage(null);
  };
  const work = (): void => {
    const started = performance.now();
    begun = true;
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
  channel.port1.onmessage = () => {
    posted = false;
    turn = nextTurn(turn, performance.now() - asked);
    work();
  };
  v86.yield = (milliseconds, tick) => {
    // Only the newest tick counts (v86 compares), so one slot is enough.
    due = tick;
    if (milliseconds >= 1) {
      goOn = false;
      setTimeout(() => {
        if (tick === due) work();
      }, milliseconds);
    } else if (inTurn) goOn = true;
    else ask();
  };
  return {
    kick() {
      // What the guest answers may bring the next interrupt: without a pause tasks would never have their turn.
      // And a machine that was just started has one coming; what shows it is on its way to the screen.
      if (!begun || inTurn || kicking || performance.now() - kicked < TURN.most) return;
      kicking = true;
      queueMicrotask(() => {
        kicking = false;
        if (due !== 0) work();
        kicked = performance.now();
      });
    },
    end() {
      due = 0;
      // A port with a listener is never collected by itself, and would keep the machine and its memory.
      channel.port1.close();
    },
  };
}
