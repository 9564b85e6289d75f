import { describe, expect, it } from "vitest";
import { Capture } from "./pcap.ts";

interface Block {
  type: number;
  body: DataView;
}

/** Reads a pcapng file by the draft's rules, without a word of the writer: blocks, both lengths, alignment. */
function blocks(file: Uint8Array): Block[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const found: Block[] = [];
  for (let offset = 0; offset < file.length; ) {
    const length = view.getUint32(offset + 4, true);
    expect(length % 4).toBe(0);
    expect(length).toBeGreaterThanOrEqual(12);
    expect(offset + length).toBeLessThanOrEqual(file.length);
    expect(view.getUint32(offset + length - 4, true)).toBe(length);
    found.push({
      type: view.getUint32(offset, true),
      body: new DataView(file.buffer, file.byteOffset + offset + 8, length - 12),
    });
    offset += length;
  }
  return found;
}

/** Options from `offset` of a body on: values by code. The list must end with opt_endofopt, and the body with it. */
function options(body: DataView, offset: number): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (;;) {
    const code = body.getUint16(offset, true);
    const length = body.getUint16(offset + 2, true);
    if (code === 0) {
      expect(length).toBe(0);
      expect(offset + 4).toBe(body.byteLength);
      return found;
    }
    found.set(code, new Uint8Array(body.buffer, body.byteOffset + offset + 4, length));
    offset += 4 + Math.ceil(length / 4) * 4;
  }
}

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}

function frameOf(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);
}

interface Packet {
  frame: number[];
  original: number;
  microseconds: number;
  flags: number;
}

function packets(file: Uint8Array): Packet[] {
  return blocks(file)
    .filter((block) => block.type === 6)
    .map(({ body }) => {
      expect(body.getUint32(0, true)).toBe(0);
      const captured = body.getUint32(12, true);
      const flags = options(body, 20 + Math.ceil(captured / 4) * 4).get(2);
      expect(flags?.length).toBe(4);
      return {
        frame: [...new Uint8Array(body.buffer, body.byteOffset + 20, captured)],
        original: body.getUint32(16, true),
        microseconds: body.getUint32(4, true) * 2 ** 32 + body.getUint32(8, true),
        flags: flags?.[0] ?? -1,
      };
    });
}

describe("Capture", () => {
  it("begins with a section header and one Ethernet interface in microseconds, also when it is empty", () => {
    const [section, description, statistics, ...rest] = blocks(new Capture().toPcapng());
    expect(rest).toEqual([]);
    if (section === undefined || description === undefined) throw new Error("blocks are missing");
    expect(section.type).toBe(0x0a0d0d0a);
    expect(section.body.getUint32(0, true)).toBe(0x1a2b3c4d);
    expect(section.body.getUint16(4, true)).toBe(1);
    expect(section.body.getUint16(6, true)).toBe(0);
    expect(section.body.getBigInt64(8, true)).toBe(-1n);
    expect(text(options(section.body, 16).get(4))).toBe("Doorbell");
    expect(description.type).toBe(1);
    expect(description.body.getUint16(0, true)).toBe(1);
    expect(description.body.getUint32(4, true)).toBe(0);
    const described = options(description.body, 8);
    expect(text(described.get(2))).toBe("net0");
    expect([...(described.get(9) ?? [])]).toEqual([6]);
    expect(statistics?.type).toBe(5);
  });

  it("keeps frames whole, in order, with time and direction, whatever their length modulo four", () => {
    const capture = new Capture();
    for (const length of [60, 61, 62, 63, 1514]) {
      capture.add(frameOf(length), length % 2 === 0 ? "from-guest" : "to-guest", length * 1000.7);
    }
    const read = packets(capture.toPcapng());
    expect(read.map((packet) => packet.frame)).toEqual([60, 61, 62, 63, 1514].map((n) => [...frameOf(n)]));
    expect(read.map((packet) => packet.original)).toEqual([60, 61, 62, 63, 1514]);
    expect(read.map((packet) => packet.flags)).toEqual([2, 1, 2, 1, 2]);
    expect(read.map((packet) => packet.microseconds)).toEqual([60042, 61042, 62043, 63044, 1515059]);
  });

  it("keeps times above 2^32 microseconds", () => {
    const capture = new Capture();
    capture.add(frameOf(60), "to-guest", 2 ** 32 + 5);
    expect(packets(capture.toPcapng())[0]?.microseconds).toBe(2 ** 32 + 5);
  });

  it("copies the frame: the caller's buffer may be used again", () => {
    const capture = new Capture();
    const frame = frameOf(60);
    capture.add(frame, "to-guest", 0);
    const before = [...frame];
    frame.fill(0);
    expect(packets(capture.toPcapng())[0]?.frame).toEqual(before);
  });

  it("spans chunks without a hole, and takes a frame larger than a chunk", () => {
    const capture = new Capture();
    const lengths = [...Array.from({ length: 400 }, () => 1514), 400_000, 0, 60];
    lengths.forEach((length, i) => {
      capture.add(frameOf(length, i), "from-guest", i);
    });
    const read = packets(capture.toPcapng());
    expect(read.map((packet) => packet.frame.length)).toEqual(lengths);
    expect(read[399]?.frame).toEqual([...frameOf(1514, 399)]);
    expect(read[402]?.frame).toEqual([...frameOf(60, 402)]);
  });

  it("stops at its limit and says in the file how many frames were left out", () => {
    const capture = new Capture({ limit: 3000, interfaceName: "net1" });
    for (let i = 0; i < 5; i++) capture.add(frameOf(1000), "to-guest", i);
    // A frame that would still fit does not come after one that was left out.
    capture.add(frameOf(10), "to-guest", 6);
    expect(capture.frames).toBe(2);
    expect(capture.leftOut).toBe(4);
    expect(capture.bytes).toBeLessThanOrEqual(3000);
    const file = capture.toPcapng();
    expect(packets(file).length).toBe(2);
    const statistics = blocks(file).at(-1);
    if (statistics === undefined) throw new Error("no block");
    expect(statistics.type).toBe(5);
    const counts = options(statistics.body, 12);
    expect(counts.get(4)?.[0]).toBe(6);
    expect(counts.get(5)?.[0]).toBe(4);
  });

  it("gives its newest frames from any number on, across chunks", () => {
    const capture = new Capture();
    for (let i = 0; i < 600; i++)
      capture.add(frameOf(60 + i, i), i % 2 ? "to-guest" : "from-guest", 1000 * i);
    const newest = capture.newest(0, 250);
    expect(newest.map(({ index }) => index)).toEqual(Array.from({ length: 250 }, (_, i) => 350 + i));
    for (const { index, bytes, direction, microseconds } of newest) {
      expect([...bytes]).toEqual([...frameOf(60 + index, index)]);
      expect([direction, microseconds]).toEqual([index % 2 ? "to-guest" : "from-guest", 1000 * index]);
    }
    expect(capture.newest(598, 250).map(({ index }) => index)).toEqual([598, 599]);
    expect(capture.newest(600, 250)).toEqual([]);
    expect(capture.newest(0, 0)).toEqual([]);
    capture.clear();
    expect(capture.newest(0, 10)).toEqual([]);
    capture.add(frameOf(61), "to-guest", 5);
    expect(capture.newest(0, 10).map(({ index, bytes }) => [index, bytes.length])).toEqual([[0, 61]]);
  });

  it("begins anew after clear and goes on after toPcapng", () => {
    const capture = new Capture({ limit: 1200 });
    capture.add(frameOf(60), "to-guest", 1);
    capture.toPcapng();
    capture.add(frameOf(61), "to-guest", 2);
    expect(packets(capture.toPcapng()).map((packet) => packet.frame.length)).toEqual([60, 61]);
    capture.add(frameOf(1514), "to-guest", 3);
    capture.clear();
    expect([capture.frames, capture.leftOut]).toEqual([0, 0]);
    capture.add(frameOf(62), "to-guest", 4);
    expect(packets(capture.toPcapng()).map((packet) => packet.frame.length)).toEqual([62]);
  });
});
