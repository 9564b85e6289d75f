/**
 * `bench exit-cost`: at which modelled exit cost MSI is as many times the wire as in the seed. Time per transaction is
 * measured at several costs; the straight lines through the points say what a transaction takes without any cost, and
 * how many times it pays; the counters say the latter, too. Where the lines' ratio is the seed's, it is measured again.
 */
import { MAX_EXIT_COST } from "../src/index.ts";
import { type ColumnName, column } from "./columns.ts";
import { environment } from "./environment.ts";
import type { RrSettings } from "./flags.ts";
import type { Progress } from "./fleet.ts";
import type { Outcome } from "./report.ts";
import { measureRr } from "./rr.ts";
import { type RrMeasurement, renderRr, select, summarize } from "./rr-report.ts";
import { crossing, fitLine, type Line, median } from "./statistics.ts";
import { figure, hundredths, markdownTable } from "./table.ts";

const WIRE: ColumnName = "mmio-wired";
const MSI: ColumnName = "mmio-msi";

/** What one column's measurements say. */
export interface CostLine {
  readonly column: ColumnName;
  /** Nanoseconds per transaction over nanoseconds per exit. */
  readonly line: Line;
  /** Exits and IOAPIC EOIs per transaction, as counted. */
  readonly counted: number;
}

export function costLine(measurements: readonly RrMeasurement[], name: ColumnName): CostLine | undefined {
  const of = measurements.filter((one) => one.column === name);
  const line = fitLine(of.map((one) => [one.exitCostNs, 1e9 / one.transactionsPerSecond] as const));
  if (!line) return undefined;
  const counted = median(of.map(({ perTransaction }) => perTransaction.exits + perTransaction.ioapicEois));
  return { column: name, line, counted };
}

/** The cost at which msi is `ratio` times the wire, by the lines; undefined when that never comes. */
export function costForRatio(wire: CostLine, msi: CostLine, ratio: number): number | undefined {
  return crossing(wire.line, msi.line, ratio);
}

export async function runExitCost(settings: RrSettings, progress: Progress): Promise<Outcome> {
  const env = environment();
  const notes: string[] = [];
  const { ratio } = settings;
  const scan = await measureRr({ ...settings, command: "tcp_rr" }, notes, progress);
  env.kernel = scan.kernel;
  const { measurements } = scan.details;
  const wire = costLine(measurements, WIRE);
  const msi = costLine(measurements, MSI);
  const found = wire && msi ? costForRatio(wire, msi, ratio) : undefined;
  let check: readonly RrMeasurement[] = [];
  if (!wire || !msi) notes.push(`Wanted: ${WIRE} and ${MSI}, at two costs or more.`);
  else if (found === undefined || found > MAX_EXIT_COST)
    notes.push(`There is no exit cost at which MSI is ${ratio} times the wire.`);
  else {
    const cost = Math.round(found);
    progress(`measuring again at ${cost} ns`);
    check = (
      await measureRr(
        { ...settings, command: "tcp_rr", columns: [WIRE, MSI], exitCosts: [cost] },
        notes,
        progress,
      )
    ).details.measurements;
  }
  const all = [...measurements, ...check];
  const lines = settings.columns.flatMap((name) => costLine(measurements, name) ?? []);
  const costs = [...new Set(all.map((one) => one.exitCostNs))].sort((a, b) => a - b);
  return {
    report: {
      schema: 1,
      benchmark: "exit-cost",
      environment: env,
      modelledExitCostNs: costs,
      notes,
      summary: {
        ...summarize(all),
        ...(found === undefined ? {} : { [`MSI ${ratio} times the wire`]: { "exit cost ns": found } }),
      },
      details: { ...scan.details, ratio, lines, found, check },
    },
    body: [
      `${settings.rounds} interleaved rounds of ${settings.seconds} s at each cost.`,
      ratesByCost(all, settings.columns, costs),
      "## What a transaction takes",
      linesTable(lines),
      ...(wire && msi ? [arithmetic(wire, msi, ratio, found)] : []),
      ...(check[0] ? [renderRr(check, check[0].exitCostNs)] : []),
    ].join("\n\n"),
  };
}

function ratesByCost(
  all: readonly RrMeasurement[],
  columns: readonly ColumnName[],
  costs: readonly number[],
): string {
  const rate = (name: ColumnName, cost: number): number =>
    median(select(all, name, cost).map((one) => one.transactionsPerSecond));
  return markdownTable(
    ["modelled exit cost", ...columns, "MSI by the wire"],
    costs.map((cost) => [
      `${cost} ns`,
      ...columns.map((name) => figure(rate(name, cost))),
      hundredths(rate(MSI, cost) / rate(WIRE, cost)),
    ]),
  );
}

function linesTable(lines: readonly CostLine[]): string {
  return markdownTable(
    ["column", "µs at no cost", "exits and EOIs by the line", "counted"],
    lines.map(({ column: name, line, counted }) => [
      name,
      figure(line.intercept / 1000),
      hundredths(line.slope),
      hundredths(counted),
    ]),
  );
}

/** Exits per transaction times cost against transaction time, in words and numbers; also for the seed's own times. */
export function arithmetic(wire: CostLine, msi: CostLine, ratio: number, found: number | undefined): string {
  const time = ({ line, counted }: CostLine, cost: number): number => line.intercept + counted * cost;
  const parts = [
    `A transaction takes t + n × c: t without any cost, n exits and EOIs, c what each costs. ` +
      `The wire: ${figure(wire.line.intercept / 1000)} µs + ${hundredths(wire.counted)} c. ` +
      `MSI: ${figure(msi.line.intercept / 1000)} µs + ${hundredths(msi.counted)} c.`,
  ];
  if (found !== undefined) {
    const saved = (wire.counted - msi.counted) * found;
    parts.push(
      `The ratio is ${ratio} at c = ${figure(found / 1000)} µs: there the exits that MSI saves cost ` +
        `${hundredths(wire.counted - msi.counted)} × ${figure(found / 1000)} = ${figure(saved / 1000)} µs ` +
        `of the wire's ${figure(time(wire, found) / 1000)} µs.`,
    );
  }
  const rates = (name: ColumnName): number => {
    const { seed } = column(name);
    return seed ? seed.runs.reduce((sum, run) => sum + run, 0) / seed.runs.length : Number.NaN;
  };
  const seedWire = 1e6 / rates(WIRE);
  const seedMsi = 1e6 / rates(MSI);
  const apart = seedWire - seedMsi;
  parts.push(
    `The seed's transactions took ${figure(seedWire)} µs and ${figure(seedMsi)} µs: ${figure(apart)} µs for what MSI ` +
      `saved. Were that the ${hundredths(wire.counted - msi.counted)} exits saved here, each had cost ` +
      `${figure(apart / (wire.counted - msi.counted))} µs.`,
  );
  return parts.join("\n\n");
}
