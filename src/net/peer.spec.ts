import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FrameDirection, InPagePeer, MAX_CONNECTIONS, MAX_QUEUED } from "./peer.ts";
import { ethernet, FakeRouter, ipv4, readUdp, tcp, udp } from "./testing/fakes.ts";

function machine() {
  const router = new FakeRouter();
  const log: string[] = [];
  const peer = new InPagePeer({ router, status: () => "counters\n", log: (line) => log.push(line) });
  const received: Uint8Array[] = [];
  // As the device does: the frame is the peer's again after the call.
  peer.receive = (frame) => received.push(frame.slice());
  return { router, peer, received, log };
}

const ARP_REQUEST = ethernet(
  0x0806,
  [0, 1, 8, 0, 6, 4, 0, 1, ...Array.from({ length: 20 }, () => 0)],
  [255, 255, 255, 255, 255, 255],
);

describe("InPagePeer and datagrams", () => {
  it("answers UDP echo within send, ports and addresses turned round", () => {
    const { peer, received, router } = machine();
    peer.send(ipv4(17, udp(7, [1, 2, 3])));
    expect(received.length).toBe(1);
    expect(readUdp(received[0] ?? new Uint8Array(0))).toEqual({
      sourcePort: 7,
      destinationPort: 4000,
      data: [1, 2, 3],
    });
    expect(router.frames).toEqual([]);
  });

  it("answers udp_rr, and again without a trace of the answer before", () => {
    const { peer, received } = machine();
    const request = [0x44, 0x42, 0x52, 0x55, 9, 0, 0, 0, 20, 0, 0, 0];
    peer.send(
      ipv4(
        17,
        udp(
          7,
          Array.from({ length: 500 }, () => 0xff),
        ),
      ),
    );
    peer.send(ipv4(17, udp(12865, request)));
    expect(readUdp(received[1] ?? new Uint8Array(0)).data).toEqual([
      ...request.slice(0, 8),
      ...Array.from({ length: 12 }, () => 0),
    ]);
  });

  it("says nothing to discard, and counts at each service", () => {
    const { peer, received } = machine();
    peer.send(ipv4(17, udp(9, [1, 2])));
    expect(received).toEqual([]);
    expect(peer.counters.services.discard).toMatchObject({ datagrams: 1, bytes: 2 });
    expect(peer.counters.dropped).toBe(0);
  });

  it("gives other ports and other destinations to the router", () => {
    const { peer, router, received } = machine();
    const frames = [
      ipv4(17, udp(8, [1])),
      ipv4(17, udp(7, [1], { destination: [10, 0, 2, 3] }), { destination: [10, 0, 2, 3] }),
    ];
    for (const frame of frames) peer.send(frame);
    expect(router.frames).toEqual(frames);
    expect(received).toEqual([]);
  });
});

describe("InPagePeer and the router", () => {
  it("hands over ARP, ICMP and TCP as they came, and frames for the guest to the device", () => {
    const { peer, router, received } = machine();
    const frames = [ARP_REQUEST, ipv4(1, [8, 0, 0, 0, 1, 2, 3, 4]), ipv4(6, tcp(22, [1]))];
    for (const frame of frames) peer.send(frame);
    frames.forEach((frame, i) => {
      expect(router.frames[i]).toBe(frame);
    });
    router.toGuest(Uint8Array.of(1, 2, 3));
    expect(received).toEqual([Uint8Array.of(1, 2, 3)]);
    expect(peer.counters).toMatchObject({ framesFromGuest: 3, framesToGuest: 1, dropped: 0 });
  });

  it("gives the router a copy of the frames that it may keep: TCP port 80 and DNS", () => {
    const { peer, router } = machine();
    const frames = [
      ipv4(6, tcp(80, [1, 2])),
      ipv4(17, udp(53, [1, 2])),
      ipv4(17, udp(9999, [1], { sourcePort: 53 })),
    ];
    for (const frame of frames) {
      const before = frame.slice();
      peer.send(frame);
      frame.fill(0);
      expect(router.frames.at(-1)).toEqual(before);
    }
  });

  it("survives a router that throws, and counts the frame", () => {
    const { peer, router } = machine();
    router.error = new RangeError("offset is out of bounds");
    peer.send(ARP_REQUEST);
    expect(peer.counters.dropReasons).toEqual({ "refused by the router": 1 });
  });

  it("works without a router: UDP is answered, the rest counted", () => {
    const peer = new InPagePeer();
    let answers = 0;
    peer.receive = () => answers++;
    peer.send(ipv4(17, udp(7, [])));
    peer.send(ARP_REQUEST);
    expect(answers).toBe(1);
    expect(peer.counters.dropReasons).toEqual({ "no router": 1 });
  });

  it("counts frames for the guest when no device takes them, or the device fails", () => {
    const { peer, router } = machine();
    peer.receive = () => {
      throw new Error("broken");
    };
    router.toGuest(new Uint8Array(60));
    peer.send(ipv4(17, udp(7, [])));
    delete peer.receive;
    router.toGuest(new Uint8Array(60));
    expect(peer.counters.dropReasons).toEqual({ "not taken by the device": 2, "no receiver": 1 });
    expect(peer.counters.framesToGuest).toBe(0);
  });
});

describe("InPagePeer and hostile frames", () => {
  it("drops what cannot be what it claims, counts it by reason and logs each reason once", () => {
    const { peer, router, received, log } = machine();
    const cases: [Uint8Array, string][] = [
      [new Uint8Array(0), "frame too short"],
      [new Uint8Array(13), "frame too short"],
      [ethernet(0x0800, tcp(80), [2, 0, 0, 0, 0, 1]), "not for the peer"],
      [ethernet(0x86dd, [1, 2, 3]), "EtherType not served"],
      [ethernet(0x0806, [0, 1, 8, 0]), "ARP packet too short"],
      [ethernet(0x0800, [0x45]), "IPv4 packet too short"],
      [ipv4(17, [0, 7]), "UDP datagram too short"],
      [ipv4(6, [0, 7]), "TCP segment too short"],
      [ipv4(17, udp(7, [1]), { fragment: 0x2000 }), "IPv4 fragment"],
    ];
    for (const [frame, reason] of cases) {
      const before = peer.counters.dropReasons[reason] ?? 0;
      peer.send(frame);
      expect(peer.counters.dropReasons[reason]).toBe(before + 1);
    }
    expect(peer.counters.dropped).toBe(cases.length);
    expect(router.frames).toEqual([]);
    expect(received).toEqual([]);
    expect(log.length).toBe(new Set(cases.map(([, reason]) => reason)).size);
  });

  it("never throws, whatever the bytes", () => {
    const { peer } = machine();
    const seeds = [
      ARP_REQUEST,
      ipv4(6, tcp(80, [1, 2, 3])),
      ipv4(17, udp(7, [1, 2, 3])),
      ipv4(17, udp(12865, Array(40).fill(1))),
    ];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        peer.send(bytes);
      }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 4 }),
        fc.nat(60),
        (seed, changes, cut) => {
          const frame = seed.slice(0, Math.max(0, seed.length - cut));
          for (const [offset, value] of changes) if (offset < frame.length) frame[offset] = value;
          peer.send(frame);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("InPagePeer and captures", () => {
  it("shows every frame with its direction, the request before its answer, until the tap is removed", () => {
    const { peer, router } = machine();
    const seen: [number, FrameDirection][] = [];
    const remove = peer.addTap((frame, direction) => seen.push([frame.length, direction]));
    peer.send(ipv4(17, udp(7, [1, 2, 3])));
    peer.send(new Uint8Array(3));
    router.toGuest(new Uint8Array(60));
    expect(seen).toEqual([
      [45, "from-guest"],
      [45, "to-guest"],
      [3, "from-guest"],
      [60, "to-guest"],
    ]);
    remove();
    remove();
    peer.send(new Uint8Array(3));
    expect(seen.length).toBe(4);
  });

  it("ends a tap that throws and goes on", () => {
    const { peer, received } = machine();
    let calls = 0;
    peer.addTap(() => {
      calls++;
      throw new Error("full");
    });
    peer.send(ipv4(17, udp(7, [1])));
    expect(calls).toBe(1);
    expect(received.length).toBe(1);
  });
});

describe("InPagePeer and connections", () => {
  it("accepts connections to its services and refuses others", () => {
    const { peer, router } = machine();
    for (const port of [7, 9, 8080, 12865]) expect(router.connect(port).accepted).toBe(true);
    for (const port of [22, 80, 0]) expect(router.connect(port).accepted).toBe(false);
    expect(peer.counters).toMatchObject({
      openConnections: 4,
      acceptedConnections: 4,
      refusedConnections: 3,
    });
  });

  it("joins a connection to its service: the status page, then the end", () => {
    const { peer, router } = machine();
    const connection = router.connect(8080);
    connection.fromGuest(new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
    expect(new TextDecoder().decode(Uint8Array.from(connection.sent))).toMatch(
      /^HTTP\/1\.1 200 .*counters\n$/s,
    );
    expect(connection.closed).toBe(true);
    // It counts as open until the router says that it is gone.
    expect(peer.counters.openConnections).toBe(1);
    connection.gone();
    expect(peer.counters.openConnections).toBe(0);
  });

  it("closes its side when the guest has ended its own, and delivers nothing after that", () => {
    const { router } = machine();
    const connection = router.connect(7);
    connection.fromGuest(Uint8Array.of(1));
    connection.guestEnds();
    expect(connection.closed).toBe(true);
    connection.fromGuest(Uint8Array.of(2));
    expect(connection.sent).toEqual([1]);
  });

  it("aborts a connection whose guest does not read, before more than the bound waits", () => {
    const { peer, router } = machine();
    const connection = router.connect(7);
    connection.guestReads = false;
    const piece = new Uint8Array(1460);
    for (let i = 0; i < 1000 && !connection.aborted; i++) {
      connection.fromGuest(piece);
      expect(connection.queued).toBeLessThanOrEqual(MAX_QUEUED);
    }
    expect(connection.aborted).toBe(true);
    expect(connection.sent.length).toBeGreaterThan(MAX_QUEUED - piece.length);
    expect(peer.counters).toMatchObject({ abortedConnections: 1, openConnections: 0 });
  });

  it("does not let one small segment ask for more than the bound", () => {
    const { router } = machine();
    const connection = router.connect(12865);
    connection.guestReads = false;
    // Requests of one byte, responses of 65536.
    connection.fromGuest(Uint8Array.of(0x44, 0x42, 0x52, 0x52, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0));
    connection.fromGuest(Uint8Array.from({ length: 1460 }, (_, k) => k % 251));
    expect(connection.aborted).toBe(true);
    expect(connection.sent.length).toBe(MAX_QUEUED);
  });

  it("refuses more connections than its bound, until one is gone", () => {
    const { peer, router } = machine();
    const open = Array.from({ length: MAX_CONNECTIONS }, () => router.connect(7));
    expect(open.every((connection) => connection.accepted)).toBe(true);
    expect(router.connect(7).accepted).toBe(false);
    open[5]?.gone();
    expect(router.connect(7).accepted).toBe(true);
    expect(peer.counters).toMatchObject({ openConnections: MAX_CONNECTIONS, refusedConnections: 1 });
  });

  it("makes room by aborting the oldest connection that only waits for the guest to agree to its end", () => {
    const { router, peer } = machine();
    const open = Array.from({ length: MAX_CONNECTIONS }, () => router.connect(7));
    open[9]?.guestEnds();
    open[3]?.guestEnds();
    expect(router.connect(7).accepted).toBe(true);
    expect(open.filter((connection) => connection.aborted)).toEqual([open[3]]);
    expect(router.connect(7).accepted).toBe(true);
    expect(router.connect(7).accepted).toBe(false);
    expect(peer.counters.abortedConnections).toBe(2);
  });
});
