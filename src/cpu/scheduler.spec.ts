import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { nextTurn, type Schedule, schedule, TURN } from "./scheduler.ts";
import type { V86Emulator } from "./v86-internals.ts";

describe("the length of a turn", () => {
  it("grows to its bound while the page has nothing else to do", () => {
    let turn: number = TURN.least;
    for (let turns = 0; turns < 100; turns++) turn = nextTurn(turn, 0);
    expect(turn).toBe(TURN.most);
  });

  it("is back at its least after two turns that came late", () => {
    expect(nextTurn(nextTurn(TURN.most, 5), 5)).toBe(TURN.least);
  });
});

/** v86's side: each slice takes a millisecond of a clock that stands still otherwise, and asks for the next. */
class FakeV86 {
  now = 0;
  slices = 0;
  tick = 0;
  wants = 0;
  readonly v86 = {
    cpu: {},
    yield: (_milliseconds: number, _tick: number): void => {},
    yield_callback: (tick: number): void => {
      if (tick !== this.tick) return;
      this.slices += 1;
      this.now += 1;
      this.next();
    },
  };
  next(): void {
    this.tick += 1;
    this.v86.yield(this.wants, this.tick);
  }
}

/** Delivers by hand. */
class FakeChannel {
  static waiting: (() => void)[] = [];
  readonly port1 = { onmessage: null as (() => void) | null, close: () => {} };
  readonly port2 = { postMessage: () => FakeChannel.waiting.push(() => this.port1.onmessage?.()) };
}

function deliver(): boolean {
  const message = FakeChannel.waiting.shift();
  message?.();
  return message !== undefined;
}

describe("yielding in a page", () => {
  let v86: FakeV86;
  let scheduled: Schedule;
  let pending = false;

  beforeEach(() => {
    v86 = new FakeV86();
    pending = false;
    FakeChannel.waiting = [];
    vi.stubGlobal("process", undefined);
    vi.stubGlobal("MessageChannel", FakeChannel);
    vi.stubGlobal("navigator", { scheduling: { isInputPending: () => pending } });
    vi.stubGlobal("performance", { now: () => v86.now });
    scheduled = schedule(v86 as unknown as V86Emulator, "doorbell");
    v86.next();
  });

  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it("lets the page have its chance after a bounded number of slices, by one message at a time", () => {
    for (let turns = 0; turns < 50; turns++) {
      const before = v86.slices;
      expect(FakeChannel.waiting).toHaveLength(1);
      deliver();
      expect(v86.slices - before).toBeGreaterThanOrEqual(1);
      expect(v86.slices - before).toBeLessThanOrEqual(TURN.most);
    }
  });

  it("ends a turn after the slice in which input came", () => {
    for (let turns = 0; turns < 50; turns++) deliver();
    pending = true;
    const before = v86.slices;
    deliver();
    expect(v86.slices - before).toBe(1);
    expect(FakeChannel.waiting).toHaveLength(1);
  });

  it("gives a guest that was interrupted a turn before the page's next task, and no second one at once", async () => {
    deliver();
    const before = v86.slices;
    scheduled.kick();
    expect(v86.slices).toBe(before);
    await Promise.resolve();
    const slices = v86.slices;
    expect(slices).toBeGreaterThan(before);
    // What the guest answered brings another interrupt: that one waits for the message, of which there is one.
    scheduled.kick();
    await Promise.resolve();
    expect(v86.slices).toBe(slices);
    expect(FakeChannel.waiting).toHaveLength(1);
    deliver();
    const later = v86.slices;
    expect(later).toBeGreaterThan(slices);
    v86.now += TURN.most;
    scheduled.kick();
    await Promise.resolve();
    expect(v86.slices).toBeGreaterThan(later);
  });

  it("lets what shows a machine that was just started come before its first turn", async () => {
    scheduled.kick();
    await Promise.resolve();
    expect(v86.slices).toBe(0);
    deliver();
    expect(v86.slices).toBeGreaterThan(0);
  });

  it("is not woken any more when it has ended", async () => {
    deliver();
    const before = v86.slices;
    scheduled.kick();
    scheduled.end();
    await Promise.resolve();
    expect(v86.slices).toBe(before);
  });

  it("waits for a halted guest by a timer, and an interrupt meanwhile starts the next slice", () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    try {
      v86.wants = 50;
      deliver();
      expect(FakeChannel.waiting).toHaveLength(0);
      const before = v86.slices;
      v86.wants = 0;
      v86.next();
      deliver();
      expect(v86.slices).toBeGreaterThan(before);
      const slices = v86.slices;
      // The timer's tick is an old one by now.
      vi.advanceTimersByTime(100);
      expect(v86.slices).toBe(slices);
    } finally {
      vi.useRealTimers();
    }
  });
});

it("leaves v86's own scheduler alone when that is asked for, and in Node", () => {
  const v86 = new FakeV86();
  const { yield: own } = v86.v86;
  schedule(v86 as unknown as V86Emulator, "doorbell");
  expect(v86.v86.yield).toBe(own);
  vi.stubGlobal("process", undefined);
  schedule(v86 as unknown as V86Emulator, "v86");
  vi.unstubAllGlobals();
  expect(v86.v86.yield).toBe(own);
});
