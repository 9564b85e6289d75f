import { describe, expect, it } from "vitest";
import { VIRTIO_CONFIG_S_NEEDS_RESET, VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_QUEUE_SEL } from "../defs.ts";
import { NET_RECEIVE_QUEUE, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_HDR_SIZE } from "./net-defs.ts";
import {
  ethernet,
  type NetMachine,
  netMachine,
  plain,
  RX_MESSAGE,
  receiveHeader,
  rings,
  split,
  tagged,
} from "./testing/net-fixture.ts";

const MERGED = rings(VIRTIO_NET_F_MRG_RXBUF);
const WHOLE = rings();

/** A machine whose driver negotiated `features`. */
function started(features: bigint, sizes: readonly number[] = [16, 16, 16]): NetMachine {
  const machine = netMachine();
  machine.driver.initialise({ features, sizes });
  return machine;
}

describe("NetDevice, receiving", () => {
  describe.each([
    ["without MRG_RXBUF", WHOLE],
    ["with MRG_RXBUF", MERGED],
  ])("%s", (_name, features) => {
    it("NET-RX-01, NET-RX-03, NET-RX-06, NET-RX-12: one buffer, num_buffers 1 little-endian, all else 0", () => {
      const { link, device, addReceive, publishReceive, takeReceived, messages } = started(features);
      addReceive(1526);
      publishReceive();
      link.deliver(ethernet(100));
      const [first, ...others] = takeReceived();
      expect(others).toEqual([]);
      expect(first?.used.length).toBe(112);
      expect(split(first?.bytes ?? new Uint8Array(0))).toEqual({
        header: receiveHeader(1),
        frame: ethernet(100),
      });
      expect(device.net).toMatchObject({ rxFrames: 1, rxBytes: 100, dropped: 0 });
      expect(messages.take()).toEqual([RX_MESSAGE]);
    });

    it("SVQ-03: fills a buffer whatever its parts are: 1 + 11 + 1 + ... bytes", () => {
      const { link, addReceive, publishReceive, takeReceived } = started(features);
      addReceive(1, 11, 1, 0, 60, 39);
      publishReceive();
      link.deliver(ethernet(100));
      const [received] = takeReceived();
      expect(split(received?.bytes ?? new Uint8Array(0))).toEqual({
        header: receiveHeader(1),
        frame: ethernet(100),
      });
    });

    it("writes nothing past the frame", () => {
      const { link, memory, addReceive, publishReceive } = started(features);
      const [at = 0] = addReceive(1526);
      memory.view(at, 1526).fill(0x77);
      publishReceive();
      link.deliver(ethernet(60));
      expect(memory.bytes(at + 72, 1526 - 72).every((byte) => byte === 0x77)).toBe(true);
      expect(memory.guardsIntact() && memory.gapsIntact()).toBe(true);
    });

    it("keeps frames in their order, those that waited first", () => {
      const { link, device, addReceive, publishReceive, takeReceived } = started(features);
      for (let i = 0; i < 5; i++) link.deliver(ethernet(60 + i, i));
      expect(device.waiting).toBe(5);
      for (let i = 0; i < 3; i++) addReceive(1526);
      publishReceive();
      expect(device.waiting).toBe(2);
      link.deliver(ethernet(65, 5));
      expect(device.waiting).toBe(3);
      for (let i = 0; i < 8; i++) addReceive(1526);
      publishReceive();
      link.deliver(ethernet(66, 6));
      expect(takeReceived().map(({ bytes }) => split(bytes).frame)).toEqual(
        Array.from({ length: 7 }, (_, i) => ethernet(60 + i, i)),
      );
      expect(device.net).toMatchObject({ rxFrames: 7, dropped: 0 });
    });

    it("a frame does not overtake one that waits, though the driver has just made buffers available", () => {
      const { link, driver, addReceive, takeReceived } = started(features);
      link.deliver(ethernet(60, 1));
      addReceive(1526);
      addReceive(1526);
      driver.queue(NET_RECEIVE_QUEUE).publish();
      link.deliver(ethernet(60, 2));
      driver.kick(NET_RECEIVE_QUEUE);
      expect(takeReceived().map(({ bytes }) => split(bytes).frame)).toEqual([
        ethernet(60, 1),
        ethernet(60, 2),
      ]);
    });

    it("after a reset too, refilling costs no exit while no frame waits", () => {
      const { driver, addReceive, publishReceive } = started(features);
      addReceive(1526);
      expect(publishReceive()).toBe(false);
      driver.initialise({ features });
      addReceive(1526);
      expect(publishReceive()).toBe(false);
    });

    it("NET-06: passes up frames of the MTU, tagged ones four bytes longer, and no longer ones", () => {
      const { link, device, addReceive, publishReceive } = started(features);
      for (let i = 0; i < 6; i++) addReceive(2048);
      publishReceive();
      for (const frame of [ethernet(1514), tagged(1518), tagged(1518, 0x88a8)]) link.deliver(frame);
      expect(device.net).toMatchObject({ rxFrames: 3, dropped: 0 });
      for (const frame of [ethernet(1515), tagged(1519), ethernet(65536)]) link.deliver(frame);
      expect(device.net).toMatchObject({ rxFrames: 3, dropped: 3 });
      expect(device.net.dropReasons).toEqual({ "receive frame too long": 3 });
    });

    it("drops what is no Ethernet frame", () => {
      const { link, device } = started(features);
      link.deliver(ethernet(13));
      link.deliver(new Uint8Array(0));
      expect(device.net.dropReasons).toEqual({ "receive frame too short": 2 });
    });

    it("asks for buffer notifications only while frames wait: refilling costs the driver no exit", () => {
      const { link, device, driver, addReceive, publishReceive, takeReceived } = started(features);
      const kicks: boolean[] = [];
      const refill = (): void => {
        addReceive(1526);
        kicks.push(publishReceive());
      };
      for (let i = 0; i < 4; i++) refill();
      for (let i = 0; i < 4; i++) link.deliver(ethernet(60));
      takeReceived();
      for (let i = 0; i < 2; i++) refill();
      for (let i = 0; i < 3; i++) link.deliver(ethernet(60));
      expect(device.waiting).toBe(1);
      refill();
      expect(device.waiting).toBe(0);
      refill();
      expect(kicks).toEqual([false, false, false, false, false, false, true, false]);
      expect(driver.queue(NET_RECEIVE_QUEUE).takeUsed()).toHaveLength(3);
    });

    it("A47: gives a buffer too small for any frame back empty, and uses the next one", () => {
      const { link, device, addReceive, publishReceive, takeReceived, transport } = started(features);
      addReceive(11);
      addReceive(0);
      addReceive(1526);
      publishReceive();
      link.deliver(ethernet(60));
      expect(takeReceived().map(({ used }) => used.length)).toEqual([0, 0, 72]);
      expect([device.unusableBuffers, device.net.dropped, transport.ready]).toEqual([2, 0, true]);
    });

    it("A47: tells the driver of buffers given back, also when the frame has to wait", () => {
      const { link, device, messages, addReceive, publishReceive } = started(features);
      addReceive(4);
      publishReceive();
      link.deliver(ethernet(60));
      expect([device.waiting, messages.take()]).toEqual([1, [RX_MESSAGE]]);
    });

    it("A21: writes nothing into a device-readable buffer (SVQ-05) and uses the next one", () => {
      const { link, driver, memory, device, addReceive, publishReceive } = started(features);
      const address = memory.store(new Uint8Array(2000).fill(0x33));
      const queue = driver.queue(NET_RECEIVE_QUEUE);
      queue.add([{ address, length: 2000, writable: false }]);
      queue.add([
        { address, length: 12, writable: false },
        { address: address + 12, length: 1988, writable: true },
      ]);
      addReceive(1526);
      publishReceive();
      link.deliver(ethernet(60));
      expect(memory.bytes(address, 2000)).toEqual(new Uint8Array(2000).fill(0x33));
      expect(queue.takeUsed().map(({ length }) => length)).toEqual([0, 0, 72]);
      expect(device.unusableBuffers).toBe(2);
    });

    it("A15: an index jump puts the device into DEVICE_NEEDS_RESET; the frame comes after the reset", () => {
      const machine = started(features);
      const { link, driver, device, transport } = machine;
      driver.queue(NET_RECEIVE_QUEUE).availIdx = 0x8000;
      link.deliver(ethernet(60));
      expect(driver.status & VIRTIO_CONFIG_S_NEEDS_RESET).not.toBe(0);
      expect(transport.counters.faults).toEqual({ "available index jump": 1 });
      link.deliver(ethernet(61));
      expect(device.waiting).toBe(2);
      driver.initialise({ features });
      machine.addReceive(1526);
      machine.addReceive(1526);
      machine.publishReceive();
      expect(machine.takeReceived().map(({ used }) => used.length)).toEqual([72, 73]);
    });

    it("stays correct while the ring's indices wrap", () => {
      const { link, driver, addReceive, publishReceive, takeReceived } = started(features, [4, 4, 4]);
      for (let i = 0; i < 4; i++) addReceive(200);
      publishReceive();
      for (let i = 0; i < 50; i++) {
        link.deliver(ethernet(60, i));
        expect(split(takeReceived()[0]?.bytes ?? new Uint8Array(0)).frame).toEqual(ethernet(60, i));
        driver.queue(NET_RECEIVE_QUEUE).rearm();
        addReceive(200);
        publishReceive();
      }
    });

    it("keeps a frame when the driver took the queue out of use, also when some of its buffers were too few", () => {
      const { link, driver, device, addReceive, publishReceive } = started(features);
      addReceive(40);
      publishReceive();
      link.deliver(ethernet(100));
      driver.write32(VIRTIO_MMIO_QUEUE_SEL, NET_RECEIVE_QUEUE);
      driver.write32(VIRTIO_MMIO_QUEUE_READY, 0);
      link.deliver(ethernet(101));
      driver.kick(NET_RECEIVE_QUEUE);
      const lost = device.net.dropped;
      expect(device.waiting + lost).toBe(2);
      expect(device.net.rxFrames).toBe(0);
    });
  });

  it("UNS-02: without EVENT_IDX each frame is told, UNS-03: and none while the driver asks for silence", () => {
    const { link, driver, messages, addReceive, publishReceive } = started(plain());
    for (let i = 0; i < 4; i++) addReceive(1526);
    publishReceive();
    link.deliver(ethernet(60));
    link.deliver(ethernet(60));
    expect(messages.take()).toEqual([RX_MESSAGE, RX_MESSAGE]);
    driver.queue(NET_RECEIVE_QUEUE).availFlags = 1;
    link.deliver(ethernet(60));
    expect(messages.take()).toEqual([]);
  });

  it("ANS-01: without EVENT_IDX silence and kicks are asked for by used.flags", () => {
    const { link, driver, device, addReceive, publishReceive } = started(plain());
    expect(driver.queue(NET_RECEIVE_QUEUE).usedFlags).toBe(1);
    link.deliver(ethernet(60));
    expect(driver.queue(NET_RECEIVE_QUEUE).usedFlags).toBe(0);
    addReceive(1526);
    expect(publishReceive()).toBe(true);
    expect([device.waiting, driver.queue(NET_RECEIVE_QUEUE).usedFlags]).toEqual([0, 1]);
  });

  describe("without MRG_RXBUF", () => {
    it("NET-RX-02: a frame that does not fit into its buffer is dropped and the buffer kept for the next", () => {
      const { link, device, memory, addReceive, publishReceive, takeReceived } = started(WHOLE);
      const [first = 0] = addReceive(112);
      addReceive(1526);
      publishReceive();
      link.deliver(ethernet(101));
      expect(takeReceived()).toEqual([]);
      link.deliver(ethernet(100));
      expect(takeReceived().map(({ used }) => used.length)).toEqual([112]);
      expect(memory.bytes(first + 12, 100)).toEqual(ethernet(100));
      expect(device.net).toMatchObject({ dropped: 1, dropReasons: { "receive buffers too small": 1 } });
    });

    it("NET-RX-02: does not use a second buffer for a frame", () => {
      const { link, addReceive, publishReceive, takeReceived } = started(WHOLE);
      addReceive(60);
      addReceive(60);
      publishReceive();
      link.deliver(ethernet(100));
      expect(takeReceived()).toEqual([]);
    });
  });

  describe("with MRG_RXBUF", () => {
    it("NET-RX-01, NET-RX-04: num_buffers counts the buffers, all but the last are filled completely", () => {
      const { link, addReceive, publishReceive, takeReceived } = started(MERGED);
      for (const length of [100, 200, 50, 500]) addReceive(length);
      publishReceive();
      link.deliver(ethernet(400));
      const received = takeReceived();
      expect(received.map(({ used }) => used.length)).toEqual([100, 200, 50, 62]);
      const all = Uint8Array.from(received.flatMap(({ bytes }) => [...bytes]));
      expect(split(all)).toEqual({ header: receiveHeader(4), frame: ethernet(400) });
    });

    it("uses one buffer when the frame fits exactly, two when it is a byte longer", () => {
      const { link, addReceive, publishReceive, takeReceived } = started(MERGED);
      for (let i = 0; i < 3; i++) addReceive(112);
      publishReceive();
      link.deliver(ethernet(100));
      link.deliver(ethernet(101));
      expect(takeReceived().map(({ used }) => used.length)).toEqual([112, 112, 1]);
    });

    it("puts a frame into buffers that hold a header and nothing else first", () => {
      const { link, addReceive, publishReceive, takeReceived } = started(MERGED);
      for (const length of [12, 100]) addReceive(length);
      publishReceive();
      link.deliver(ethernet(60));
      expect(takeReceived().map(({ used }) => used.length)).toEqual([12, 60]);
    });

    it("NET-RX-01: num_buffers is little-endian above 255 too", () => {
      const machine = netMachine({ mtu: 9000 });
      const { link, driver, addReceive, publishReceive, takeReceived } = machine;
      driver.initialise({ features: MERGED, sizes: [256, 16, 16] });
      for (let i = 0; i < 256; i++) addReceive(12);
      publishReceive();
      link.deliver(ethernet(256 * 12 - 12));
      const received = takeReceived();
      expect(received).toHaveLength(256);
      expect([...(received[0]?.bytes ?? [])]).toEqual(receiveHeader(256));
    });

    it("NET-RX-05: all buffers of a frame become used by one update of the used index", () => {
      const { link, memory, driver, addReceive, publishReceive } = started(MERGED);
      for (let i = 0; i < 3; i++) addReceive(50);
      publishReceive();
      const usedIdx = driver.queue(NET_RECEIVE_QUEUE).layout.usedRing + 2;
      const seen: number[] = [];
      const write = memory.writeU16.bind(memory);
      memory.writeU16 = (address, value) => {
        if (address === usedIdx) seen.push(value);
        write(address, value);
      };
      link.deliver(ethernet(120));
      expect(seen).toEqual([3]);
    });

    it("a frame for which there are not enough buffers waits, uses none, and the next buffer is kicked", () => {
      const { link, device, driver, addReceive, publishReceive, takeReceived } = started(MERGED);
      addReceive(50);
      addReceive(50);
      publishReceive();
      link.deliver(ethernet(150, 1));
      expect([device.waiting, driver.queue(NET_RECEIVE_QUEUE).usedIdx]).toEqual([1, 0]);
      addReceive(50);
      expect(publishReceive()).toBe(true);
      expect(device.waiting).toBe(1);
      addReceive(50);
      expect(publishReceive()).toBe(true);
      const received = takeReceived();
      expect(received.map(({ used }) => used.length)).toEqual([50, 50, 50, 12]);
      expect(split(Uint8Array.from(received.flatMap(({ bytes }) => [...bytes]))).frame).toEqual(
        ethernet(150, 1),
      );
    });

    it("buffers that were too few for one frame serve the frames behind it, none lost and none twice", () => {
      const { link, driver, addReceive, publishReceive, takeReceived } = started(MERGED);
      const lengths = [700, 60, 900, 1514, 14, 333, 1000, 61];
      for (const [i, length] of lengths.entries()) link.deliver(ethernet(length, i));
      const frames: Uint8Array[] = [];
      for (let round = 0; frames.length < lengths.length && round < 100; round++) {
        addReceive(64 + ((round * 29) % 300));
        publishReceive();
        const received = takeReceived();
        while (received.length > 0) {
          const count = received[0]?.bytes[10] ?? 1;
          const bytes = received.splice(0, count).flatMap((part) => [...part.bytes]);
          frames.push(split(Uint8Array.from(bytes)).frame);
        }
        driver.queue(NET_RECEIVE_QUEUE).rearm();
      }
      expect(frames).toEqual(lengths.map((length, i) => ethernet(length, i)));
    });

    it("drops a frame that the whole queue cannot hold, and goes on with the next", () => {
      const { link, device, addReceive, publishReceive, takeReceived } = started(MERGED, [4, 4, 4]);
      for (let i = 0; i < 4; i++) addReceive(20);
      publishReceive();
      link.deliver(ethernet(100));
      expect(device.net.dropReasons).toEqual({ "receive buffers too small": 1 });
      link.deliver(ethernet(60));
      expect(takeReceived().map(({ used }) => used.length)).toEqual([20, 20, 20, 12]);
    });

    it("looks through the whole queue for one such frame only, however many there are", () => {
      const { link, device, memory, addReceive, publishReceive } = started(MERGED, [16, 4, 4]);
      for (let i = 0; i < 40; i++) link.deliver(ethernet(200, i));
      for (let i = 0; i < 16; i++) addReceive(12);
      const before = memory.accesses;
      publishReceive();
      expect(device.net.dropReasons).toEqual({ "receive buffers too small": 16 });
      // Each chain is read once: two accesses for its ring entry, four for its descriptor, and a few around them.
      expect(memory.accesses - before).toBeLessThan(16 * 8);
      link.deliver(ethernet(100));
      expect(device.net.dropReasons).toEqual({ "receive buffers too small": 16 });
    });

    it("A21: a readable buffer behind a usable one is not written, goes back empty, and the frame is whole", () => {
      const { link, driver, memory, addReceive, publishReceive } = started(MERGED);
      addReceive(50);
      driver.queue(NET_RECEIVE_QUEUE).add([{ address: memory.alloc(50), length: 50, writable: false }]);
      addReceive(100);
      publishReceive();
      link.deliver(ethernet(100));
      const used = driver.queue(NET_RECEIVE_QUEUE).takeUsed();
      expect(used.map(({ length }) => length)).toEqual([50, 0, 62]);
    });
  });

  describe("frames that wait", () => {
    it("are bounded in number: the newest is dropped and counted", () => {
      const { link, device } = netMachine({ rxQueueBound: 3 });
      for (let i = 0; i < 5; i++) link.deliver(ethernet(60));
      expect(device.waiting).toBe(3);
      expect(device.net).toMatchObject({ dropped: 2, dropReasons: { "receive queue full": 2 } });
    });

    it("are 4096 unless told otherwise", () => {
      const { link, device } = netMachine();
      for (let i = 0; i < 4100; i++) link.deliver(ethernet(14));
      expect([device.waiting, device.net.dropped]).toEqual([4096, 4]);
    });

    it("are bounded in bytes: 8 MiB unless told otherwise", () => {
      const { link, device } = netMachine({ mtu: 65535 });
      // Each is kept behind its header.
      for (let i = 0; i < 140; i++) link.deliver(ethernet(65536 - VIRTIO_NET_HDR_SIZE));
      expect([device.waiting, device.net.dropped]).toEqual([128, 12]);
    });

    it("are delivered to a driver that comes later, at once when its buffers are there at DRIVER_OK", () => {
      const { link, driver, device, addReceive, takeReceived } = netMachine();
      link.deliver(ethernet(60, 1));
      driver.prepare({ features: WHOLE });
      addReceive(1526);
      driver.queue(NET_RECEIVE_QUEUE).publish();
      expect(device.waiting).toBe(1);
      driver.driverOk();
      expect(takeReceived().map(({ bytes }) => split(bytes).frame)).toEqual([ethernet(60, 1)]);
    });

    it("are kept as they were, whatever the caller does with its array", () => {
      const { link, driver, addReceive, publishReceive, takeReceived } = netMachine();
      const frame = ethernet(60);
      link.deliver(frame);
      frame.fill(0);
      driver.initialise();
      addReceive(1526);
      publishReceive();
      expect(takeReceived().map(({ bytes }) => split(bytes).frame)).toEqual([ethernet(60)]);
    });

    it("survive a reset, those for which buffers were too few included", () => {
      const { link, driver, device, addReceive, publishReceive, takeReceived } = started(MERGED);
      addReceive(20);
      publishReceive();
      link.deliver(ethernet(60, 1));
      link.deliver(ethernet(60, 2));
      driver.reset();
      expect(device.waiting).toBe(2);
      driver.initialise({ features: WHOLE });
      addReceive(1526);
      addReceive(1526);
      publishReceive();
      expect(takeReceived().map(({ bytes }) => split(bytes).frame)).toEqual([
        ethernet(60, 1),
        ethernet(60, 2),
      ]);
      expect(device.net.dropped).toBe(0);
    });
  });

  it("lets nothing in while the link is down, and counts it", () => {
    const { link, device } = started(WHOLE);
    device.setLink(false);
    link.deliver(ethernet(60));
    device.setLink(true);
    link.deliver(ethernet(60));
    expect([device.waiting, device.net.dropReasons]).toEqual([1, { "link down": 1 }]);
  });

  it("a burst larger than the ring is bounded work, and all of it arrives", () => {
    const { link, driver, device, addReceive, publishReceive, takeReceived } = started(WHOLE);
    for (let i = 0; i < 100; i++) link.deliver(ethernet(60, i));
    const frames: Uint8Array[] = [];
    while (frames.length < 100) {
      for (let i = 0; i < 16; i++) addReceive(128);
      publishReceive();
      const received = takeReceived();
      expect(received.length).toBeLessThanOrEqual(16);
      frames.push(...received.map(({ bytes }) => split(bytes).frame));
      driver.queue(NET_RECEIVE_QUEUE).rearm();
    }
    expect(frames).toEqual(Array.from({ length: 100 }, (_, i) => ethernet(60, i)));
    expect(device.net.dropped).toBe(0);
  });
});
