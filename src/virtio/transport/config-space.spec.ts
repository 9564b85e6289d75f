import { describe, expect, it } from "vitest";
import { MockDevice } from "../testing/mock-device.ts";
import { ConfigSpace } from "./config-space.ts";

describe("configuration space", () => {
  it("is little-endian and readable in any width at any offset", () => {
    const space = new ConfigSpace(new MockDevice());
    expect(space.read(0, 4)).toBe(0x04030201);
    expect(space.read(4, 4)).toBe(0x08070605);
    expect(space.read(1, 2)).toBe(0x0302);
    expect(space.read(3, 4)).toBe(0x07060504);
    expect(space.read(7, 1)).toBe(8);
  });

  it("reads an unsigned number", () => {
    const device = new MockDevice();
    device.configBytes.fill(0xff);
    expect(new ConfigSpace(device).read(0, 4)).toBe(0xffff_ffff);
  });

  it("reads 0 past its end", () => {
    const space = new ConfigSpace(new MockDevice());
    expect(space.read(8, 4)).toBe(0);
    expect(space.read(6, 4)).toBe(0x0807);
    expect(space.read(0xefc, 4)).toBe(0);
  });
});

describe("ConfigGeneration", () => {
  it("stays the same while nothing changes", () => {
    const space = new ConfigSpace(new MockDevice());
    const first = space.generation;
    for (let i = 0; i < 4; i++) space.read(i, 1);
    expect(space.generation).toBe(first);
  });

  it("changes when the device says that it changed something", () => {
    const space = new ConfigSpace(new MockDevice());
    const first = space.generation;
    space.changed();
    expect(space.generation).not.toBe(first);
  });

  it("changes whenever a driver could have seen a torn field, though the device said nothing", () => {
    const device = new MockDevice();
    const space = new ConfigSpace(device);
    const before = space.generation;
    const low = space.read(0, 2);
    device.configBytes.set([0xaa, 0xbb, 0xcc, 0xdd]);
    const high = space.read(2, 2);
    expect([low, high]).toEqual([0x0201, 0xddcc]);
    expect(space.generation).not.toBe(before);
    expect(space.generation).toBe(space.generation);
  });
});
