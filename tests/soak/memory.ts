/** What the process holds, sampled over the run, and whether it grows. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { fitLine, median } from "../../bench/statistics.ts";

/** All in bytes. */
export interface MemorySample {
  /** Since the run began. */
  readonly seconds: number;
  /** JavaScript objects that are in use, after a collection. */
  readonly heap: number;
  /** What JavaScript holds outside of its heap, array buffers for the most part. */
  readonly external: number;
  /** The emulator's WebAssembly memory: guest RAM and the CPU's own state. */
  readonly wasm: number;
  /** Resident memory of the whole process, translated code and uncollected garbage included. */
  readonly resident: number;
}

export const MEASURES = ["heap", "external", "wasm", "resident"] as const;
export type Measure = (typeof MEASURES)[number];

/** How one measure went after the warm-up. */
export interface Growth {
  readonly first: number;
  readonly last: number;
  /** last / first - 1. */
  readonly fraction: number;
  /** Of the straight line of least squares through all samples, in bytes per minute. */
  readonly slope: number;
}

/** More than this much growth, as a fraction, is a leak. */
export const GROWTH_LIMIT = 0.05;
/** What is judged. Resident memory is shown: what the collector gives back, and when, is its own affair. */
const JUDGED: readonly Measure[] = ["heap", "external", "wasm"];

let collect: (() => void) | undefined;

export function sampleMemory(seconds: number, wasm: number): MemorySample {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { seconds, heap: heapUsed, external, wasm, resident: rss };
}

/** Medians of the first and of the last third of the samples that came after the warm-up. Undefined for fewer than 3. */
export function growth(
  samples: readonly MemorySample[],
  measure: Measure,
  warmUp: number,
): Growth | undefined {
  const kept = samples.filter(({ seconds }) => seconds >= warmUp);
  const third = Math.floor(kept.length / 3);
  if (third === 0) return undefined;
  const values = kept.map((sample) => sample[measure]);
  const first = median(values.slice(0, third));
  const last = median(values.slice(-third));
  const line = fitLine(kept.map((sample) => [sample.seconds / 60, sample[measure]] as const));
  return { first, last, fraction: last / first - 1, slope: line?.slope ?? 0 };
}

/** A sentence for each measure that grew too much. */
export function leaks(samples: readonly MemorySample[], warmUp: number): string[] {
  return JUDGED.flatMap((measure) => {
    const found = growth(samples, measure, warmUp);
    if (found === undefined || found.fraction <= GROWTH_LIMIT) return [];
    return [
      `${measure} memory grew by ${(found.fraction * 100).toFixed(1)} % after the warm-up, from ${mebibytes(found.first)} to ${mebibytes(found.last)}`,
    ];
  });
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 0x100000).toFixed(1)} MiB`;
}
