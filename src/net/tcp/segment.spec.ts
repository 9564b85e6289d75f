import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeIpv4, emptyIpv4 } from "../packets.ts";
import { ipv4, readTcp, type Tcp, tcp, tcpFrame } from "../testing/fakes.ts";
import {
  ACK,
  advance,
  decodeTcp,
  distance,
  emptyTcp,
  encodeTcp,
  FIN,
  NO_WINDOW_SHIFT,
  PSH,
  SYN,
  sequenceLength,
  TCP_DATA,
  type TcpHeader,
} from "./segment.ts";

function decode(frame: Uint8Array, verifyChecksum = true) {
  const packet = emptyIpv4();
  const segment = emptyTcp();
  const problem = decodeIpv4(frame, packet) ?? decodeTcp(frame, packet, segment, verifyChecksum);
  return { problem, segment };
}

function decodeOptions(options: number[], flags = "S") {
  const { problem, segment } = decode(tcpFrame(7, { flags, options }));
  expect(problem).toBeUndefined();
  return { mss: segment.mss, windowShift: segment.windowShift };
}

const HEADER: TcpHeader = {
  sourceMac: Uint8Array.of(0x52, 0x55, 0x0a, 0, 2, 2),
  destinationMac: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56),
  source: 0x0a000202,
  destination: 0x0a00020f,
  sourcePort: 7,
  destinationPort: 50000,
  sequence: 0xfffffff0,
  acknowledgement: 0x80000001,
  flags: ACK | PSH,
  window: 0xfffe,
  mss: 1460,
  windowShift: 3,
};

const NONE = { mss: 0, windowShift: NO_WINDOW_SHIFT };

describe("sequence numbers", () => {
  it("wrap at 2^32, forwards and backwards", () => {
    expect(advance(0xffffffff, 1)).toBe(0);
    expect(advance(0xfffffff0, 0x20)).toBe(0x10);
    expect(distance(0xfffffff0, 0x10)).toBe(0x20);
    expect(distance(0x10, 0xfffffff0)).toBe(-0x20);
    expect(distance(5, 5)).toBe(0);
  });

  it("measure any step below 2^31 the same from any start", () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.integer({ min: -0x7fffffff, max: 0x7fffffff }), (start, step) => {
        const end = advance(start, step);
        expect(distance(start, end)).toBe(step);
        expect(end).toBeGreaterThanOrEqual(0);
        expect(end).toBeLessThan(2 ** 32);
      }),
    );
  });
});

describe("decodeTcp", () => {
  it("finds everything, of data of even and odd length, behind options", () => {
    for (const data of [[], [1], [1, 2], [1, 2, 3]]) {
      const frame = tcpFrame(12865, {
        sourcePort: 65535,
        sequence: 0xffffffff,
        acknowledgement: 0x80000000,
        flags: "FPA",
        window: 65535,
        options: [1, 1, 1, 0],
        data,
      });
      const { problem, segment } = decode(frame);
      expect(problem).toBeUndefined();
      expect(segment).toEqual({
        sourcePort: 65535,
        destinationPort: 12865,
        sequence: 0xffffffff,
        acknowledgement: 0x80000000,
        flags: FIN | PSH | ACK,
        window: 65535,
        data: 58,
        end: 58 + data.length,
        ...NONE,
      });
      expect(sequenceLength(segment)).toBe(data.length + 1);
    }
  });

  it("counts SYN and FIN as one sequence number each", () => {
    for (const [flags, length] of [
      ["A", 2],
      ["S", 3],
      ["FA", 3],
      ["SF", 4],
    ] as const) {
      expect(sequenceLength(decode(tcpFrame(7, { flags, data: [1, 2] })).segment)).toBe(length);
    }
  });

  it("says what is wrong, and looks away from the checksum when told so", () => {
    const good = tcpFrame(7, { data: [1, 2, 3] });
    const bad = good.slice();
    bad[bad.length - 1] = 9;
    expect(decode(good).problem).toBeUndefined();
    expect(decode(bad).problem).toBe("bad TCP checksum");
    expect(decode(bad, false).problem).toBeUndefined();
    expect(decode(ipv4(6, tcp(7).slice(0, 19))).problem).toBe("TCP segment too short");
    // The pseudo header is covered: another destination is another checksum.
    expect(decode(ipv4(6, tcp(7, {}, [10, 0, 2, 3]))).problem).toBe("bad TCP checksum");
  });

  it("reads maximum segment size and window scale from a SYN", () => {
    expect(decodeOptions([2, 4, 5, 180, 1, 3, 3, 7])).toEqual({ mss: 1460, windowShift: 7 });
    expect(decodeOptions([4, 2, 1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0])).toEqual({
      mss: 0,
      windowShift: 0,
    });
    expect(decodeOptions([])).toEqual(NONE);
    expect(decodeOptions([2, 4, 5, 180], "A")).toEqual(NONE);
  });

  it("uses a window shift above 14 as 14 (RFC 7323 section 2.3 MUST)", () => {
    expect(decodeOptions([3, 3, 15, 0]).windowShift).toBe(14);
    expect(decodeOptions([3, 3, 255, 0]).windowShift).toBe(14);
  });

  it("stops at options that cannot be, and keeps what came before", () => {
    expect(decodeOptions([0, 2, 4, 5])).toEqual(NONE);
    expect(decodeOptions([2, 4, 5, 180, 3, 0, 7, 0])).toEqual({ ...NONE, mss: 1460 });
    expect(decodeOptions([2, 4, 5, 180, 3, 1, 7, 0])).toEqual({ ...NONE, mss: 1460 });
    expect(decodeOptions([1, 1, 1, 3])).toEqual(NONE);
    expect(decodeOptions([1, 1, 3, 3])).toEqual(NONE);
    expect(decodeOptions([2, 3, 5, 0])).toEqual(NONE);
    expect(decodeOptions([3, 4, 5, 0])).toEqual(NONE);
  });

  it("finds data inside of the segment, whatever the bytes", () => {
    const packet = emptyIpv4();
    const segment = emptyTcp();
    const sound = tcpFrame(7, { options: [2, 4, 5, 180, 1, 3, 3, 7], data: [1, 2, 3] });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 34, max: 64 }), fc.nat(255)), { maxLength: 6 }),
        (changes) => {
          const frame = sound.slice();
          for (const [offset, value] of changes) frame[offset] = value;
          expect(decodeIpv4(frame, packet)).toBeUndefined();
          if (decodeTcp(frame, packet, segment, false) !== undefined) return;
          expect(segment.data).toBeGreaterThanOrEqual(54);
          expect(segment.data).toBeLessThanOrEqual(segment.end);
          expect(segment.end).toBe(frame.length);
          expect(segment.windowShift).toBeLessThanOrEqual(14);
        },
      ),
    );
  });
});

describe("encodeTcp", () => {
  it("writes frames that an independent reader accepts, whatever was in the buffer before", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1460 }), fc.nat(255), (data, dirt) => {
        const frame = new Uint8Array(1514).fill(dirt);
        frame.set(data, TCP_DATA);
        const expected: Tcp = {
          sourcePort: 7,
          destinationPort: 50000,
          sequence: 0xfffffff0,
          acknowledgement: 0x80000001,
          flags: "PA",
          window: 0xfffe,
          options: [],
          data: [...data],
        };
        expect(readTcp(frame.subarray(0, encodeTcp(frame, HEADER, data.length, true)))).toEqual(expected);
      }),
    );
  });

  it("writes options with SYN only, the window scale only when there is one", () => {
    const frame = new Uint8Array(100).fill(0xee);
    const syn = { ...HEADER, flags: SYN | ACK };
    expect(readTcp(frame.subarray(0, encodeTcp(frame, syn, 0, true)))).toMatchObject({
      flags: "SA",
      options: [2, 4, 5, 180, 1, 3, 3, 3],
      data: [],
    });
    const plain = { ...syn, windowShift: NO_WINDOW_SHIFT };
    expect(readTcp(frame.subarray(0, encodeTcp(frame, plain, 0, true))).options).toEqual([2, 4, 5, 180]);
  });

  it("leaves the acknowledgement number 0 without ACK, and the pseudo header's sum for a checksum when told so", () => {
    const frame = new Uint8Array(100).fill(0xee);
    encodeTcp(frame, { ...HEADER, flags: SYN }, 0, true);
    expect([...frame.subarray(42, 46)]).toEqual([0, 0, 0, 0]);
    encodeTcp(frame, HEADER, 10, false);
    // 10.0.2.2 + 10.0.2.15 + protocol 6 + 30 bytes of segment (RFC 9293 section 3.1), and no urgent pointer.
    const pseudo = 0x0a00 + 0x0202 + 0x0a00 + 0x020f + 6 + 30;
    expect([...frame.subarray(50, 54)]).toEqual([pseudo >> 8, pseudo & 0xff, 0, 0]);
  });
});
