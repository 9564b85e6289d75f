/**
 * Direct Linux boot: what a boot loader does, done by the host (Linux Documentation/x86/boot.rst, "32-bit Boot
 * Protocol"). No BIOS runs; the kernel is entered in flat 32-bit protected mode with ESI at boot_params.
 */
import type { GuestMemory } from "../virtio/types.ts";
import { type AcpiMachine, buildAcpi } from "./acpi.ts";
import { BootError } from "./errors.ts";
import { type Kernel, SETUP_HEADER } from "./kernel.ts";
import { BOOT_LAYOUT, CODE_SELECTOR, DATA_SELECTOR } from "./layout.ts";
import { buildMpTable, type MpLine } from "./mp-table.ts";

/** What {@link loadLinux} puts into guest memory. */
export interface LinuxImage {
  /** For error messages. */
  readonly kernelName: string;
  readonly kernel: Kernel;
  /** One archive or several concatenated ones; empty for none. */
  readonly initrd: Uint8Array;
  readonly commandLine: string;
  readonly lines: readonly MpLine[];
  /** What ACPI tables describe, where there are to be some. */
  readonly acpi?: AcpiMachine;
}

/** How to enter what was loaded. */
export interface LinuxEntry {
  readonly entry: number;
  readonly bootParams: number;
  readonly gdt: { readonly address: number; readonly bytes: number };
  readonly codeSelector: number;
  readonly dataSelector: number;
}

/** Offsets in struct boot_params (Documentation/x86/zero-page.rst). */
const PARAMS_ACPI_RSDP_ADDR = 0x070;
const PARAMS_ALT_MEM_K = 0x1e0;
const PARAMS_E820_ENTRIES = 0x1e8;
const PARAMS_TYPE_OF_LOADER = 0x210;
const PARAMS_LOADFLAGS = 0x211;
const PARAMS_RAMDISK_IMAGE = 0x218;
const PARAMS_RAMDISK_SIZE = 0x21c;
const PARAMS_CMD_LINE_PTR = 0x228;
const PARAMS_E820_TABLE = 0x2d0;
const PARAMS_BOOT_FLAG = 0x1fe;
const PARAMS_HEADER = 0x202;
const PARAMS_VERSION = 0x206;
const PARAMS_KERNEL_ALIGNMENT = 0x230;
const LOADER_UNDEFINED = 0xff;
const LOADED_HIGH = 1;
const E820_RAM = 1;
const E820_RESERVED = 2;
const PAGE = 0x1000;

/**
 * Puts kernel, initramfs, boot_params, command line, GDT, MP table and ACPI tables into guest memory.
 * @throws BootError when they do not fit.
 */
export function loadLinux(memory: GuestMemory, image: LinuxImage): LinuxEntry {
  const { kernel, kernelName } = image;
  const commandLine = new TextEncoder().encode(`${image.commandLine}\0`);
  const limit = Math.min(kernel.commandLineMax, BOOT_LAYOUT.commandLine.bytes - 1);
  if (commandLine.length - 1 > limit) {
    throw new BootError(
      "command-line-too-long",
      `The kernel command line has ${commandLine.length - 1} bytes, and ${kernelName} takes at most ${limit}: shorten what is appended.`,
    );
  }
  for (const { address, bytes, memoryBytes } of kernel.segments) {
    if (address < BOOT_LAYOUT.high.address) {
      throw new BootError(
        "not-a-kernel",
        `${kernelName} wants to lie below 1 MiB, where no Linux kernel does.`,
      );
    }
    if (!memory.contains(address, memoryBytes)) throw tooBig(memory, kernelName, kernel.end);
    put(memory, address, bytes);
  }
  if (kernel.end > memory.size) throw tooBig(memory, kernelName, kernel.end);
  const initrd = placeInitrd(memory, image);
  put(memory, BOOT_LAYOUT.commandLine.address, commandLine);
  put(memory, BOOT_LAYOUT.mpTable.address, buildMpTable(BOOT_LAYOUT.mpTable.address, image.lines));
  put(memory, BOOT_LAYOUT.gdt.address, flatGdt());
  writeBootParams(memory, kernel, initrd, image.initrd.length);
  if (image.acpi) {
    put(memory, BOOT_LAYOUT.acpi.address, buildAcpi(BOOT_LAYOUT.acpi.address, image.acpi));
    memory.writeU32(BOOT_LAYOUT.bootParams.address + PARAMS_ACPI_RSDP_ADDR, BOOT_LAYOUT.acpi.address);
  }
  return {
    entry: kernel.entry,
    bootParams: BOOT_LAYOUT.bootParams.address,
    gdt: BOOT_LAYOUT.gdt,
    codeSelector: CODE_SELECTOR,
    dataSelector: DATA_SELECTOR,
  };
}

/** As high as the kernel allows, on a page: out of the way of what unpacks itself at the bottom. */
function placeInitrd(memory: GuestMemory, { kernel, kernelName, initrd }: LinuxImage): number {
  if (initrd.length === 0) return 0;
  const top = Math.min(memory.size, kernel.initrdAddressMax + 1);
  const address = Math.floor((top - initrd.length) / PAGE) * PAGE;
  if (address < kernel.end)
    throw tooBig(memory, `${kernelName} with its initramfs`, kernel.end + initrd.length);
  put(memory, address, initrd);
  return address;
}

function writeBootParams(memory: GuestMemory, kernel: Kernel, initrd: number, initrdBytes: number): void {
  const base = BOOT_LAYOUT.bootParams.address;
  if (kernel.setupHeader) {
    put(memory, base + SETUP_HEADER, kernel.setupHeader);
  } else {
    memory.writeU16(base + PARAMS_BOOT_FLAG, 0xaa55);
    put(memory, base + PARAMS_HEADER, new TextEncoder().encode("HdrS"));
    memory.writeU16(base + PARAMS_VERSION, 0x20c);
    memory.writeU32(base + PARAMS_KERNEL_ALIGNMENT, 0x1000000);
  }
  memory.writeU8(base + PARAMS_TYPE_OF_LOADER, LOADER_UNDEFINED);
  memory.writeU8(base + PARAMS_LOADFLAGS, memory.readU8(base + PARAMS_LOADFLAGS) | LOADED_HIGH);
  memory.writeU32(base + PARAMS_RAMDISK_IMAGE, initrd);
  memory.writeU32(base + PARAMS_RAMDISK_SIZE, initrdBytes);
  memory.writeU32(base + PARAMS_CMD_LINE_PTR, BOOT_LAYOUT.commandLine.address);
  memory.writeU32(base + PARAMS_ALT_MEM_K, (memory.size - BOOT_LAYOUT.high.address) / 1024);
  const ranges = [
    [0, BOOT_LAYOUT.reserved.address, E820_RAM],
    [BOOT_LAYOUT.reserved.address, BOOT_LAYOUT.reserved.bytes, E820_RESERVED],
    [BOOT_LAYOUT.high.address, memory.size - BOOT_LAYOUT.high.address, E820_RAM],
  ] as const;
  memory.writeU8(base + PARAMS_E820_ENTRIES, ranges.length);
  for (const [index, [start, bytes, type]] of ranges.entries()) {
    const entry = base + PARAMS_E820_TABLE + index * 20;
    memory.writeU32(entry, start);
    memory.writeU32(entry + 4, 0);
    memory.writeU32(entry + 8, bytes);
    memory.writeU32(entry + 12, 0);
    memory.writeU32(entry + 16, type);
  }
}

/** Flat 4 GiB code and data segments (Intel SDM vol. 3A, "Segment Descriptors"). */
function flatGdt(): Uint8Array {
  const gdt = new Uint8Array(BOOT_LAYOUT.gdt.bytes);
  gdt.set([0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0], CODE_SELECTOR);
  gdt.set([0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0], DATA_SELECTOR);
  return gdt;
}

function put(memory: GuestMemory, address: number, bytes: Uint8Array): void {
  memory.view(address, bytes.length).set(bytes);
  memory.written(address, bytes.length);
}

function tooBig(memory: GuestMemory, what: string, needed: number): BootError {
  const mib = (bytes: number): number => Math.ceil(bytes / 0x100000);
  return new BootError(
    "too-big",
    `${what} needs at least ${mib(needed)} MiB of memory, and the guest has ${mib(memory.size)}: give it more with --memory.`,
  );
}
