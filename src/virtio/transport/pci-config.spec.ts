import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PciConfigSpace } from "./pci-config.ts";
import { PCI_CFG_SPACE_SIZE } from "./pci-defs.ts";

const HEADER = {
  vendor: 0x1af4,
  device: 0x1041,
  revision: 1,
  deviceClass: 0x0200,
  subsystem: 0x41,
  interruptLine: 10,
  bar: { address: 0xd002_4000, size: 0x4000 },
} as const;
const BAR = 0x10;

describe("configuration space", () => {
  it("has the header of type 0 with what the function says of itself", () => {
    const config = new PciConfigSpace(HEADER);
    expect(config.read32(0x00)).toBe(0x1041_1af4);
    expect(config.read32(0x04)).toBe(0x0010_0000); // nothing enabled; a capability list
    expect(config.read32(0x08)).toBe(0x0200_0001);
    expect(config.read32(0x0c)).toBe(0);
    expect(config.read32(0x2c)).toBe(0x0041_1af4);
    expect(config.read32(0x34)).toBe(0);
    expect(config.read32(0x3c)).toBe(0x0000_010a); // INTA#, line 10
  });

  it("lets the driver change memory decoding, bus mastering, INTx Disable and Interrupt Line, and nothing else", () => {
    const config = new PciConfigSpace(HEADER);
    const before = Array.from({ length: 64 }, (_, k) => config.read32(4 * k));
    for (let offset = 0; offset < PCI_CFG_SPACE_SIZE; offset++) {
      // The BAR is asked for its size by such a write.
      if (offset < BAR || offset > BAR + 3) config.write(offset, 1, 0xff);
    }
    const after = Array.from({ length: 64 }, (_, k) => config.read32(4 * k));
    before[1] = 0x0010_0406;
    before[15] = 0x0000_01ff;
    expect(after).toEqual(before);
    expect(config.command).toBe(0x0406);
  });

  it("shows and hides Interrupt Status", () => {
    const config = new PciConfigSpace(HEADER);
    config.interruptStatus = true;
    expect(config.read32(4)).toBe(0x0018_0000);
    config.write(6, 2, 0xffff);
    expect(config.read32(4)).toBe(0x0018_0000);
    config.interruptStatus = false;
    expect(config.read32(4)).toBe(0x0010_0000);
  });

  it("links capabilities in the order in which they were added, each on a multiple of 4", () => {
    const config = new PciConfigSpace(HEADER);
    const first = config.addCapability(0x09, [1, 2, 3]);
    const second = config.addCapability(0x11, [4]);
    expect([first, second]).toEqual([0x40, 0x48]);
    expect(config.read32(0x34)).toBe(0x40);
    expect(config.read32(0x40)).toBe(0x0201_4809);
    expect(config.read32(0x48)).toBe(0x0004_0011);
    config.allowWrites(first + 2, 0x0ff0, 2);
    config.write(first, 4, 0xffff_ffff);
    expect(config.read32(0x40)).toBe(0x0ff1_4809);
  });

  it("refuses a capability for which there is no room", () => {
    const config = new PciConfigSpace(HEADER);
    config.addCapability(0x09, new Array(0xbe).fill(0));
    expect(() => config.addCapability(0x09, [])).toThrow(RangeError);
  });

  it.each([
    [0xd002_4000, 0x3000],
    [0xd002_4000, 0],
    [0xd002_2000, 0x4000],
  ])("refuses a BAR that no decoder could have: 0x%x + 0x%x", (address, size) => {
    expect(() => new PciConfigSpace({ ...HEADER, bar: { address, size } })).toThrow(RangeError);
  });
});

describe("the BAR", () => {
  it("answers a write of all ones with its size, and what is written back with its address", () => {
    const config = new PciConfigSpace(HEADER);
    expect(config.read32(BAR)).toBe(0xd002_4000);
    config.write(BAR, 4, 0xffff_ffff);
    expect(config.read32(BAR)).toBe(0xffff_c000);
    config.write(BAR, 4, 0xd002_4000);
    expect(config.read32(BAR)).toBe(0xd002_4000);
  });

  it("keeps its address, whatever is written", () => {
    const config = new PciConfigSpace(HEADER);
    for (const address of [0, 0x1000_0000, 0xd002_8000, 0x7fff_ffff]) {
      config.write(BAR, 4, address);
      expect(config.read32(BAR)).toBe(0xd002_4000);
    }
    config.write(BAR, 2, 0xffff);
    config.write(BAR + 2, 2, 0xffff);
    config.write(BAR + 1, 1, 0xff);
    expect(config.read32(BAR)).toBe(0xd002_4000);
  });

  it("is the only one: the others and the expansion ROM read 0 when asked for their sizes", () => {
    const config = new PciConfigSpace(HEADER);
    for (const offset of [0x14, 0x18, 0x1c, 0x20, 0x24, 0x30]) {
      config.write(offset, 4, 0xffff_ffff);
      expect(config.read32(offset)).toBe(0);
    }
  });
});

describe("random configuration accesses", () => {
  it("never throw and never change a read-only bit", () => {
    const access = fc.tuple(
      fc.integer({ min: 0, max: 0x110 }),
      fc.constantFrom(1 as const, 2 as const, 4 as const),
      fc.integer({ min: 0, max: 0xffff_ffff }),
    );
    fc.assert(
      fc.property(fc.array(access, { maxLength: 40 }), (accesses) => {
        const config = new PciConfigSpace(HEADER);
        for (const [offset, size, value] of accesses) {
          config.write(offset, size, value);
          expect(config.read32(offset)).toBeGreaterThanOrEqual(0);
        }
        expect(config.read32(0)).toBe(0x1041_1af4);
        expect(config.read32(4) & ~0x0406).toBe(0x0010_0000);
        expect(config.read32(0x3c) & ~0xff).toBe(0x100);
      }),
    );
  });
});
