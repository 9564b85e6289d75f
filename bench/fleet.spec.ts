import { describe, expect, it } from "vitest";
import { warmUp } from "./fleet.ts";

function windows(rates: readonly number[]): () => Promise<number> {
  const left = [...rates];
  return async () => left.shift() ?? 9000;
}

describe("the warm-up", () => {
  it("ends when two windows in succession are alike and 20,000 transactions have been made", async () => {
    const rates = [500, 5000, 8000, 9000, 9100, 9200];
    expect(await warmUp(20, windows(rates))).toEqual({ rates: rates.slice(0, 5), settled: true });
  });

  it("is not taken in by throughput that stands still before the CPU has translated the guest's code", async () => {
    const { rates, settled } = await warmUp(20, windows([400, 402, 401, 700, 4000, 8500, 8600]));
    expect(settled).toBe(true);
    expect(rates).toHaveLength(7);
  });

  it("gives up after as many windows as it may have, and says so", async () => {
    let rate = 100;
    const result = await warmUp(6, async () => {
      rate *= 2;
      return rate;
    });
    expect(result.rates).toHaveLength(6);
    expect(result.settled).toBe(false);
    expect(await warmUp(0, windows([]))).toEqual({ rates: [], settled: false });
  });
});
