/** `bench compare A.json B.json`: the figures of two results side by side, and B by A. */
import { environmentText } from "./environment.ts";
import { type Report, readReport } from "./report.ts";
import { figure, hundredths, markdownTable } from "./table.ts";

export async function compareFiles(first: string, second: string): Promise<string> {
  return renderComparison(await readReport(first), await readReport(second));
}

/** Markdown. What only one of them has is left out and named. */
export function renderComparison(a: Report, b: Report): string {
  const rows: string[][] = [];
  const alone: string[] = [];
  for (const [column, figures] of Object.entries(a.summary)) {
    for (const [name, value] of Object.entries(figures)) {
      const other = b.summary[column]?.[name];
      if (other === undefined) alone.push(`${column} ${name} (A)`);
      else rows.push([`${column}, ${name}`, exact(value), exact(other), hundredths(other / value)]);
    }
  }
  for (const [column, figures] of Object.entries(b.summary)) {
    for (const name of Object.keys(figures)) {
      if (a.summary[column]?.[name] === undefined) alone.push(`${column} ${name} (B)`);
    }
  }
  const parts = [
    "# compare",
    ...(a.benchmark === b.benchmark
      ? []
      : [`These are different benchmarks: ${a.benchmark} (A) and ${b.benchmark} (B).`]),
    `A: ${a.benchmark}\n${environmentText(a.environment)}`,
    `B: ${b.benchmark}\n${environmentText(b.environment)}`,
    markdownTable(["figure", "A", "B", "B / A"], rows),
    ...(alone.length === 0 ? [] : [`In one of them only: ${alone.join("; ")}.`]),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** Large figures whole, small ones with what tells them apart. */
function exact(value: number): string {
  return Math.abs(value) < 10 ? value.toFixed(3) : figure(value);
}
