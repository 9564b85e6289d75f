/** How the page writes numbers: fixed places and thin groups, so that a figure does not dance while it changes. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const oneDecimal = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** What stands for "no value". */
export const NONE = "\u2013";

/** A whole number with grouped thousands. */
export function formatCount(value: number): string {
  return whole.format(value);
}

/** A rate: one decimal below ten unless it is whole, else a whole number. */
export function formatRate(value: number): string {
  const rounded = Math.round(value * 10) / 10;
  return rounded < 10 && !Number.isInteger(rounded) ? oneDecimal.format(rounded) : whole.format(value);
}

/** A ratio with two decimals, or a dash when there is none. */
export function formatRatio(value: number | undefined): string {
  if (value === undefined) return NONE;
  return value >= 1000 ? whole.format(value) : value.toFixed(2);
}

/** A short form for axes: 950, 1.5k, 20k, 3M. */
export function formatShort(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${trim(value / 1e6)}M`;
  if (size >= 1e3) return `${trim(value / 1e3)}k`;
  return trim(value);
}

/** Bytes in decimal units: 512 B, 1.5 kB, 3.2 MB, 1.1 GB. */
export function formatBytes(value: number): string {
  if (value >= 1e9) return `${oneDecimal.format(value / 1e9)} GB`;
  if (value >= 1e6) return `${oneDecimal.format(value / 1e6)} MB`;
  if (value >= 1e3) return `${oneDecimal.format(value / 1e3)} kB`;
  return `${whole.format(value)} B`;
}

/** Milliseconds as a person says them: 0.4 ms, 12 ms, 1.8 s. */
export function formatMilliseconds(value: number): string {
  if (value >= 1000) return `${oneDecimal.format(value / 1000)} s`;
  return value < 10 ? `${oneDecimal.format(value)} ms` : `${whole.format(value)} ms`;
}

function trim(value: number): string {
  return Number.isInteger(value) ? String(value) : String(Math.round(value * 10) / 10);
}
