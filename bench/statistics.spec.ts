import { describe, expect, it } from "vitest";
import { crossing, fitLine, isSettled, mean, median, pairedRatio, quantile, spread } from "./statistics.ts";

describe("a quantile", () => {
  it("is the value that so many are not above", () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(quantile(values, 0.99)).toBe(99);
    expect(quantile(values, 0.5)).toBe(50);
    expect(quantile([7], 0.99)).toBe(7);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe("the median", () => {
  it("is the one in the middle, in whatever order they come", () => {
    expect(median([9894, 9536, 9734])).toBe(9734);
    expect(median([2])).toBe(2);
  });

  it("is the mean of the two in the middle of an even number", () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it("of nothing is no number", () => {
    expect(median([])).toBeNaN();
    expect(mean([])).toBeNaN();
  });

  it("comes with the smallest and the largest", () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3 });
  });
});

describe("a ratio by pairs", () => {
  it("compares what was measured in the same round", () => {
    // The machine got twice as slow after the first round; the ratio does not notice.
    expect(pairedRatio([200, 110, 90], [100, 50, 50])).toEqual({ median: 2, least: 1.8, most: 2.2 });
  });

  it("leaves out rounds that only one side has, and rounds without a result", () => {
    expect(pairedRatio([10, 20, 30], [5])).toEqual({ median: 2, least: 2, most: 2 });
    expect(pairedRatio([10], [0])).toBeUndefined();
    expect(pairedRatio([], [])).toBeUndefined();
  });

  it("gives the figures of 2019 back", () => {
    const wired = [6939, 7029, 7095];
    const msi = [9500, 9749, 9318];
    const pci = [9536, 9734, 9894];
    expect(mean(msi) / mean(wired)).toBeCloseTo(1.36, 2);
    expect(mean(msi) / mean(pci)).toBeCloseTo(0.98, 2);
  });
});

describe("a line through points", () => {
  it("goes through points that lie on one", () => {
    const line = fitLine([
      [0, 100],
      [1000, 104],
      [5000, 120],
    ]);
    expect(line?.intercept).toBeCloseTo(100);
    expect(line?.slope).toBeCloseTo(0.004);
  });

  it("does not exist for points above one another", () => {
    expect(
      fitLine([
        [1, 1],
        [1, 2],
      ]),
    ).toBeUndefined();
    expect(fitLine([])).toBeUndefined();
  });

  it("shows where one is so many times the other", () => {
    // 100 + 4 x = 1.36 (95 + x)
    const x = crossing({ intercept: 100, slope: 4 }, { intercept: 95, slope: 1 }, 1.36);
    expect(x).toBeCloseTo(29.2 / 2.64);
  });

  it("shows nothing when the lines never come so far apart, and 0 when they are from the start", () => {
    expect(crossing({ intercept: 100, slope: 1 }, { intercept: 95, slope: 1 }, 1.36)).toBeUndefined();
    expect(crossing({ intercept: 200, slope: 4 }, { intercept: 95, slope: 1 }, 1.36)).toBe(0);
  });
});

describe("throughput", () => {
  it("has settled when two windows in succession differ by less than the tolerance", () => {
    expect(isSettled([1000], 0.05)).toBe(false);
    expect(isSettled([500, 1000], 0.05)).toBe(false);
    expect(isSettled([500, 1000, 960], 0.05)).toBe(true);
    expect(isSettled([1000, 960, 500], 0.05)).toBe(false);
  });
});
