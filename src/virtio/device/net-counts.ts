import type { NetCounters } from "../../metrics/counters.ts";

/** What the halves of the network device count: frames and bytes each way, and what was dropped and why. */
export class NetCounts implements NetCounters {
  txFrames = 0;
  rxFrames = 0;
  txBytes = 0;
  rxBytes = 0;
  dropped = 0;
  readonly dropReasons: Record<string, number> = {};

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
