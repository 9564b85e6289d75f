/** The button "Run tcp_rr": its command, its result, and what the counters say of it. */
import type { AbortSignalLike, MetricsSnapshot, MicroVm } from "../src/index.ts";
import { netExits, netInterrupts } from "./metrics-history.ts";
import { sentence } from "./words.ts";

/** Seconds that one run takes. */
export const RUN_SECONDS = 5;

/** The command, as a person would type it. */
export function rrCommand(seconds: number): string {
  return `tcp_rr -H 10.0.2.2 -l ${seconds} -r 32,1024 --json`;
}

/** What tcp_rr printed. */
export interface RrReport {
  readonly transactions: number;
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
  /** The exit-cost model during the run, in nanoseconds; 0 is off. */
  readonly exitCostNs: number;
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
  const transactions = number("transactions");
  const transactionsPerSecond = number("transactionsPerSecond");
  const meanMicroseconds = number("meanMicroseconds");
  const p50Microseconds = number("p50Microseconds");
  const p99Microseconds = number("p99Microseconds");
  if (
    transactions === undefined ||
    transactionsPerSecond === undefined ||
    meanMicroseconds === undefined ||
    p50Microseconds === undefined ||
    p99Microseconds === undefined
  ) {
    return undefined;
  }
  return { transactions, transactionsPerSecond, meanMicroseconds, p50Microseconds, p99Microseconds };
}

/** A report with the counters of just before and just after. */
export interface RrRun {
  readonly report: RrReport;
  readonly before: MetricsSnapshot;
  readonly after: MetricsSnapshot;
}

/** What a guest prints is bounded here: its result is one line. */
const PRINTED_AT_MOST = 65_536;

/** Runs tcp_rr in the guest. Rejects with a sentence when it gave no result. */
export async function runRr(
  machine: Pick<MicroVm, "exec" | "metrics">,
  seconds: number,
  signal?: AbortSignalLike,
): Promise<RrRun> {
  const decoder = new TextDecoder();
  let output = "";
  let errors = "";
  const before = machine.metrics();
  const status = await machine.exec(rrCommand(seconds), {
    ...(signal === undefined ? {} : { signal }),
    onStdout: (bytes) => {
      if (output.length < PRINTED_AT_MOST) output += decoder.decode(bytes, { stream: true });
    },
    onStderr: (bytes) => {
      if (errors.length < PRINTED_AT_MOST) errors += new TextDecoder().decode(bytes);
    },
  });
  const after = machine.metrics();
  const report = parseRrReport(output);
  if (status !== 0 || report === undefined) {
    throw new Error(sentence(errors.trim().split("\n").at(-1) || `it ended with status ${status}`));
  }
  return { report, before, after };
}

/** Puts the report together with the counters of before and after. */
export function summariseRun({ report, before, after }: RrRun, mode: string): RrResult {
  const per = (amount: number) => (report.transactions > 0 ? amount / report.transactions : undefined);
  return {
    ...report,
    mode,
    exitCostNs: after.exitCostNs,
    exitsPerTransaction: per(netExits(after) - netExits(before)),
    interruptsPerTransaction: per(netInterrupts(after) - netInterrupts(before)),
  };
}
