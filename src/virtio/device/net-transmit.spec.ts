import { describe, expect, it } from "vitest";
import { VIRTIO_CONFIG_S_NEEDS_RESET } from "../defs.ts";
import { NET_TRANSMIT_QUEUE } from "./net-defs.ts";
import { ethernet, netMachine, plain, RX_MESSAGE, rings, TX_MESSAGE, tagged } from "./testing/net-fixture.ts";

/** A machine with a driver that took everything, and the frame sent through it. */
function transmit(frame: Uint8Array, options?: { header?: Uint8Array; cuts?: readonly number[] }) {
  const machine = netMachine();
  machine.driver.initialise({ sizes: [16, 64, 16] });
  machine.addTransmit(frame, options);
  machine.publishTransmit();
  return machine;
}

describe("NetDevice, transmitting", () => {
  it("gives the frame without its header to the link and the buffer back with length 0", () => {
    const { link, driver, device } = transmit(ethernet(60));
    expect(link.sent).toEqual([ethernet(60)]);
    expect(driver.queue(NET_TRANSMIT_QUEUE).takeUsed()).toEqual([{ id: expect.any(Number), length: 0 }]);
    expect(device.net).toMatchObject({ txFrames: 1, txBytes: 60, dropped: 0 });
  });

  it("NET-15: the header has 12 bytes with VERSION_1, MRG_RXBUF negotiated or not", () => {
    const { driver, link, addTransmit, publishTransmit } = netMachine();
    driver.initialise({ features: plain() });
    addTransmit(ethernet(64));
    publishTransmit();
    expect(link.sent).toEqual([ethernet(64)]);
  });

  it.each([
    ["1 + 11 + frame", [1, 12]],
    ["header with the frame's start", [20]],
    ["header + 14 + payload", [12, 26]],
    ["header in twelve pieces", Array.from({ length: 12 }, (_, i) => i + 1)],
    ["cut inside the EtherType", [25]],
    ["an empty descriptor in the middle", [12, 12]],
  ])("SVQ-03: assumes nothing about the split: %s", (_name, cuts) => {
    expect(transmit(ethernet(100), { cuts }).link.sent).toEqual([ethernet(100)]);
  });

  it("SVQ-04: takes a frame made of descriptors of one byte each", () => {
    const cuts = Array.from({ length: 12 + 40 - 1 }, (_, i) => i + 1);
    expect(transmit(ethernet(40), { cuts }).link.sent).toEqual([ethernet(40)]);
  });

  it("takes a frame from an indirect table", () => {
    const { driver, memory, link } = netMachine();
    driver.initialise({ features: rings() });
    const header = { address: memory.alloc(12), length: 12, writable: false };
    const body = { address: memory.store(ethernet(90)), length: 90, writable: false };
    driver.queue(NET_TRANSMIT_QUEUE).add([header, body], { indirect: true });
    driver.queue(NET_TRANSMIT_QUEUE).publish();
    driver.kick(NET_TRANSMIT_QUEUE);
    expect(link.sent).toEqual([ethernet(90)]);
  });

  it("NET-TX-01 to NET-TX-04, A45, A46: nothing of the header is looked at when no offload is negotiated", () => {
    // flags and gso_type undefined, hdr_len, gso_size, csum_start and csum_offset far outside, num_buffers set.
    const { driver, link, device, addTransmit, publishTransmit } = netMachine();
    driver.initialise({ features: plain() });
    addTransmit(ethernet(60), { header: new Uint8Array(12).fill(0xff) });
    publishTransmit();
    expect(link.sent).toEqual([ethernet(60)]);
    expect(device.net.dropped).toBe(0);
  });

  it("NET-07: forwards a frame of the MTU and its header unfragmented", () => {
    expect(transmit(ethernet(1514)).link.sent).toEqual([ethernet(1514)]);
  });

  it.each([0x8100, 0x88a8])("forwards a frame with a VLAN tag (%i) on top of the MTU", (etherType) => {
    expect(transmit(tagged(1518, etherType)).link.sent).toEqual([tagged(1518, etherType)]);
  });

  it("takes frames of another MTU when it was made for one", () => {
    const { driver, link, device, addTransmit, publishTransmit } = netMachine({ mtu: 9000 });
    driver.initialise();
    addTransmit(ethernet(9014));
    addTransmit(ethernet(9015));
    publishTransmit();
    expect(link.sent).toEqual([ethernet(9014)]);
    expect(device.net.dropReasons).toEqual({ "transmit frame too long": 1 });
  });

  describe("malformed frames are dropped, counted by reason, and their buffers come back", () => {
    it.each([
      [
        "A44: an empty chain's worth of header",
        ethernet(0).subarray(0, 0),
        new Uint8Array(1),
        "transmit header incomplete",
      ],
      ["A44: a header one byte short", new Uint8Array(0), new Uint8Array(11), "transmit header incomplete"],
      ["a header alone", new Uint8Array(0), new Uint8Array(12), "transmit frame too short"],
      ["less than an Ethernet header", ethernet(13), new Uint8Array(12), "transmit frame too short"],
      ["longer than the MTU", ethernet(1515), new Uint8Array(12), "transmit frame too long"],
      ["longer than the MTU with a tag", tagged(1519), new Uint8Array(12), "transmit frame too long"],
      ["A07: far longer than the MTU", ethernet(70_000), new Uint8Array(12), "transmit frame too long"],
    ])("%s", (_name, frame, header, reason) => {
      const { link, device, driver, transport } = transmit(frame, { header });
      expect(link.sent).toEqual([]);
      expect(device.net).toMatchObject({ txFrames: 0, txBytes: 0, dropped: 1, dropReasons: { [reason]: 1 } });
      expect(driver.queue(NET_TRANSMIT_QUEUE).takeUsed()).toEqual([{ id: expect.any(Number), length: 0 }]);
      expect(transport.ready).toBe(true);
    });

    it("A44: a chain whose only descriptor is empty", () => {
      const { driver, device, transport } = netMachine();
      driver.initialise();
      driver.queue(NET_TRANSMIT_QUEUE).add([{ address: 0, length: 0, writable: false }]);
      driver.queue(NET_TRANSMIT_QUEUE).publish();
      driver.kick(NET_TRANSMIT_QUEUE);
      expect(device.net.dropReasons).toEqual({ "transmit header incomplete": 1 });
      expect(driver.queue(NET_TRANSMIT_QUEUE).takeUsed()).toHaveLength(1);
      expect(transport.ready).toBe(true);
    });

    it("A20: a device-writable buffer where a frame must be read (5.1.6.2.1) is not written", () => {
      const { driver, memory, device, link } = netMachine();
      driver.initialise();
      const address = memory.store(new Uint8Array(100).fill(0x11));
      const queue = driver.queue(NET_TRANSMIT_QUEUE);
      queue.add([{ address, length: 100, writable: true }]);
      queue.add([
        { address, length: 60, writable: false },
        { address: address + 60, length: 40, writable: true },
      ]);
      queue.publish();
      driver.kick(NET_TRANSMIT_QUEUE);
      expect(link.sent).toEqual([]);
      expect(device.net.dropReasons).toEqual({ "transmit buffer writable": 2 });
      expect(memory.bytes(address, 100)).toEqual(new Uint8Array(100).fill(0x11));
      expect(queue.takeUsed().map(({ length }) => length)).toEqual([0, 0]);
    });

    it("A07: a chain that claims most of RAM many times over costs no copy", () => {
      const { driver, memory, device, addTransmit, link } = netMachine();
      driver.initialise({ sizes: [16, 64, 16] });
      const queue = driver.queue(NET_TRANSMIT_QUEUE);
      queue.add(new Array(60).fill({ address: 0, length: memory.size, writable: false }));
      addTransmit(ethernet(60));
      queue.publish();
      driver.kick(NET_TRANSMIT_QUEUE);
      expect(device.net.dropReasons).toEqual({ "transmit frame too long": 1 });
      expect(link.sent).toEqual([ethernet(60)]);
    });

    it("goes on with the frames behind a malformed one", () => {
      const { driver, link, device, addTransmit, publishTransmit } = netMachine();
      driver.initialise();
      addTransmit(ethernet(60, 1));
      addTransmit(ethernet(5));
      addTransmit(ethernet(60, 2));
      publishTransmit();
      expect(link.sent).toEqual([ethernet(60, 1), ethernet(60, 2)]);
      expect(device.net).toMatchObject({ txFrames: 2, dropped: 1 });
    });
  });

  it("A19: a readable buffer after a writable one puts the device into DEVICE_NEEDS_RESET, and a reset brings it back", () => {
    const { driver, memory, link, transport, addTransmit, publishTransmit } = netMachine();
    driver.initialise();
    const address = memory.alloc(100);
    driver.queue(NET_TRANSMIT_QUEUE).add([
      { address, length: 50, writable: true },
      { address: address + 50, length: 50, writable: false },
    ]);
    driver.queue(NET_TRANSMIT_QUEUE).publish();
    driver.kick(NET_TRANSMIT_QUEUE);
    expect(driver.status & VIRTIO_CONFIG_S_NEEDS_RESET).not.toBe(0);
    expect(transport.counters.faults).toEqual({ "readable descriptor after a writable one": 1 });
    driver.initialise();
    addTransmit(ethernet(60));
    publishTransmit();
    expect(link.sent).toEqual([ethernet(60)]);
  });

  it("handles a batch in one notification and tells the driver once", () => {
    const { driver, messages, link, addTransmit, publishTransmit } = netMachine();
    driver.initialise();
    for (let i = 0; i < 10; i++) addTransmit(ethernet(60, i));
    publishTransmit();
    expect(link.sent).toEqual(Array.from({ length: 10 }, (_, i) => ethernet(60, i)));
    expect(messages.take()).toEqual([TX_MESSAGE]);
  });

  it("UNS-06: does not tell a driver that asked for a later buffer", () => {
    const { driver, messages, addTransmit, publishTransmit } = netMachine();
    driver.initialise();
    driver.queue(NET_TRANSMIT_QUEUE).usedEvent = 5;
    for (let i = 0; i < 3; i++) addTransmit(ethernet(60));
    publishTransmit();
    expect(messages.take()).toEqual([]);
    for (let i = 0; i < 3; i++) addTransmit(ethernet(60));
    publishTransmit();
    expect(messages.take()).toEqual([TX_MESSAGE]);
  });

  it("ANS-03: asks for the notification of the next buffer after every batch, through a wrapped index", () => {
    const { driver, link, addTransmit, publishTransmit } = netMachine();
    driver.initialise();
    for (let i = 0; i < 100; i++) {
      addTransmit(ethernet(60, i));
      if (i % 3 === 0) addTransmit(ethernet(60, i));
      expect(publishTransmit()).toBe(true);
      driver.queue(NET_TRANSMIT_QUEUE).takeUsed();
    }
    expect(link.sent).toHaveLength(134);
  });

  it("ANS-03: asks for the notification of the next buffer after a batch that filled the whole queue", () => {
    const { driver, link, addTransmit, publishTransmit } = netMachine();
    driver.initialise({ sizes: [4, 4, 4] });
    for (let round = 1; round <= 5; round++) {
      for (let i = 0; i < 4; i++) addTransmit(ethernet(60, i));
      expect(publishTransmit()).toBe(true);
      expect(link.sent).toHaveLength(4 * round);
      driver.queue(NET_TRANSMIT_QUEUE).takeUsed();
    }
  });

  it("ANS-04: a notification without a buffer does nothing and interrupts nobody", () => {
    const { driver, messages, link } = netMachine();
    driver.initialise();
    driver.kick(NET_TRANSMIT_QUEUE);
    expect([messages.take(), link.sent]).toEqual([[], []]);
  });

  it("STAT-02: nothing is taken before DRIVER_OK, and everything at DRIVER_OK", () => {
    const { driver, link, addTransmit } = netMachine();
    driver.prepare();
    addTransmit(ethernet(60));
    driver.queue(NET_TRANSMIT_QUEUE).publish();
    driver.kick(NET_TRANSMIT_QUEUE);
    expect(link.sent).toEqual([]);
    driver.driverOk();
    expect(link.sent).toEqual([ethernet(60)]);
  });

  it("lets nothing out while the link is down, and counts it", () => {
    const { driver, device, link, addTransmit, publishTransmit } = netMachine();
    driver.initialise();
    device.setLink(false);
    addTransmit(ethernet(60));
    publishTransmit();
    expect(link.sent).toEqual([]);
    expect(device.net.dropReasons).toEqual({ "link down": 1 });
    expect(driver.queue(NET_TRANSMIT_QUEUE).takeUsed()).toHaveLength(1);
  });

  describe("a link that answers within the call", () => {
    it("has its answers in the receive ring at the end of the notification, with one interrupt, receive first", () => {
      const machine = netMachine();
      const { driver, messages, link, addReceive, addTransmit, publishReceive, publishTransmit } = machine;
      driver.initialise();
      for (let i = 0; i < 8; i++) addReceive(1526);
      publishReceive();
      link.answer = (frame) => link.deliver(frame.map((byte) => byte ^ 0xff));
      for (let i = 0; i < 4; i++) addTransmit(tagged(60 + i));
      publishTransmit();
      expect(machine.takeReceived().map(({ bytes }) => bytes.slice(12))).toEqual(
        link.sent.map((frame) => frame.map((byte) => byte ^ 0xff)),
      );
      expect(messages.take()).toEqual([RX_MESSAGE, TX_MESSAGE]);
    });

    it("costs one receive interrupt a batch also where each frame would be told (no EVENT_IDX)", () => {
      const { driver, messages, link, addReceive, addTransmit, publishReceive, publishTransmit } =
        netMachine();
      driver.initialise({ features: plain() });
      for (let i = 0; i < 8; i++) addReceive(1526);
      publishReceive();
      link.answer = (frame) => link.deliver(frame);
      for (let i = 0; i < 4; i++) addTransmit(ethernet(60));
      publishTransmit();
      expect(messages.take()).toEqual([RX_MESSAGE, TX_MESSAGE]);
    });

    it("keeps answers for which no buffer is there, in their order", () => {
      const machine = netMachine();
      const { driver, device, link, addReceive, addTransmit, publishReceive, publishTransmit } = machine;
      driver.initialise();
      addReceive(1526);
      publishReceive();
      link.answer = (frame) => link.deliver(frame);
      for (let i = 0; i < 3; i++) addTransmit(ethernet(60, i));
      publishTransmit();
      expect(device.waiting).toBe(2);
      addReceive(1526);
      addReceive(1526);
      expect(publishReceive()).toBe(true);
      expect(machine.takeReceived().map(({ bytes }) => bytes.slice(12))).toEqual(link.sent);
    });

    it("may find a broken receive ring: the batch ends, the answer waits and comes after the reset", () => {
      const machine = netMachine();
      const { driver, device, link, transport, addReceive, addTransmit, publishTransmit } = machine;
      driver.initialise();
      driver.queue(0).availIdx = 1000;
      link.answer = (frame) => link.deliver(frame);
      addTransmit(ethernet(60, 1));
      addTransmit(ethernet(60, 2));
      publishTransmit();
      expect(transport.counters.faults).toEqual({ "available index jump": 1 });
      expect([link.sent.length, device.waiting]).toEqual([1, 1]);
      driver.initialise();
      addReceive(1526);
      machine.publishReceive();
      expect(machine.takeReceived().map(({ bytes }) => bytes.slice(12))).toEqual([ethernet(60, 1)]);
    });

    it("A38: may reset the device within the call: nothing of the old rings is touched afterwards", () => {
      const { driver, memory, link, addTransmit, publishTransmit } = netMachine();
      driver.initialise();
      const queue = driver.queue(NET_TRANSMIT_QUEUE);
      link.answer = () => driver.reset();
      addTransmit(ethernet(60, 1));
      addTransmit(ethernet(60, 2));
      publishTransmit();
      expect(link.sent).toHaveLength(1);
      expect(queue.usedIdx).toBe(0);
      expect(memory.guardsIntact() && memory.gapsIntact()).toBe(true);
    });
  });
});
