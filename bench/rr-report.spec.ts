import { describe, expect, it } from "vitest";
import type { MetricsSnapshot } from "../src/index.ts";
import type { ColumnName } from "./columns.ts";
import { arithmetic, costForRatio, costLine } from "./exit-cost.ts";
import {
  type PerTransaction,
  type RrMeasurement,
  ratioTo,
  renderRr,
  summarize,
  toMeasurement,
} from "./rr-report.ts";

const NOTHING: PerTransaction = {
  exits: 0,
  interrupts: 0,
  merged: 0,
  ioapicEois: 0,
  guestInstructions: 0,
};

function measurement(
  column: ColumnName,
  round: number,
  transactionsPerSecond: number,
  more: Partial<RrMeasurement> = {},
): RrMeasurement {
  return {
    column,
    round,
    exitCostNs: 0,
    transactions: transactionsPerSecond,
    seconds: 1,
    wallSeconds: 1,
    transactionsPerSecond,
    turns: [0, 1].map(() => ({
      transactions: transactionsPerSecond,
      milliseconds: 1000,
      wallMilliseconds: 1000,
    })),
    perTransaction: NOTHING,
    exitsPerTransactionByRegister: {},
    ...more,
  };
}

function snapshot(times: number): MetricsSnapshot {
  return {
    wallMs: 0,
    guestInstructions: 17_000_000 * times,
    switches: 0,
    ioapicEois: 1000 * times,
    exitCostNs: 0,
    peer: { transactions: 1000 * times },
    devices: {
      net0: {
        type: "net",
        transport: "mmio",
        version: 2,
        status: 15,
        interrupts: {
          mode: "wired",
          wired: 1000 * times,
          msi: 0,
          merged: 10 * times,
          refused: 0,
          byVector: [],
        },
        exits: {
          total: 3000 * times,
          byRegister: { InterruptStatus: 1000 * times, Status: 5, QueueNotify: 2000 * times },
        },
        doorbells: 0,
        faults: {},
        ignored: {},
      },
    },
  };
}

describe("a measurement", () => {
  it("is its turns together, by CPU time, and the difference of the counters, per transaction", () => {
    const at = { column: "mmio-wired", round: 1, exitCostNs: 0 } as const;
    const result = toMeasurement(at, [
      { milliseconds: 150, cpuMilliseconds: 100, before: snapshot(1), after: snapshot(2) },
      { milliseconds: 350, cpuMilliseconds: 300, before: snapshot(5), after: snapshot(8) },
    ]);
    expect(result).toMatchObject({ ...at, transactions: 4000, seconds: 0.4, wallSeconds: 0.5 });
    expect(result.transactionsPerSecond).toBe(10_000);
    expect(result.turns.map(({ transactions }) => transactions)).toEqual([1000, 3000]);
    expect(result.perTransaction).toEqual({
      exits: 3,
      interrupts: 1,
      merged: 0.01,
      ioapicEois: 1,
      guestInstructions: 17_000,
    });
    expect(result.exitsPerTransactionByRegister).toEqual({ InterruptStatus: 1, QueueNotify: 2 });
  });
});

const ROUNDS = [
  measurement("mmio-wired", 1, 7000),
  measurement("mmio-msi", 1, 9100),
  measurement("mmio-wired", 2, 3500),
  measurement("mmio-msi", 2, 4900),
  measurement("mmio-wired", 3, 7100),
  measurement("mmio-msi", 3, 9656),
];

describe("the tables", () => {
  it("take ratios within rounds, so that a slow round counts for both", () => {
    const ratio = ratioTo(ROUNDS, "mmio-msi", "mmio-wired", 0);
    expect(ratio?.median).toBeCloseTo(1.36);
    expect(ratio?.least).toBeCloseTo(1.3);
    expect(ratio?.most).toBeCloseTo(1.4);
    expect(ratioTo(ROUNDS, "pci-msix", "mmio-wired", 0)).toBeUndefined();
  });

  it("have rounds, median, ratio with spread, and the column of 2019 beside ours", () => {
    const text = renderRr(ROUNDS, 0, true);
    expect(text).toMatch(/\| mmio-msi +\| +9100 \| +4900 \| +9656 \| +9100 \| +1\.360 \(1\.300 to 1\.400\)/);
    expect(text).toContain("9500, 9749, 9318 |        1.36 |");
    expect(text).toContain("MSI by the wire: 1.360 (1.300 to 1.400); in 2019 1.36.");
    expect(text).not.toContain("modelled");
    expect(renderRr(ROUNDS, 0, false)).not.toContain("2019");
  });

  it("say so when the exit cost is modelled", () => {
    const costly = ROUNDS.map((one) => ({ ...one, exitCostNs: 2000 }));
    expect(renderRr(costly, 2000, true)).toContain("modelled exit cost 2000 ns");
    expect(Object.keys(summarize(costly))).toEqual([
      "mmio-wired, modelled exit cost 2000 ns",
      "mmio-msi, modelled exit cost 2000 ns",
    ]);
  });

  it("are summed up in medians for comparing", () => {
    const summary = summarize(ROUNDS);
    expect(summary["mmio-wired"]?.["transactions/s"]).toBe(7000);
    expect(summary["mmio-msi"]?.["ratio to mmio-wired"]).toBeCloseTo(1.36);
  });
});

describe("the exit-cost arithmetic", () => {
  /** Transactions that take `base` microseconds and `exits` exits. */
  const at = (column: ColumnName, base: number, exits: number, ioapicEois: number): RrMeasurement[] =>
    [0, 1000, 5000].map((exitCostNs) =>
      measurement(column, 1, 1e9 / (base * 1000 + (exits + ioapicEois) * exitCostNs), {
        exitCostNs,
        perTransaction: { ...NOTHING, exits, ioapicEois },
      }),
    );
  const wire = costLine(at("mmio-wired", 100, 3, 1), "mmio-wired");
  const msi = costLine(at("mmio-msi", 95, 1, 0), "mmio-msi");

  it("finds time without cost and exits per transaction again", () => {
    expect(wire?.fitted.intercept).toBeCloseTo(100_000);
    expect(wire?.fitted.slope).toBeCloseTo(4);
    expect(wire?.counted.intercept).toBeCloseTo(100_000);
    expect(wire?.counted.slope).toBe(4);
    expect(costLine([], "mmio-msi")).toBeUndefined();
  });

  it("finds the cost at which the ratio is that of 2019, and shows how", () => {
    if (!wire || !msi) throw new Error("There must be lines.");
    const cost = costForRatio(wire, msi, 1.36);
    // 100 + 4 c = 1.36 (95 + c), in microseconds.
    expect(cost).toBeCloseTo(((1.36 * 95 - 100) / (4 - 1.36)) * 1000);
    const text = arithmetic(wire, msi, 1.36, cost);
    expect(text).toContain("The wire: 100 µs + 4.00 c. MSI: 95.0 µs + 1.00 c.");
    expect(text).toContain("The ratio is 1.36 at c = 11.1 µs");
    expect(text).toContain("142 µs and 105 µs: 37.4 µs");
  });
});
