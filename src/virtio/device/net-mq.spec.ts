import { describe, expect, it } from "vitest";
import { FakeClock } from "../../net/testing/clock.ts";
import { NetDevice } from "./net.ts";
import {
  NET_CONTROL_QUEUE,
  PAIRS_MOST,
  receiveQueue,
  transmitQueue,
  VIRTIO_NET_CTRL_MQ,
  VIRTIO_NET_CTRL_NOTF_COAL,
  VIRTIO_NET_CTRL_NOTF_COAL_RX_SET,
  VIRTIO_NET_CTRL_NOTF_COAL_TX_SET,
  VIRTIO_NET_ERR,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_OK,
} from "./net-defs.ts";
import {
  ethernet,
  MAC,
  type NetMachine,
  netMachine,
  packet,
  plain,
  SpecLink,
} from "./testing/net-fixture.ts";

/** The message of a queue's vector: 0x41 is the configuration's. */
const message = (queue: number): number => 0x42 + queue;

function command(machine: NetMachine, queue: number, bytes: readonly number[]): number | undefined {
  const { driver, memory } = machine;
  const ack = memory.store([0x99]);
  driver.queue(queue).add([
    { address: memory.store(bytes), length: bytes.length, writable: false },
    { address: ack, length: 1, writable: true },
  ]);
  driver.queue(queue).publish();
  driver.kick(queue);
  driver.queue(queue).takeUsed();
  machine.messages.take();
  return memory.bytes(ack, 1)[0];
}

/** A started machine of `pairs` pairs that uses `inUse` of them, with buffers in each receive queue. */
function started(pairs: number, inUse = pairs, clock?: FakeClock): NetMachine {
  const machine = netMachine({ queuePairs: pairs, ...(clock && { clock }) });
  const { driver, memory, messages } = machine;
  driver.initialise();
  if (inUse > 1) expect(setPairs(machine, inUse)).toBe(VIRTIO_NET_OK);
  for (let pair = 0; pair < pairs; pair++) {
    const queue = driver.queue(receiveQueue(pair));
    for (let i = 0; i < 8; i++) queue.add([{ address: memory.alloc(1526), length: 1526, writable: true }]);
    queue.publish();
    driver.kick(receiveQueue(pair));
  }
  messages.take();
  return machine;
}

function setPairs(machine: NetMachine, pairs: number, extra: readonly number[] = []): number | undefined {
  const queue = machine.device.queueSizes.length - 1;
  return command(machine, queue, [VIRTIO_NET_CTRL_MQ, 0, pairs & 255, pairs >> 8, ...extra]);
}

function send(machine: NetMachine, pair: number, frame: Uint8Array): void {
  const { driver, memory } = machine;
  const bytes = [...new Array<number>(12).fill(0), ...frame];
  driver
    .queue(transmitQueue(pair))
    .add([{ address: memory.store(bytes), length: bytes.length, writable: false }]);
  driver.queue(transmitQueue(pair)).publish();
  driver.kick(transmitQueue(pair));
}

/** Frames received by each pair; the driver has seen them all then. */
function received({ driver, device }: NetMachine): number[] {
  const pairs = (device.queueSizes.length - 1) / 2;
  return Array.from({ length: pairs }, (_, pair) => {
    const queue = driver.queue(receiveQueue(pair));
    const { length } = queue.takeUsed();
    queue.rearm();
    return length;
  });
}

describe("NetDevice, several pairs of queues", () => {
  it("NET-01, NET-02: offers MQ with more than one pair, and the queues and the number in configuration", () => {
    const { driver, device } = netMachine({ queuePairs: 3 });
    expect(device.features & (1n << BigInt(VIRTIO_NET_F_MQ))).not.toBe(0n);
    expect(device.queueSizes).toEqual([256, 256, 256, 256, 256, 256, 64]);
    expect([...driver.config(8, 2)]).toEqual([3, 0]);
    expect(netMachine().device.features & (1n << BigInt(VIRTIO_NET_F_MQ))).toBe(0n);
  });

  it("has one to eight pairs", () => {
    for (const queuePairs of [0, 9, 1.5, Number.NaN]) {
      expect(() => new NetDevice({ mac: MAC, link: new SpecLink(), queuePairs })).toThrow(RangeError);
    }
    expect(new NetDevice({ mac: MAC, link: new SpecLink(), queuePairs: PAIRS_MOST }).queueSizes.length).toBe(
      17,
    );
  });

  it("NET-01: the control queue is the third one for a driver that did not negotiate MQ", () => {
    const machine = netMachine({ queuePairs: 4 });
    machine.driver.initialise({ features: plain(VIRTIO_NET_F_MAC, VIRTIO_NET_F_CTRL_VQ) });
    expect(command(machine, NET_CONTROL_QUEUE, [VIRTIO_NET_CTRL_MQ, 0, 2, 0])).toBe(VIRTIO_NET_ERR);
  });

  it("NET-MQ-01: begins with one pair, wherever the driver transmits", () => {
    const machine = started(4, 1);
    send(machine, 2, packet(1000, true));
    machine.link.deliver(packet(1000, false));
    expect(received(machine)).toEqual([1, 0, 0, 0]);
  });

  it("NET-MQ-03, NET-MQ-04: a flow comes back on the pair that it was last transmitted on", () => {
    const machine = started(4);
    for (const [pair, port] of [
      [1, 1000],
      [3, 1001],
      [2, 1002],
      [0, 1003],
    ] as const) {
      send(machine, pair, packet(port, true));
    }
    for (const port of [1000, 1000, 1001, 1002, 1002, 1002, 1003]) machine.link.deliver(packet(port, false));
    expect(received(machine)).toEqual([1, 2, 3, 1]);
    send(machine, 0, packet(1002, true));
    machine.link.deliver(packet(1002, false));
    expect(received(machine)).toEqual([1, 0, 0, 0]);
  });

  it("puts what belongs to no known flow on the first pair: ARP, fragments, other flows, short frames", () => {
    const machine = started(2);
    const fragment = packet(1000, true);
    fragment[20] = 0x20;
    for (const frame of [ethernet(60), fragment, ethernet(14)]) {
      send(machine, 1, frame);
      machine.link.deliver(frame);
    }
    machine.link.deliver(packet(7, false));
    expect(received(machine)).toEqual([4, 0]);
  });

  it("answers within the register write, with an interrupt of the flow's own vector, on every pair", () => {
    const machine = started(8);
    machine.link.answer = () => machine.link.deliver(packet(1000, false));
    for (let pair = 0; pair < 8; pair++) {
      send(machine, pair, packet(1000, true));
      // Nothing has run since the doorbell.
      expect(received(machine)).toEqual(Array.from({ length: 8 }, (_, i) => (i === pair ? 1 : 0)));
      expect(machine.messages.take()).toEqual([message(receiveQueue(pair)), message(transmitQueue(pair))]);
    }
  });

  it("NET-MQ-02: fewer pairs get nothing on the others any more, and what waited there is not lost", () => {
    const machine = started(3);
    const { link, driver, device } = machine;
    send(machine, 2, packet(1000, true));
    for (let i = 0; i < 10; i++) link.deliver(packet(1000, false));
    expect([received(machine), device.waiting]).toEqual([[0, 0, 8], 2]);
    expect(setPairs(machine, 1)).toBe(VIRTIO_NET_OK);
    expect([received(machine), device.waiting]).toEqual([[2, 0, 0], 0]);
    send(machine, 2, packet(1000, true));
    link.deliver(packet(1000, false));
    expect(received(machine)).toEqual([1, 0, 0]);
    driver.reset();
  });

  it("keeps what waits for any pair through a reset, for the first one", () => {
    const machine = started(2);
    send(machine, 1, packet(1000, true));
    for (let i = 0; i < 12; i++) machine.link.deliver(packet(1000, false));
    const { driver, memory, device } = machine;
    driver.initialise();
    expect(device.waiting).toBe(4);
    for (let i = 0; i < 8; i++)
      driver.queue(0).add([{ address: memory.alloc(1526), length: 1526, writable: true }]);
    driver.queue(0).publish();
    driver.kick(0);
    expect([received(machine), device.waiting, device.net.dropped]).toEqual([[4, 0], 0, 0]);
    // And the driver has one pair again.
    send(machine, 1, packet(1000, true));
    machine.link.deliver(packet(1000, false));
    expect(received(machine)).toEqual([1, 0]);
  });

  it("NET-MQ-05: refuses no pair, more than there are, and a command of another length", () => {
    const machine = started(4, 2);
    for (const pairs of [0, 5, 0x102, 0xffff]) expect(setPairs(machine, pairs)).toBe(VIRTIO_NET_ERR);
    expect(setPairs(machine, 2, [0])).toBe(VIRTIO_NET_ERR);
    expect(command(machine, 8, [VIRTIO_NET_CTRL_MQ, 0, 2])).toBe(VIRTIO_NET_ERR);
    expect(command(machine, 8, [VIRTIO_NET_CTRL_MQ, 1, 2, 0])).toBe(VIRTIO_NET_ERR);
    send(machine, 1, packet(1000, true));
    machine.link.deliver(packet(1000, false));
    expect(received(machine)).toEqual([0, 1, 0, 0]);
  });

  it("goes on from a saved state: pairs, flows, and frames that wait", () => {
    const machine = started(2);
    send(machine, 1, packet(1000, true));
    for (let i = 0; i < 9; i++) machine.link.deliver(packet(1000, false));
    const state = machine.device.save();
    expect(state.waiting.map(({ length }) => length)).toEqual([0, 1]);
    const other = netMachine({ queuePairs: 2 });
    other.device.restore(state, undefined);
    expect(other.device.save()).toEqual(state);
  });
});

describe("NetDevice, coalescing", () => {
  const words = (...values: readonly number[]): number[] =>
    values.flatMap((value) => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24]);
  const set = (
    machine: NetMachine,
    which: number,
    packets: number,
    microseconds: number,
  ): number | undefined =>
    command(machine, machine.device.queueSizes.length - 1, [
      VIRTIO_NET_CTRL_NOTF_COAL,
      which,
      ...words(packets, microseconds),
    ]);
  const RX = VIRTIO_NET_CTRL_NOTF_COAL_RX_SET;
  const TX = VIRTIO_NET_CTRL_NOTF_COAL_TX_SET;

  it("is offered with a clock only", () => {
    expect(netMachine().device.features >> 53n).toBe(0n);
    expect(netMachine({ clock: new FakeClock() }).device.features >> 53n).toBe(1n);
  });

  it("tells of received frames when there are so many, or when it is time", () => {
    const clock = new FakeClock();
    const machine = started(1, 1, clock);
    const { link, messages } = machine;
    expect(set(machine, RX, 3, 2500)).toBe(VIRTIO_NET_OK);
    for (const expected of [[], [], [message(0)], []]) {
      link.deliver(packet(1, false));
      expect(messages.take()).toEqual(expected);
      // The driver asks for the next only when it has seen all.
      if (expected.length > 0) expect(received(machine)).toEqual([3]);
    }
    clock.advance(2);
    expect(messages.take()).toEqual([]);
    // Rounded up to milliseconds.
    clock.advance(1);
    expect(messages.take()).toEqual([message(0)]);
    clock.advance(100);
    expect([messages.take(), clock.waiting]).toEqual([[], 0]);
  });

  it("tells of transmitted frames the same way, each queue for itself", () => {
    const clock = new FakeClock();
    const machine = started(2, 2, clock);
    expect(set(machine, TX, 2, 1000)).toBe(VIRTIO_NET_OK);
    send(machine, 0, packet(1, true));
    send(machine, 1, packet(2, true));
    expect(machine.messages.take()).toEqual([]);
    send(machine, 1, packet(2, true));
    expect(machine.messages.take()).toEqual([message(transmitQueue(1))]);
    clock.advance(1);
    expect(machine.messages.take()).toEqual([message(transmitQueue(0))]);
  });

  it("without a time tells at once, and without a number when it is time", () => {
    const clock = new FakeClock();
    const machine = started(1, 1, clock);
    set(machine, RX, 100, 0);
    machine.link.deliver(packet(1, false));
    expect(machine.messages.take()).toEqual([message(0)]);
    expect(received(machine)).toEqual([1]);
    set(machine, RX, 0, 5000);
    for (let i = 0; i < 5; i++) machine.link.deliver(packet(1, false));
    expect(machine.messages.take()).toEqual([]);
    clock.advance(5);
    expect(machine.messages.take()).toEqual([message(0)]);
  });

  it("tells of what was put off as soon as the driver wants it otherwise, and before a live switch", () => {
    const clock = new FakeClock();
    const machine = started(1, 1, clock);
    set(machine, RX, 10, 1_000_000);
    machine.link.deliver(packet(1, false));
    machine.device.quiesce();
    expect(machine.messages.take()).toEqual([message(0)]);
    machine.device.resume();
    machine.link.deliver(packet(1, false));
    const before = clock.waiting;
    set(machine, RX, 0, 0);
    expect([before, clock.waiting]).toEqual([1, 0]);
  });

  it("NET-COAL-04: a reset ends it, and nothing is told of what was before", () => {
    const clock = new FakeClock();
    const machine = started(1, 1, clock);
    set(machine, RX, 10, 1000);
    machine.link.deliver(packet(1, false));
    machine.driver.reset();
    expect(clock.waiting).toBe(0);
    expect(machine.device.save().receiveCoalescing).toEqual({ packets: 0, microseconds: 0 });
  });

  it("refuses commands that were not negotiated, and of another length", () => {
    const machine = netMachine({ clock: new FakeClock() });
    machine.driver.initialise({ features: plain(VIRTIO_NET_F_CTRL_VQ) });
    expect(set(machine, RX, 1, 1)).toBe(VIRTIO_NET_ERR);
    const other = started(1, 1, new FakeClock());
    expect(command(other, NET_CONTROL_QUEUE, [VIRTIO_NET_CTRL_NOTF_COAL, RX, 1, 0, 0, 0])).toBe(
      VIRTIO_NET_ERR,
    );
    expect(command(other, NET_CONTROL_QUEUE, [VIRTIO_NET_CTRL_NOTF_COAL, 2, ...words(1, 1)])).toBe(
      VIRTIO_NET_ERR,
    );
  });
});
