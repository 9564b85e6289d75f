import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { MetricsSnapshot, StopReason } from "../src/index.ts";
import { MachineSession, type SessionHost } from "./machine-session.ts";
import type { Machine } from "./page-state.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A machine that does what it is told to, and what it told. */
function create() {
  const told: string[] = [];
  let stop: (reason: StopReason) => void = () => {};
  const quiet = { onOutput: () => () => {} };
  const machine = {
    console: quiet,
    serial: quiet,
    onPhase: () => () => told.push("unsubscribed"),
    onStop: (callback: (reason: StopReason) => void) => {
      stop = callback;
      return () => {};
    },
    start: () => told.push("start"),
    metrics: () => ({}) as MetricsSnapshot,
    destroy: async () => void told.push("destroy"),
  } as unknown as Machine;
  const host: SessionHost = {
    printed: () => {},
    reached: () => {},
    sampled: () => told.push("sample"),
    late: () => told.push("late"),
    stopped: ({ message }) => told.push(message),
  };
  return { told, session: new MachineSession(machine, host), stop: (reason: StopReason) => stop(reason) };
}

describe("a machine's session", () => {
  it("tells the counters at once and four times a second, and after 20 s that no boot should take so long", () => {
    const { told, session } = create();
    session.start();
    expect(told).toEqual(["start", "sample"]);
    vi.advanceTimersByTime(1000);
    expect(told.filter((what) => what === "sample")).toHaveLength(5);
    vi.advanceTimersByTime(18_900);
    expect(told).not.toContain("late");
    vi.advanceTimersByTime(200);
    expect(told).toContain("late");
  });

  it("counts no more once the machine has stopped, and tells nothing once it is ended", async () => {
    const { told, session, stop } = create();
    session.start();
    stop({ kind: "guest-halted", message: "The guest has shut down." });
    vi.advanceTimersByTime(1000);
    expect(told).toEqual(["start", "sample", "The guest has shut down."]);
    await session.end();
    vi.advanceTimersByTime(60_000);
    expect(told.slice(3)).toEqual(["unsubscribed", "destroy"]);
  });
});
