import { describe, expect, it } from "vitest";
import type { TraceEvent } from "../../src/index.ts";
import { pickJourney } from "./journey.ts";

type Loose = { readonly kind: TraceEvent["kind"] } & Record<string, unknown>;

/** Events with stamps: each a hundred instructions after the one before. */
function trace(events: readonly Loose[]): TraceEvent[] {
  return events.map((event, index) => ({
    index,
    instructions: index * 100,
    timeMs: index,
    ...event,
  })) as unknown as TraceEvent[];
}

const NET = { device: "net0" };
const access = (kind: "read" | "write", register: string): Loose => ({
  ...NET,
  kind,
  register,
  offset: 0x50,
  size: 4,
  value: 1,
  durationMs: 0,
});
const frame = (kind: "frame-out" | "frame-in", payload: number): Loose => ({
  ...NET,
  kind,
  bytes: payload + 54,
  etherType: 0x800,
  protocol: 6,
  sourcePort: kind === "frame-out" ? 40000 : 12865,
  destinationPort: kind === "frame-out" ? 12865 : 40000,
  tcpFlags: 0x18,
  payload,
});
const SERVED: Loose[] = [
  { ...NET, kind: "doorbell", queue: 1 },
  { ...NET, kind: "available", queue: 1, head: 3, readable: 98, writable: 0 },
  frame("frame-out", 32),
  frame("frame-in", 1024),
  { ...NET, kind: "available", queue: 0, head: 7, readable: 0, writable: 1536 },
  { ...NET, kind: "used", queue: 0, head: 7, written: 1090 },
  { ...NET, kind: "used", queue: 1, head: 3, written: 0 },
];
const INTERRUPT = (vector: number): Loose[] => [
  { kind: "taken", vector, within: 40 },
  { kind: "eoi", vector, within: 40 },
];
const WIRED: Loose[] = [
  access("write", "QueueNotify"),
  ...SERVED,
  { ...NET, kind: "raised", bits: 1, merged: false },
  { ...NET, kind: "line", line: 10, level: true },
  { kind: "requested", vector: 0x22, within: 0 },
  { kind: "taken", vector: 0x22, within: 40 },
  access("read", "InterruptStatus"),
  access("write", "InterruptACK"),
  { ...NET, kind: "line", line: 10, level: false },
  { kind: "eoi", vector: 0x22, within: 900 },
];
const MESSAGE: Loose[] = [
  access("write", "Doorbell"),
  ...SERVED,
  { ...NET, kind: "message", vector: 1, address: 0xfee01004, data: 0x29, outcome: "delivered" },
  { kind: "requested", vector: 0x29, within: 0 },
  ...INTERRUPT(0x29),
];

describe("a journey", () => {
  it("with the wire has three exits, one of them a read of InterruptStatus", () => {
    const journey = pickJourney(trace([...WIRED, ...WIRED, ...WIRED]), "mmio", 32);
    expect(journey).toMatchObject({
      interrupts: "wired",
      exits: 3,
      statusReads: 1,
      acknowledgements: 1,
      interruptsRaised: 1,
      alike: 2,
      requests: 2,
    });
    expect([...(journey?.steps.values() ?? [])].filter(({ exit }) => exit).map(({ key }) => key)).toEqual([
      "notify",
      "status",
      "acknowledge",
    ]);
    expect(journey?.steps.get("status")).toMatchObject({
      inferred: false,
      text: "read InterruptStatus (0x050) = 0x1",
    });
    expect(journey?.steps.has("message")).toBe(false);
  });

  it("with messages has one exit and no read of InterruptStatus", () => {
    const journey = pickJourney(trace([...MESSAGE, ...MESSAGE]), "mmio", 32);
    expect(journey).toMatchObject({ interrupts: "msi", exits: 1, statusReads: 0, acknowledgements: 0 });
    expect(journey?.steps.get("taken")).toMatchObject({ within: 40, inferred: false });
    for (const key of ["raise", "line-up", "status", "acknowledge", "line-down"] as const)
      expect(journey?.steps.has(key)).toBe(false);
  });

  it("says of each step whether it was recorded or is inferred, and gives inferred ones no stamp", () => {
    const steps = [...(pickJourney(trace([...WIRED, ...WIRED]), "mmio", 32)?.steps.values() ?? [])];
    const inferred = steps.filter((step) => step.inferred);
    expect(inferred.map(({ key }) => key).sort()).toEqual(["handler", "poll", "publish", "receive", "send"]);
    for (const step of steps) expect(step.instructions === undefined).toBe(step.inferred);
    // What is inferred speaks of what was recorded.
    expect(inferred.find(({ key }) => key === "publish")?.text).toContain("chain 3, 98 bytes");
    expect(inferred.find(({ key }) => key === "poll")?.text).toContain("1090 bytes");
  });

  it("is picked from the way that most requests went, and of those the one where least else happened", () => {
    const timer: Loose[] = INTERRUPT(0xec);
    const acknowledged: Loose[] = [...MESSAGE, access("write", "Doorbell")];
    const journey = pickJourney(
      trace([...acknowledged, ...MESSAGE, ...timer, ...MESSAGE, ...MESSAGE]),
      "mmio",
      32,
    );
    expect(journey).toMatchObject({ exits: 1, alike: 2, requests: 3 });
  });

  it("is not told of a trace without a whole request", () => {
    expect(pickJourney([], "mmio", 32)).toBeUndefined();
    expect(pickJourney(trace(MESSAGE), "mmio", 32)).toBeUndefined();
    expect(pickJourney(trace([...MESSAGE, ...MESSAGE]), "mmio", 33)).toBeUndefined();
  });
});
