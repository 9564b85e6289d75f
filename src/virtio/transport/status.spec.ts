import { describe, expect, it } from "vitest";
import { DRIVER_BITS, refusedTransition } from "./status.ts";

/** The states in which a driver can be: its progress, with and without FAILED. */
const PROGRESS = [0, 1, 3, 11, 15];
const FAILED = 128;
/** Every bit that a driver may ask for by name. */
const ALL = [1, 2, 4, 8, 16, 32, 64, 128];

describe("the device status transition table", () => {
  it("lets a driver go 0, ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK", () => {
    for (let i = 0; i + 1 < PROGRESS.length; i++) {
      expect(refusedTransition(PROGRESS[i] ?? 0, PROGRESS[i + 1] ?? 0)).toBeUndefined();
    }
  });

  it("lets a driver add FAILED in every state, also along with a step", () => {
    for (const now of PROGRESS) expect(refusedTransition(now, now | FAILED)).toBeUndefined();
    expect(refusedTransition(0, FAILED | 1)).toBeUndefined();
  });

  it("refuses every other value in every state: the eight-bit values one by one", () => {
    const allowed = new Set(["0>1", "1>3", "3>11", "11>15"]);
    let refused = 0;
    for (const now of [...PROGRESS, ...PROGRESS.map((state) => state | FAILED)]) {
      for (let wanted = 1; wanted < 256; wanted++) {
        if (wanted === now || allowed.has(`${now}>${wanted}`)) continue;
        const addsFailed = (now & FAILED) === 0 && (wanted & FAILED) !== 0;
        const keeps = (now & ~wanted) === 0 && (wanted & ~DRIVER_BITS) === 0;
        if (addsFailed && keeps) continue;
        expect(refusedTransition(now, wanted), `${now} to ${wanted}`).toBeTypeOf("string");
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(2400);
  });

  it("refuses to clear a bit without a reset ('MUST NOT clear a device status bit')", () => {
    for (const now of PROGRESS) {
      for (const bit of ALL) {
        if ((now & bit) === 0 || (now & ~bit) === 0) continue;
        expect(refusedTransition(now, now & ~bit)).toBe("status: bit cleared without a reset");
      }
    }
  });

  it("refuses DRIVER_OK without FEATURES_OK and any other step that skips one", () => {
    for (const [now, wanted] of [
      [0, 3],
      [0, 4],
      [0, 15],
      [1, 11],
      [3, 7],
      [3, 15],
    ] as const) {
      expect(refusedTransition(now, wanted)).toBe("status: step skipped");
    }
  });

  it("refuses bits that mean nothing, and any change after FAILED", () => {
    expect(refusedTransition(1, 1 | 16)).toBe("status: undefined bit");
    expect(refusedTransition(1, 3 | 0x100)).toBe("status: undefined bit");
    expect(refusedTransition(15, 15 | 0x8000_0000)).toBe("status: undefined bit");
    expect(refusedTransition(3 | FAILED, 11 | FAILED)).toBe("status: changed after FAILED");
    expect(refusedTransition(3 | FAILED, 3)).toBe("status: bit cleared without a reset");
  });
});
