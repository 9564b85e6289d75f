import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkTcp,
  decodeIpv4,
  decodeUdp,
  emptyIpv4,
  emptyUdp,
  encodeUdp,
  internetSum,
  pseudoHeaderSum,
  UDP_DATA,
} from "./packets.ts";
import { checksum, ethernet, ipv4, readUdp, tcp, udp } from "./testing/fakes.ts";

/** The frame with one byte changed. */
function withByte(frame: Uint8Array, offset: number, value: number): Uint8Array {
  const changed = frame.slice();
  changed[offset] = value;
  return changed;
}

/** The frame with a header byte changed and the IPv4 checksum made right again. */
function withHeaderByte(frame: Uint8Array, offset: number, value: number): Uint8Array {
  const changed = withByte(withByte(withByte(frame, offset, value), 24, 0), 25, 0);
  const length = ((changed[14] ?? 0) & 15) * 4;
  const sum = checksum([...changed.subarray(14, 14 + length)]);
  return withByte(withByte(changed, 24, sum >> 8), 25, sum & 0xff);
}

function udpProblem(frame: Uint8Array): string | undefined {
  const packet = emptyIpv4();
  return decodeIpv4(frame, packet) ?? decodeUdp(frame, packet, emptyUdp());
}

describe("internetSum", () => {
  it("gives the sum of the example in RFC 1071 section 3", () => {
    const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(internetSum(bytes, 0, bytes.length)).toBe(0xddf2);
  });

  it("counts an odd last byte as the upper half of a word, at any alignment", () => {
    expect(internetSum(Uint8Array.of(9, 1, 2, 3, 9), 1, 4)).toBe(0x0102 + 0x0300);
    expect(internetSum(new Uint8Array(0), 0, 0, 7)).toBe(7);
  });

  it("gives the same sum word by word, for every length and alignment", () => {
    const bytes = Uint8Array.from({ length: 320 }, (_, i) => (i * 151 + 77) & 0xff).subarray(3);
    for (let start = 0; start < 9; start++) {
      for (let end = start; end < 300; end++) {
        let sum = 7;
        for (let i = start; i < end; i++) sum += (bytes[i] ?? 0) << ((i - start) % 2 === 0 ? 8 : 0);
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
        expect(internetSum(bytes, start, end, 7)).toBe(sum);
      }
    }
  });

  it("does not overflow on the longest packet there can be", () => {
    expect(
      internetSum(
        new Uint8Array(65535).fill(0xff),
        0,
        65534,
        pseudoHeaderSum(0xffffffff, 0xffffffff, 255, 65535),
      ),
    ).toBe(0xff);
  });
});

describe("decodeIpv4", () => {
  it("finds protocol, addresses and payload, also behind options and before padding", () => {
    const packet = emptyIpv4();
    const frame = ipv4(99, [1, 2, 3], { options: [1, 1, 1, 0], destination: [192, 168, 0, 1] });
    const padded = new Uint8Array(60);
    padded.set(frame);
    expect(decodeIpv4(padded, packet)).toBeUndefined();
    expect(packet).toEqual({
      protocol: 99,
      source: 0x0a00020f,
      destination: 0xc0a80001,
      payload: 14 + 24,
      end: 14 + 24 + 3,
    });
  });

  it("says what is wrong with a header", () => {
    const good = ipv4(99, [1, 2, 3]);
    const cases: [Uint8Array, string][] = [
      [ethernet(0x0800, []), "IPv4 packet too short"],
      [good.subarray(0, 33), "IPv4 packet too short"],
      [withByte(good, 14, 0x65), "bad IPv4 header"],
      [withByte(good, 14, 0x44), "bad IPv4 header"],
      // Header longer than the packet.
      [withByte(good, 14, 0x4f), "bad IPv4 length"],
      // Packet longer than the frame, and shorter than its own header.
      [withByte(good, 17, 24), "bad IPv4 length"],
      [withByte(good, 17, 19), "bad IPv4 length"],
      [withByte(good, 22, 63), "bad IPv4 header checksum"],
      [ipv4(99, [1], { fragment: 0x2000 }), "IPv4 fragment"],
      [ipv4(99, [1], { fragment: 0x0001 }), "IPv4 fragment"],
    ];
    for (const [frame, problem] of cases) expect(decodeIpv4(frame, emptyIpv4())).toBe(problem);
    expect(decodeIpv4(good, emptyIpv4())).toBeUndefined();
  });
});

describe("decodeUdp", () => {
  it("finds ports and data, with a checksum and without one, of even and odd length", () => {
    for (const data of [[], [1], [1, 2], [1, 2, 3]]) {
      for (const withChecksum of [true, false]) {
        const frame = ipv4(17, udp(7, data, { withChecksum }));
        const packet = emptyIpv4();
        const datagram = emptyUdp();
        expect(decodeIpv4(frame, packet)).toBeUndefined();
        expect(decodeUdp(frame, packet, datagram)).toBeUndefined();
        expect(datagram).toEqual({ sourcePort: 4000, destinationPort: 7, data: 42, end: 42 + data.length });
      }
    }
  });

  it("says what is wrong with a datagram", () => {
    const good = ipv4(17, udp(7, [1, 2, 3]));
    expect(udpProblem(good)).toBeUndefined();
    expect(udpProblem(ipv4(17, udp(7, []).slice(0, 7)))).toBe("UDP datagram too short");
    expect(udpProblem(withByte(good, 39, 7))).toBe("bad UDP length");
    expect(udpProblem(withByte(good, 39, 12))).toBe("bad UDP length");
    expect(udpProblem(withByte(good, 43, 9))).toBe("bad UDP checksum");
    // The pseudo header is covered: another sender is another checksum.
    expect(udpProblem(withHeaderByte(good, 29, 16))).toBe("bad UDP checksum");
  });
});

describe("checkTcp", () => {
  it("says what is wrong with a segment's lengths", () => {
    const problem = (frame: Uint8Array) => {
      const packet = emptyIpv4();
      return decodeIpv4(frame, packet) ?? checkTcp(frame, packet);
    };
    const good = ipv4(6, tcp(80, { data: [1] }));
    expect(problem(good)).toBeUndefined();
    expect(problem(ipv4(6, tcp(80).slice(0, 19)))).toBe("TCP segment too short");
    expect(problem(withByte(good, 46, 0x40))).toBe("bad TCP header length");
    expect(problem(withByte(good, 46, 0x60))).toBe("bad TCP header length");
  });
});

describe("encodeUdp", () => {
  const ends = {
    sourceMac: Uint8Array.of(0x52, 0x55, 0x0a, 0, 2, 2),
    destinationMac: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56),
    source: 0x0a000202,
    destination: 0x0a00020f,
    sourcePort: 7,
    destinationPort: 50000,
  };

  it("writes frames that an independent reader accepts, whatever was in the buffer before", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1472 }), fc.nat(255), (data, dirt) => {
        const frame = new Uint8Array(1514).fill(dirt);
        frame.set(data, UDP_DATA);
        const read = readUdp(frame.subarray(0, encodeUdp(frame, ends, data.length)));
        expect(read).toEqual({ sourcePort: 7, destinationPort: 50000, data: [...data] });
      }),
    );
  });

  it("sends a checksum that comes out as zero as 0xffff (RFC 768 MUST: zero means none)", () => {
    const frame = new Uint8Array(UDP_DATA + 2);
    encodeUdp(frame, ends, 2);
    // Data equal to the checksum over zeros make the sum 0xffff, whose complement is 0.
    frame.set(frame.subarray(40, 42), UDP_DATA);
    encodeUdp(frame, ends, 2);
    expect([...frame.subarray(40, 42)]).toEqual([0xff, 0xff]);
    expect(udpProblem(frame)).toBeUndefined();
  });
});

describe("hostile bytes", () => {
  it("decode to an answer or a reason and nothing read lies outside of the frame", () => {
    const packet = emptyIpv4();
    const datagram = emptyUdp();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 14, maxLength: 80 }), (bytes) => {
        if (decodeIpv4(bytes, packet) !== undefined) return;
        expect(packet.end).toBeLessThanOrEqual(bytes.length);
        expect(packet.payload).toBeLessThanOrEqual(packet.end);
        checkTcp(bytes, packet);
        if (decodeUdp(bytes, packet, datagram) !== undefined) return;
        expect(datagram.end).toBeLessThanOrEqual(packet.end);
      }),
    );
    // Sound but for single bytes: comes further than random bytes do.
    const sound = ipv4(17, udp(7, [1, 2, 3, 4, 5]));
    fc.assert(
      fc.property(fc.integer({ min: 14, max: 33 }), fc.nat(255), fc.nat(50), (offset, value, cut) => {
        const frame = withHeaderByte(sound, offset, value).slice(0, Math.max(14, sound.length - cut));
        if (decodeIpv4(frame, packet) !== undefined) return;
        expect(packet.end).toBeLessThanOrEqual(frame.length);
        if (decodeUdp(frame, packet, datagram) !== undefined) return;
        expect(datagram.end).toBeLessThanOrEqual(packet.end);
      }),
    );
  });
});
