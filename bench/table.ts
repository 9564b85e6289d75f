/** Markdown, as it goes to stdout and into bench/results. */

/** A table; the first column is text, the others are numbers and stand right. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]): string => {
    const padded = widths.map((width, column) => {
      const cell = cells[column] ?? "";
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    return `| ${padded.join(" | ")} |`;
  };
  const rule = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}

/** A rate or another large figure: whole, or with one decimal below 100. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return Math.abs(value) < 100 ? value.toFixed(1) : String(Math.round(value));
}

/** With two decimals, as ratios and figures per transaction are given. */
export function hundredths(value: number): string {
  return Number.isFinite(value) ? value.toFixed(2) : "-";
}

/** "1.36 (1.31 to 1.40)": the median and, when there was more than one, the range. */
export function spreadText(
  spread: { median: number; least: number; most: number } | undefined,
  text: (value: number) => string,
): string {
  if (!spread) return "-";
  if (spread.least === spread.most) return text(spread.median);
  return `${text(spread.median)} (${text(spread.least)} to ${text(spread.most)})`;
}
