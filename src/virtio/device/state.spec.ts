/** Each device saved and restored behind its transport: what waits goes on waiting, and arrives. */
import { describe, expect, it } from "vitest";
import { decode, encode, StateError } from "../../state/codec.ts";
import { MockClock } from "../testing/mock-machine.ts";
import { MmioRig } from "../testing/mock-rig.ts";
import { MMIO_STATE } from "../transport/mmio.ts";
import type { DeviceContext, VirtioDevice } from "../types.ts";
import { CONSOLE_STATE, ConsoleDevice, VIRTIO_CONSOLE_RESIZE } from "./console.ts";
import { NET_STATE, NetDevice } from "./net.ts";
import { RNG_SEED_SIZE, RngDevice } from "./rng.ts";
import { consoleMachine, PORTS } from "./testing/console-fixture.ts";
import { ethernet, MAC, netMachine, SpecLink, split } from "./testing/net-fixture.ts";
import type { SpecMachine } from "./testing/spec-machine.ts";

/** The driver of `from`, in the same memory, in front of `device`, which is restored by `restore`. */
function goOn<D extends VirtioDevice>(
  from: SpecMachine,
  device: D,
  restore: (context: DeviceContext | undefined) => void,
): MmioRig<D> {
  const rig = new MmioRig(device, { interrupts: "msi", doorbell: "per-queue" }, from.memory);
  const { queues, features, msi, doorbell } = from.driver;
  rig.driver.queues.push(...queues);
  Object.assign(rig.driver, { features, msi, doorbell });
  rig.transport.restore(decode(MMIO_STATE, encode(MMIO_STATE, from.transport.save())), restore);
  return rig;
}

describe("a console that was saved", () => {
  it("hands on the input that waited, and the messages, and is as open as it was", () => {
    const machine = consoleMachine();
    machine.start();
    machine.open();
    const { device } = machine;
    const input = Uint8Array.from({ length: 300 }, (_, k) => k & 0xff);
    const queue = device.port(1);
    machine.takeInput(4);
    while (queue.waiting === 0) queue.write(input);
    const waiting = queue.waiting;
    device.resize(100, 40);
    const state = decode(CONSOLE_STATE, encode(CONSOLE_STATE, device.save()));
    const other = new ConsoleDevice({ columns: 80, rows: 24, ports: PORTS });
    const output: number[] = [];
    other.port(0).onOutput((bytes) => output.push(...bytes));
    const rig = goOn(machine, other, (context) => other.restore(state, context));
    expect(other.port(1).waiting).toBe(waiting);
    expect(other.port(0).open).toBe(true);
    expect([...rig.driver.config(0, 4)]).toEqual([100, 0, 40, 0]);
    const target = rig.driver.queue(4).addWritable(waiting);
    rig.driver.queue(4).publish();
    rig.driver.kick(4);
    expect(other.port(1).waiting).toBe(0);
    const last = rig.driver.queue(4).takeUsed().at(-1);
    expect(last?.length).toBe(waiting);
    expect(rig.memory.bytes(target.address, waiting).at(-1)).toBe((input.length - 1) & 0xff);
    rig.driver.queue(1).addReadable([104, 105]);
    rig.driver.queue(1).publish();
    rig.driver.kick(1);
    expect(output).toEqual([104, 105]);
  });

  it("is refused with other ports, or with a message that there is none of", () => {
    const state = consoleMachine().device.save();
    const device = () => new ConsoleDevice({ columns: 80, rows: 24, ports: PORTS });
    for (const wrong of [
      { ...state, ports: state.ports.slice(1) },
      { ...state, pending: [{ port: 7, event: VIRTIO_CONSOLE_RESIZE }] },
      { ...state, pending: [{ port: 0, event: 99 }] },
    ]) {
      expect(() => device().restore(wrong, undefined)).toThrow(StateError);
    }
  });
});

describe("a network card that was saved", () => {
  it("hands on the frames that waited, and goes on counting", () => {
    const machine = netMachine();
    machine.driver.initialise();
    for (const mark of [1, 2, 3]) machine.link.deliver(ethernet(100, mark));
    expect(machine.device.waiting).toBe(3);
    machine.device.setLink(true);
    const state = decode(NET_STATE, encode(NET_STATE, machine.device.save()));
    const link = new SpecLink();
    const other = new NetDevice({ mac: MAC, link });
    const rig = goOn(machine, other, (context) => other.restore(state, context));
    expect(other.waiting).toBe(3);
    // The driver was asked to notify of buffers, and it still knows.
    const places = [0, 1, 2].map(() => rig.driver.queue(0).addWritable(2000));
    expect(rig.driver.queue(0).publish()).toBe(true);
    rig.driver.kick(0);
    const used = rig.driver.queue(0).takeUsed();
    const frames = used.map(({ length }, index) =>
      split(rig.memory.bytes(places[index]?.address ?? 0, length)),
    );
    expect(frames.map(({ frame }) => frame)).toEqual([1, 2, 3].map((mark) => ethernet(100, mark)));
    expect(rig.transport.metrics().net).toMatchObject({ rxFrames: 3, dropped: 0 });
    // What the driver takes is what the other end is told.
    expect(link.takes.at(-1)).toEqual(machine.link.takes.at(-1));
  });
});

describe("interrupts that a network card puts off when it is saved", () => {
  it.each(["receive", "transmit"] as const)("come when it is time: %s", (direction) => {
    const machine = netMachine({ clock: new MockClock() });
    const { driver, device } = machine;
    driver.initialise();
    driver.queue(0).addWritable(2000);
    driver.queue(1).addReadable([...new Uint8Array(12), ...ethernet(100, 1)]);
    for (const index of [0, 1]) driver.queue(index).publish();
    driver.kick(0);
    expect(device.setCoalescing(direction, { packets: 0, microseconds: 2000 })).toBe(true);
    if (direction === "receive") machine.link.deliver(ethernet(100, 1));
    else driver.kick(1);
    const state = decode(NET_STATE, encode(NET_STATE, device.save()));
    const clock = new MockClock();
    const other = new NetDevice({ mac: MAC, link: new SpecLink(), clock });
    const rig = goOn(machine, other, (context) => other.restore(state, context));
    expect(rig.takeNotifications().used).toBe(0);
    clock.advance(2);
    expect(rig.takeNotifications().used).toBe(1);
  });
});

describe("an entropy source that was saved", () => {
  it("has a seed of its own in each machine that is restored, and its driver is told of it", () => {
    let next = 0;
    const random = (target: Uint8Array) => target.fill(++next);
    const machine = new MmioRig(new RngDevice({ random }), { interrupts: "msi", doorbell: "per-queue" });
    machine.driver.initialise();
    const seeds = [1, 2].map(() => {
      const device = new RngDevice({ random });
      const rig = goOn(machine, device, (context) => device.restore(context));
      expect(rig.takeNotifications()).toEqual({ used: 0, config: 1 });
      expect(rig.driver.generation).toBe(machine.driver.generation + 1);
      return [...rig.driver.config(0, RNG_SEED_SIZE)];
    });
    expect(seeds[0]).not.toEqual(seeds[1]);
    expect(seeds.flat()).not.toContain(0);
    expect([...machine.driver.config(0, RNG_SEED_SIZE)]).toEqual(new Array(RNG_SEED_SIZE).fill(0));
  });
});
