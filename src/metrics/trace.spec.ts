import { describe, expect, it } from "vitest";
import { MockTransport } from "../virtio/testing/mock-transport.ts";
import { mmioRegisterAt, TracedWindow } from "../virtio/transport/traced.ts";
import { TraceRecorder } from "./trace.ts";
import { chromeTrace } from "./trace-chrome.ts";
import { traceText } from "./trace-text.ts";

/** A recorder whose clock moves by one with each look. */
function recorder(capacity?: number): TraceRecorder {
  let time = 0;
  return new TraceRecorder({ now: () => time++, instructions: () => 1000 }, capacity);
}

/** A device in operation, traced, whose echo has been asked for once by the bus. */
function tracedEcho(interrupts: "wired" | "msi"): TraceRecorder {
  const t = new MockTransport(interrupts, "per-queue");
  t.driver.initialise();
  const trace = recorder();
  const { counters } = t.transport;
  counters.trace = trace.deviceTrace("mock", counters.registerNames);
  const window = new TracedWindow(t.transport, counters, mmioRegisterAt);
  const queue = t.driver.queue(1);
  queue.rearm();
  queue.addWritable(4);
  queue.publish();
  window.write(0x1004, 4, 1);
  if (interrupts === "wired") {
    window.read(0x060, 4);
    window.write(0x064, 4, 1);
  }
  return trace;
}

describe("a trace", () => {
  it("tells of a request in the order in which it went: access, doorbell, chain taken, chain used, interrupt", () => {
    expect(tracedEcho("wired").events).toMatchObject([
      { kind: "write", device: "mock", register: "Doorbell", offset: 0x1004, size: 4, value: 1 },
      { kind: "doorbell", queue: 1 },
      { kind: "available", queue: 1, readable: 0, writable: 4 },
      { kind: "used", queue: 1 },
      { kind: "raised", bits: 1, merged: false },
      { kind: "read", register: "InterruptStatus", value: 1 },
      { kind: "write", register: "InterruptACK", value: 1 },
    ]);
  });

  it("tells of the message in place of the line, with its address, data and outcome", () => {
    const { events } = tracedEcho("msi");
    expect(events.map(({ kind }) => kind)).toEqual(["write", "doorbell", "available", "used", "message"]);
    expect(events.at(-1)).toMatchObject({ vector: 2, outcome: "delivered" });
    expect(events.at(-1)).toMatchObject({ address: expect.any(Number), data: expect.any(Number) });
  });

  it("stamps an access with the time that passed in the device", () => {
    const [access, doorbell] = tracedEcho("msi").events;
    expect(access).toMatchObject({ timeMs: 0, durationMs: 5, instructions: 1000 });
    expect(doorbell?.timeMs).toBe(1);
  });

  it("keeps the newest events when its ring is full, and says how many it lost", () => {
    const trace = recorder(16);
    const device = trace.deviceTrace("net0", []);
    for (let queue = 0; queue < 20; queue++) device.doorbell(queue);
    expect(trace).toMatchObject({ recorded: 20, lost: 4 });
    expect(trace.events.map((event) => "queue" in event && event.queue)).toEqual(
      Array.from({ length: 16 }, (_, i) => i + 4),
    );
    expect(trace.events[0]?.index).toBe(4);
    trace.clear();
    expect(trace).toMatchObject({ recorded: 0, lost: 0, events: [] });
    device.doorbell(7);
    expect(trace.events).toMatchObject([{ index: 0, queue: 7 }]);
  });

  it("leaves an access alone that the ring has lost before its end", () => {
    const trace = recorder(16);
    const device = trace.deviceTrace("net0", ["Status"]);
    const access = device.read(0, 0x70, 4);
    for (let queue = 0; queue < 16; queue++) device.doorbell(queue);
    device.done(access, 15);
    expect(trace.events.every(({ kind }) => kind === "doorbell")).toBe(true);
  });

  it("refuses a size that is none, in words", () => {
    for (const capacity of [0, 1.5, 15, 2 ** 23, Number.NaN])
      expect(() => recorder(capacity)).toThrow(/A trace cannot hold .* give a whole number/);
  });

  it("keeps every part of a frame, a switch step, a line and an interrupt", () => {
    const trace = recorder();
    const net = trace.addDevice("net0");
    const frame = {
      bytes: 1078,
      etherType: 0x0800,
      protocol: 6,
      sourcePort: 12865,
      destinationPort: 65535,
      tcpFlags: 0x18,
      payload: 1024,
    };
    trace.frame("frame-in", net, frame);
    trace.switchStep(net, "reset-requested");
    trace.line(net, 10, true);
    trace.interrupt("taken", net, 0x31);
    expect(trace.events).toMatchObject([
      { kind: "frame-in", device: "net0", ...frame },
      { kind: "switch", step: "reset-requested" },
      { kind: "line", line: 10, level: true },
      { kind: "taken", vector: 0x31, within: 0 },
    ]);
    expect(traceText(trace.events, 3).split("\n")).toEqual([
      expect.stringMatching(/^# guest instructions/),
      "# 3 older events did not fit",
      expect.stringMatching(/ net0 +frame in, 1078 bytes: TCP 12865 > 65535 PSH ACK, 1024 bytes of data$/),
      expect.stringMatching(/ net0 +live switch: reset-requested$/),
      expect.stringMatching(/ net0 +line 10 up$/),
      expect.stringMatching(/ apic +vector 0x31 taken \(ISR\), within 0 instructions$/),
      "",
    ]);
  });
});

describe("a trace in Chrome's format", () => {
  it("has a track for each part of a device, exits as complete events, and chains from taken to used", () => {
    const trace = tracedEcho("wired");
    const { traceEvents } = chromeTrace(trace.events, trace.lost);
    const tracks = traceEvents.filter(({ name }) => name === "thread_name").map(({ args }) => args.name);
    expect(tracks).toEqual(["mock registers", "mock queue 1", "mock interrupts"]);
    expect(traceEvents.filter(({ ph }) => ph === "X").map(({ name }) => name)).toEqual([
      "write Doorbell",
      "read InterruptStatus",
      "write InterruptACK",
    ]);
    const chain = traceEvents.filter(({ cat }) => cat === "chain");
    expect(chain.map(({ ph }) => ph)).toEqual(["b", "e"]);
    expect(chain[0]?.id).toBe(chain[1]?.id);
  });

  it("ends no chain that it has not seen begin", () => {
    const trace = recorder();
    trace.deviceTrace("net0", []).used(0, 3, 60);
    expect(chromeTrace(trace.events, 0).traceEvents.filter(({ ph }) => ph === "e")).toEqual([]);
  });
});
