/**
 * `bench exit-cost`: at which modelled exit cost MSI is as many times the wire as in 2019. Time per transaction is
 * measured at several costs. The counters say how many times a transaction pays, and what is left is its time without any
 * cost; a straight line through the points, which knows nothing of the counters, says the same again. Where the ratio should
 * be that of 2019, it is measured once more.
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
  /** Nanoseconds per transaction over nanoseconds per exit, fitted to the points. */
  readonly fitted: Line;
  /** The same with the counted exits and IOAPIC EOIs per transaction as slope: one noisy point does not tilt it. */
  readonly counted: Line;
}

export function costLine(measurements: readonly RrMeasurement[], name: ColumnName): CostLine | undefined {
  const of = measurements.filter((one) => one.column === name);
  const points = of.map((one) => [one.exitCostNs, 1e9 / one.transactionsPerSecond] as const);
  const fitted = fitLine(points);
  if (!fitted) return undefined;
  const slope = median(of.map(({ perTransaction }) => perTransaction.exits + perTransaction.ioapicEois));
  const intercept = median(points.map(([cost, time]) => time - slope * cost));
  return { column: name, fitted, counted: { intercept, slope } };
}

/** The cost at which msi is `ratio` times the wire; undefined when that never comes. */
export function costForRatio(wire: CostLine, msi: CostLine, ratio: number): number | undefined {
  return crossing(wire.counted, msi.counted, ratio);
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
      ...(check[0] ? [renderRr(check, check[0].exitCostNs, true)] : []),
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
    [
      "column",
      "exits and EOIs, counted",
      "µs without them",
      "exits and EOIs, by the line",
      "µs without them",
    ],
    lines.map(({ column: name, fitted, counted }) => [
      name,
      hundredths(counted.slope),
      figure(counted.intercept / 1000),
      hundredths(fitted.slope),
      figure(fitted.intercept / 1000),
    ]),
  );
}

/** Exits per transaction times cost against transaction time, in words and numbers; also for the times of 2019. */
export function arithmetic(wire: CostLine, msi: CostLine, ratio: number, found: number | undefined): string {
  const wireExits = wire.counted.slope;
  const savedExits = wireExits - msi.counted.slope;
  const parts = [
    `A transaction takes t + n × c: t without any cost, n exits and EOIs, c what each costs. ` +
      `The wire: ${figure(wire.counted.intercept / 1000)} µs + ${hundredths(wireExits)} c. ` +
      `MSI: ${figure(msi.counted.intercept / 1000)} µs + ${hundredths(msi.counted.slope)} c.`,
  ];
  if (found !== undefined) {
    const saved = savedExits * found;
    const whole = wire.counted.intercept + wireExits * found;
    parts.push(
      `The ratio is ${ratio} at c = ${figure(found / 1000)} µs: there the exits that MSI saves cost ` +
        `${hundredths(savedExits)} × ${figure(found / 1000)} = ${figure(saved / 1000)} µs ` +
        `of the wire's ${figure(whole / 1000)} µs.`,
    );
  }
  const rates = (name: ColumnName): number => {
    const { seed } = column(name);
    return seed ? seed.runs.reduce((sum, run) => sum + run, 0) / seed.runs.length : Number.NaN;
  };
  const wire2019 = 1e6 / rates(WIRE);
  const msi2019 = 1e6 / rates(MSI);
  const apart = wire2019 - msi2019;
  parts.push(
    `In 2019 transactions took ${figure(wire2019)} µs and ${figure(msi2019)} µs: ${figure(apart)} µs for what MSI ` +
      `saved. Were that the ${hundredths(savedExits)} exits saved here, each had cost ` +
      `${figure(apart / savedExits)} µs.`,
  );
  return parts.join("\n\n");
}
