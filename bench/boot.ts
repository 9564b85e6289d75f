/** `bench boot`: time and guest instructions from the guest's start to the points that people wait for. */
import type { ColumnName } from "./columns.ts";
import { environment } from "./environment.ts";
import type { PlainSettings } from "./flags.ts";
import { bootOne, kernelOf, type Progress } from "./fleet.ts";
import type { BootMoment } from "./protocol.ts";
import type { Outcome } from "./report.ts";
import { median, spread } from "./statistics.ts";
import { figure, markdownTable, spreadText } from "./table.ts";

const MOMENTS = ["first-access", "kernel", "console", "network", "ready"] as const;
const WORDS: Record<(typeof MOMENTS)[number], string> = {
  "first-access": "first register access",
  kernel: "console driver",
  console: "console's first output",
  network: "network",
  ready: "ready",
};

export interface BootMeasurement {
  readonly column: ColumnName;
  readonly round: number;
  readonly moments: readonly BootMoment[];
}

export async function runBoot(settings: PlainSettings, progress: Progress): Promise<Outcome> {
  const env = environment();
  const notes: string[] = [];
  const measurements: BootMeasurement[] = [];
  const out = new Set<ColumnName>();
  for (let round = 1; round <= settings.rounds; round++) {
    for (const column of settings.columns.filter((name) => !out.has(name))) {
      const booted = await bootOne(column, settings.place);
      if (typeof booted === "string") {
        notes.push(`${column} is left out: ${booted}`);
        progress(`${column} is left out: ${booted}`);
        out.add(column);
        continue;
      }
      const { moments } = booted;
      if (env.kernel === "unknown") env.kernel = await kernelOf([booted]);
      await booted.machine.end();
      measurements.push({ column, round, moments });
      const ready = moments.find(({ what }) => what === "ready");
      progress(`round ${round} of ${settings.rounds}, ${column}: ${figure(ready?.milliseconds ?? 0)} ms`);
    }
  }
  const columns = settings.columns.filter((name) => measurements.some((one) => one.column === name));
  return {
    report: {
      schema: 1,
      benchmark: "boot",
      environment: env,
      modelledExitCostNs: [0],
      notes,
      summary: summarizeBoots(measurements, columns),
      details: { rounds: settings.rounds, measurements },
    },
    body: [
      "From the guest's first instruction on; each time a new machine in a new thread. Median, and range where there is one.",
      "## Milliseconds",
      table(measurements, columns, "milliseconds", figure),
      "## Million guest instructions",
      table(measurements, columns, "guestInstructions", (value) => figure(value / 1e6)),
    ].join("\n\n"),
  };
}

function valuesOf(
  measurements: readonly BootMeasurement[],
  column: ColumnName,
  what: string,
  key: "milliseconds" | "guestInstructions",
): number[] {
  return measurements
    .filter((one) => one.column === column)
    .flatMap(({ moments }) => moments.find((moment) => moment.what === what)?.[key] ?? []);
}

function table(
  measurements: readonly BootMeasurement[],
  columns: readonly ColumnName[],
  key: "milliseconds" | "guestInstructions",
  text: (value: number) => string,
): string {
  return markdownTable(
    ["column", ...MOMENTS.map((what) => WORDS[what])],
    columns.map((column) => [
      column,
      ...MOMENTS.map((what) => {
        const values = valuesOf(measurements, column, what, key);
        return values.length === 0 ? "-" : spreadText(spread(values), text);
      }),
    ]),
  );
}

function summarizeBoots(
  measurements: readonly BootMeasurement[],
  columns: readonly ColumnName[],
): Record<string, Record<string, number>> {
  return Object.fromEntries(
    columns.map((column) => [
      column,
      Object.fromEntries(
        MOMENTS.flatMap((what) => {
          const milliseconds = valuesOf(measurements, column, what, "milliseconds");
          const instructions = valuesOf(measurements, column, what, "guestInstructions");
          if (milliseconds.length === 0) return [];
          return [
            [`${WORDS[what]} ms`, median(milliseconds)],
            [`${WORDS[what]} million instructions`, median(instructions) / 1e6],
          ];
        }),
      ),
    ]),
  );
}
