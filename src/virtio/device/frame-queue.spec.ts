import { describe, expect, it } from "vitest";
import { FrameQueue } from "./frame-queue.ts";

const frame = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);

describe("FrameQueue", () => {
  it("gives frames back in their order", () => {
    const queue = new FrameQueue(10, 1000);
    for (let i = 0; i < 3; i++) expect(queue.push(frame(i + 1, i))).toBe(true);
    expect([queue.length, queue.bytes]).toEqual([3, 6]);
    for (let i = 0; i < 3; i++) {
      expect(queue.peek()).toEqual(frame(i + 1, i));
      queue.shift();
    }
    expect([queue.length, queue.bytes, queue.peek()]).toEqual([0, 0, undefined]);
  });

  it("keeps a copy, so that the caller may use its array again", () => {
    const queue = new FrameQueue(10, 1000);
    const bytes = frame(4, 1);
    queue.push(bytes);
    bytes.fill(9);
    expect(queue.peek()).toEqual(frame(4, 1));
  });

  it("refuses a frame past the bound of frames and keeps what it has", () => {
    const queue = new FrameQueue(2, 1000);
    queue.push(frame(1, 1));
    queue.push(frame(1, 2));
    expect(queue.push(frame(1, 3))).toBe(false);
    expect([queue.length, queue.bytes, queue.peek()?.[0]]).toEqual([2, 2, 1]);
  });

  it("refuses a frame past the bound of bytes and takes a shorter one that fits exactly", () => {
    const queue = new FrameQueue(100, 10);
    queue.push(frame(6, 1));
    expect(queue.push(frame(5, 2))).toBe(false);
    expect(queue.push(frame(4, 3))).toBe(true);
    expect(queue.bytes).toBe(10);
  });

  it("has room again for what left", () => {
    const queue = new FrameQueue(2, 1000);
    queue.push(frame(1, 1));
    queue.push(frame(1, 2));
    queue.shift();
    expect(queue.push(frame(1, 3))).toBe(true);
    expect(queue.peek()?.[0]).toBe(2);
  });

  it("does nothing when asked to let go of a frame it does not have", () => {
    const queue = new FrameQueue(2, 1000);
    queue.shift();
    expect([queue.length, queue.bytes]).toEqual([0, 0]);
  });

  it("stays in order over many frames while some always wait", () => {
    const queue = new FrameQueue(10000, 1_000_000);
    let next = 0;
    for (let i = 0; i < 5000; i++) {
      queue.push(Uint8Array.of(i & 0xff, i >> 8));
      if (i < 500) continue;
      const taken = queue.peek() ?? new Uint8Array(2);
      expect((taken[0] ?? 0) | ((taken[1] ?? 0) << 8)).toBe(next++);
      queue.shift();
    }
    expect([queue.length, queue.bytes]).toEqual([500, 1000]);
  });
});
