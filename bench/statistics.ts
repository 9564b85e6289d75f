/** Small numbers of measurements: median, spread, ratios by pairs, a straight line through points. */

/** Median; the mean of the two in the middle for an even number. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The smallest value that at least `part` of all are not above; NaN of none. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

/** Arithmetic mean. NaN of none. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Median with smallest and largest. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/**
 * The spread of value / base, pair by pair: what happened in the same round stands against one another, so that a
 * machine that gets slower or busier during a run does not count for one side only. Pairs end with the shorter list.
 */
export function pairedRatio(values: readonly number[], base: readonly number[]): Spread | undefined {
  const ratios: number[] = [];
  values.forEach((value, index) => {
    const other = base[index];
    if (other !== undefined && other > 0) ratios.push(value / other);
  });
  return ratios.length === 0 ? undefined : spread(ratios);
}

/** y = intercept + slope * x. */
export interface Line {
  readonly intercept: number;
  readonly slope: number;
}

/** The straight line of least squares through the points; undefined when they do not make one. */
export function fitLine(points: readonly (readonly [x: number, y: number])[]): Line | undefined {
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  let above = 0;
  let below = 0;
  for (const [x, y] of points) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  if (!(below > 0)) return undefined;
  const slope = above / below;
  return { intercept: meanY - slope * meanX, slope };
}

/** Where slow is `ratio` times fast: the x at which slow(x) = ratio * fast(x); undefined where that never comes. */
export function crossing(slow: Line, fast: Line, ratio: number): number | undefined {
  const gain = slow.slope - ratio * fast.slope;
  const x = (ratio * fast.intercept - slow.intercept) / gain;
  return gain > 0 && Number.isFinite(x) ? Math.max(0, x) : undefined;
}

/** Whether two rates that follow one another differ by less than `tolerance` of the larger. */
export function isSettled(rates: readonly number[], tolerance: number): boolean {
  const last = rates[rates.length - 1];
  const before = rates[rates.length - 2];
  if (last === undefined || before === undefined) return false;
  return Math.abs(last - before) < tolerance * Math.max(last, before);
}
