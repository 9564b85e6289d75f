import { describe, expect, it } from "vitest";
import type { CapturedFrame } from "../../src/index.ts";
import { hexDump, KEPT, PacketList, SHOWN } from "./packet-list.ts";

/** A machine that has recorded `count` ARP requests, each for the address of its number. */
function machine(count: number) {
  const frame = (index: number): CapturedFrame => {
    const bytes = new Uint8Array(42);
    bytes.set([8, 6], 12);
    bytes.set([0, 1, 8, 0, 6, 4, 0, 1], 14);
    bytes.set([10, 0, index >> 8, index & 0xff], 38);
    return { index, microseconds: index, direction: index % 2 ? "to-guest" : "from-guest", bytes };
  };
  return {
    count,
    frames(from: number, most: number) {
      const first = Math.max(from, this.count - most);
      return Array.from({ length: Math.max(0, this.count - first) }, (_, i) => frame(first + i));
    },
  };
}

describe("the packets shown", () => {
  it("are the newest, and go on where they ended", () => {
    const list = new PacketList();
    const source = machine(1000);
    expect(list.update(source)).toBe(true);
    expect(list.packets.length).toBe(SHOWN);
    expect(list.update(source)).toBe(false);
    source.count = 1003;
    list.update(source);
    expect(list.packets.at(-1)?.index).toBe(1002);
    expect(list.packets.length).toBe(SHOWN + 3);
  });

  it("are bounded, however many come", () => {
    const list = new PacketList();
    const source = machine(0);
    for (let i = 0; i < 20; i++) {
      source.count += 5000;
      list.update(source);
    }
    expect(list.packets.length).toBe(KEPT);
    expect(list.matching("").length).toBe(SHOWN);
  });

  it("are those in which every word occurs and no word with ! in front", () => {
    const list = new PacketList();
    list.update(machine(20));
    expect(list.matching("ARP 10.0.0.7?").map(({ index }) => index)).toEqual([7]);
    expect(list.matching("out").map(({ index }) => index % 2)).toEqual(new Array(10).fill(0));
    expect(list.matching("who !out").length).toBe(10);
    expect(list.matching("tcp")).toEqual([]);
  });

  it("begin anew with another machine", () => {
    const list = new PacketList();
    list.update(machine(20));
    list.clear();
    list.update(machine(3));
    expect(list.packets.map(({ index }) => index)).toEqual([0, 1, 2]);
  });
});

it("bytes are shown as numbers and characters", () => {
  expect(hexDump(Uint8Array.from([0, 0x41, 0x7f, ...new Array<number>(14).fill(0x62)]))).toBe(
    `0000  00 41 7f ${"62 ".repeat(13).trim()}  .A.${"b".repeat(13)}\n0010  62${" ".repeat(45)}  b`,
  );
});
