/** What request/response measurements amount to: the table beside that of 2019, and figures per transaction. */
import type { DeviceMetrics, MetricsSnapshot } from "../src/index.ts";
import {
  AGAIN_COLUMN,
  BASE_COLUMN,
  COLUMNS,
  type Column,
  type ColumnName,
  column,
  PEER_COLUMN,
  SEED,
} from "./columns.ts";
import type { TurnResult } from "./protocol.ts";
import { mean, median, type Spread, spread } from "./statistics.ts";
import { figure, hundredths, markdownTable, spreadText } from "./table.ts";
import { pairedSpeed, rateOf, type Turn, toTurn, total } from "./turns.ts";

/** Of the network card, but for guestInstructions; do not depend on the machine that measures. */
export interface PerTransaction {
  readonly exits: number;
  readonly interrupts: number;
  readonly merged: number;
  readonly ioapicEois: number;
  readonly guestInstructions: number;
}

/** One column in one round at one cost. */
export interface RrMeasurement {
  readonly column: ColumnName;
  /** From 1. */
  readonly round: number;
  readonly exitCostNs: number;
  readonly transactions: number;
  /** In which they were made: CPU time of the machine's thread where the system tells it, else wall time. */
  readonly seconds: number;
  readonly wallSeconds: number;
  readonly transactionsPerSecond: number;
  /** One by one, in the order of the cycles. */
  readonly turns: readonly Turn[];
  readonly perTransaction: PerTransaction;
  readonly exitsPerTransactionByRegister: Readonly<Record<string, number>>;
}

/** The turns of one column in one round, and what the counters say of them, as one measurement. */
export function toMeasurement(
  at: Pick<RrMeasurement, "column" | "round" | "exitCostNs">,
  results: readonly TurnResult[],
): RrMeasurement {
  const turns = results.map(toTurn);
  const transactions = total(turns, (turn) => turn.transactions);
  const per = (value: (metrics: MetricsSnapshot) => number): number =>
    results.reduce((sum, { before, after }) => sum + value(after) - value(before), 0) / transactions;
  const net = (value: (device: DeviceMetrics) => number): number =>
    per(({ devices }) => (devices.net0 ? value(devices.net0) : 0));
  const byRegister: Record<string, number> = {};
  for (const name of Object.keys(results.at(-1)?.after.devices.net0?.exits.byRegister ?? {})) {
    const exits = net((device) => device.exits.byRegister[name] ?? 0);
    if (exits > 0) byRegister[name] = exits;
  }
  return {
    ...at,
    transactions,
    seconds: total(turns, (turn) => turn.milliseconds) / 1000,
    wallSeconds: total(turns, (turn) => turn.wallMilliseconds) / 1000,
    transactionsPerSecond: rateOf(turns),
    turns,
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

/** How many times as fast as the base in each round, turn against turn, at the same cost. */
export function ratioTo(
  measurements: readonly RrMeasurement[],
  name: ColumnName,
  base: ColumnName,
  exitCostNs: number,
): Spread | undefined {
  const byRound = new Map(select(measurements, base, exitCostNs).map((one) => [one.round, one]));
  const ratios = select(measurements, name, exitCostNs).flatMap(
    ({ round, turns }) => pairedSpeed(turns, byRound.get(round)?.turns ?? []) ?? [],
  );
  return ratios.length === 0 ? undefined : spread(ratios);
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

/** The tables of one exit cost; with the figures of 2019 for what was measured then, which is TCP. */
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
    againstPeer(at, exitCostNs),
    ownError(at, exitCostNs),
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
      ...(besideSeed ? ["2019: column", "2019: runs", "2019: ratio"] : []),
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
        spreadText(ratioTo(at, name, BASE_COLUMN, exitCostNs), thousandths),
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

/** The two ratios of 2019, theirs and ours. */
function againstSeed(at: readonly RrMeasurement[], exitCostNs: number): string {
  const line = (what: string, over: ColumnName, under: ColumnName, seed: number): string[] => {
    const ratio = ratioTo(at, over, under, exitCostNs);
    return ratio ? [`${what}: ${spreadText(ratio, thousandths)}; in 2019 ${hundredths(seed)}.`] : [];
  };
  return [
    ...line("MSI by the wire", "mmio-msi", "mmio-wired", mean(SEED.msi.runs) / mean(SEED.wired.runs)),
    ...line("MSI by PCI", "mmio-msi", "pci-msix", mean(SEED.msi.runs) / mean(SEED.pci.runs)),
  ].join("\n");
}

/** Ours by the peer. */
function againstPeer(at: readonly RrMeasurement[], exitCostNs: number): string {
  const ratio = ratioTo(at, "mmio-msi", PEER_COLUMN, exitCostNs);
  return ratio ? `MSI by the peer, mmio-msi : ${PEER_COLUMN}: ${spreadText(ratio, hundredths)}.` : "";
}

/** What the method says of two columns that do not differ. */
function ownError(at: readonly RrMeasurement[], exitCostNs: number): string {
  const ratio = ratioTo(at, AGAIN_COLUMN, BASE_COLUMN, exitCostNs);
  return ratio ? `The method's own error, ${BASE_COLUMN} by itself: ${spreadText(ratio, thousandths)}.` : "";
}

const thousandths = (value: number): string => value.toFixed(3);

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
