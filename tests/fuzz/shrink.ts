import type { Op, Sequence } from "./sequence.ts";

/** Tries of a smaller sequence at most. */
const TRIES = 4000;

/** The smallest sequence that it finds for which `fails` still holds: first fewer operations, then smaller numbers. */
export function shrink(sequence: Sequence, fails: (smaller: Sequence) => boolean): Sequence {
  let best = sequence;
  let tries = 0;
  const better = (ops: readonly Op[]): boolean => {
    if (tries++ >= TRIES) return false;
    const smaller = { ...best, ops };
    if (!fails(smaller)) return false;
    best = smaller;
    return true;
  };
  for (let before = ""; before !== JSON.stringify(best.ops) && tries < TRIES; ) {
    before = JSON.stringify(best.ops);
    for (let part = best.ops.length; part >= 1; part = Math.floor(part / 2)) {
      for (let at = 0; at < best.ops.length; ) {
        if (!better([...best.ops.slice(0, at), ...best.ops.slice(at + part)])) at += part;
      }
    }
    best.ops.forEach((_, at) => {
      shrinkNumbers(at);
    });
  }
  return best;

  /** Each number of one operation: 0, or half of what it was, or one less. */
  function shrinkNumbers(at: number): void {
    for (let k = 1; k < (best.ops[at]?.length ?? 0); k++) {
      for (let going = true; going; ) {
        const value = Number(best.ops[at]?.[k]);
        going = [0, Math.floor(value / 2), value - 1].some(
          (smaller) => smaller >= 0 && smaller < value && better(withNumber(best.ops, at, k, smaller)),
        );
      }
    }
  }
}

function withNumber(ops: readonly Op[], at: number, k: number, value: number): Op[] {
  return ops.map((op, i) =>
    i === at ? ([...op.slice(0, k), value, ...op.slice(k + 1)] as unknown as Op) : op,
  );
}
