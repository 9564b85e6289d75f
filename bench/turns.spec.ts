import { describe, expect, it } from "vitest";
import { cyclesFor, pairedSpeed, rateOf, type Turn, turnOrder } from "./turns.ts";

const turn = (transactions: number, milliseconds = 100): Turn => ({
  transactions,
  milliseconds,
  wallMilliseconds: milliseconds,
});

describe("the order of turns", () => {
  it("is drawn for each pair of cycles, forwards and then backwards, and is the same in every run", () => {
    const orders = Array.from({ length: 40 }, (_, cycle) => turnOrder(cycle, 5));
    for (let pair = 0; pair < 40; pair += 2) {
      expect(orders[pair + 1]).toEqual(orders[pair]?.toReversed());
      expect(orders[pair]?.toSorted()).toEqual([0, 1, 2, 3, 4]);
    }
    expect(new Set(orders.map(String)).size).toBeGreaterThan(20);
    expect(turnOrder(6, 5)).toEqual(orders[6]);
  });

  it("lets each column come about as often after any other", () => {
    const count = 7;
    const after = new Map<string, number>();
    let before: number | undefined;
    for (let cycle = 0; cycle < 600; cycle++) {
      for (const column of turnOrder(cycle, count)) {
        const key = `${before} ${column}`;
        if (before !== undefined && before !== column) after.set(key, (after.get(key) ?? 0) + 1);
        before = column;
      }
    }
    expect(after.size).toBe(count * (count - 1));
    const expected = (600 * (count - 1)) / (count * (count - 1));
    for (const times of after.values()) expect(Math.abs(times - expected)).toBeLessThan(expected / 2);
  });

  it("gives every column the same mean place over any pair of cycles", () => {
    for (const count of [1, 2, 5, 7]) {
      for (let pair = 0; pair < count; pair++) {
        const places = (column: number): number =>
          turnOrder(2 * pair, count).indexOf(column) + turnOrder(2 * pair + 1, count).indexOf(column);
        for (let column = 0; column < count; column++) expect(places(column)).toBe(count - 1);
      }
    }
  });

  it("has an even number of turns, at least two", () => {
    expect([cyclesFor(10, 100), cyclesFor(1, 100), cyclesFor(0.1, 100), cyclesFor(0.5, 100)]).toEqual([
      100, 10, 2, 6,
    ]);
  });
});

describe("speed by pairs of turns", () => {
  it("is the same with a host that drifts", () => {
    const base: Turn[] = [];
    const faster: Turn[] = [];
    for (let pair = 0; pair < 10; pair++) {
      // The host gets slower by a tenth from each turn to the next, in the order A B B A.
      const speed = [1, 0.9, 0.8, 0.7].map((part) => 1000 * part);
      const [a1 = 0, b1 = 0, b2 = 0, a2 = 0] = speed;
      base.push(turn(a1), turn(a2));
      faster.push(turn(1.05 * b1), turn(1.05 * b2));
    }
    expect(pairedSpeed(faster, base)).toBeCloseTo(1.05);
  });

  it("is hardly moved by one bad pair, which the rate of all turns is", () => {
    const base = Array.from({ length: 20 }, () => turn(1000));
    const other = base.map((one, index) => (index < 2 ? turn(100, 1000) : one));
    expect(pairedSpeed(other, base)).toBe(1);
    expect(rateOf(other)).toBeLessThan(rateOf(base) * 0.6);
  });

  it("is not told without a pair of cycles, or without transactions", () => {
    expect(pairedSpeed([turn(1)], [turn(1)])).toBeUndefined();
    expect(pairedSpeed([turn(0), turn(0)], [turn(0), turn(0)])).toBeUndefined();
  });
});
