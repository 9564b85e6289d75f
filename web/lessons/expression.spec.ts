import { describe, expect, it } from "vitest";
import type { DeviceMetrics, MetricsSnapshot } from "../../src/index.ts";
import { ExpressionError, type Growth, parseCondition } from "./expression.ts";

function device(doorbells: number, byRegister: Record<string, number>): DeviceMetrics {
  return {
    type: "net",
    transport: "mmio",
    version: 3,
    status: 15,
    interrupts: {
      mode: "msi",
      wired: 0,
      msi: 4 * doorbells,
      merged: 0,
      refused: 0,
      byVector: [0, doorbells, 2],
    },
    exits: { total: Object.values(byRegister).reduce((a, b) => a + b, 0), byRegister },
    doorbells,
    faults: { "queue size": doorbells, "descriptor loop": 1 },
    ignored: {},
  };
}

function snapshot(transactions: number, net0: DeviceMetrics): MetricsSnapshot {
  return {
    wallMs: 0,
    guestInstructions: 0,
    switches: 0,
    ioapicEois: 0,
    exitCostNs: 0,
    peer: { transactions },
    devices: { net0 },
  };
}

const growth: Growth = {
  before: snapshot(10, device(5, { Doorbell: 5 })),
  after: snapshot(14, device(9, { Doorbell: 9, InterruptStatus: 4 })),
};

const value = (text: string) => parseCondition(`${text} == 0`).value(growth);

describe("an expression", () => {
  it.each([
    ["net0.doorbells", 4],
    ["net0.exits.total", 8],
    ["net0.exits.byRegister.InterruptStatus", 4],
    ["net0.exits.byRegister.InterruptACK", 0],
    ["net0.exits.byRegister", 8],
    ["net0.interrupts.byVector.1", 4],
    ["net0.faults", 4],
    ["rng0.doorbells", 0],
    ["net0.exits.total / peer.transactions", 2],
    ["1 + 2 * 3", 7],
    ["(1 + 2) * 3 - 4 / 2", 7],
    ["10 - 3 - 2", 5],
    ["0.5", 0.5],
  ])("%s is the growth of the counters it names", (text, expected) => {
    expect(value(text)).toBe(expected);
  });

  it("divided by nothing is no number, and every comparison with it fails", () => {
    expect(value("net0.doorbells / switches")).toBeNaN();
    for (const operator of ["==", "<", "<=", ">", ">="]) {
      expect(parseCondition(`net0.doorbells / switches ${operator} 1`).holds(growth)).toBe(false);
    }
  });

  it.each([
    ["net0.doorbells == 4", true],
    ["net0.doorbells != 4", false],
    ["net0.doorbells < 4", false],
    ["net0.doorbells <= 4", true],
    ["net0.doorbells > 3", true],
    ["net0.doorbells >= 5", false],
    ["net0.doorbells == net0.interrupts.byVector.1", true],
  ])("%s holds or does not", (text, holds) => {
    expect(parseCondition(text).holds(growth)).toBe(holds);
  });

  it.each([
    "",
    "net0.doorbells",
    "== 3",
    "1 == ",
    "1 == 2 == 3",
    "(1 == 1",
    "1 + == 2",
    "alert(1) == 1",
    "net0.constructor == 1",
    "net0.__proto__.x == 1",
    "net0.doorbells; x == 1",
    "window == 1",
    `${"(".repeat(60)}1${")".repeat(60)} == 1`,
  ])("%j is refused with a sentence", (text) => {
    expect(() => parseCondition(text)).toThrow(ExpressionError);
  });
});
