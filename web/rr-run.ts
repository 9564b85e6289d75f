/** The button "Run tcp_rr": its command, its result, and what the counters say of it. */
import type { MetricsSnapshot } from "../src/index.ts";
import { netExits, netInterrupts } from "./metrics-history.ts";

/** Seconds that one run takes. */
export const RUN_SECONDS = 5;

/** The command, as a person would type it. */
export const RUN_COMMAND = `tcp_rr -H 10.0.2.2 -l ${RUN_SECONDS} -r 32,1024 --json`;

/** What tcp_rr printed. */
export interface RrReport {
  readonly transactionsPerSecond: number;
  /** Round trips in microseconds of guest time. */
  readonly meanMicroseconds: number;
  readonly p50Microseconds: number;
  readonly p99Microseconds: number;
}

/** One finished run. */
export interface RrResult extends RrReport {
  /** What the network card used, e.g. "MSI" or "Legacy, then MSI". */
  readonly mode: string;
  readonly exitsPerTransaction: number | undefined;
  readonly interruptsPerTransaction: number | undefined;
}

/** Reads tcp_rr's JSON; undefined when it is not what it should be (the guest may print anything). */
export function parseRrReport(text: string): RrReport | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const fields = new Map(Object.entries(parsed));
  const number = (name: string) => {
    const value: unknown = fields.get(name);
    return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
  };
  const transactionsPerSecond = number("transactionsPerSecond");
  const meanMicroseconds = number("meanMicroseconds");
  const p50Microseconds = number("p50Microseconds");
  const p99Microseconds = number("p99Microseconds");
  if (
    transactionsPerSecond === undefined ||
    meanMicroseconds === undefined ||
    p50Microseconds === undefined ||
    p99Microseconds === undefined
  ) {
    return undefined;
  }
  return { transactionsPerSecond, meanMicroseconds, p50Microseconds, p99Microseconds };
}

/** Puts the report together with the counters of before and after. */
export function summariseRun(
  report: RrReport,
  before: MetricsSnapshot,
  after: MetricsSnapshot,
  mode: string,
): RrResult {
  const transactions = after.peer.transactions - before.peer.transactions;
  const per = (amount: number) => (transactions > 0 ? amount / transactions : undefined);
  return {
    ...report,
    mode,
    exitsPerTransaction: per(netExits(after) - netExits(before)),
    interruptsPerTransaction: per(netInterrupts(after) - netInterrupts(before)),
  };
}
