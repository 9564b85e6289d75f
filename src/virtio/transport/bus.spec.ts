import { describe, expect, it } from "vitest";
import { type BusDevice, MmioBus } from "./bus.ts";

const BASE = 0xd000_0000;
const WINDOW = 0x2000;

/** Remembers what reached it. */
class Recorder implements BusDevice {
  readonly seen: (string | number)[][] = [];
  read(offset: number, size: number): number {
    this.seen.push(["read", offset, size]);
    return 0x1234;
  }
  write(offset: number, size: number, value: number): void {
    this.seen.push(["write", offset, size, value]);
  }
}

describe("the bus", () => {
  it("gives each device offsets from its own start, for every width", () => {
    const bus = new MmioBus(BASE);
    const first = new Recorder();
    const second = new Recorder();
    bus.insert(BASE, WINDOW, first);
    bus.insert(BASE + WINDOW, WINDOW, second);
    expect(bus.read(BASE + 0x70, 4)).toBe(0x1234);
    bus.write(BASE + WINDOW - 1, 1, 7);
    bus.write(BASE + WINDOW, 2, 8);
    bus.write(BASE + 2 * WINDOW - 4, 4, 0xffff_ffff);
    expect(first.seen).toEqual([
      ["read", 0x70, 4],
      ["write", WINDOW - 1, 1, 7],
    ]);
    expect(second.seen).toEqual([
      ["write", 0, 2, 8],
      ["write", WINDOW - 4, 4, 0xffff_ffff],
    ]);
    expect([bus.missedReads, bus.missedWrites]).toEqual([0, 0]);
  });

  it("reads all ones where nothing is, loses writes there, and counts both", () => {
    const bus = new MmioBus(BASE);
    bus.insert(BASE + WINDOW, WINDOW, new Recorder());
    expect([bus.read(BASE, 1), bus.read(BASE, 2), bus.read(BASE + 0x1_fffc, 4)]).toEqual([
      0xff, 0xffff, 0xffff_ffff,
    ]);
    bus.write(BASE, 4, 1);
    expect([bus.missedReads, bus.missedWrites]).toEqual([3, 1]);
  });

  it("treats addresses outside of its block as nothing", () => {
    const bus = new MmioBus(BASE);
    bus.insert(BASE, 0x2_0000, new Recorder());
    expect(bus.read(BASE - 4, 4)).toBe(0xffff_ffff);
    expect(bus.read(BASE + 0x2_0000, 4)).toBe(0xffff_ffff);
    expect(bus.missedReads).toBe(2);
  });

  it("refuses ranges that overlap, in part, inside, around or exactly", () => {
    const bus = new MmioBus(BASE);
    bus.insert(BASE + 0x4000, WINDOW, new Recorder());
    for (const [offset, size] of [
      [0x4000, WINDOW],
      [0x3000, WINDOW],
      [0x5000, WINDOW],
      [0x5000, 0x1000],
      [0x2000, 0x8000],
    ] as const) {
      expect(() => bus.insert(BASE + offset, size, new Recorder())).toThrowError(/overlaps/);
    }
    bus.insert(BASE + 0x2000, WINDOW, new Recorder());
    bus.insert(BASE + 0x6000, WINDOW, new Recorder());
  });

  it("leaves nothing of a refused range behind", () => {
    const bus = new MmioBus(BASE);
    bus.insert(BASE + 0x1000, 0x1000, new Recorder());
    expect(() => bus.insert(BASE, WINDOW, new Recorder())).toThrow(RangeError);
    expect(bus.read(BASE, 4)).toBe(0xffff_ffff);
  });

  it("refuses ranges that are empty, not of whole pages, or outside of the block", () => {
    const bus = new MmioBus(BASE);
    const device = new Recorder();
    expect(() => bus.insert(BASE, 0, device)).toThrowError(/empty/);
    expect(() => bus.insert(BASE, -0x1000, device)).toThrowError(/empty/);
    expect(() => bus.insert(BASE, 0x1800, device)).toThrowError(/whole pages/);
    expect(() => bus.insert(BASE + 4, WINDOW, device)).toThrowError(/whole pages/);
    expect(() => bus.insert(BASE - WINDOW, WINDOW, device)).toThrowError(/outside/);
    expect(() => bus.insert(BASE + 0x1_f000, WINDOW, device)).toThrowError(/outside/);
    expect(() => bus.insert(0, WINDOW, device)).toThrowError(/outside/);
  });

  it("holds as many windows as fit into the block, and no more", () => {
    const bus = new MmioBus(BASE);
    for (let i = 0; i < 16; i++) bus.insert(BASE + i * WINDOW, WINDOW, new Recorder());
    expect(() => bus.insert(BASE + 16 * WINDOW, WINDOW, new Recorder())).toThrowError(/outside/);
    expect(() => new MmioBus(BASE, 0)).toThrow(RangeError);
    expect(() => new MmioBus(BASE + 1)).toThrow(RangeError);
  });
});
