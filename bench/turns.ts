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

/** Numbers from 0 up to 1 that are the same for the same seed (a linear congruential generator, of which the high bits count). */
function drawing(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) / 2 ** 24;
  };
}

/**
 * The order in which `count` columns take their turns in a cycle: one that is drawn, then the same backwards, then another.
 * So over two cycles all have the same mean place, and over many each comes as often after any other: a turn is not the
 * same after one's own machine as after a stranger, which has emptied the caches.
 */
export function turnOrder(cycle: number, count: number): number[] {
  const next = drawing(cycle >> 1);
  const order = Array.from({ length: count }, (_, place) => place);
  for (let left = count - 1; left > 0; left--) {
    const drawn = Math.floor(next() * (left + 1));
    [order[left], order[drawn]] = [order[drawn] ?? 0, order[left] ?? 0];
  }
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
