import { describe, expect, it } from "vitest";
import {
  NET_TRANSMIT_QUEUE,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_MRG_RXBUF,
} from "./net-defs.ts";
import {
  ethernet,
  header,
  type NetMachine,
  netMachine,
  plain,
  split,
  tcpFrame,
} from "./testing/net-fixture.ts";

const OFFLOADS = [
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_MRG_RXBUF,
];

function started(...bits: readonly number[]): NetMachine {
  const machine = netMachine();
  machine.driver.initialise({ features: plain(...bits), sizes: [128, 64, 16] });
  return machine;
}

/** Sends one frame with this header. */
function transmit(fields: Parameters<typeof header>[0], frame = tcpFrame(4000), bits = OFFLOADS): NetMachine {
  const machine = started(...bits);
  machine.addTransmit(frame, { header: Uint8Array.from(header(fields)) });
  machine.publishTransmit();
  return machine;
}

const SEGMENTED = { flags: 1, type: 1, headers: 54, size: 1460, start: 34, offset: 16 };

describe("NetDevice, offloads from the driver", () => {
  it("NET-TX-05: hands on where the checksum is, and the frame as it came", () => {
    const { link } = transmit({ flags: 1, start: 34, offset: 6 }, ethernet(60));
    expect(link.sent).toEqual([ethernet(60)]);
    expect(link.offloads).toEqual([{ checksumStart: 34, checksumOffset: 6, segmentSize: 0 }]);
  });

  it("NET-TX-01, NET-TX-02: unknown flags are ignored, and without NEEDS_CSUM start and offset", () => {
    const { link } = transmit({ flags: 0xfe, start: 0xffff, offset: 0xffff }, ethernet(60));
    expect(link.offloads).toEqual([{ checksumStart: 0, checksumOffset: 0, segmentSize: 0 }]);
  });

  it("takes a TCP frame of 64 KiB with its segment size", () => {
    const { link, device } = transmit(SEGMENTED, tcpFrame(65535 - 40));
    expect(link.sent).toEqual([tcpFrame(65535 - 40)]);
    expect(link.offloads).toEqual([{ checksumStart: 34, checksumOffset: 16, segmentSize: 1460 }]);
    expect(device.net).toMatchObject({ txFrames: 1, txBytes: 65535 + 14, dropped: 0 });
  });

  it("NET-TX-04: does not use hdr_len", () => {
    for (const headers of [0, 34, 4054]) expect(transmit({ ...SEGMENTED, headers }).link.sent.length).toBe(1);
  });

  it("copies a frame once: the link gets the same memory each time, which is not the guest's", () => {
    const { link, addTransmit, publishTransmit } = started(...OFFLOADS);
    const buffers = new Set<ArrayBufferLike>();
    link.send = (frame) => void buffers.add(frame.buffer);
    for (let i = 0; i < 5; i++) {
      addTransmit(tcpFrame(4000 + i), { header: Uint8Array.from(header(SEGMENTED)) });
      publishTransmit();
    }
    expect(buffers.size).toBe(1);
  });

  const short = tcpFrame(4000);
  short.set([0x06, 0xdd], 12);
  const udp = tcpFrame(4000);
  udp[23] = 17;
  const fragment = tcpFrame(4000);
  fragment[20] = 0x20;
  const longHeader = tcpFrame(4000);
  longHeader[46] = 0x40;
  const beyond = tcpFrame(4000);
  beyond.set([0xff, 0xff], 16);
  it.each([
    [
      "a checksum range before the Ethernet header's end",
      { flags: 1, start: 13 },
      "transmit checksum outside the frame",
    ],
    [
      "a checksum at the frame's very end",
      { flags: 1, start: 34, offset: 4054 - 35 },
      "transmit checksum outside the frame",
    ],
    [
      "a checksum far outside",
      { flags: 1, start: 0xffff, offset: 0xffff },
      "transmit checksum outside the frame",
    ],
    ["segmentation of TCP over IPv6", { ...SEGMENTED, type: 4 }, "transmit segmentation of an unknown type"],
    ["segmentation of UDP", { ...SEGMENTED, type: 3 }, "transmit segmentation of an unknown type"],
    [
      "the bit of ECN, which is not offered",
      { ...SEGMENTED, type: 0x81 },
      "transmit segmentation of an unknown type",
    ],
    ["the bit of ECN alone", { ...SEGMENTED, type: 0x80 }, "transmit segmentation of an unknown type"],
    ["hdr_len beyond the frame", { ...SEGMENTED, headers: 4055 }, "transmit header length beyond the frame"],
    ["gso_size 0", { ...SEGMENTED, size: 0 }, "transmit segments too small"],
    ["gso_size 31", { ...SEGMENTED, size: 31 }, "transmit segments too small"],
    ["segments beyond the MTU", { ...SEGMENTED, size: 1461 }, "transmit segments too long"],
    [
      "segmentation without a checksum",
      { ...SEGMENTED, flags: 0 },
      "transmit segmentation of what is not TCP over IPv4",
    ],
    [
      "the checksum of UDP",
      { ...SEGMENTED, offset: 6 },
      "transmit segmentation of what is not TCP over IPv4",
    ],
    [
      "a checksum start behind the IPv4 header",
      { ...SEGMENTED, start: 35 },
      "transmit segmentation of what is not TCP over IPv4",
    ],
  ])("A45, A46: drops %s", (_what, fields, reason) => {
    const { link, device, driver, transport } = transmit(fields);
    expect(link.sent).toEqual([]);
    expect(device.net.dropReasons).toEqual({ [reason]: 1 });
    expect(driver.queue(NET_TRANSMIT_QUEUE).takeUsed()).toEqual([{ id: expect.any(Number), length: 0 }]);
    expect(transport.ready).toBe(true);
  });

  it.each([
    ["another EtherType", short],
    ["another protocol", udp],
    ["a fragment", fragment],
    ["a TCP header too short", longHeader],
    ["an IPv4 packet longer than the frame", beyond],
    ["less than a TCP header", tcpFrame(4000).subarray(0, 53)],
  ])("A46: drops segmentation of %s", (_what, frame) => {
    const { link, device } = transmit({ ...SEGMENTED, headers: 0 }, frame);
    expect(link.sent).toEqual([]);
    expect(device.net.dropReasons).toEqual({ "transmit segmentation of what is not TCP over IPv4": 1 });
  });

  it("drops a long frame that is not to be segmented, and segmentation that was not negotiated", () => {
    expect(transmit({ ...SEGMENTED, type: 0 }).device.net.dropReasons).toEqual({
      "transmit frame too long": 1,
    });
    expect(transmit(SEGMENTED, tcpFrame(100), [VIRTIO_NET_F_CSUM]).device.net.dropReasons).toEqual({
      "transmit segmentation of an unknown type": 1,
    });
  });

  it("drops what is longer than the largest IPv4 packet", () => {
    const frame = ethernet(65536 + 14);
    frame.set(tcpFrame(1000).subarray(0, 54));
    expect(transmit(SEGMENTED, frame).device.net.dropReasons).toEqual({ "transmit frame too long": 1 });
  });
});

describe("NetDevice, offloads to the driver", () => {
  const CHECKSUM = { checksumStart: 34, checksumOffset: 16, segmentSize: 0 };
  const SEGMENTS = { ...CHECKSUM, segmentSize: 1460 };

  it("tells the link what the driver takes, and that it takes nothing after a reset", () => {
    const { driver, link } = started(...OFFLOADS);
    expect(link.takes.at(-1)).toEqual({ checksum: true, segmentation: true });
    driver.reset();
    expect(link.takes.at(-1)).toEqual({ checksum: false, segmentation: false });
    expect(started(VIRTIO_NET_F_GUEST_CSUM).link.takes.at(-1)).toEqual({
      checksum: true,
      segmentation: false,
    });
    // Segments come without checksums.
    expect(started(VIRTIO_NET_F_GUEST_TSO4).link.takes.at(-1)).toEqual({
      checksum: false,
      segmentation: false,
    });
  });

  it("NET-RX-15: NEEDS_CSUM with start and offset for a checksum left undone", () => {
    const { link, addReceive, publishReceive, takeReceived } = started(...OFFLOADS);
    addReceive(1526);
    publishReceive();
    link.deliver(tcpFrame(10), CHECKSUM);
    expect(split(takeReceived()[0]?.bytes ?? new Uint8Array(0))).toEqual({
      header: header({ flags: 1, start: 34, offset: 16, buffers: 1 }),
      frame: tcpFrame(10),
    });
  });

  it("NET-RX-04, NET-RX-13: a frame of 64 KiB in two parts fills merged buffers, with segment size and header length", () => {
    const { link, addReceive, publishReceive, takeReceived, device } = started(...OFFLOADS);
    for (let i = 0; i < 60; i++) addReceive(1526);
    publishReceive();
    const frame = tcpFrame(44 * 1460);
    link.deliver(frame.subarray(0, 54), SEGMENTS, frame.subarray(54));
    const received = takeReceived();
    const bytes = Uint8Array.from(received.flatMap((one) => [...one.bytes]));
    expect(split(bytes)).toEqual({
      header: header({ ...SEGMENTED, buffers: received.length }),
      frame,
    });
    expect(received.length).toBe(Math.ceil((frame.length + 12) / 1526));
    expect(received.slice(0, -1).every(({ used }) => used.length === 1526)).toBe(true);
    expect(device.net).toMatchObject({ rxFrames: 1, rxBytes: frame.length });
  });

  it("cuts a frame's parts anywhere: every split into every size of buffer", () => {
    const frame = tcpFrame(20);
    for (const size of [12, 13, 20, 37, 100]) {
      for (let cut = 54; cut <= frame.length; cut++) {
        const { link, addReceive, publishReceive, takeReceived } = started(...OFFLOADS);
        for (let i = 0; i < 10; i++) addReceive(size);
        publishReceive();
        link.deliver(frame.subarray(0, cut), CHECKSUM, frame.subarray(cut));
        const bytes = takeReceived().flatMap((one) => [...one.bytes]);
        expect(bytes.slice(12)).toEqual([...frame]);
      }
    }
  });

  it("keeps the header of a frame that waits, also through a reset", () => {
    const { link, driver, addReceive, publishReceive, takeReceived } = started(...OFFLOADS);
    const frame = tcpFrame(3000);
    link.deliver(frame.subarray(0, 54), SEGMENTS, frame.subarray(54));
    driver.initialise({ features: plain(...OFFLOADS), sizes: [128, 64, 16] });
    for (let i = 0; i < 2; i++) addReceive(2000);
    publishReceive();
    const bytes = Uint8Array.from(takeReceived().flatMap((one) => [...one.bytes]));
    expect(split(bytes)).toEqual({ header: header({ ...SEGMENTED, buffers: 2 }), frame });
  });

  it("NET-RX-06, NET-RX-08, NET-RX-12: drops what the driver did not negotiate, come late or early", () => {
    const early = started(...OFFLOADS);
    early.link.deliver(tcpFrame(3000), SEGMENTS);
    early.link.deliver(tcpFrame(10), CHECKSUM);
    early.link.deliver(ethernet(60));
    early.driver.initialise({ features: plain(VIRTIO_NET_F_MRG_RXBUF), sizes: [128, 64, 16] });
    for (let i = 0; i < 4; i++) early.addReceive(2000);
    early.publishReceive();
    expect(early.takeReceived().length).toBe(1);
    const late = started(VIRTIO_NET_F_MRG_RXBUF);
    late.link.deliver(tcpFrame(3000), SEGMENTS);
    late.link.deliver(tcpFrame(10), CHECKSUM);
    for (const { device } of [early, late]) {
      expect(device.net.dropReasons).toEqual({
        "receive segmentation not negotiated": 1,
        "receive checksum not negotiated": 1,
      });
    }
  });

  it("NET-RX-16, NET-RX-06: DATA_VALID for a frame that was verified, and no flags for a driver without GUEST_CSUM", () => {
    const verified = { checksumStart: 0, checksumOffset: 0, segmentSize: 0, verified: true };
    const flags = (machine: NetMachine): number[] => {
      for (let i = 0; i < 2; i++) machine.addReceive(1526);
      machine.publishReceive();
      machine.link.deliver(tcpFrame(10), verified);
      return machine.takeReceived().map(({ bytes }) => bytes[0] ?? -1);
    };
    expect(flags(started(...OFFLOADS))).toEqual([2]);
    expect(flags(started(VIRTIO_NET_F_MRG_RXBUF))).toEqual([0]);
    // One that waited for a driver with it, and got one without.
    const waited = started(...OFFLOADS);
    waited.link.deliver(tcpFrame(10), verified);
    waited.driver.initialise({ features: plain(), sizes: [128, 64, 16] });
    expect(flags(waited)).toEqual([0, 0]);
  });

  it("NET-06: nothing longer than the MTU comes in one segment", () => {
    const { link, device } = started(...OFFLOADS);
    link.deliver(tcpFrame(1461), CHECKSUM);
    expect(device.net.dropReasons).toEqual({ "receive frame too long": 1 });
  });
});
