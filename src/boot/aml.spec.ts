import { describe, expect, it } from "vitest";
import {
  device,
  eisaId,
  integer,
  ioPort,
  isaInterrupt,
  levelInterrupt,
  memory32Fixed,
  named,
  resources,
  scope,
  text,
} from "./aml.ts";

describe("AML", () => {
  it("says numbers as short as they can be said", () => {
    expect([0, 1, 2, 0xff, 0x100, 0xffff, 0x10000, 0xd0000000].map(integer)).toEqual([
      [0x00],
      [0x01],
      [0x0a, 2],
      [0x0a, 0xff],
      [0x0b, 0, 1],
      [0x0b, 0xff, 0xff],
      [0x0c, 0, 0, 1, 0],
      [0x0c, 0, 0, 0, 0xd0],
    ]);
  });

  it("compresses EISA ids as section 19.6.34 has them", () => {
    // "PNP0501" is 0x0105D041 to a little-endian reader.
    expect(eisaId("PNP0501")).toEqual([0x0c, 0x41, 0xd0, 0x05, 0x01]);
  });

  it("names devices within a scope, filled up to four letters", () => {
    expect(scope("\\_SB", device("A", named("_UID", integer(1))))).toEqual([
      ...[0x10, 19, 0x5c, ...codes("_SB_")],
      ...[0x5b, 0x82, 11, ...codes("A___"), 0x08, ...codes("_UID"), 0x01],
    ]);
    expect(text("LNRO0005")).toEqual([0x0d, ...codes("LNRO0005"), 0]);
    for (const bad of ["LONGER", "lower", "1ST", ""])
      expect(() => device(bad), bad).toThrow(/is no name of ACPI/);
  });

  it("counts a package's length with the bytes that say it, whatever they take", () => {
    // Of a scope named "A___" with so many bytes in it: 62 is the last that fits one byte.
    const lengthOf = (contents: number) => scope("A", new Array<number>(contents).fill(0)).slice(1, 5);
    expect(lengthOf(58)[0]).toBe(63);
    expect(lengthOf(59).slice(0, 2)).toEqual([0x40 | 1, 4]);
    expect(lengthOf(4089).slice(0, 2)).toEqual([0x40 | 0xf, 0xff]);
    // 4090 + 4 + 3 = 4097 bytes: 1, 0x00, 0x01 at four, eight and eight bits.
    expect(lengthOf(4090).slice(0, 3)).toEqual([0x80 | 1, 0x00, 0x01]);
  });

  it("lays resources out as section 6.4 has them, with an end tag", () => {
    expect(resources(memory32Fixed(0xd0002000, 0x2000), levelInterrupt(10))).toEqual([
      ...[0x11, 26, 0x0a, 23],
      ...[0x86, 9, 0, 1, 0x00, 0x20, 0x00, 0xd0, 0x00, 0x20, 0x00, 0x00],
      ...[0x89, 6, 0, 1, 1, 10, 0, 0, 0],
      ...[0x79, 0],
    ]);
    expect(ioPort(0x3f8, 8)).toEqual([0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8]);
    expect(isaInterrupt(4)).toEqual([0x22, 0x10, 0]);
  });
});

function codes(value: string): number[] {
  return Array.from(value, (character) => character.charCodeAt(0));
}
