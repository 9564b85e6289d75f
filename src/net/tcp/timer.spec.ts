import { describe, expect, it } from "vitest";
import { FakeClock } from "../testing/clock.ts";
import { LazyTimer } from "./timer.ts";

function machine() {
  const clock = new FakeClock();
  const started = clock.now();
  const calls: number[] = [];
  return { clock, calls, lazy: new LazyTimer(clock, () => calls.push(clock.now() - started)) };
}

describe("LazyTimer", () => {
  it("calls back once, when the time that was set last is over", () => {
    const { clock, calls, lazy } = machine();
    lazy.start(100);
    clock.advance(60);
    lazy.start(100);
    clock.advance(99);
    expect(calls).toEqual([]);
    clock.advance(1000);
    expect(calls).toEqual([160]);
    expect(lazy.running).toBe(false);
    expect(clock.waiting).toBe(0);
  });

  it("can be set to an earlier time", () => {
    const { clock, calls, lazy } = machine();
    lazy.start(5000);
    lazy.start(10);
    clock.advance(6000);
    expect(calls).toEqual([10]);
  });

  it("does not call when it was stopped, and can be started again while the clock still runs", () => {
    const { clock, calls, lazy } = machine();
    lazy.start(100);
    lazy.stop();
    expect(lazy.running).toBe(false);
    clock.advance(50);
    lazy.start(100);
    clock.advance(1000);
    expect(calls).toEqual([150]);
    lazy.start(100);
    lazy.stop();
    clock.advance(1000);
    expect(calls).toEqual([150]);
  });

  it("does not ask the clock again and again while its deadline moves", () => {
    const { clock, lazy } = machine();
    let asked = 0;
    const after = clock.after.bind(clock);
    clock.after = (milliseconds, callback) => {
      asked++;
      return after(milliseconds, callback);
    };
    for (let i = 0; i < 1000; i++) {
      lazy.start(200);
      lazy.stop();
      clock.advance(0.1);
    }
    expect(asked).toBe(1);
  });

  it("leaves nothing with the clock when it is disposed of", () => {
    const { clock, calls, lazy } = machine();
    lazy.start(100);
    lazy.dispose();
    expect(clock.waiting).toBe(0);
    clock.advance(1000);
    expect(calls).toEqual([]);
  });
});
