/** The shape of what --json writes, and where results go. */
import { readFile } from "node:fs/promises";
import { userPath, writeUserFile } from "../src/cli/files.ts";
import { UsageError } from "../src/cli/flags.ts";
import { type Environment, environmentText } from "./environment.ts";
import type { CommandName } from "./flags.ts";

/** What all results have in common. */
export interface Report {
  readonly schema: 1;
  readonly benchmark: Exclude<CommandName, "compare">;
  readonly environment: Environment;
  /** Modelled exit costs in ns that were measured with; [0] for none. */
  readonly modelledExitCostNs: readonly number[];
  /** What was left out, and other things that a reader must know. */
  readonly notes: readonly string[];
  /** The figures that compare puts side by side, by column and name. Names end with their unit. */
  readonly summary: Record<string, Record<string, number>>;
  /** Everything that was measured; its shape is the benchmark's own. */
  readonly details: unknown;
}

/** A result and how it reads. */
export interface Outcome {
  readonly report: Report;
  /** Markdown: what the benchmark has to show. */
  readonly body: string;
}

/** Prints a result and writes the files that were asked for. */
export async function publish(
  { report, body }: Outcome,
  files: { readonly json: string | undefined; readonly markdown: string | undefined },
): Promise<void> {
  const costs = report.modelledExitCostNs.filter((cost) => cost > 0);
  const model =
    costs.length === 0
      ? []
      : [`**Modelled exit cost:** ${costs.join(", ")} ns for each trapped access and IOAPIC EOI.`];
  const notes = report.notes.map((note) => `Note: ${note}`);
  const text = `${[`# ${report.benchmark}`, environmentText(report.environment), ...model, body, ...notes].join("\n\n")}\n`;
  process.stdout.write(text);
  if (files.json) await writeUserFile("json", files.json, json(report));
  if (files.markdown) await writeUserFile("markdown", files.markdown, text);
}

/** JSON to read and to compare by lines: what is small stands on one. */
export function json(value: unknown): string {
  const small = (text: string): string => {
    const line = text.replace(/\n\s*/g, " ");
    return line.length <= 120 ? line : text;
  };
  // Strings in JSON have no line feeds, so nothing within them changes.
  return `${JSON.stringify(value, null, 2).replace(/[[{][^[\]{}]*[\]}]/g, small)}\n`;
}

/** Reads what --json has written; throws UsageError. */
export async function readReport(path: string): Promise<Report> {
  let text: string;
  try {
    text = await readFile(userPath(path), "utf8");
  } catch (error) {
    throw new UsageError(
      `${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}.`,
    );
  }
  let value: Partial<Report>;
  try {
    value = JSON.parse(text) as Partial<Report>;
  } catch {
    throw new UsageError(`${path} is no JSON: give a file that --json has written.`);
  }
  if (value?.schema !== 1 || typeof value.summary !== "object" || !value.environment)
    throw new UsageError(`${path} is no result of these benchmarks: give a file that --json has written.`);
  return value as Report;
}
