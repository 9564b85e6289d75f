/** What a comparison amounts to: figures by column, the ratios of 2019 beside ours, and a sentence for each difference. */
import { BASE_COLUMN, type Column, column, SEED, type SeedColumn } from "../bench/columns.ts";
import { isSettled, mean, median, pairedRatio, type Spread, spread } from "../bench/statistics.ts";
import { COLUMN_SHORT, TABLE_COLUMNS, type TableColumn } from "./comparison-columns.ts";
import {
  type ComparisonSettings,
  type Measurement,
  type PerTransaction,
  SETTLED_WITHIN,
  WARM_UP_WINDOWS,
} from "./comparison-run.ts";
import { microseconds, modelledExitCost } from "./exit-cost.ts";

/** A comparison, finished or cancelled half-way. */
export interface ComparisonResult {
  /** When it was started, ISO 8601. */
  readonly date: string;
  readonly settings: ComparisonSettings;
  /** Every round of every column is there. */
  readonly complete: boolean;
  readonly notes: readonly string[];
  readonly measurements: readonly Measurement[];
  readonly warmUp: Readonly<Partial<Record<TableColumn, readonly number[]>>>;
}

/** A column's figures: medians over its rounds. */
export interface ColumnFigures {
  readonly name: TableColumn;
  /** Transactions per second of each round. */
  readonly rates: readonly number[];
  readonly rate: Spread;
  /** To {@link baseColumn}, round by round. */
  readonly ratio: Spread | undefined;
  readonly p50Microseconds: number;
  readonly p99Microseconds: number;
  readonly perTransaction: PerTransaction;
  readonly byRegister: Readonly<Record<string, number>>;
  readonly seed: SeedColumn | undefined;
  /** The ratio of 2019 to the same column. */
  readonly seedRatio: number | undefined;
}

/** An access to a register of this CPU, without the model (docs/benchmarks.md: bench access). */
const ACCESS_MICROSECONDS = 0.05;
/** Rounds that are further apart than this part of their median were measured on a busy computer. */
const NOISY = 0.2;
/** Figures per transaction that differ by less are the same. */
const SAME = 0.05;

const two = (value: number) => value.toFixed(2);

/** "1.02 (0.98 to 1.05)": median, and the range when there is one. */
export function spreadText({ median, least, most }: Spread): string {
  return two(least) === two(most) ? two(median) : `${two(median)} (${two(least)} to ${two(most)})`;
}

function ratesOf(measurements: readonly Measurement[], name: TableColumn): number[] {
  return measurements.filter((one) => one.column === name).map((one) => one.transactionsPerSecond);
}

/** The column that ratios are to: the wired one, or where that was not measured, the first that was measured in 2019 too. */
export function baseColumn(measurements: readonly Measurement[]): TableColumn | undefined {
  const measured = TABLE_COLUMNS.filter((name) => measurements.some((one) => one.column === name));
  if (measured.includes(BASE_COLUMN)) return BASE_COLUMN;
  return measured.find((name) => seedOf(name) !== undefined) ?? measured[0];
}

function seedOf(name: TableColumn | undefined): SeedColumn | undefined {
  if (name === undefined) return undefined;
  const { seed }: Column = column(name);
  return seed;
}

/** The measured columns, in the table's order. */
export function columnFigures(measurements: readonly Measurement[]): ColumnFigures[] {
  const base = baseColumn(measurements);
  const baseRates = base === undefined ? [] : ratesOf(measurements, base);
  const baseSeed = seedOf(base);
  return TABLE_COLUMNS.flatMap((name) => {
    const of = measurements.filter((one) => one.column === name);
    if (of.length === 0) return [];
    const rates = ratesOf(measurements, name);
    const middle = (value: (one: Measurement) => number) => median(of.map(value));
    const registers = new Set(of.flatMap((one) => Object.keys(one.exitsPerTransactionByRegister)));
    const seed = seedOf(name);
    return [
      {
        name,
        rates,
        rate: spread(rates),
        ratio: pairedRatio(rates, baseRates),
        p50Microseconds: middle((one) => one.p50Microseconds),
        p99Microseconds: middle((one) => one.p99Microseconds),
        perTransaction: {
          exits: middle((one) => one.perTransaction.exits),
          interrupts: middle((one) => one.perTransaction.interrupts),
          merged: middle((one) => one.perTransaction.merged),
          ioapicEois: middle((one) => one.perTransaction.ioapicEois),
          guestInstructions: middle((one) => one.perTransaction.guestInstructions),
        },
        byRegister: Object.fromEntries(
          [...registers].map((register) => [
            register,
            middle((one) => one.exitsPerTransactionByRegister[register] ?? 0),
          ]),
        ),
        seed,
        seedRatio: seed && baseSeed ? mean(seed.runs) / mean(baseSeed.runs) : undefined,
      },
    ];
  });
}

/** One of the two ratios of 2019 beside ours. */
export interface SeedComparison {
  readonly what: string;
  readonly ours: Spread;
  readonly seed: number;
}

/** MSI by the wire and MSI by PCI, as far as both columns were measured. */
export function againstSeed(measurements: readonly Measurement[]): SeedComparison[] {
  const line = (what: string, under: TableColumn, seed: number): SeedComparison[] => {
    const ours = pairedRatio(ratesOf(measurements, "mmio-msi"), ratesOf(measurements, under));
    return ours === undefined ? [] : [{ what, ours, seed }];
  };
  return [
    ...line("MMIO MSI by MMIO wired", "mmio-wired", mean(SEED.msi.runs) / mean(SEED.wired.runs)),
    ...line("MMIO MSI by PCI MSI-X", "pci-msix", mean(SEED.msi.runs) / mean(SEED.pci.runs)),
  ];
}

/** What a reader of the figures should know. */
export function remarks({ notes, warmUp, measurements }: ComparisonResult): string[] {
  const names = (of: readonly TableColumn[]) => of.map((name) => COLUMN_SHORT[name]).join(", ");
  const unsettled = TABLE_COLUMNS.filter((name) => !isSettled(warmUp[name] ?? [1, 1], SETTLED_WITHIN));
  const noisy = columnFigures(measurements).filter(
    ({ rate }) => rate.most - rate.least > NOISY * rate.median,
  );
  return [
    ...notes,
    ...(unsettled.length > 0
      ? [`Not settled after ${WARM_UP_WINDOWS} s of warm-up: ${names(unsettled)}.`]
      : []),
    ...(noisy.length > 0
      ? [
          `Rounds far apart, as on a busy computer: ${names(noisy.map(({ name }) => name))}. The counts per transaction do not depend on that.`,
        ]
      : []),
  ];
}

/** What is compared with what. */
const PAIRS: readonly (readonly [TableColumn, TableColumn])[] = [
  ["mmio-msi", "mmio-wired"],
  ["mmio-v3-wired", "mmio-wired"],
  ["pci-msix", "pci-intx"],
  ["mmio-msi", "pci-msix"],
];

/** A sentence for each difference, with the counters that cause it. */
export function explanations({
  measurements,
  settings,
}: Pick<ComparisonResult, "measurements" | "settings">): string[] {
  const figures = new Map(columnFigures(measurements).map((one) => [one.name, one]));
  const sentences = PAIRS.flatMap(([over, under]) => {
    const a = figures.get(over);
    const b = figures.get(under);
    const ratio = a && b && pairedRatio(a.rates, b.rates);
    return a && b && ratio ? [explain(a, b, ratio)] : [];
  });
  const wired = figures.get("mmio-wired");
  const msi = figures.get("mmio-msi");
  return wired && msi ? [...sentences, budget(wired, msi, settings.exitCostNs)] : sentences;
}

function explain(a: ColumnFigures, b: ColumnFigures, ratio: Spread): string {
  const [left, right] = [a.perTransaction, b.perTransaction];
  const changes = [
    change("exits", left.exits, right.exits) + registers(a.byRegister, b.byRegister),
    change("interrupts", left.interrupts, right.interrupts),
    change("IOAPIC EOIs", left.ioapicEois, right.ioapicEois),
  ].join(", ");
  const doubt =
    a.rates.length < 2 || b.rates.length < 2
      ? "; one round says little about rates"
      : ratio.least > 1 || ratio.most < 1
        ? ""
        : "; the rounds do not tell the two apart";
  return (
    `${COLUMN_SHORT[a.name]} makes ${spreadText(ratio)} times the transactions of ${COLUMN_SHORT[b.name]}, ` +
    `with, for each transaction, ${changes}${doubt}.`
  );
}

function change(what: string, left: number, right: number): string {
  return Math.abs(left - right) < SAME
    ? `the same ${two(left)} ${what}`
    : `${two(left)} ${what} instead of ${two(right)}`;
}

/** Which registers make the difference. */
function registers(left: Readonly<Record<string, number>>, right: Readonly<Record<string, number>>): string {
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  const words = names.flatMap((name) => {
    const [here, there] = [left[name] ?? 0, right[name] ?? 0];
    if (Math.abs(here - there) < SAME) return [];
    if (here < SAME) return [`without ${name} ${two(there)}`];
    return [there < SAME ? `with ${name} ${two(here)}` : `${name} ${two(here)} for ${two(there)}`];
  });
  return words.length === 0 ? "" : ` (${words.join(", ")})`;
}

/** Why our ratio is not that of 2019: what the saved accesses can be worth here. */
function budget(wired: ColumnFigures, msi: ColumnFigures, exitCostNs: number): string {
  const exits = wired.perTransaction.exits - msi.perTransaction.exits;
  const eois = wired.perTransaction.ioapicEois - msi.perTransaction.ioapicEois;
  const transaction = 1e6 / wired.rate.median;
  const cost = ACCESS_MICROSECONDS + exitCostNs / 1000;
  const saved = exits * cost + (eois * exitCostNs) / 1000;
  const modelled = exitCostNs === 0 ? "" : ` and the ${modelledExitCost(exitCostNs)} at each of both`;
  return (
    `The ${two(mean(SEED.msi.runs) / mean(SEED.wired.runs))} of 2019 comes from hardware virtualisation; here the ${two(exits)} exits ` +
    `and ${two(eois)} EOIs that messages save, with about ${microseconds(ACCESS_MICROSECONDS * 1000)} \u00b5s for an exit${modelled}, ` +
    `are ${saved.toFixed(1)} \u00b5s of the ${Math.round(transaction).toLocaleString("en")} \u00b5s that a transaction on the wire takes.`
  );
}
