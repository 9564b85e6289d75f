import { describe, expect, it } from "vitest";
import { ByteQueue } from "./byte-queue.ts";

/** All bytes of the queue, taken in pieces of at most `most`. */
function drain(queue: ByteQueue, most: number): number[] {
  const all: number[] = [];
  while (queue.length > 0) {
    const piece = queue.peek(most);
    all.push(...piece);
    queue.shift(piece.length);
  }
  return all;
}

describe("ByteQueue", () => {
  it("gives bytes back in their order, whatever the pieces", () => {
    const queue = new ByteQueue(1000);
    queue.push(Uint8Array.of(1, 2, 3));
    queue.push(Uint8Array.of(4, 5));
    expect(queue.length).toBe(5);
    expect(drain(queue, 2)).toEqual([1, 2, 3, 4, 5]);
  });

  it("keeps a copy of what it is given", () => {
    const queue = new ByteQueue(10);
    const bytes = Uint8Array.of(1, 2);
    queue.push(bytes);
    bytes.fill(9);
    expect(drain(queue, 10)).toEqual([1, 2]);
  });

  it("takes all of a piece or none of it", () => {
    const queue = new ByteQueue(4);
    expect(queue.push(Uint8Array.of(1, 2, 3))).toBe(true);
    expect(queue.push(Uint8Array.of(4, 5))).toBe(false);
    expect(queue.push(Uint8Array.of(6))).toBe(true);
    expect(drain(queue, 10)).toEqual([1, 2, 3, 6]);
  });

  it("takes an empty piece even when it is full", () => {
    const queue = new ByteQueue(1);
    queue.push(Uint8Array.of(1));
    expect(queue.push(new Uint8Array(0))).toBe(true);
    expect(queue.length).toBe(1);
  });

  it("keeps the order while it wraps and grows", () => {
    const queue = new ByteQueue(100_000);
    let written = 0;
    let read = 0;
    for (let round = 0; round < 400; round++) {
      const piece = Uint8Array.from({ length: (round * 37) % 331 }, () => written++ % 251);
      expect(queue.push(piece)).toBe(true);
      const taken = queue.peek((round * 53) % 211);
      for (const byte of taken) expect(byte).toBe(read++ % 251);
      queue.shift(taken.length);
    }
    for (const byte of drain(queue, 64)) expect(byte).toBe(read++ % 251);
    expect(read).toBe(written);
  });

  it("grows up to its bound exactly", () => {
    const queue = new ByteQueue(1000);
    expect(queue.push(new Uint8Array(1000).fill(7))).toBe(true);
    expect(queue.push(Uint8Array.of(1))).toBe(false);
    expect(drain(queue, 1000)).toEqual(new Array(1000).fill(7));
    expect(queue.push(new Uint8Array(1000))).toBe(true);
  });
});
