import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { MockMemory } from "../virtio/testing/mock-memory.ts";
import { concatArchives, packCpio } from "./cpio.ts";
import { BootError, type BootErrorCode } from "./errors.ts";
import { gunzip } from "./gzip.ts";
import { parseKernel } from "./kernel.ts";
import { BOOT_LAYOUT } from "./layout.ts";
import { loadLinux } from "./load.ts";
import { buildMpTable } from "./mp-table.ts";

const MIB = 0x100000;

interface ElfOptions {
  elfClass?: number;
  machine?: number;
  type?: number;
  address?: number;
  virtual?: number;
  entry?: number;
  memoryBytes?: number;
  fileBytes?: number;
  offset?: number;
}

/** An ELF file with one segment of eight bytes, 1 to 8. */
function elf(options: ElfOptions = {}): Uint8Array {
  const { elfClass = 1, machine = 3, type = 2, address = MIB, virtual = address } = options;
  const bytes = new Uint8Array(52 + 32 + 8);
  const data = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, elfClass, 1, 1]);
  data.setUint16(16, type, true);
  data.setUint16(18, machine, true);
  data.setUint32(24, options.entry ?? address, true);
  data.setUint32(28, 52, true);
  data.setUint16(42, 32, true);
  data.setUint16(44, 1, true);
  for (const [index, value] of [
    1,
    options.offset ?? 84,
    virtual,
    address,
    options.fileBytes ?? 8,
    options.memoryBytes ?? 16,
    5,
    4096,
  ].entries()) {
    data.setUint32(52 + 4 * index, value, true);
  }
  bytes.set([1, 2, 3, 4, 5, 6, 7, 8], 84);
  return bytes;
}

/** A bzImage with one setup sector and a payload of 1024 bytes. */
function bzImage({ version = 0x20f, loadflags = 1, xloadflags = 0, payload = 1024 } = {}): Uint8Array {
  const bytes = new Uint8Array(1024 + payload);
  const data = new DataView(bytes.buffer);
  bytes[0x1f1] = 1;
  data.setUint32(0x1f4, 1024 / 16, true);
  data.setUint16(0x1fe, 0xaa55, true);
  bytes[0x201] = 0x6a;
  data.setUint32(0x202, 0x53726448, true);
  data.setUint16(0x206, version, true);
  bytes[0x211] = loadflags;
  data.setUint32(0x22c, 0x7fffffff, true);
  data.setUint16(0x236, xloadflags, true);
  data.setUint32(0x238, 2047, true);
  data.setUint32(0x260, 0x20000, true);
  bytes.fill(0xcc, 1024);
  return bytes;
}

function refusal(work: () => unknown): { code: BootErrorCode; message: string } {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(BootError);
    return error as BootError;
  }
  throw new Error("nothing was refused");
}

function load(memory: MockMemory, image: Partial<Parameters<typeof loadLinux>[1]> = {}) {
  return loadLinux(memory, {
    kernelName: "k",
    kernel: parseKernel("k", elf()),
    initrd: new Uint8Array(0),
    commandLine: "quiet",
    lines: [],
    ...image,
  });
}

describe("a kernel file", () => {
  it("is recognised as ELF with its segments, entry and end", () => {
    const kernel = parseKernel("k", elf({ memoryBytes: 64 }));
    expect(kernel).toMatchObject({ format: "elf", entry: MIB, end: MIB + 64 });
    expect(kernel.segments).toHaveLength(1);
    expect([...(kernel.segments[0]?.bytes ?? [])]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("whose entry is a virtual address is entered at the physical one", () => {
    expect(parseKernel("k", elf({ virtual: 0xc0100000, entry: 0xc0100004 })).entry).toBe(MIB + 4);
  });

  it("is recognised as bzImage with its protected-mode part at 1 MiB", () => {
    const kernel = parseKernel("k", bzImage());
    expect(kernel).toMatchObject({ format: "bzimage", entry: MIB, end: MIB + 0x20000, commandLineMax: 2047 });
    expect(kernel.segments[0]?.bytes.length).toBe(1024);
    expect(kernel.setupHeader?.length).toBe(0x202 + 0x6a - 0x1f1);
  });

  it.each<[string, Uint8Array, BootErrorCode]>([
    ["is not one", new TextEncoder().encode("# Doorbell\n"), "not-a-kernel"],
    ["is empty", new Uint8Array(0), "not-a-kernel"],
    ["is a shared ELF library", elf({ type: 3 }), "not-a-kernel"],
    ["is for another processor", elf({ machine: 40 }), "not-a-kernel"],
    ["is a 64-bit ELF file", elf({ elfClass: 2, machine: 62 }), "64-bit-kernel"],
    ["is a 64-bit bzImage", bzImage({ xloadflags: 1 }), "64-bit-kernel"],
    ["ends in its ELF header", elf().subarray(0, 20), "truncated"],
    ["ends in its program headers", elf().subarray(0, 60), "truncated"],
    ["ends in its segment", elf().subarray(0, 90), "truncated"],
    ["has a segment far outside of the file", elf({ offset: 0xffffffff }), "truncated"],
    ["has a segment larger in the file than in memory", elf({ memoryBytes: 4 }), "not-a-kernel"],
    ["is a bzImage cut short", bzImage({ payload: 512 }), "truncated"],
    ["is a zImage", bzImage({ loadflags: 0 }), "too-old"],
    ["speaks an ancient boot protocol", bzImage({ version: 0x202 }), "too-old"],
  ])("that %s is refused with a sentence that names it", (_what, bytes, code) => {
    const error = refusal(() => parseKernel("some/file", bytes));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^some\/file .*\.$/);
  });
});

describe("gunzip", () => {
  it("inflates a gzip file and passes others on", async () => {
    const plain = new Uint8Array(100_000).map((_, index) => index % 251);
    expect(await gunzip("f", gzipSync(plain))).toEqual(plain);
    expect(await gunzip("f", plain)).toBe(plain);
  });

  it("refuses a file that is damaged or cut short, by name", async () => {
    const whole = gzipSync(new Uint8Array(100_000).map((_, index) => (index * 7919) >> 3));
    const damaged = whole.slice();
    damaged[whole.length - 6] = (damaged[whole.length - 6] ?? 0) ^ 0xff;
    for (const bytes of [whole.subarray(0, whole.length >> 1), damaged]) {
      await expect(gunzip("v.gz", bytes)).rejects.toMatchObject({
        code: "bad-gzip",
        message: expect.stringContaining("v.gz"),
      });
    }
  });
});

describe("loading Linux", () => {
  it("puts segments, command line, memory map and descriptor table where the boot protocol wants them", () => {
    const memory = new MockMemory(16 * MIB);
    const entry = load(memory);
    expect(entry).toMatchObject({ entry: MIB, bootParams: BOOT_LAYOUT.bootParams.address });
    expect([...memory.bytes(MIB, 8)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const params = entry.bootParams;
    const commandLine = memory.readU32(params + 0x228);
    expect(new TextDecoder().decode(memory.bytes(commandLine, 6))).toBe("quiet\0");
    expect(memory.readU32(params + 0x202)).toBe(0x53726448);
    expect(memory.readU8(params + 0x210)).toBe(0xff);
    expect(memory.readU8(params + 0x1e8)).toBe(3);
    const last = params + 0x2d0 + 2 * 20;
    expect([memory.readU32(last), memory.readU32(last + 8), memory.readU32(last + 16)]).toEqual([
      MIB,
      15 * MIB,
      1,
    ]);
    expect(memory.guardsIntact()).toBe(true);
  });

  it("puts the initramfs on a page at the top of memory", () => {
    const memory = new MockMemory(16 * MIB);
    const initrd = new Uint8Array(5000).fill(7);
    const { bootParams } = load(memory, { initrd });
    const address = memory.readU32(bootParams + 0x218);
    expect(memory.readU32(bootParams + 0x21c)).toBe(5000);
    expect(address).toBe(16 * MIB - 0x2000);
    expect(memory.bytes(address, 5000)).toEqual(initrd);
  });

  it("copies a bzImage's own setup header", () => {
    const memory = new MockMemory(16 * MIB);
    const { bootParams } = load(memory, { kernel: parseKernel("k", bzImage()) });
    expect(memory.readU16(bootParams + 0x206)).toBe(0x20f);
    expect(memory.readU32(bootParams + 0x22c)).toBe(0x7fffffff);
  });

  it("puts ACPI tables where kernels look for them, and names the place in boot_params, when they are wanted", () => {
    const memory = new MockMemory(16 * MIB);
    expect(memory.readU32(load(memory).bootParams + 0x070)).toBe(0);
    const acpi = {
      lines: [],
      windows: [],
      serial: { port: 0x3f8, ports: 8, line: 4 },
      reset: { port: 0x64, value: 0xfe },
    };
    const { bootParams } = load(memory, { acpi });
    expect(memory.readU32(bootParams + 0x070)).toBe(BOOT_LAYOUT.acpi.address);
    expect(new TextDecoder().decode(memory.bytes(BOOT_LAYOUT.acpi.address, 8))).toBe("RSD PTR ");
    expect(memory.guardsIntact()).toBe(true);
  });

  it.each<[string, Partial<Parameters<typeof loadLinux>[1]>, BootErrorCode]>([
    ["a kernel larger than memory", { kernel: parseKernel("k", elf({ memoryBytes: 32 * MIB })) }, "too-big"],
    ["a kernel that lies above memory", { kernel: parseKernel("k", elf({ address: 64 * MIB })) }, "too-big"],
    ["a kernel below 1 MiB", { kernel: parseKernel("k", elf({ address: 0x1000 })) }, "not-a-kernel"],
    ["an initramfs that does not fit beside the kernel", { initrd: new Uint8Array(15 * MIB) }, "too-big"],
    ["a command line that is too long", { commandLine: "x".repeat(2048) }, "command-line-too-long"],
  ])("refuses %s with a sentence", (_what, image, code) => {
    const error = refusal(() => load(new MockMemory(16 * MIB), image));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/\.$/);
  });
});

describe("the MP table", () => {
  it("has right checksums, lengths and entries", () => {
    const bytes = buildMpTable(0x9fc00, [
      { line: 4, trigger: "isa-edge" },
      { line: 10, trigger: "level-high" },
    ]);
    const sum = (from: number, to: number): number =>
      bytes.subarray(from, to).reduce((a, b) => a + b, 0) & 0xff;
    const data = new DataView(bytes.buffer);
    expect(new TextDecoder().decode(bytes.subarray(0, 4))).toBe("_MP_");
    expect(data.getUint32(4, true)).toBe(0x9fc10);
    expect(sum(0, 16)).toBe(0);
    expect(new TextDecoder().decode(bytes.subarray(16, 20))).toBe("PCMP");
    expect(data.getUint16(20, true)).toBe(bytes.length - 16);
    expect(sum(16, bytes.length)).toBe(0);
    expect(data.getUint16(16 + 34, true)).toBe(7);
    // Processor (20 bytes), bus and IOAPIC (8 each) come before the lines: pin 10 is level-triggered, active high.
    const line10 = 16 + 44 + 20 + 8 + 8 + 8;
    expect([...bytes.subarray(line10, line10 + 8)]).toEqual([3, 0, 0x0d, 0, 0, 10, 1, 10]);
    expect(bytes.length).toBeLessThanOrEqual(BOOT_LAYOUT.mpTable.bytes);
  });

  it("has a PCI bus before the ISA bus, and its interrupts by device number and pin, when a line is PCI's", () => {
    const bytes = buildMpTable(0x9fc00, [
      { line: 4, trigger: "isa-edge" },
      { line: 10, trigger: "pci-level", device: 3 },
    ]);
    const buses = 16 + 44 + 20;
    expect(new TextDecoder().decode(bytes.subarray(buses + 2, buses + 8))).toBe("PCI   ");
    expect(new TextDecoder().decode(bytes.subarray(buses + 10, buses + 16))).toBe("ISA   ");
    expect([bytes[buses + 1], bytes[buses + 9]]).toEqual([0, 1]);
    const lines = buses + 8 + 8 + 8;
    expect([...bytes.subarray(lines, lines + 8)]).toEqual([3, 0, 0, 0, 1, 4, 1, 4]);
    // Level-triggered, active low; source bus 0, device 3, INTA#; IOAPIC 1, pin 10.
    expect([...bytes.subarray(lines + 8, lines + 16)]).toEqual([3, 0, 0x0f, 0, 0, 3 << 2, 1, 10]);
    expect(bytes.length).toBeLessThanOrEqual(BOOT_LAYOUT.mpTable.bytes);
  });
});

describe("cpio archives", () => {
  it("hold files, modes and links in newc format, each part on a 4-byte boundary", () => {
    const text = new TextDecoder().decode(
      packCpio([
        { path: "a", mode: 0o100755, bytes: new TextEncoder().encode("hello") },
        { path: "link", mode: 0o120777, bytes: new TextEncoder().encode("a") },
      ]),
    );
    expect(text.slice(0, 6)).toBe("070701");
    expect(text.slice(14, 22)).toBe("000081ed");
    expect(text.indexOf("070701", 6) % 4).toBe(0);
    expect(text).toContain("hello");
    expect(text).toContain("TRAILER!!!");
    expect(concatArchives([new Uint8Array(5), new Uint8Array(3)]).length).toBe(12);
  });
});
