/**
 * The pure part of measuring in turns: machines take turns of a fraction of a second, so that whatever slows the host down
 * for seconds falls on all of them alike.
 */
import type { TurnResult } from "./protocol.ts";
import { median } from "./statistics.ts";

/** The measured part of one turn. */
export interface Turn {
  readonly transactions: number;
  /** CPU time of the machine's thread where the system tells it, else wall time. */
  readonly milliseconds: number;
  readonly wallMilliseconds: number;
}

/** What a turn amounts to. The guest never idles in it, so on a quiet host both times are the same. */
export function toTurn({ milliseconds, cpuMilliseconds, before, after }: TurnResult): Turn {
  return {
    transactions: after.peer.transactions - before.peer.transactions,
    milliseconds: cpuMilliseconds ?? milliseconds,
    wallMilliseconds: milliseconds,
  };
}

/**
 * The order in which `count` columns take their turns in a cycle: forwards, then backwards, then the same from the next
 * column on. Over two cycles all have the same mean place; over 2 × `count` each has been at every place.
 */
export function turnOrder(cycle: number, count: number): number[] {
  const order = Array.from({ length: count }, (_, place) => (place + (cycle >> 1)) % count);
  return cycle % 2 === 0 ? order : order.reverse();
}

/** How many turns of `slice` milliseconds make `seconds`: even, and at least 2. */
export function cyclesFor(seconds: number, slice: number): number {
  return 2 * Math.max(1, Math.round((seconds * 1000) / (2 * slice)));
}

/** Sum of one figure over turns. */
export function total(turns: readonly Turn[], value: (turn: Turn) => number): number {
  return turns.reduce((sum, turn) => sum + value(turn), 0);
}

/** Transactions per second of all turns together. */
export function rateOf(turns: readonly Turn[]): number {
  return (1000 * total(turns, (turn) => turn.transactions)) / total(turns, (turn) => turn.milliseconds);
}

/**
 * How many times as fast `turns` are as `base`, which had theirs in the same cycles: the median over pairs of cycles, one
 * forwards and one backwards. A drift within a pair cancels out, and a pair in which the host did something else is
 * one of many, however long that took. Undefined when they have no pair in common.
 */
export function pairedSpeed(turns: readonly Turn[], base: readonly Turn[]): number | undefined {
  const ratios: number[] = [];
  for (let cycle = 0; cycle + 2 <= Math.min(turns.length, base.length); cycle += 2) {
    const ratio = rateOf(turns.slice(cycle, cycle + 2)) / rateOf(base.slice(cycle, cycle + 2));
    if (Number.isFinite(ratio) && ratio > 0) ratios.push(ratio);
  }
  return ratios.length === 0 ? undefined : median(ratios);
}
