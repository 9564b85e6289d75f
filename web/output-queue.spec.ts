import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { OutputQueue } from "./output-queue.ts";

let frames: (() => void)[] = [];
const frame = (): void => {
  for (const callback of frames.splice(0)) callback();
};

beforeEach(() => {
  frames = [];
  vi.stubGlobal("document", { hidden: false });
  vi.stubGlobal("requestAnimationFrame", (callback: () => void) => frames.push(callback));
});

afterEach(() => vi.unstubAllGlobals());

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const encode = (value: string) => new TextEncoder().encode(value);

it("hands over what came since the last frame at once", () => {
  const batches: string[] = [];
  const queue = new OutputQueue((bytes, parsed) => {
    batches.push(text(bytes));
    parsed();
  });
  queue.push(encode("one "));
  queue.push(encode("two"));
  expect(batches).toEqual([]);
  frame();
  queue.push(encode("three"));
  frame();
  expect(batches).toEqual(["one two", "three"]);
});

it("waits for the terminal before it hands over more", () => {
  let release = (): void => {};
  const batches: string[] = [];
  const queue = new OutputQueue((bytes, parsed) => {
    batches.push(text(bytes));
    release = parsed;
  });
  queue.push(encode("one"));
  frame();
  queue.push(encode("two"));
  frame();
  expect(batches).toEqual(["one"]);
  release();
  frame();
  expect(batches).toEqual(["one", "two"]);
});

it("keeps the newest megabyte of a flood, says what it left out, and never hands over more than 64 KiB", () => {
  const batches: Uint8Array[] = [];
  const queue = new OutputQueue((bytes, parsed) => {
    batches.push(bytes);
    parsed();
  });
  for (let i = 0; i < 64; i++) queue.push(new Uint8Array(1 << 15).fill(i + 1));
  while (frames.length > 0) frame();
  const first = batches[0] ?? new Uint8Array();
  expect(text(first)).toContain(`[${1 << 20} bytes of output skipped]`);
  expect(Math.max(...batches.map(({ length }) => length))).toBeLessThanOrEqual(1 << 16);
  expect(batches.at(-1)?.at(-1)).toBe(64);
});

it("hands over without animation frames when the page is hidden", () => {
  vi.useFakeTimers();
  vi.stubGlobal("document", { hidden: true });
  const batches: string[] = [];
  const queue = new OutputQueue((bytes, parsed) => {
    batches.push(text(bytes));
    parsed();
  });
  queue.push(encode("hidden"));
  vi.runAllTimers();
  vi.useRealTimers();
  expect(batches).toEqual(["hidden"]);
});
