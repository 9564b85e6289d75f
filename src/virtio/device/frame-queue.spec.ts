import { describe, expect, it } from "vitest";
import { FrameBudget, FrameQueue } from "./frame-queue.ts";

const frame = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);

describe("FrameQueue", () => {
  it("gives frames back in their order", () => {
    const budget = new FrameBudget(10, 1000);
    const queue = new FrameQueue(budget);
    for (let i = 0; i < 3; i++) expect(queue.push(frame(i + 1, i))).toBe(true);
    expect([queue.length, budget.bytes]).toEqual([3, 6]);
    for (let i = 0; i < 3; i++) {
      expect(queue.peek()).toEqual(frame(i + 1, i));
      queue.shift();
    }
    expect([queue.length, budget.bytes, queue.peek()]).toEqual([0, 0, undefined]);
  });

  it("keeps a copy, so that the caller may use its array again", () => {
    const budget = new FrameBudget(10, 1000);
    const queue = new FrameQueue(budget);
    const bytes = frame(4, 1);
    queue.push(bytes);
    bytes.fill(9);
    expect(queue.peek()).toEqual(frame(4, 1));
  });

  it("refuses a frame past the bound of frames and keeps what it has", () => {
    const budget = new FrameBudget(2, 1000);
    const queue = new FrameQueue(budget);
    queue.push(frame(1, 1));
    queue.push(frame(1, 2));
    expect(queue.push(frame(1, 3))).toBe(false);
    expect([queue.length, budget.bytes, queue.peek()?.[0]]).toEqual([2, 2, 1]);
  });

  it("refuses a frame past the bound of bytes and takes a shorter one that fits exactly", () => {
    const budget = new FrameBudget(100, 10);
    const queue = new FrameQueue(budget);
    queue.push(frame(6, 1));
    expect(queue.push(frame(5, 2))).toBe(false);
    expect(queue.push(frame(4, 3))).toBe(true);
    expect(budget.bytes).toBe(10);
  });

  it("has room again for what left", () => {
    const budget = new FrameBudget(2, 1000);
    const queue = new FrameQueue(budget);
    queue.push(frame(1, 1));
    queue.push(frame(1, 2));
    queue.shift();
    expect(queue.push(frame(1, 3))).toBe(true);
    expect(queue.peek()?.[0]).toBe(2);
  });

  it("does nothing when asked to let go of a frame it does not have", () => {
    const budget = new FrameBudget(2, 1000);
    const queue = new FrameQueue(budget);
    queue.shift();
    expect([queue.length, budget.bytes]).toEqual([0, 0]);
  });

  it("stays in order over many frames while some always wait", () => {
    const budget = new FrameBudget(10000, 1_000_000);
    const queue = new FrameQueue(budget);
    let next = 0;
    for (let i = 0; i < 5000; i++) {
      queue.push(Uint8Array.of(i & 0xff, i >> 8));
      if (i < 500) continue;
      const taken = queue.peek() ?? new Uint8Array(2);
      expect((taken[0] ?? 0) | ((taken[1] ?? 0) << 8)).toBe(next++);
      queue.shift();
    }
    expect([queue.length, budget.bytes]).toEqual([500, 1000]);
  });

  it("keeps the parts of a frame in one array", () => {
    const queue = new FrameQueue(new FrameBudget(10, 1000));
    queue.push(frame(2, 1), frame(3, 2), frame(0, 9), frame(1, 3));
    expect(queue.peek()).toEqual(Uint8Array.of(1, 1, 2, 2, 2, 3));
  });

  it("shares a budget with others, and takes their frames over behind its own", () => {
    const budget = new FrameBudget(3, 1000);
    const [one, other] = [new FrameQueue(budget), new FrameQueue(budget)];
    for (const [queue, mark] of [
      [other, 1],
      [other, 2],
      [one, 3],
    ] as const)
      queue.push(frame(1, mark));
    expect(one.push(frame(1, 4))).toBe(false);
    other.shift();
    one.takeOver(other);
    expect([one.length, other.length, budget.bytes]).toEqual([2, 0, 2]);
    const marks = [0, 0].map(() => {
      const mark = one.peek()?.[0];
      one.shift();
      return mark;
    });
    expect([marks, budget.bytes]).toEqual([[3, 2], 0]);
  });
});
