import { describe, expect, it } from "vitest";
import { NO_OFFLOAD, NO_TAIL, WireFrames } from "./offload.ts";
import { InPagePeer } from "./peer.ts";
import { FakeClock } from "./testing/clock.ts";
import { checksum, FakeRouter, ipv4, readTcp, readUdp, tcp, tcpFrame, udp } from "./testing/fakes.ts";

const TCP_LEFT = { checksumStart: 34, checksumOffset: 16, segmentSize: 0 };
const UDP_LEFT = { checksumStart: 34, checksumOffset: 6, segmentSize: 0 };

/** The sum of the pseudo header in place of the checksum, as a driver leaves it (RFC 9293 section 3.1). */
function leaveChecksum(frame: Uint8Array, at: number, protocol: number): Uint8Array {
  const left = frame.slice();
  const length = frame.length - 34;
  const sum = 0xffff - checksum([...frame.subarray(26, 34), 0, protocol, length >> 8, length & 0xff]);
  left.set([sum >> 8, sum & 0xff], at);
  return left;
}

const data = (length: number): number[] => Array.from({ length }, (_, k) => (k * 7) % 251);

/** One frame to the peer with many segments' worth of data, checksum left. `destination` of four octets. */
function large(length: number, port = 7, flags = "FPA", destination = [10, 0, 2, 2]): Uint8Array {
  const segment = tcp(
    port,
    { sequence: 0xfffffff0, acknowledgement: 5, flags, data: data(length) },
    destination,
  );
  return leaveChecksum(ipv4(6, segment, { destination }), 50, 6);
}

function collect(frame: Uint8Array, offload = TCP_LEFT, tail = NO_TAIL): Uint8Array[] {
  const frames: Uint8Array[] = [];
  new WireFrames().forEach(frame, offload, tail, (one) => frames.push(one.slice()));
  return frames;
}

/** Checks both checksums by the book, and gives what the segment says. */
function read(frame: Uint8Array) {
  expect(checksum([...frame.subarray(14, 34)])).toBe(0);
  const length = frame.length - 34;
  const pseudo = [...frame.subarray(26, 34), 0, 6, length >> 8, length & 0xff];
  expect(checksum([...pseudo, ...frame.subarray(34)])).toBe(0);
  const view = new DataView(frame.buffer, frame.byteOffset);
  return {
    length: view.getUint16(16),
    identification: view.getUint16(18),
    sequence: view.getUint32(38),
    flags: frame[47] as number,
    data: [...frame.subarray(54)],
  };
}

describe("WireFrames", () => {
  it("shows a frame with nothing left to do as it is, not a copy", () => {
    const frame = tcpFrame(7, { data: [1] });
    const seen: Uint8Array[] = [];
    new WireFrames().forEach(frame, NO_OFFLOAD, NO_TAIL, (one) => seen.push(one));
    expect(seen[0]).toBe(frame);
  });

  it("completes a checksum in a copy", () => {
    const sound = tcpFrame(7, { data: [1, 2, 3] });
    const left = leaveChecksum(sound, 50, 6);
    const before = left.slice();
    expect(collect(left)).toEqual([sound]);
    expect(left).toEqual(before);
    const datagram = ipv4(17, udp(7, [1, 2, 3]));
    expect(collect(leaveChecksum(datagram, 40, 17), UDP_LEFT)).toEqual([datagram]);
  });

  it("cuts a large frame into segments with lengths, numbers, flags and checksums of their own", () => {
    const frame = large(3 * 1460 + 100);
    const segments = collect(frame, { ...TCP_LEFT, segmentSize: 1460 });
    const headers = segments.map(read);
    expect(headers.map(({ data }) => data.length)).toEqual([1460, 1460, 1460, 100]);
    expect(headers.map(({ length }) => length)).toEqual([1500, 1500, 1500, 140]);
    expect(headers.map(({ sequence }) => sequence)).toEqual(
      [0, 1, 2, 3].map((index) => (0xfffffff0 + index * 1460) % 2 ** 32),
    );
    expect(headers.map(({ identification }) => identification)).toEqual([0x1234, 0x1235, 0x1236, 0x1237]);
    // FIN and PSH are the last one's.
    expect(headers.map(({ flags }) => flags)).toEqual([0x10, 0x10, 0x10, 0x19]);
    expect(headers.flatMap(({ data }) => data)).toEqual(data(3 * 1460 + 100));
  });

  it("sets CWR in the first segment only (RFC 3168 section 6.1.2)", () => {
    const segments = collect(large(3000, 7, "CPA"), { ...TCP_LEFT, segmentSize: 1460 });
    expect(segments.map((one) => read(one).flags)).toEqual([0x90, 0x10, 0x18]);
  });

  it("makes the same of two parts as of one, wherever they are cut", () => {
    const frame = large(2000);
    const offload = { ...TCP_LEFT, segmentSize: 700 };
    const whole = collect(frame, offload);
    for (const cut of [54, 55, 753, 754, 755, 1454, 2000, 2054]) {
      expect(collect(frame.subarray(0, cut), offload, frame.subarray(cut))).toEqual(whole);
    }
    expect(new WireFrames().count(frame, offload, NO_TAIL)).toBe(whole.length);
    expect(new WireFrames().count(frame, TCP_LEFT, NO_TAIL)).toBe(1);
  });

  it("cuts behind a VLAN tag", () => {
    const frame = large(2000);
    const tagged = Uint8Array.from([...frame.subarray(0, 12), 0x81, 0, 0, 5, ...frame.subarray(12)]);
    const segments = collect(tagged, { checksumStart: 38, checksumOffset: 16, segmentSize: 1000 });
    expect(segments.length).toBe(2);
    for (const segment of segments) {
      read(Uint8Array.from([...segment.subarray(0, 12), ...segment.subarray(16)]));
    }
  });
});

function machine() {
  const router = new FakeRouter();
  const peer = new InPagePeer({ router, clock: new FakeClock() });
  const received: { frame: Uint8Array; segmentSize: number; left: boolean; verified: boolean }[] = [];
  peer.receive = (frame, offload = NO_OFFLOAD, tail = NO_TAIL) => {
    const whole = Uint8Array.from([...frame, ...tail]);
    received.push({
      frame: whole,
      segmentSize: offload.segmentSize,
      left: offload.checksumStart !== 0,
      verified: offload.verified ?? false,
    });
  };
  const captured: { frame: Uint8Array; direction: string }[] = [];
  peer.addTap((frame, direction) => captured.push({ frame: frame.slice(), direction }));
  /** Opens a connection to a port; sequence numbers of both sides after that. */
  const connect = (port: number): number => {
    peer.send(tcpFrame(port, { sequence: 0xffffffef, flags: "S", options: [2, 4, 5, 180, 1, 3, 3, 7] }));
    const answer = received.at(-1)?.frame ?? new Uint8Array(60);
    return new DataView(answer.buffer).getUint32(38) + 1;
  };
  return { peer, router, received, captured, connect };
}

describe("InPagePeer with offloads", () => {
  it("takes TCP and UDP whose checksums are left to it", () => {
    const { peer, received, connect } = machine();
    peer.send(leaveChecksum(ipv4(17, udp(7, [1, 2, 3])), 40, 17), UDP_LEFT);
    expect(readUdp(received[0]?.frame ?? new Uint8Array(0)).data).toEqual([1, 2, 3]);
    const acknowledgement = connect(7);
    const frame = tcpFrame(7, { sequence: 0xfffffff0, acknowledgement, flags: "PA", data: [4, 5] });
    peer.send(leaveChecksum(frame, 50, 6), TCP_LEFT);
    expect(readTcp(received.at(-1)?.frame ?? new Uint8Array(0)).data).toEqual([4, 5]);
    expect(peer.counters.dropped).toBe(0);
  });

  it("still verifies a checksum that is not left to it", () => {
    const { peer } = machine();
    peer.send(leaveChecksum(ipv4(17, udp(7, [1, 2, 3])), 40, 17));
    expect(peer.counters.dropReasons).toEqual({ "bad UDP checksum": 1 });
  });

  it("takes a large segment at once, and a capture shows it as a wire would carry it", () => {
    const { peer, received, captured, connect } = machine();
    const acknowledgement = connect(9);
    const before = captured.length;
    const segment = tcp(9, { sequence: 0xfffffff0, acknowledgement, flags: "PA", data: data(20_000) });
    peer.send(leaveChecksum(ipv4(6, segment), 50, 6), { ...TCP_LEFT, segmentSize: 1460 });
    expect(peer.counters.services.discard).toMatchObject({ bytes: 20_000 });
    // One acknowledgement for all of it.
    expect(readTcp(received.at(-1)?.frame ?? new Uint8Array(0)).acknowledgement).toBe(
      (0xfffffff0 + 20_000) % 2 ** 32,
    );
    const shown = captured.slice(before).filter(({ direction }) => direction === "from-guest");
    expect(shown.flatMap(({ frame }) => read(frame).data)).toEqual(data(20_000));
    expect(Math.max(...shown.map(({ frame }) => frame.length))).toBe(1514);
  });

  it("sends large segments without checksums when the guest takes them, small ones whole when it does not", () => {
    for (const takes of [true, false]) {
      const { peer, received, captured, connect } = machine();
      peer.setReceiveOffloads({ checksum: takes, segmentation: takes });
      const acknowledgement = connect(19);
      received.length = 0;
      captured.length = 0;
      const request = [..."10000\n"].map((letter) => letter.charCodeAt(0));
      peer.send(
        tcpFrame(19, { sequence: 0xfffffff0, acknowledgement, window: 500, flags: "PA", data: request }),
      );
      const [first] = received;
      expect([first?.segmentSize, first?.left]).toEqual([takes ? 1460 : 0, takes]);
      expect(received.length).toBe(takes ? 1 : 7);
      const shown = captured.filter(({ direction }) => direction === "to-guest");
      expect(shown.flatMap(({ frame }) => read(frame).data)).toEqual(
        Array.from({ length: 10_000 }, (_, k) => (k % 32768) & 0xff),
      );
    }
  });

  it("says that a short answer's checksum is right, having computed it", () => {
    const { peer, received, connect } = machine();
    peer.setReceiveOffloads({ checksum: true, segmentation: true });
    peer.send(ipv4(17, udp(7, [1, 2, 3])));
    expect(received[0]).toMatchObject({ verified: true, left: false });
    expect(readUdp(received[0]?.frame ?? new Uint8Array(0)).data).toEqual([1, 2, 3]);
    const acknowledgement = connect(7);
    peer.send(tcpFrame(7, { sequence: 0xfffffff0, acknowledgement, flags: "PA", data: [4, 5] }));
    expect(received.at(-1)).toMatchObject({ verified: true, left: false });
    expect(readTcp(received.at(-1)?.frame ?? new Uint8Array(0)).data).toEqual([4, 5]);
  });

  it("hands bulk over where it lies: all parts are of the connection's own buffer, none is a copy", () => {
    const { peer, connect } = machine();
    peer.setReceiveOffloads({ checksum: true, segmentation: true });
    const acknowledgement = connect(19);
    const heads = new Set<ArrayBufferLike>();
    const tails: Uint8Array[] = [];
    peer.receive = (frame, _offload, tail = NO_TAIL) => {
      heads.add(frame.buffer);
      if (tail.length > 0) tails.push(tail);
    };
    const request = [..."200000\n"].map((letter) => letter.charCodeAt(0));
    peer.send(
      tcpFrame(19, { sequence: 0xfffffff0, acknowledgement, window: 30_000, flags: "PA", data: request }),
    );
    expect([heads.size, new Set(tails.map(({ buffer }) => buffer)).size]).toEqual([1, 1]);
    expect(tails.length).toBeGreaterThan(2);
    // One behind the other in that buffer.
    tails.slice(1).forEach((tail, i) => {
      const before = tails[i] ?? NO_TAIL;
      expect(tail.byteOffset).toBe(before.byteOffset + before.length);
    });
  });

  it("gives the router what a wire would bring", () => {
    const { peer, router } = machine();
    const destination = [10, 0, 2, 3];
    router.frames.length = 0;
    const seen: Uint8Array[] = [];
    router.send = (frame) => void seen.push(frame.slice());
    peer.send(large(4000, 7, "PA", destination), { ...TCP_LEFT, segmentSize: 1460 });
    expect(seen.flatMap((frame) => read(frame).data)).toEqual(data(4000));
    expect(seen.length).toBe(3);
    const datagram = ipv4(17, udp(8, [1], { destination }), { destination });
    peer.send(leaveChecksum(datagram, 40, 17), UDP_LEFT);
    expect(seen.at(-1)).toEqual(datagram);
  });

  it("completes a checksum of something inside of a packet, and judges the frame after that", () => {
    const { peer, received } = machine();
    // An echo whose last two bytes are to be a checksum over the last six.
    const frame = ipv4(17, udp(7, [0, 1, 0, 2, 0, 0], { withChecksum: false }));
    peer.send(frame, { checksumStart: 42, checksumOffset: 4, segmentSize: 0 });
    expect(readUdp(received[0]?.frame ?? new Uint8Array(0)).data).toEqual([0, 1, 0, 2, 0xff, 0xfc]);
    // One that would lie in the IPv4 header makes a bad one of it.
    peer.send(ipv4(17, udp(7, [1])), { checksumStart: 14, checksumOffset: 12, segmentSize: 0 });
    expect(peer.counters.dropped).toBe(1);
    peer.send(ipv4(17, udp(7, data(2000))), { ...UDP_LEFT, segmentSize: 1000 });
    expect(peer.counters.dropReasons).toEqual({
      "bad IPv4 header checksum": 1,
      "segments of what is not TCP": 1,
    });
  });

  it("spares the making of frames for a tap that skips them", () => {
    const { peer } = machine();
    const counts: number[] = [];
    peer.addTap(
      () => {
        throw new Error("shown");
      },
      {
        skip: (frames) => {
          counts.push(frames);
          return true;
        },
      },
    );
    peer.send(large(4000), { ...TCP_LEFT, segmentSize: 1460 });
    expect(counts[0]).toBe(3);
  });
});
