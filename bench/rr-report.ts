/** What request/response measurements amount to: the table beside the seed's, and figures per transaction. */
import type { DeviceMetrics, MetricsSnapshot } from "../src/index.ts";
import { BASE_COLUMN, COLUMNS, type Column, type ColumnName, column, SEED } from "./columns.ts";
import { mean, median, pairedRatio, type Spread } from "./statistics.ts";
import { figure, hundredths, markdownTable, spreadText } from "./table.ts";

/** What the guest's tool prints with --json. */
export interface RrTool {
  readonly transactions: number;
  readonly seconds: number;
  readonly transactionsPerSecond: number;
  readonly meanMicroseconds: number;
  readonly p50Microseconds: number;
  readonly p99Microseconds: number;
  /** udp_rr only. */
  readonly lost?: number;
}

/** Of the network card, but for guestInstructions; do not depend on the machine that measures. */
export interface PerTransaction {
  readonly exits: number;
  readonly interrupts: number;
  readonly merged: number;
  readonly ioapicEois: number;
  readonly guestInstructions: number;
}

/** One column in one round at one cost. */
export interface RrMeasurement extends RrTool {
  readonly column: ColumnName;
  /** From 1. */
  readonly round: number;
  readonly exitCostNs: number;
  readonly perTransaction: PerTransaction;
  readonly exitsPerTransactionByRegister: Readonly<Record<string, number>>;
}

/** The guest's own result and the counters around it, as one measurement. */
export function toMeasurement(
  at: Pick<RrMeasurement, "column" | "round" | "exitCostNs">,
  tool: RrTool,
  before: MetricsSnapshot,
  after: MetricsSnapshot,
): RrMeasurement {
  const per = (value: (metrics: MetricsSnapshot) => number): number =>
    (value(after) - value(before)) / tool.transactions;
  const net = (value: (device: DeviceMetrics) => number): number =>
    per(({ devices }) => (devices.net0 ? value(devices.net0) : 0));
  const byRegister: Record<string, number> = {};
  for (const name of Object.keys(after.devices.net0?.exits.byRegister ?? {})) {
    const exits = net((device) => device.exits.byRegister[name] ?? 0);
    if (exits > 0) byRegister[name] = exits;
  }
  return {
    ...at,
    ...tool,
    perTransaction: {
      exits: net(({ exits }) => exits.total),
      interrupts: net(({ interrupts }) => interrupts.wired + interrupts.msi),
      merged: net(({ interrupts }) => interrupts.merged),
      ioapicEois: net(({ interrupts }) => interrupts.wired),
      guestInstructions: per(({ guestInstructions }) => guestInstructions),
    },
    exitsPerTransactionByRegister: byRegister,
  };
}

/** All rounds of a column at one cost, in order. */
export function select(
  measurements: readonly RrMeasurement[],
  name: ColumnName,
  exitCostNs: number,
): RrMeasurement[] {
  return measurements.filter((one) => one.column === name && one.exitCostNs === exitCostNs);
}

const rates = (of: readonly RrMeasurement[]): number[] => of.map((one) => one.transactionsPerSecond);

/** value / base in each round, at the same cost. */
export function ratioTo(
  measurements: readonly RrMeasurement[],
  name: ColumnName,
  base: ColumnName,
  exitCostNs: number,
): Spread | undefined {
  const byRound = new Map(select(measurements, base, exitCostNs).map((one) => [one.round, one]));
  const pairs = select(measurements, name, exitCostNs).flatMap((one) => {
    const other = byRound.get(one.round);
    return other ? [[one.transactionsPerSecond, other.transactionsPerSecond] as const] : [];
  });
  return pairedRatio(
    pairs.map(([value]) => value),
    pairs.map(([, other]) => other),
  );
}

function medianOf(of: readonly RrMeasurement[], value: (one: RrMeasurement) => number): number {
  return median(of.map(value));
}

/** Names of the columns that were measured, in the table's order. */
function measuredColumns(measurements: readonly RrMeasurement[]): ColumnName[] {
  return (Object.keys(COLUMNS) as ColumnName[]).filter((name) =>
    measurements.some((one) => one.column === name),
  );
}

/** The figures that compare works on. */
export function summarize(measurements: readonly RrMeasurement[]): Record<string, Record<string, number>> {
  const summary: Record<string, Record<string, number>> = {};
  for (const exitCostNs of new Set(measurements.map((one) => one.exitCostNs))) {
    for (const name of measuredColumns(measurements)) {
      const of = select(measurements, name, exitCostNs);
      if (of.length === 0) continue;
      const ratio = ratioTo(measurements, name, BASE_COLUMN, exitCostNs)?.median;
      summary[exitCostNs === 0 ? name : `${name}, modelled exit cost ${exitCostNs} ns`] = {
        "transactions/s": medianOf(of, (one) => one.transactionsPerSecond),
        ...(ratio === undefined ? {} : { [`ratio to ${BASE_COLUMN}`]: ratio }),
        "p50 µs": medianOf(of, (one) => one.p50Microseconds),
        "p99 µs": medianOf(of, (one) => one.p99Microseconds),
        "exits/transaction": medianOf(of, (one) => one.perTransaction.exits),
        "interrupts/transaction": medianOf(of, (one) => one.perTransaction.interrupts),
        "merged/transaction": medianOf(of, (one) => one.perTransaction.merged),
        "IOAPIC EOIs/transaction": medianOf(of, (one) => one.perTransaction.ioapicEois),
        "guest instructions/transaction": medianOf(of, (one) => one.perTransaction.guestInstructions),
      };
    }
  }
  return summary;
}

/** The tables of one exit cost; with the seed's figures for what the seed has measured, which is TCP. */
export function renderRr(
  measurements: readonly RrMeasurement[],
  exitCostNs: number,
  besideSeed: boolean,
): string {
  const at = measurements.filter((one) => one.exitCostNs === exitCostNs);
  const names = measuredColumns(at);
  const title = exitCostNs === 0 ? "" : `, modelled exit cost ${exitCostNs} ns`;
  return [
    `## Transactions per second${title}`,
    ratesTable(at, names, exitCostNs, besideSeed),
    besideSeed ? againstSeed(at, exitCostNs) : "",
    `## Per transaction, of the network card${title}`,
    perTransactionTable(at, names),
    exitsLine(at, names),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function ratesTable(
  at: readonly RrMeasurement[],
  names: readonly ColumnName[],
  exitCostNs: number,
  besideSeed: boolean,
): string {
  const rounds = [...new Set(at.map((one) => one.round))].sort((a, b) => a - b);
  const seedBase = mean(SEED.wired.runs);
  return markdownTable(
    [
      "column",
      ...rounds.map((round) => `round ${round}`),
      "median",
      `to ${BASE_COLUMN}`,
      "p50 µs",
      "p99 µs",
      ...(besideSeed ? ["seed's column", "seed's runs", "seed's ratio"] : []),
    ],
    names.map((name) => {
      const of = select(at, name, exitCostNs);
      const { seed }: Column = column(name);
      return [
        name,
        ...rounds.map((round) =>
          figure(of.find((one) => one.round === round)?.transactionsPerSecond ?? Number.NaN),
        ),
        figure(median(rates(of))),
        spreadText(ratioTo(at, name, BASE_COLUMN, exitCostNs), hundredths),
        figure(medianOf(of, (one) => one.p50Microseconds)),
        figure(medianOf(of, (one) => one.p99Microseconds)),
        ...(besideSeed
          ? [
              seed?.title ?? "",
              seed?.runs.join(", ") ?? "",
              seed ? hundredths(mean(seed.runs) / seedBase) : "",
            ]
          : []),
      ];
    }),
  );
}

/** The seed's two ratios, theirs and ours. */
function againstSeed(at: readonly RrMeasurement[], exitCostNs: number): string {
  const line = (what: string, over: ColumnName, under: ColumnName, seed: number): string[] => {
    const ratio = ratioTo(at, over, under, exitCostNs);
    return ratio ? [`${what}: ${spreadText(ratio, hundredths)}; the seed's ${hundredths(seed)}.`] : [];
  };
  return [
    ...line("MSI by the wire", "mmio-msi", "mmio-wired", mean(SEED.msi.runs) / mean(SEED.wired.runs)),
    ...line("MSI by PCI", "mmio-msi", "pci-msix", mean(SEED.msi.runs) / mean(SEED.pci.runs)),
  ].join("\n");
}

function perTransactionTable(at: readonly RrMeasurement[], names: readonly ColumnName[]): string {
  return markdownTable(
    ["column", "exits", "interrupts", "merged", "IOAPIC EOIs", "guest instructions"],
    names.map((name) => {
      const of = at.filter((one) => one.column === name);
      return [
        name,
        hundredths(medianOf(of, (one) => one.perTransaction.exits)),
        hundredths(medianOf(of, (one) => one.perTransaction.interrupts)),
        hundredths(medianOf(of, (one) => one.perTransaction.merged)),
        hundredths(medianOf(of, (one) => one.perTransaction.ioapicEois)),
        figure(medianOf(of, (one) => one.perTransaction.guestInstructions)),
      ];
    }),
  );
}

/** Which registers the exits are of. */
function exitsLine(at: readonly RrMeasurement[], names: readonly ColumnName[]): string {
  return names
    .map((name) => {
      const [first] = at.filter((one) => one.column === name);
      const registers = Object.entries(first?.exitsPerTransactionByRegister ?? {})
        .filter(([, exits]) => exits >= 0.005)
        .map(([register, exits]) => `${register} ${hundredths(exits)}`);
      return `- ${name}: ${registers.length > 0 ? registers.join(", ") : "none"}`;
    })
    .join("\n");
}
