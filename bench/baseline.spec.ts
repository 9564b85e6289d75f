import { describe, expect, it } from "vitest";
import type { TraceEvent } from "../src/index.ts";
import { perTransaction, regressions } from "./baseline.ts";

/** Transactions of 1000 instructions and two exits; each tenth has a timer tick in it. */
function trace(transactions: number): TraceEvent[] {
  let instructions = 0;
  return Array.from({ length: transactions }, (_, index) => {
    instructions += index % 10 === 0 ? 6000 : 1000;
    const stamp = { index, instructions, timeMs: 0, device: "net0" };
    const access = { offset: 0, size: 4, value: 1, durationMs: 0 };
    return [
      { ...stamp, ...access, kind: "write", register: "Doorbell" },
      { ...stamp, kind: "doorbell", queue: 1 },
      { ...stamp, ...access, kind: "read", register: "InterruptStatus" },
      { ...stamp, ...access, kind: "read", register: "Config", device: "console0" },
      { ...stamp, kind: "doorbell", queue: 0 },
    ] as TraceEvent[];
  }).flat();
}

describe("a transaction in a trace", () => {
  it("goes from one doorbell of the transmit queue to the next, and timer ticks do not show", () => {
    expect(perTransaction(trace(221))).toEqual({ transactions: 200, instructions: 1000, exits: 2 });
  });

  it("is not made of too few", () => {
    expect(() => perTransaction(trace(120))).toThrow("100 transactions, and it takes more than 100");
  });
});

describe("the baseline", () => {
  const before = { "mmio-msi": { "exits/transaction": 1, "guest instructions/transaction": 10_000 } };
  const now = (exits: number, instructions: number) => ({
    "mmio-msi": { "exits/transaction": exits, "guest instructions/transaction": instructions },
  });

  it("lets figures shrink, and grow by a twentieth", () => {
    expect(regressions(before, now(0.5, 5000))).toEqual([]);
    expect(regressions(before, now(1.05, 10_500))).toEqual([]);
  });

  it("names what grew by more, and what is gone", () => {
    expect(regressions(before, now(1.06, 10_600))).toEqual([
      "mmio-msi: exits/transaction grew from 1.0 to 1.1.",
      "mmio-msi: guest instructions/transaction grew from 10000 to 10600.",
    ]);
    expect(regressions(before, {})).toHaveLength(2);
  });
});
