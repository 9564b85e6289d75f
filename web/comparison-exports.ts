/** A comparison as JSON, CSV and Markdown. */
import { column } from "../bench/columns.ts";
import { COLUMN_SHORT } from "./comparison-columns.ts";
import {
  againstSeed,
  baseColumn,
  type ComparisonResult,
  columnFigures,
  explanations,
  remarks,
  spreadText,
} from "./comparison-report.ts";
import { GUEST_MEMORY_MIB, type Measurement } from "./comparison-run.ts";
import { modelledExitCost } from "./exit-cost.ts";

/** What measured, for who reads the figures elsewhere. */
export interface ExportContext {
  /** navigator.userAgent. */
  readonly userAgent: string;
  /** navigator.hardwareConcurrency. */
  readonly logicalProcessors: number;
}

/** Everything, every round of it. */
export function toJson(result: ComparisonResult, context: ExportContext): string {
  const { settings, measurements } = result;
  const modelled = modelledExitCost(settings.exitCostNs);
  const report = {
    schema: 1,
    benchmark: "tcp_rr",
    measuredIn: "page",
    date: result.date,
    environment: { ...context, guestMemoryMiB: GUEST_MEMORY_MIB },
    request: 32,
    response: 1024,
    seconds: settings.seconds,
    rounds: settings.rounds,
    complete: result.complete,
    modelledExitCostNs: settings.exitCostNs,
    ...(modelled === undefined ? {} : { exitCost: modelled }),
    notes: remarks(result),
    base: baseColumn(measurements),
    columns: columnFigures(measurements).map(
      ({ name, rate, ratio, byRegister, seed, seedRatio, ...figures }) => ({
        name,
        title: column(name).title,
        transactionsPerSecond: rate,
        ...(ratio === undefined ? {} : { ratioToBase: ratio }),
        p50Microseconds: figures.p50Microseconds,
        p99Microseconds: figures.p99Microseconds,
        perTransaction: figures.perTransaction,
        exitsPerTransactionByRegister: byRegister,
        ...(seed === undefined ? {} : { seed: { ...seed, ratioToBase: seedRatio } }),
      }),
    ),
    againstSeed: againstSeed(measurements),
    explanations: explanations(result),
    warmUp: result.warmUp,
    measurements,
  };
  return `${JSON.stringify(report, undefined, 2)}\n`;
}

const CSV_FIELDS: readonly (readonly [string, (one: Measurement) => string | number])[] = [
  ["column", (one) => one.column],
  ["round", (one) => one.round],
  ["transactions", (one) => one.transactions],
  ["transactions_per_second", (one) => one.transactionsPerSecond],
  ["mean_microseconds", (one) => one.meanMicroseconds],
  ["p50_microseconds", (one) => one.p50Microseconds],
  ["p99_microseconds", (one) => one.p99Microseconds],
  ["exits_per_transaction", (one) => one.perTransaction.exits],
  ["interrupts_per_transaction", (one) => one.perTransaction.interrupts],
  ["merged_per_transaction", (one) => one.perTransaction.merged],
  ["ioapic_eois_per_transaction", (one) => one.perTransaction.ioapicEois],
  ["guest_instructions_per_transaction", (one) => one.perTransaction.guestInstructions],
];

/** One line for each round of each column (RFC 4180; no field needs quotes). */
export function toCsv({ settings, measurements }: ComparisonResult): string {
  const modelled = modelledExitCost(settings.exitCostNs);
  const lines = measurements.map((one) => [
    ...CSV_FIELDS.map(([, value]) => String(value(one))),
    String(settings.exitCostNs),
    modelled ?? "",
  ]);
  const header = [...CSV_FIELDS.map(([name]) => name), "modelled_exit_cost_ns", "remark"];
  return [header, ...lines].map((cells) => `${cells.join(",")}\r\n`).join("");
}

/** The table, the ratios and the sentences, for an issue or a mail. */
export function toMarkdown(result: ComparisonResult, context: ExportContext): string {
  const { settings, measurements } = result;
  const modelled = modelledExitCost(settings.exitCostNs);
  const rows = columnFigures(measurements).map(
    ({ name, rates, rate, ratio, perTransaction, seed, seedRatio }) => [
      COLUMN_SHORT[name],
      rates.map(Math.round).join(", "),
      String(Math.round(rate.median)),
      ratio === undefined ? "" : spreadText(ratio),
      perTransaction.exits.toFixed(2),
      perTransaction.interrupts.toFixed(2),
      perTransaction.ioapicEois.toFixed(2),
      seed?.runs.join(", ") ?? "",
      seedRatio?.toFixed(2) ?? "",
    ],
  );
  const base = baseColumn(measurements);
  const short = base === undefined ? "the first" : COLUMN_SHORT[base];
  const header = [
    "column",
    "transactions/s",
    "median",
    `to ${short}`,
    "exits",
    "interrupts",
    "EOIs",
    "2019: runs",
    "2019: ratio",
  ];
  const table = [header, header.map((_, index) => (index === 0 ? "---" : "---:")), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
  return `${[
    `# tcp_rr, 32-byte requests, 1024-byte responses${modelled === undefined ? "" : `: ${modelled}`}`,
    `${settings.rounds} ${settings.rounds === 1 ? "round" : "rounds"} of ${settings.seconds} s in the page${result.complete ? "" : ", cancelled before the end"}, ${result.date}, ` +
      `${context.logicalProcessors} logical processors, guests of ${GUEST_MEMORY_MIB} MiB, ${context.userAgent}. ` +
      "Exits, interrupts and EOIs are the network card's, per transaction.",
    table,
    againstSeed(measurements)
      .map(({ what, ours, seed }) => `${what}: ${spreadText(ours)}; in 2019 ${seed.toFixed(2)}.`)
      .join("\n"),
    explanations(result)
      .map((text) => `- ${text}`)
      .join("\n"),
    remarks(result)
      .map((note) => `Note: ${note}`)
      .join("\n"),
  ]
    .filter((part) => part !== "")
    .join("\n\n")}\n`;
}
