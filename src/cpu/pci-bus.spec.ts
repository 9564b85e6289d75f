import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PciFunction } from "../virtio/types.ts";
import { Cpu } from "./cpu.ts";

const GDT = 0x1000;
const IDT = 0x2000;
const CODE = 0x10_0000;
const HANDLER = 0x11_0000;
const RESULT = 0x12_0000;
const LOCAL_APIC_EOI = 0xfee0_00b0;
const HALT_FOR_GOOD = [0xfa, 0xf4]; // cli; hlt
const ADDRESS_PORT = 0xcf8;
const DATA_PORT = 0xcfc;
const HOST_BRIDGE = 0x1237_8086;

const le32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
const setDx = (port: number): number[] => [0x66, 0xba, port & 0xff, port >>> 8];
const out32 = (port: number, value: number): number[] => [0xb8, ...le32(value), ...setDx(port), 0xef];
const out16 = (port: number, value: number): number[] => [0xb8, ...le32(value), ...setDx(port), 0x66, 0xef];
const out8 = (port: number, value: number): number[] => [0xb0, value, ...setDx(port), 0xee];
const storeEax = (index: number): number[] => [0xa3, ...le32(RESULT + 4 * index)];
const in32 = (port: number, index: number): number[] => [...setDx(port), 0xed, ...storeEax(index)];
const clearEax = [0x31, 0xc0];
const in16 = (port: number, index: number): number[] => [
  ...clearEax,
  ...setDx(port),
  0x66,
  0xed,
  ...storeEax(index),
];
const in8 = (port: number, index: number): number[] => [
  ...clearEax,
  ...setDx(port),
  0xec,
  ...storeEax(index),
];
const select = (device: number, offset = 0, number = 0, bus = 0): number[] =>
  out32(ADDRESS_PORT, 0x8000_0000 | (bus << 16) | (device << 11) | (number << 8) | offset);

let cpu: Cpu;

beforeEach(async () => {
  cpu = await Cpu.create({
    wasm: await readFile(createRequire(import.meta.url).resolve("v86/build/v86.wasm")),
    memoryBytes: 0x40_0000,
    network: { routerIp: "10.0.2.2", routerMac: "52:55:0a:00:02:02", guestIp: "10.0.2.15" },
  });
});
afterEach(() => cpu.destroy());

function put(address: number, bytes: readonly number[]): void {
  cpu.memory.view(address, bytes.length).set(bytes);
}

/** Runs machine code in flat protected mode until the CPU stops by itself; resolves with how. */
function runToEnd(code: readonly number[]): Promise<string> {
  put(CODE, code);
  put(GDT + 0x10, [0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0]);
  const gdt = { address: GDT, bytes: 32 };
  cpu.enter({ entry: CODE, bootParams: 0x3000, gdt, codeSelector: 0x10, dataSelector: 0x18 });
  return new Promise((resolve) => {
    cpu.onEvent((event) => resolve(event));
    cpu.run();
  });
}

/** Runs port accesses; returns what was stored. */
async function run(code: readonly number[], results: number): Promise<number[]> {
  expect(await runToEnd([...code, ...HALT_FOR_GOOD])).toBe("halted");
  return Array.from({ length: results }, (_, index) => cpu.memory.readU32(RESULT + 4 * index));
}

/** A function that remembers how it was accessed. */
function recorder(): PciFunction & { readonly seen: string[] } {
  const seen: string[] = [];
  return {
    seen,
    read32: (offset) => {
      seen.push(`read ${offset.toString(16)}`);
      return 0xfedc_ba98;
    },
    write: (offset, size, value) =>
      seen.push(`write${8 * size} ${offset.toString(16)} ${value.toString(16)}`),
  };
}

describe("a PCI function", () => {
  it("sees each configuration cycle once, and the guest its bytes from any of the data ports", async () => {
    const device = recorder();
    cpu.pci.insert(5, device);
    const read = await run(
      [
        ...select(5, 0x40),
        ...in32(DATA_PORT, 0),
        ...in16(DATA_PORT, 1),
        ...in16(DATA_PORT + 2, 2),
        ...[0, 1, 2, 3].flatMap((byte) => in8(DATA_PORT + byte, 3 + byte)),
      ],
      7,
    );
    expect(read).toEqual([0xfedc_ba98, 0xba98, 0xfedc, 0x98, 0xba, 0xdc, 0xfe]);
    expect(device.seen).toEqual(new Array(7).fill("read 40"));
  });

  it("is written in the width and at the offset that the guest chose", async () => {
    const device = recorder();
    cpu.pci.insert(31, device);
    await run(
      [
        ...select(31, 0xfc),
        ...out32(DATA_PORT, 0xdead_beef),
        ...out16(DATA_PORT, 0x1234),
        ...out16(DATA_PORT + 2, 0x5678),
        ...[0, 1, 2, 3].flatMap((byte) => out8(DATA_PORT + byte, 0xf0 + byte)),
      ],
      0,
    );
    expect(device.seen).toEqual([
      "write32 fc deadbeef",
      "write16 fc 1234",
      "write16 fe 5678",
      "write8 fc f0",
      "write8 fd f1",
      "write8 fe f2",
      "write8 ff f3",
    ]);
  });

  it("is not reached by its other functions, another bus, or an address that is not enabled", async () => {
    const device = recorder();
    cpu.pci.insert(5, device);
    const code = [
      select(5, 0, 1),
      select(5, 0, 7),
      select(5, 0, 0, 1),
      select(5, 0, 0, 0xff),
      select(6),
      out32(ADDRESS_PORT, 5 << 11),
    ].flatMap((address, index) => [...address, ...in32(DATA_PORT, index), ...out32(DATA_PORT, 0)]);
    expect(await run(code, 6)).toEqual(new Array(6).fill(0xffff_ffff));
    expect(device.seen).toEqual([]);
  });

  it("may interrupt within a cycle: the CPU takes it afterwards, where it looks", async () => {
    const countInside: number[] = [];
    cpu.pci.insert(5, {
      read32: () => 0,
      write: () => {
        cpu.apic.send(0, 0xfee0_0000, 0x41);
        countInside.push(cpu.memory.readU32(RESULT));
      },
    });
    // An interrupt gate to a handler that counts.
    put(IDT + 0x41 * 8, [HANDLER & 0xff, (HANDLER >>> 8) & 0xff, 0x10, 0, 0, 0x8e, HANDLER >>> 16, 0]);
    put(HANDLER, [0xff, 0x05, ...le32(RESULT), 0xc7, 0x05, ...le32(LOCAL_APIC_EOI), ...le32(0), 0xcf]);
    put(IDT - 8, [0xff, 0x07, ...le32(IDT)]);
    const [count] = await run(
      [
        ...[0xbc, ...le32(0x8_0000)], // mov esp
        ...[0x0f, 0x01, 0x1d, ...le32(IDT - 8)], // lidt
        0xfb, // sti
        ...select(5),
        ...out32(DATA_PORT, 1),
        ...[0xfa, 0xfb, 0x90], // cli; sti; nop: where the CPU looks
        ...out32(DATA_PORT, 1),
        ...[0xfa, 0xfb, 0x90],
      ],
      1,
    );
    expect(countInside).toEqual([0, 1]);
    expect(count).toBe(2);
  });

  it("has a place of its own among 32", () => {
    cpu.pci.insert(5, recorder());
    for (const device of [5, -1, 32, 1.5])
      expect(() => cpu.pci.insert(device, recorder())).toThrow(RangeError);
  });
});

describe("where nothing is", () => {
  it("reads give all ones, and a write of any width is lost", async () => {
    const code = [
      ...select(9),
      ...out8(DATA_PORT, 1),
      ...out16(DATA_PORT, 1),
      ...out32(DATA_PORT, 1),
      ...in32(DATA_PORT, 0),
      ...in16(DATA_PORT + 2, 1),
      ...in8(DATA_PORT + 3, 2),
    ];
    expect(await run(code, 3)).toEqual([0xffff_ffff, 0xffff, 0xff]);
  });
});

describe("v86's own PCI devices", () => {
  const scan = Array.from({ length: 32 }, (_, device) => [
    ...select(device),
    ...in32(DATA_PORT, device),
  ]).flat();

  it("are hidden, all of them", async () => {
    expect(await run(scan, 32)).toEqual(new Array(32).fill(0xffff_ffff));
  });

  it("can be let through one by one", async () => {
    cpu.pci.reveal(0);
    const ids = await run(scan, 32);
    expect(ids[0]).toBe(HOST_BRIDGE);
    expect(new Set(ids.slice(1))).toEqual(new Set([0xffff_ffff]));
  });

  it("are written as v86 has them written", async () => {
    cpu.pci.reveal(0);
    const code = [
      ...select(0, 0x40),
      ...out32(DATA_PORT, 0x1122_3344),
      ...out16(DATA_PORT + 2, 0x5566),
      ...out8(DATA_PORT + 1, 0x77),
      ...in32(DATA_PORT, 0),
      ...select(0, 0x40),
      ...in32(DATA_PORT, 1),
    ];
    expect(await run(code, 2)).toEqual([0x5566_7744, 0x5566_7744]);
  });

  it("cannot be let through where v86 has none, or twice", () => {
    expect(() => cpu.pci.reveal(9)).toThrow(RangeError);
    cpu.pci.reveal(0);
    expect(() => cpu.pci.reveal(0)).toThrow(RangeError);
  });
});

describe("the reset register within the address port", () => {
  it("resets the machine as before", async () => {
    expect(await runToEnd([...out8(0xcf9, 2), ...out8(0xcf9, 6), ...HALT_FOR_GOOD])).toBe("reboot");
  });
});
