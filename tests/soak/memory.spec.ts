import { describe, expect, it } from "vitest";
import { growth, leaks, type MemorySample, sampleMemory } from "./memory.ts";

const MIB = 0x100000;

function samples(heap: (minute: number) => number): MemorySample[] {
  return Array.from({ length: 60 }, (_, minute) => ({
    seconds: minute * 60,
    heap: heap(minute),
    external: MIB,
    wasm: 64 * MIB,
    resident: (minute + 1) * MIB,
  }));
}

describe("the memory of a long run", () => {
  it("sees a heap that grows slowly and steadily", () => {
    const leaking = samples((minute) => 20 * MIB + minute * 0.05 * MIB);
    expect(leaks(leaking, 300)[0]).toMatch(/^heap memory grew by 8\.\d % after the warm-up/);
    expect((growth(leaking, "heap", 300)?.slope ?? 0) / MIB).toBeCloseTo(0.05);
  });

  it("takes what goes up and down, and what grew in the warm-up, for what it is", () => {
    expect(
      leaks(
        samples((minute) => (20 + (minute % 7)) * MIB),
        300,
      ),
    ).toEqual([]);
    expect(
      leaks(
        samples((minute) => Math.min(minute, 5) * MIB + MIB),
        300,
      ),
    ).toEqual([]);
  });

  it("does not judge what the process as a whole has from the system", () => {
    expect(
      growth(
        samples(() => MIB),
        "resident",
        300,
      )?.fraction,
    ).toBeGreaterThan(1);
    expect(
      leaks(
        samples(() => MIB),
        300,
      ),
    ).toEqual([]);
  });

  it("notices what is held, and what is let go of", () => {
    const before = sampleMemory(0, 0).heap;
    let held: object[] | undefined = Array.from({ length: 200_000 }, () => ({ held: true }));
    expect(sampleMemory(1, 0).heap - before).toBeGreaterThan(2 * MIB);
    expect(held).toHaveLength(200_000);
    held = undefined;
    expect(sampleMemory(2, 0).heap - before).toBeLessThan(MIB);
  });
});
