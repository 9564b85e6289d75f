import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SendBuffer } from "./send-buffer.ts";

/** All that it holds. */
function contents(buffer: SendBuffer): number[] {
  const bytes = new Uint8Array(buffer.length + 2);
  buffer.copy(0, buffer.length, bytes, 1);
  return [...bytes.subarray(1, -1)];
}

describe("SendBuffer", () => {
  it("gives back any part of what was put in, however it wraps and grows", () => {
    const step = fc.record({ append: fc.nat(5000), drop: fc.nat(5000), from: fc.nat(), length: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const buffer = new SendBuffer();
        let expected: number[] = [];
        let next = 0;
        for (const { append, drop, from, length } of steps) {
          const bytes = Uint8Array.from({ length: append }, () => next++);
          buffer.append(bytes);
          expected = [...expected, ...bytes];
          const start = from % (expected.length + 1);
          const count = length % (expected.length - start + 1);
          const part = new Uint8Array(count + 3);
          buffer.copy(start, count, part, 3);
          expect([...part]).toEqual([0, 0, 0, ...expected.slice(start, start + count)]);
          const view = count > 0 ? buffer.view(start, count) : undefined;
          if (view) expect([...view]).toEqual(expected.slice(start, start + count));
          const dropped = Math.min(drop, expected.length);
          buffer.drop(dropped);
          expected = expected.slice(dropped);
          expect(buffer.length).toBe(expected.length);
        }
        expect(contents(buffer)).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  it("is empty and of use again after release", () => {
    const buffer = new SendBuffer();
    buffer.append(Uint8Array.of(1, 2, 3));
    buffer.release();
    expect(buffer.length).toBe(0);
    expect(contents(buffer)).toEqual([]);
    buffer.append(Uint8Array.of(4));
    expect(contents(buffer)).toEqual([4]);
  });
});
