import { describe, expect, it } from "vitest";
import type { TableColumn } from "./comparison-columns.ts";
import { toCsv, toJson, toMarkdown } from "./comparison-exports.ts";
import {
  againstSeed,
  baseColumn,
  type ComparisonResult,
  columnFigures,
  explanations,
  remarks,
} from "./comparison-report.ts";
import type { Measurement } from "./comparison-run.ts";

const CONTEXT = { userAgent: "a browser", logicalProcessors: 2 };

function measured(
  column: TableColumn,
  rates: readonly number[],
  byRegister: Record<string, number>,
  ioapicEois: number,
): Measurement[] {
  const exits = Object.values(byRegister).reduce((sum, value) => sum + value, 0);
  return rates.map((transactionsPerSecond, index) => ({
    column,
    round: index + 1,
    transactions: 2 * transactionsPerSecond,
    transactionsPerSecond,
    meanMicroseconds: 1e6 / transactionsPerSecond,
    p50Microseconds: 1e6 / transactionsPerSecond,
    p99Microseconds: 2e6 / transactionsPerSecond,
    perTransaction: { exits, interrupts: 1, merged: 0, ioapicEois, guestInstructions: 50_000 },
    exitsPerTransactionByRegister: byRegister,
  }));
}

const WIRED = { QueueNotify: 1, InterruptStatus: 1, InterruptACK: 1 };

function result(change: Partial<ComparisonResult> = {}, exitCostNs = 0): ComparisonResult {
  return {
    date: "2030-01-02T03:04:05.000Z",
    settings: { columns: ["mmio-wired", "mmio-msi", "pci-msix"], rounds: 3, seconds: 2, exitCostNs },
    complete: true,
    notes: [],
    warmUp: { "mmio-wired": [900, 1000, 1010] },
    measurements: [
      ...measured("mmio-wired", [1000, 1010, 990], WIRED, 1),
      ...measured("mmio-msi", [1100, 1111, 1188], { Doorbell: 1 }, 0),
      ...measured("pci-msix", [1100, 1100, 1200], { Doorbell: 1 }, 0),
    ],
    ...change,
  };
}

describe("the figures of a comparison", () => {
  it("are medians, in the table's order, with those of 2019 beside them", () => {
    const figures = columnFigures(result().measurements);
    expect(figures.map(({ name, rate }) => [name, rate.median])).toEqual([
      ["pci-msix", 1100],
      ["mmio-wired", 1000],
      ["mmio-msi", 1111],
    ]);
    expect(figures[2]?.ratio?.median).toBeCloseTo(1.1);
    expect(figures[2]?.ratio?.most).toBeCloseTo(1.2);
    expect(figures[2]?.seedRatio).toBeCloseTo(1.36, 2);
  });

  it("stand beside the two ratios of 2019", () => {
    const lines = againstSeed(result().measurements);
    expect(lines.map(({ seed }) => seed.toFixed(2))).toEqual(["1.36", "0.98"]);
    expect(lines.map(({ ours }) => ours.median.toFixed(2))).toEqual(["1.10", "1.00"]);
  });

  it("are against the first column that 2019 has when the wired one was not measured", () => {
    const { measurements } = result();
    const rest = measurements.filter(({ column }) => column !== "mmio-wired");
    expect(baseColumn(rest)).toBe("pci-msix");
    const [pci, msi] = columnFigures(rest);
    expect([pci?.ratio?.median, pci?.seedRatio]).toEqual([1, 1]);
    expect(msi?.ratio?.most).toBeCloseTo(1.01);
    expect(msi?.seedRatio).toBeCloseTo(0.98, 2);
    expect(againstSeed(rest)).toHaveLength(1);
  });
});

describe("the sentences", () => {
  it("name the registers, the interrupts and the EOIs behind each difference", () => {
    const [wire, pci, budget] = explanations(result());
    expect(wire).toBe(
      "MMIO MSI (version 3) makes 1.10 (1.10 to 1.20) times the transactions of MMIO wired (version 2), with, for each " +
        "transaction, 1.00 exits instead of 3.00 (with Doorbell 1.00, without QueueNotify 1.00, without InterruptStatus 1.00, " +
        "without InterruptACK 1.00), the same 1.00 interrupts, 0.00 IOAPIC EOIs instead of 1.00.",
    );
    expect(pci).toContain("the same 1.00 exits, the same 1.00 interrupts");
    expect(pci).toContain("the rounds do not tell the two apart");
    expect(budget).toContain("the 2.00 exits and 1.00 EOIs that messages save");
    expect(budget).toContain("are 0.1 \u00b5s of the 1,000 \u00b5s");
  });

  it("count the modelled cost at exits and EOIs", () => {
    expect(explanations(result({}, 2000)).at(-1)).toContain("are 6.1 \u00b5s of the");
  });

  it("say so when a single round was measured", () => {
    const { measurements } = result();
    const [first] = explanations(result({ measurements: measurements.filter(({ round }) => round === 1) }));
    expect(first).toContain("one round says little");
  });
});

describe("the remarks", () => {
  it("are none on a quiet computer", () => {
    expect(remarks(result())).toEqual([]);
  });

  it("name columns that had not settled or whose rounds are far apart", () => {
    const noisy = result({
      notes: ["A note."],
      warmUp: { "mmio-msi": [1, 2, 1, 2, 1, 2] },
      measurements: measured("mmio-wired", [500, 1000, 900], WIRED, 1),
    });
    expect(remarks(noisy)).toEqual([
      "A note.",
      "Not settled after 6 s of warm-up: MMIO MSI (version 3).",
      expect.stringMatching(/^Rounds far apart, .*: MMIO wired \(version 2\)\./),
    ]);
  });
});

describe("the exports", () => {
  it("hold every round", () => {
    const parsed: { measurements: unknown[]; columns: unknown[]; schema: number } = JSON.parse(
      toJson(result(), CONTEXT),
    );
    expect(parsed.schema).toBe(1);
    expect(parsed.measurements).toHaveLength(9);
    expect(parsed.columns).toHaveLength(3);
    const lines = toCsv(result()).trimEnd().split("\r\n");
    expect(lines).toHaveLength(10);
    expect(new Set(lines.map((line) => line.split(",").length)).size).toBe(1);
    const rows = toMarkdown(result(), CONTEXT)
      .split("\n")
      .filter((line) => line.startsWith("|"));
    expect(rows).toHaveLength(5);
    expect(new Set(rows.map((row) => row.split("|").length)).size).toBe(1);
  });

  it("all say it when an exit cost was modelled, and none does when not", () => {
    const words = "modelled exit cost 1.5 \u00b5s";
    for (const text of [toJson(result({}, 1500), CONTEXT), toMarkdown(result({}, 1500), CONTEXT)]) {
      expect(text).toContain(words);
    }
    const [, ...lines] = toCsv(result({}, 1500)).trimEnd().split("\r\n");
    for (const line of lines) expect(line.endsWith(`,1500,${words}`)).toBe(true);
    const off = [toJson(result(), CONTEXT), toMarkdown(result(), CONTEXT), toCsv(result())].join();
    expect(off).not.toContain("modelled exit cost");
  });
});
