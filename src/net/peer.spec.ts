import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FrameDirection, InPagePeer } from "./peer.ts";
import { FakeClock } from "./testing/clock.ts";
import { ethernet, FakeRouter, ipv4, readTcp, readUdp, tcp, tcpFrame, udp } from "./testing/fakes.ts";

function machine({ web = false } = {}) {
  const router = new FakeRouter();
  const log: string[] = [];
  const clock = new FakeClock();
  const peer = new InPagePeer({
    router,
    clock,
    web,
    status: () => "counters\n",
    log: (line) => log.push(line),
  });
  const received: Uint8Array[] = [];
  // As the device does: the frame is the peer's again after the call.
  peer.receive = (frame) => received.push(frame.slice());
  return { router, peer, received, log, clock };
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
  it("hands over ARP, ICMP and TCP to other addresses as they came, and frames for the guest to the device", () => {
    const { peer, router, received } = machine();
    const frames = [
      ARP_REQUEST,
      ipv4(1, [8, 0, 0, 0, 1, 2, 3, 4]),
      ipv4(6, tcp(7, {}, [10, 0, 2, 3]), { destination: [10, 0, 2, 3] }),
    ];
    for (const frame of frames) peer.send(frame);
    frames.forEach((frame, i) => {
      expect(router.frames[i]).toBe(frame);
    });
    router.toGuest(Uint8Array.of(1, 2, 3));
    expect(received).toEqual([Uint8Array.of(1, 2, 3)]);
    expect(peer.counters).toMatchObject({ framesFromGuest: 3, framesToGuest: 1, dropped: 0 });
  });

  it("gives the router a copy of the frames that it may keep: TCP port 80 and DNS", () => {
    const { peer, router } = machine({ web: true });
    const frames = [
      tcpFrame(80, { data: [1, 2] }),
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
      [withDestination(tcpFrame(7), [1, 0, 0x5e, 0, 0, 1]), "TCP to a group address"],
      [ipv4(6, [...tcp(7).slice(0, 16), 0, 0, 0, 0]), "bad TCP checksum"],
      [ipv4(6, [...tcp(80).slice(0, 16), 0, 0, 0, 0]), "bad TCP checksum"],
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
      tcpFrame(80, { data: [1, 2, 3] }),
      tcpFrame(7, { data: [1, 2, 3], options: [2, 4, 5, 180] }),
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

describe("InPagePeer and TCP", () => {
  it("accepts connections to its services within send", () => {
    const { peer, received, router } = machine();
    for (const port of [7, 9, 8080, 12865]) {
      peer.send(tcpFrame(port, { sequence: 100 }));
      expect(readTcp(received.at(-1) ?? new Uint8Array(0))).toMatchObject({
        sourcePort: port,
        destinationPort: 4000,
        flags: "SA",
        acknowledgement: 101,
      });
    }
    expect(router.frames).toEqual([]);
  });

  it("joins a connection to its service: the status page, then the end", () => {
    const { peer, received } = machine();
    peer.send(tcpFrame(8080, { sequence: 100 }));
    const { sequence } = readTcp(received[0] ?? new Uint8Array(0));
    const data = [...new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n")];
    peer.send(tcpFrame(8080, { sequence: 101, acknowledgement: sequence + 1, flags: "PA", data }));
    expect(received.length).toBe(2);
    const answer = readTcp(received[1] ?? new Uint8Array(0));
    expect(answer.flags).toBe("FPA");
    expect(new TextDecoder().decode(Uint8Array.from(answer.data))).toMatch(/^HTTP\/1\.1 200 .*counters\n$/s);
    expect(peer.counters).toMatchObject({ acceptedConnections: 1, openConnections: 1 });
    expect(peer.counters.services.status).toMatchObject({ requests: 1 });
  });

  it("refuses other ports of its own address with a reset, and counts why", () => {
    const { peer, received, router } = machine();
    for (const port of [22, 0, 65535]) {
      peer.send(tcpFrame(port, { sequence: 0xffffffff }));
      expect(readTcp(received.at(-1) ?? new Uint8Array(0))).toMatchObject({
        sourcePort: port,
        flags: "RA",
        sequence: 0,
        acknowledgement: 0,
      });
    }
    expect(router.frames).toEqual([]);
    expect(peer.counters).toMatchObject({
      refusedConnections: 3,
      refusalReasons: { "no service at that port": 3 },
      acceptedConnections: 0,
    });
  });

  it("refuses port 80 at any address with a reset as long as the guest may not reach the web", () => {
    const { peer, received, router } = machine();
    const elsewhere = [93, 184, 216, 34];
    peer.send(tcpFrame(80));
    peer.send(ipv4(6, tcp(80, {}, elsewhere), { destination: elsewhere }));
    expect(received.map((frame) => readTcp(frame).flags)).toEqual(["RA", "RA"]);
    expect([...(received[1]?.subarray(26, 30) ?? [])]).toEqual(elsewhere);
    expect(router.frames).toEqual([]);
    expect(peer.counters.refusalReasons).toEqual({ "web access is off": 2 });
    // Only what would begin a connection counts as one.
    peer.send(tcpFrame(80, { flags: "PA", data: [1] }));
    expect(peer.counters.refusedConnections).toBe(2);
  });

  it("gives port 80 to the router when the guest may reach the web", () => {
    const { peer, received, router } = machine({ web: true });
    const frame = tcpFrame(80);
    peer.send(frame);
    expect(router.frames).toEqual([frame]);
    expect(received).toEqual([]);
  });

  it("leaves nothing with the clock when it is closed", () => {
    const { peer, clock } = machine();
    peer.send(tcpFrame(7));
    expect(clock.waiting).toBe(1);
    peer.close();
    expect(clock.waiting).toBe(0);
    expect(peer.counters.openConnections).toBe(0);
  });
});

/** The frame for another MAC address. */
function withDestination(frame: Uint8Array, mac: readonly number[]): Uint8Array {
  const changed = frame.slice();
  changed.set(mac);
  return changed;
}
