import { afterEach, describe, expect, it } from "vitest";
import type { AccessEvent, MicroVmOptions, TraceEvent } from "../../src/index.ts";
import { chromeTraceProblems } from "./chrome-trace.ts";
import { bootGuest, type Guest } from "./guest.ts";

let guest: Guest | undefined;

afterEach(async () => {
  await guest?.vm.destroy();
  guest = undefined;
});

const RR = "tcp_rr -H 10.0.2.2 -l 1 -r 32,1024";
const RR_PORT = 12865;

const isExit = (event: TraceEvent): event is AccessEvent => event.kind === "read" || event.kind === "write";

/** The accesses to the network card of each transaction: from one request's doorbell until the next one's. */
function transactions(events: readonly TraceEvent[]): AccessEvent[][] {
  const exits: AccessEvent[][] = [];
  let now: AccessEvent[] = [];
  let last: AccessEvent | undefined;
  for (const event of events) {
    if (isExit(event) && event.device === "net0") {
      last = event;
      now.push(event);
    } else if (
      event.kind === "frame-out" &&
      event.destinationPort === RR_PORT &&
      event.payload === 32 &&
      last
    ) {
      // The doorbell that carried the request begins the transaction.
      now.pop();
      exits.push(now);
      now = [last];
    }
  }
  return exits.slice(1);
}

/** What most of them are. */
function usual(exits: readonly AccessEvent[][]): { registers: string[]; share: number } {
  const counts = new Map<string, number>();
  for (const one of exits) {
    const key = one.map(({ kind, register }) => `${kind} ${register}`).join(", ");
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const [key, count] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? ["", 0];
  return { registers: key.split(", "), share: count / exits.length };
}

const MODES: readonly [string, Partial<MicroVmOptions>, string[]][] = [
  [
    "mmio wired, version 2",
    { interrupts: "wired", doorbell: "shared" },
    ["write QueueNotify", "read InterruptStatus", "write InterruptACK"],
  ],
  ["mmio msi", { interrupts: "msi" }, ["write Doorbell"]],
  ["pci msi-x", { transport: "pci" }, ["write Doorbell"]],
];

describe.each(MODES)("a trace of tcp_rr on %s", (_, options, registers) => {
  it(`shows ${registers.length} exits for a transaction, all that were counted, and is valid in Chrome's format`, async () => {
    guest = await bootGuest(options);
    const { vm } = guest;
    expect((await guest.run(RR)).status).toBe(0);
    const before = vm.metrics();
    vm.trace.start();
    expect(vm.trace.active).toBe(true);
    expect((await guest.run(RR)).status).toBe(0);
    vm.trace.stop();
    const after = vm.metrics();
    const { events } = vm.trace;

    expect(vm.trace.lost).toBe(0);
    const exits = transactions(events);
    expect(exits.length).toBeGreaterThan(10);
    const most = usual(exits);
    expect(most.registers).toEqual(registers);
    expect(most.share).toBeGreaterThan(0.5);

    // Every access that the counters know is in the trace, and every frame and message.
    const count = (kind: TraceEvent["kind"]): number => events.filter((event) => event.kind === kind).length;
    const grown = (of: (net: NonNullable<typeof after.devices.net0>) => number): number =>
      after.devices.net0 && before.devices.net0 ? of(after.devices.net0) - of(before.devices.net0) : 0;
    expect(events.filter((event) => isExit(event) && event.device === "net0")).toHaveLength(
      grown((net) => net.exits.total),
    );
    expect(count("frame-out")).toBe(grown((net) => net.net?.txFrames ?? 0));
    expect(count("frame-in")).toBe(grown((net) => net.net?.rxFrames ?? 0));
    expect(events.filter((event) => event.kind === "message" && event.device === "net0")).toHaveLength(
      grown((net) => net.interrupts.msi + (net.interrupts.mode === "msi" ? net.interrupts.merged : 0)),
    );
    expect(events.filter((e) => e.kind === "line" && e.device === "net0" && e.level)).toHaveLength(
      grown((net) => net.interrupts.wired),
    );
    expect(count("taken")).toBeGreaterThan(exits.length / 2);

    for (let i = 1; i < events.length; i++) {
      expect(events[i]?.index).toBe(i);
      expect(events[i]?.instructions).toBeGreaterThanOrEqual(events[i - 1]?.instructions ?? 0);
    }
    expect(chromeTraceProblems(JSON.parse(JSON.stringify(vm.trace.chrome())))).toEqual([]);
    expect(vm.trace.text().split("\n").length).toBe(events.length + 2);

    // Off again, it records nothing.
    expect((await guest.run("ping -c 1 10.0.2.2")).status).toBe(0);
    expect(vm.trace.recorded).toBe(events.length);
  });
});

describe("a trace", () => {
  it("shows the steps of a live switch for each device, and the driver's reset between them", async () => {
    guest = await bootGuest({ interrupts: "wired", doorbell: "shared" });
    const { vm } = guest;
    await guest.run("true");
    vm.trace.start();
    await vm.setInterrupts("msi");
    vm.trace.stop();
    const { events } = vm.trace;
    const steps = events.filter((event) => event.kind === "switch");
    expect(steps[0]).toMatchObject({ device: "machine", step: "begin" });
    expect(steps.at(-1)).toMatchObject({ device: "machine", step: "end" });
    for (const device of Object.keys(vm.metrics().devices)) {
      const own = steps.filter((event) => event.device === device);
      expect(own.map(({ step }) => step)).toEqual(["quiesced", "reset-requested", "ready"]);
      const between = events.slice(own[1]?.index, own[2]?.index);
      expect(between).toContainEqual(
        expect.objectContaining({ kind: "write", device, register: "Status", value: 0 }),
      );
      expect(between).toContainEqual(expect.objectContaining({ device, register: "MsiCommand" }));
    }
  });
});
