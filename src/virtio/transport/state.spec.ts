/** Every transport with a device behind it, saved and restored between any two steps of a driver: nobody notices. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Codec, decode, encode, StateError } from "../../state/codec.ts";
import { MockDevice } from "../testing/mock-device.ts";
import type { MmioRig, PciRig, TransportName } from "../testing/mock-rig.ts";
import { rigFor, TRANSPORT_NAMES } from "../testing/mock-rig.ts";
import { MMIO_STATE, type MmioState, MmioTransport } from "./mmio.ts";
import { PCI_STATE, type PciState } from "./pci.ts";

type TestRig = MmioRig<MockDevice> | PciRig<MockDevice>;

function started(name: TransportName): TestRig {
  const rig = rigFor(new MockDevice(), name);
  rig.driver.initialise();
  return rig;
}

/** State of a transport as bytes, and those taken by another one, with a device that is told of its context. */
function saved(rig: TestRig): Uint8Array {
  return rig.transport instanceof MmioTransport
    ? encode(MMIO_STATE, rig.transport.save())
    : encode(PCI_STATE, rig.transport.save());
}

function restoreInto(rig: TestRig, bytes: Uint8Array): void {
  const device = (context: MockDevice["context"]): void => {
    rig.device.context = context;
  };
  if (rig.transport instanceof MmioTransport) rig.transport.restore(decode(MMIO_STATE, bytes), device);
  else rig.transport.restore(decode(PCI_STATE, bytes), device);
}

/** The same driver, in the same memory, in front of a device and a transport that were made anew and restored. */
function replaced(rig: TestRig, name: TransportName): TestRig {
  const other = rigFor(new MockDevice(), name, rig.memory);
  const { queues, features, msi } = rig.driver;
  other.driver.queues.push(...queues);
  Object.assign(other.driver, { features, msi });
  if ("doorbell" in rig.driver) Object.assign(other.driver, { doorbell: rig.driver.doorbell });
  other.line.level = rig.line.level;
  other.messages.sent.push(...rig.messages.sent);
  other.device.configBytes.set(rig.device.configBytes);
  other.device.idle = rig.device.idle;
  restoreInto(other, saved(rig));
  return other;
}

type Step =
  | "echo"
  | "event"
  | "add"
  | "kick"
  | "config"
  | "acknowledge"
  | "mask"
  | "unmask"
  | "idle"
  | "busy"
  | "reset"
  | "break";
const STEPS: readonly Step[] = [
  ...(["echo", "event", "add", "kick", "config", "acknowledge"] as const),
  ...(["mask", "unmask", "idle", "busy", "reset", "break"] as const),
];

/** One step; returns what the driver sees of it. */
function step(rig: TestRig, what: Step): unknown {
  const { driver, device } = rig;
  const live = (driver.status & 0x84) === 4;
  switch (what) {
    case "echo":
      return live ? rig.echo() : 0;
    case "event":
      return live ? void rig.event(1) : 0;
    case "add":
      if (live && driver.queue(0).free > 2) driver.queue(0).addWritable(4);
      return driver.queue(0).publish();
    case "kick":
      driver.kick(0);
      return driver.queue(0).takeUsed();
    case "config":
      device.configBytes[0] = ((device.configBytes[0] ?? 0) + 1) & 0xff;
      device.context?.configChanged();
      return [...driver.config(0, 8)];
    case "acknowledge":
      return rig.takeNotifications();
    case "mask":
      return driver.vectors > 0 && driver.maskVector(1, true);
    case "unmask":
      return driver.vectors > 0 && driver.maskVector(1, false);
    case "idle":
      device.idle = true;
      return undefined;
    case "busy":
      device.idle = false;
      return undefined;
    case "reset":
      driver.initialise();
      return undefined;
    case "break":
      // An available index that no driver could have reached.
      if (live) driver.queue(1).availIdx = (driver.queue(1).availIdx + 1000) & 0xffff;
      driver.kick(1);
      return driver.status;
  }
}

/** What the driver sees in all, and what was counted. */
function play(name: TransportName, steps: readonly Step[], snapshots: readonly number[]): unknown[] {
  let rig = started(name);
  const seen: unknown[] = [];
  steps.forEach((what, index) => {
    if (snapshots.includes(index)) rig = replaced(rig, name);
    seen.push([step(rig, what), rig.line.level, [...rig.messages.sent], rig.driver.status]);
  });
  return [...seen, rig.driver.generation, rig.transport.metrics()];
}

describe.each(TRANSPORT_NAMES)("a device on %s", (name) => {
  it("is the same to its driver when it is saved and restored between any two steps", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...STEPS), { minLength: 1, maxLength: 25 }),
        fc.array(fc.nat(25), { maxLength: 3 }),
        (steps, snapshots) => {
          expect(play(name, steps, snapshots)).toEqual(play(name, steps, []));
        },
      ),
      { numRuns: 150 },
    );
  });

  it("takes any bytes in place of its state, or refuses them, and then serves its driver or asks for a reset", () => {
    const rig = started(name);
    rig.echo();
    const bytes = saved(rig);
    let taken = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const altered = bytes.slice();
          for (const [place, value] of changes) altered[place] = value;
          const other = rigFor(new MockDevice(), name, rig.memory);
          try {
            restoreInto(other, altered);
          } catch (error) {
            expect(error).toBeInstanceOf(StateError);
            return;
          }
          taken++;
          for (const queue of [0, 1]) other.driver.kick(queue);
          other.device.context?.configChanged();
          other.driver.initialise();
          expect(other.echo()).toBe(1);
          other.driver.reset();
        },
      ),
      { numRuns: 400 },
    );
    expect(taken).toBeGreaterThan(10);
  });
});

describe("the state of a transport", () => {
  it("is refused by another device, and by one with another kind of interrupts", () => {
    const state = started("pci msi-x").transport.save() as PciState;
    const wired = rigFor(new MockDevice(), "pci intx").transport;
    const other = rigFor(new MockDevice({ queueSizes: [8] }), "pci msi-x").transport;
    for (const transport of [wired, other]) {
      expect(() => (transport as PciRig["transport"]).restore(state, () => {})).toThrow(StateError);
    }
  });

  it("keeps a message that is owed owed, until its vector is unmasked", () => {
    const rig = started("mmio 3 msi");
    rig.driver.maskVector(1, true);
    rig.event(0);
    expect(rig.messages.take()).toEqual([]);
    const other = replaced(rig, "mmio 3 msi");
    expect(other.messages.take()).toEqual([]);
    other.driver.maskVector(1, false);
    expect(other.messages.take()).toHaveLength(1);
  });

  it("says that a device runs only after DRIVER_OK, with features it was offered, on queues inside of RAM", () => {
    const good = started("mmio 3 msi").transport.save() as MmioState;
    const { core } = good;
    const [first, ...others] = core.queues;
    if (first === undefined) throw new Error("no queue");
    const outside = { ...first, config: { ...first.config, descriptorHigh: 1 } };
    for (const wrong of [
      { ...core, status: 0 },
      { ...core, features: { ...core.features, low: 0xffff_ffff } },
      { ...core, queues: [outside, ...others] },
      { ...core, queues: others },
    ]) {
      const { transport } = rigFor(new MockDevice(), "mmio 3 msi");
      expect(() => (transport as MmioTransport).restore({ ...good, core: wrong }, () => {})).toThrow(
        StateError,
      );
    }
  });

  it("has one description for each kind, which tells every field", () => {
    const described: Codec<unknown>[] = [MMIO_STATE, PCI_STATE];
    for (const { description } of described)
      expect(description).toMatch(/^\{core:\{status:u8,.*nextAvail:u16/);
  });
});
