import type { NetCounters } from "../../metrics/counters.ts";
import { count, record, type StateOf, tally } from "../../state/codec.ts";

/** What is kept of {@link NetCounts}. */
export const NET_COUNTS_STATE = record({
  txFrames: count,
  rxFrames: count,
  txBytes: count,
  rxBytes: count,
  dropped: count,
  dropReasons: tally,
});
export type NetCountsState = StateOf<typeof NET_COUNTS_STATE>;

/** What the halves of the network device count: frames and bytes each way, and what was dropped and why. */
export class NetCounts implements NetCounters {
  txFrames = 0;
  rxFrames = 0;
  txBytes = 0;
  rxBytes = 0;
  dropped = 0;
  readonly dropReasons: Record<string, number> = {};

  save(): NetCountsState {
    const { txFrames, rxFrames, txBytes, rxBytes, dropped, dropReasons } = this;
    return { txFrames, rxFrames, txBytes, rxBytes, dropped, dropReasons: { ...dropReasons } };
  }

  restore({ dropReasons, ...counts }: NetCountsState): void {
    Object.assign(this, counts);
    Object.assign(this.dropReasons, dropReasons);
  }

  received(bytes: number): void {
    this.rxFrames++;
    this.rxBytes += bytes;
  }

  transmitted(bytes: number): void {
    this.txFrames++;
    this.txBytes += bytes;
  }

  drop(reason: string): void {
    this.dropped++;
    this.dropReasons[reason] = (this.dropReasons[reason] ?? 0) + 1;
  }
}
