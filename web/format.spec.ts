import { describe, expect, it } from "vitest";
import { formatBytes, formatMilliseconds, formatRate, formatRatio, formatShort } from "./format.ts";

describe("numbers on the page", () => {
  it.each([
    [0, "0"],
    [0.04, "0"],
    [1.25, "1.3"],
    [9.96, "10"],
    [12_345.6, "12,346"],
  ])("writes the rate %d as %s", (value, text) => expect(formatRate(value)).toBe(text));

  it("writes a ratio with two decimals, and a dash for none", () => {
    expect(formatRatio(1)).toBe("1.00");
    expect(formatRatio(undefined)).toBe("\u2013");
  });

  it.each([
    [512, "512 B"],
    [1500, "1.5 kB"],
    [3_200_000, "3.2 MB"],
  ])("writes %d bytes as %s", (value, text) => expect(formatBytes(value)).toBe(text));

  it("writes axes in short", () => {
    expect([0, 950, 1500, 20_000, 3e6].map(formatShort)).toEqual(["0", "950", "1.5k", "20k", "3M"]);
  });

  it("writes times as a person says them", () => {
    expect([0.42, 12.3, 1840].map(formatMilliseconds)).toEqual(["0.4 ms", "12 ms", "1.8 s"]);
  });
});
