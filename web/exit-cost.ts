/** The exit-cost model in words: its range on the page, what it models, and the label that goes with every figure. */

/** The slider's range, in nanoseconds. */
export const EXIT_COST = { most: 5000, step: 100 } as const;

/** What it models, in a sentence. */
export const EXIT_COST_SENTENCE =
  "A trapped access costs about 0.05 \u00b5s on this emulated CPU and 1 to 2 \u00b5s on hardware virtualisation; the exit cost is waited for on top, at each trapped access and each IOAPIC EOI.";

/** Nanoseconds as microseconds, without needless zeros: 0, 0.5, 2, 1.25. */
export function microseconds(nanoseconds: number): string {
  return String(Math.round(nanoseconds) / 1000);
}

/** What stands beside every figure that was measured with the model on; undefined while it is off. */
export function modelledExitCost(nanoseconds: number): string | undefined {
  return nanoseconds === 0 ? undefined : `modelled exit cost ${microseconds(nanoseconds)} \u00b5s`;
}
