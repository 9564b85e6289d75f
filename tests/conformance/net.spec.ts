/** The network device: virtio 1.2 section 5.1. */
import { expect } from "vitest";
import { hasFeature } from "../../src/virtio/device/feature-bits.ts";
import type { NetDevice } from "../../src/virtio/device/net.ts";
import {
  NET_CONTROL_QUEUE,
  NET_RECEIVE_QUEUE,
  NET_TRANSMIT_QUEUE,
  receiveQueue,
  transmitQueue,
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_MAC_ADDR_SET,
  VIRTIO_NET_CTRL_MQ,
  VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
  VIRTIO_NET_CTRL_NOTF_COAL,
  VIRTIO_NET_CTRL_NOTF_COAL_RX_SET,
  VIRTIO_NET_ERR,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_NOTF_COAL,
  VIRTIO_NET_OK,
} from "../../src/virtio/device/net-defs.ts";
import {
  ethernet,
  header,
  MAC,
  type NetMachine,
  netMachine,
  packet,
  plain,
  receiveHeader,
  split,
  tagged,
  tcpFrame,
} from "../../src/virtio/device/testing/net-fixture.ts";
import { MockClock } from "../../src/virtio/testing/mock-machine.ts";
import type { Rig } from "../../src/virtio/testing/mock-rig.ts";
import { type Bench, clause, netOn, on } from "./suite.ts";

/** A network device with a driver that has negotiated VERSION_1 and these bits, and no ring feature. */
function started({ transport }: Bench, ...bits: readonly number[]): NetMachine<Rig> {
  const machine = netOn(transport);
  machine.driver.initialise({ features: plain(...bits), sizes: [64, 64, 16] });
  return machine;
}

/** Sends one frame with this header. */
function transmit(bench: Bench, fields: Parameters<typeof header>[0], frame: Uint8Array, ...bits: number[]) {
  const machine = started(bench, ...bits);
  machine.addTransmit(frame, { header: Uint8Array.from(header(fields)) });
  machine.publishTransmit();
  return machine;
}

/** Gives receive buffers of these sizes, lets a frame come in, and says what is in the buffers then. */
function receive(machine: NetMachine<Rig>, frame: Uint8Array, ...sizes: number[]) {
  for (const size of sizes) machine.addReceive(size);
  machine.publishReceive();
  machine.link.deliver(frame);
  return machine.takeReceived();
}

/** One command; its ack. */
function command(machine: NetMachine<Rig>, bytes: readonly number[], index = NET_CONTROL_QUEUE): number {
  const queue = machine.driver.queue(index);
  const ack = machine.memory.alloc(1);
  machine.memory.writeU8(ack, 0xee);
  queue.add([
    { address: machine.memory.store(bytes), length: bytes.length, writable: false },
    { address: ack, length: 1, writable: true },
  ]);
  queue.publish();
  machine.driver.kick(index);
  expect(queue.takeUsed()).toHaveLength(1);
  return machine.memory.readU8(ack);
}

const SET_MAC = [VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 2, 0, 0, 0, 0, 9];
const OFFLOADS = [
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_MRG_RXBUF,
];
const CHECKSUM = { checksumStart: 34, checksumOffset: 16, segmentSize: 0 };
const SEGMENTS = { ...CHECKSUM, segmentSize: 1460 };

clause("NET-01", (bench) => {
  const machine = started(bench, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_MAC_ADDR);
  expect([0, 1, 2, 3].map((index) => machine.driver.queueMaximum(index) > 0)).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(receive(machine, ethernet(60), 200)).toHaveLength(1);
  machine.addTransmit(ethernet(60));
  machine.publishTransmit();
  expect(machine.link.sent).toHaveLength(1);
  expect(command(machine, SET_MAC)).toBe(VIRTIO_NET_OK);
  expect([NET_RECEIVE_QUEUE, NET_TRANSMIT_QUEUE, NET_CONTROL_QUEUE]).toEqual([0, 1, 2]);
});

const mtuOf = ({ rig }: Bench): number => {
  const [low = 0, high = 0] = rig.driver.config(10, 2);
  return low + 256 * high;
};

clause("NET-03", (bench) => {
  expect(mtuOf(bench)).toBeGreaterThanOrEqual(68);
  expect(mtuOf(bench)).toBeLessThanOrEqual(65535);
});

clause("NET-04", (bench) => {
  expect(mtuOf(bench)).toBeGreaterThanOrEqual(1280);
});

clause("NET-05", (bench) => {
  const before = mtuOf(bench);
  bench.rig.driver.initialise();
  bench.rig.driver.registers.write(bench.rig.driver.configOffset + 10, 2, 68);
  bench.subject.change?.();
  bench.rig.driver.reset();
  expect(mtuOf(bench)).toBe(before);
});

clause("NET-06", (bench) => {
  const machine = started(bench);
  for (let i = 0; i < 4; i++) machine.addReceive(4000);
  machine.publishReceive();
  for (const frame of [ethernet(1514), ethernet(1515), tagged(1518), tagged(1519)])
    machine.link.deliver(frame);
  expect(machine.takeReceived().map(({ bytes }) => bytes.length - 12)).toEqual([1514, 1518]);
  expect(machine.device.net.dropReasons).toEqual({ "receive frame too long": 2 });
});

clause("NET-07", (bench) => {
  const machine = started(bench);
  for (const frame of [ethernet(1514), tagged(1518)]) machine.addTransmit(frame);
  machine.publishTransmit();
  expect(machine.link.sent).toEqual([ethernet(1514), tagged(1518)]);
});

clause("NET-13", ({ rig }) => {
  const offered = rig.driver.readFeatures();
  for (const bit of [57, 20]) {
    expect(hasFeature(offered, bit) && !hasFeature(offered, VIRTIO_NET_F_CTRL_VQ)).toBe(false);
  }
});

clause("NET-14", ({ rig, subject }) => {
  rig.driver.initialise();
  const before = rig.driver.config(0, subject.device.configSize);
  for (let at = 0; at < subject.device.configSize; at++)
    rig.driver.registers.write(rig.driver.configOffset + at, 1, 0xff);
  expect(rig.driver.config(0, subject.device.configSize)).toEqual(before);
});

clause("NET-15", (bench) => {
  for (const bits of [[], [VIRTIO_NET_F_MRG_RXBUF]]) {
    const machine = started(bench, ...bits);
    expect(receive(machine, ethernet(60), 200)[0]?.used.length).toBe(72);
    machine.addTransmit(ethernet(60));
    machine.publishTransmit();
    expect(machine.link.sent).toEqual([ethernet(60)]);
  }
});

clause("NET-TX-01", (bench) => {
  const { link } = transmit(bench, { flags: 0xfe }, ethernet(60), VIRTIO_NET_F_CSUM);
  expect(link.sent).toEqual([ethernet(60)]);
});

clause("NET-TX-02", (bench) => {
  const { link } = transmit(bench, { start: 0xffff, offset: 0xffff }, ethernet(60), VIRTIO_NET_F_CSUM);
  expect(link.offloads).toEqual([{ checksumStart: 0, checksumOffset: 0, segmentSize: 0 }]);
});

clause("NET-TX-03", (bench) => {
  const { link } = transmit(bench, {}, tcpFrame(10), VIRTIO_NET_F_CSUM);
  expect(link.sent).toEqual([tcpFrame(10)]);
});

clause("NET-TX-04", (bench) => {
  for (const headers of [0, 1, 0xffff]) {
    expect(transmit(bench, { headers }, ethernet(60), VIRTIO_NET_F_CSUM).link.sent).toEqual([ethernet(60)]);
  }
});

clause("NET-TX-05", (bench) => {
  const good = transmit(bench, { flags: 1, start: 34, offset: 16 }, tcpFrame(10), VIRTIO_NET_F_CSUM);
  expect(good.link.offloads).toEqual([CHECKSUM]);
  for (const fields of [
    { flags: 1, start: 0xffff, offset: 0 },
    { flags: 1, start: 34, offset: 0xffff },
    { flags: 1, start: 63, offset: 0 },
  ]) {
    const { link, device } = transmit(bench, fields, tcpFrame(10), VIRTIO_NET_F_CSUM);
    expect(link.sent).toEqual([]);
    expect(device.net.dropped).toBe(1);
  }
});

clause("NET-RX-01", (bench) => {
  const received = receive(started(bench, VIRTIO_NET_F_MRG_RXBUF), ethernet(150), 50, 50, 50, 50);
  expect(received).toHaveLength(4);
  expect([...(received[0]?.bytes.subarray(0, 12) ?? [])]).toEqual(receiveHeader(4));
});

clause("NET-RX-02", (bench) => {
  const machine = started(bench);
  expect(receive(machine, ethernet(150), 50, 50, 200)).toEqual([]);
  expect(receive(started(bench), ethernet(150), 200, 200)).toHaveLength(1);
});

clause("NET-RX-03", (bench) => {
  const [one] = receive(started(bench), ethernet(60), 200);
  expect([...(one?.bytes.subarray(10, 12) ?? [])]).toEqual([1, 0]);
});

clause("NET-RX-04", (bench) => {
  const received = receive(started(bench, VIRTIO_NET_F_MRG_RXBUF), ethernet(150), 60, 50, 40, 70);
  expect(received.map(({ used }) => used.length)).toEqual([60, 50, 40, 12]);
});

clause("NET-RX-05", (bench) => {
  const machine = started(bench, VIRTIO_NET_F_MRG_RXBUF);
  for (let i = 0; i < 4; i++) machine.addReceive(50);
  machine.publishReceive();
  const { memory } = machine;
  const index = machine.driver.queue(NET_RECEIVE_QUEUE).layout.usedRing + 2;
  const seen: number[] = [];
  const { writeU16 } = memory;
  memory.writeU16 = (address, value) => {
    if (address === index) seen.push(value);
    writeU16.call(memory, address, value);
  };
  machine.link.deliver(ethernet(150));
  expect(seen).toEqual([4]);
});

clause("NET-RX-06", (bench) => {
  const [one] = receive(started(bench), ethernet(60), 200);
  expect(split(one?.bytes ?? new Uint8Array(0)).header).toEqual(receiveHeader(1));
});

clause("NET-RX-07", (bench) => {
  const machine = started(bench);
  machine.addReceive(200);
  machine.publishReceive();
  machine.link.deliver(tcpFrame(10), CHECKSUM);
  expect(machine.takeReceived()).toEqual([]);
  expect(machine.device.net.dropReasons).toEqual({ "receive checksum not negotiated": 1 });
});

clause("NET-RX-08", (bench) => {
  const machine = started(bench, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_MRG_RXBUF);
  for (let i = 0; i < 4; i++) machine.addReceive(2000);
  machine.publishReceive();
  machine.link.deliver(tcpFrame(3000), SEGMENTS);
  expect(machine.takeReceived()).toEqual([]);
  expect(machine.device.net.dropReasons).toEqual({ "receive segmentation not negotiated": 1 });
});

clause("NET-RX-12", (bench) => {
  for (const bits of [[], [VIRTIO_NET_F_GUEST_CSUM]]) {
    const [one] = receive(started(bench, ...bits), tcpFrame(10), 200);
    expect(one?.bytes[1]).toBe(0);
  }
});

clause("NET-RX-13", (bench) => {
  const machine = started(bench, ...OFFLOADS);
  for (let i = 0; i < 4; i++) machine.addReceive(2000);
  machine.publishReceive();
  machine.link.deliver(tcpFrame(3000), SEGMENTS);
  const [first] = machine.takeReceived();
  expect(split(first?.bytes ?? new Uint8Array(0)).header).toEqual(
    header({ flags: 1, type: 1, headers: 54, size: 1460, start: 34, offset: 16, buffers: 2 }),
  );
});

clause("NET-RX-15", (bench) => {
  const machine = started(bench, ...OFFLOADS);
  machine.addReceive(200);
  machine.publishReceive();
  machine.link.deliver(tcpFrame(10), CHECKSUM);
  const [one] = machine.takeReceived();
  expect(split(one?.bytes ?? new Uint8Array(0))).toEqual({
    header: header({ flags: 1, start: 34, offset: 16, buffers: 1 }),
    frame: tcpFrame(10),
  });
});

clause("NET-RX-16", (bench) => {
  const [one] = receive(started(bench, ...OFFLOADS), tcpFrame(10), 200);
  expect((one?.bytes[0] ?? 0) & 2).toBe(0);
});

clause("NET-CTRL-01", (bench) => {
  const machine = started(bench, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_MAC_ADDR);
  expect(command(machine, SET_MAC)).toBe(VIRTIO_NET_OK);
  for (const wrong of [[], [VIRTIO_NET_CTRL_MAC], [9, 9, 1, 2], SET_MAC.slice(0, 7), [...SET_MAC, 1]]) {
    if (wrong.length > 0) expect(command(machine, wrong)).toBe(VIRTIO_NET_ERR);
  }
  expect(machine.transport.ready).toBe(true);
});

clause("NET-CTRL-07", (bench) => {
  const machine = started(bench, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_MAC_ADDR);
  expect(machine.driver.config(0, 6)).toEqual(MAC);
  const { memory } = machine;
  const index = machine.driver.queue(NET_CONTROL_QUEUE).layout.usedRing + 2;
  const { writeU16 } = memory;
  let then: Uint8Array | undefined;
  memory.writeU16 = (address, value) => {
    if (address === index) then = machine.driver.config(0, 6);
    writeU16.call(memory, address, value);
  };
  expect(command(machine, SET_MAC)).toBe(VIRTIO_NET_OK);
  expect(then).toEqual(Uint8Array.from(SET_MAC.slice(2)));
});

clause("NET-CTRL-09", (bench) => {
  const machine = started(bench);
  expect(receive(machine, tagged(100), 200)).toHaveLength(1);
  expect(receive(machine, tagged(100, 0x88a8), 200)).toHaveLength(1);
});

// Several pairs of queues, and coalescing.

const CONTROL_OF_TWO = 4;

/** A device of two pairs whose driver has negotiated them, with receive buffers everywhere; how many pairs it uses. */
function pairs(bench: Bench, inUse: number, ...bits: number[]) {
  const clock = new MockClock();
  const machine = netMachine({ queuePairs: 2, clock }, on(bench.transport) as (device: NetDevice) => Rig);
  machine.driver.initialise({
    features: plain(VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ, VIRTIO_NET_F_NOTF_COAL, ...bits),
    sizes: [16, 16, 16, 16, 16],
  });
  if (inUse > 1) expect(setPairs(machine, inUse)).toBe(VIRTIO_NET_OK);
  for (const index of [receiveQueue(0), receiveQueue(1)]) {
    for (let i = 0; i < 16; i++) machine.driver.queue(index).addWritable(200);
    machine.driver.queue(index).publish();
    machine.driver.kick(index);
  }
  machine.takeNotifications();
  return { ...machine, machine, clock };
}

const setPairs = (machine: NetMachine<Rig>, count: number): number =>
  command(
    machine,
    [VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, count & 0xff, count >> 8],
    CONTROL_OF_TWO,
  );

function sendOn({ driver, memory }: NetMachine<Rig>, pair: number, frame: Uint8Array): void {
  const queue = driver.queue(transmitQueue(pair));
  queue.addReadable([...new Uint8Array(12), ...frame]);
  queue.publish();
  driver.kick(transmitQueue(pair));
  queue.takeUsed();
  expect(memory.guardsIntact()).toBe(true);
}

/** Frames that came into each pair's receive queue since the last call. */
const came = ({ driver }: NetMachine<Rig>): number[] =>
  [0, 1].map((pair) => driver.queue(receiveQueue(pair)).takeUsed().length);

clause("NET-02", ({ rig }) => {
  const [low = 0, high = 0] = rig.driver.config(8, 2);
  expect(low + 256 * high).toBeGreaterThanOrEqual(1);
  expect(low + 256 * high).toBeLessThanOrEqual(0x8000);
});

clause("NET-MQ-01", (bench) => {
  const { machine, link } = pairs(bench, 1);
  sendOn(machine, 1, packet(1000, true));
  for (let port = 1000; port < 1008; port++) link.deliver(packet(port, false));
  expect(came(machine)).toEqual([8, 0]);
  // And again after two pairs were in use.
  const used = pairs(bench, 2);
  used.driver.initialise({ features: used.driver.features, sizes: [16, 16, 16, 16, 16] });
  used.driver.queue(0).addWritable(200);
  used.driver.queue(2).addWritable(200);
  for (const index of [0, 2]) {
    used.driver.queue(index).publish();
    used.driver.kick(index);
  }
  sendOn(used.machine, 1, packet(1000, true));
  used.link.deliver(packet(1000, false));
  expect(came(used.machine)).toEqual([1, 0]);
});

clause("NET-MQ-02", (bench) => {
  const { machine, link } = pairs(bench, 2);
  sendOn(machine, 1, packet(1000, true));
  expect(setPairs(machine, 1)).toBe(VIRTIO_NET_OK);
  for (let port = 1000; port < 1008; port++) link.deliver(packet(port, false));
  expect(came(machine)[1]).toBe(0);
});

clause("NET-MQ-03", (bench) => {
  const { machine, link } = pairs(bench, 2);
  for (let port = 1000; port < 1008; port++) sendOn(machine, port % 2, packet(port, true));
  for (let port = 1000; port < 1008; port++) {
    for (let i = 0; i < 2; i++) link.deliver(packet(port, false, i));
    expect(came(machine).sort()).toEqual([0, 2]);
  }
});

clause("NET-MQ-04", (bench) => {
  const { machine, link } = pairs(bench, 2);
  for (const pair of [0, 1, 1, 0]) {
    sendOn(machine, pair, packet(2000 + pair, true));
    link.deliver(packet(2000 + pair, false));
    expect(came(machine)).toEqual(pair === 0 ? [1, 0] : [0, 1]);
  }
});

clause("NET-MQ-05", (bench) => {
  const { machine } = pairs(bench, 1);
  for (const count of [0, 3, 0x8000, 0xffff]) expect(setPairs(machine, count)).toBe(VIRTIO_NET_ERR);
  expect(setPairs(machine, 2)).toBe(VIRTIO_NET_OK);
});

/** RX_SET: so many packets, so many microseconds. */
const coalesce = (machine: NetMachine<Rig>, packets: number, microseconds: number): number =>
  command(
    machine,
    [
      VIRTIO_NET_CTRL_NOTF_COAL,
      VIRTIO_NET_CTRL_NOTF_COAL_RX_SET,
      ...[packets, microseconds].flatMap((value) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff)),
    ],
    CONTROL_OF_TWO,
  );

clause("NET-COAL-04", (bench) => {
  const { machine, link, driver } = pairs(bench, 1);
  expect(coalesce(machine, 100, 50_000)).toBe(VIRTIO_NET_OK);
  machine.takeNotifications();
  link.deliver(ethernet(60));
  expect(machine.takeNotifications().used).toBe(0);
  driver.initialise({ features: driver.features, sizes: [16, 16, 16, 16, 16] });
  driver.queue(0).addWritable(200);
  driver.queue(0).publish();
  driver.kick(0);
  link.deliver(ethernet(60));
  expect(machine.takeNotifications().used).toBe(1);
});

clause("NET-COAL-05", (bench) => {
  const { machine, link, driver, clock } = pairs(bench, 1);
  expect(coalesce(machine, 2, 1000)).toBe(VIRTIO_NET_OK);
  machine.takeNotifications();
  driver.queue(0).availFlags = 1;
  for (let i = 0; i < 5; i++) link.deliver(ethernet(60));
  clock.advance(100);
  expect(came(machine)[0]).toBe(5);
  expect(machine.takeNotifications().used).toBe(0);
});
