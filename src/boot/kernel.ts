/** Kernel files: ELF vmlinux and bzImage for i386. Every offset in the file is checked before it is used. */
import { BootError } from "./errors.ts";

/** A run of bytes to be put at a physical address, followed by zeroes up to `memoryBytes`. */
export interface Segment {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly memoryBytes: number;
}

/** A kernel ready to be loaded. */
export interface Kernel {
  readonly format: "elf" | "bzimage";
  readonly segments: readonly Segment[];
  /** Physical address of the 32-bit entry point. */
  readonly entry: number;
  /** The setup header of a bzImage (boot sector offset 0x1f1 onwards), or nothing for ELF. */
  readonly setupHeader?: Uint8Array;
  /** First physical address that the kernel does not use while it starts. */
  readonly end: number;
  /** Highest address that the initramfs may use. */
  readonly initrdAddressMax: number;
  /** Longest command line, in bytes without the final zero. */
  readonly commandLineMax: number;
}

const ELF_MAGIC = 0x464c457f;
const ELF_CLASS_64 = 2;
const ELF_TYPE_EXECUTABLE = 2;
const ELF_MACHINE_386 = 3;
const ELF_MACHINE_X86_64 = 62;
const ELF_HEADER_SIZE = 52;
const PROGRAM_HEADER_SIZE = 32;
const PT_LOAD = 1;

/** Linux boot protocol: offsets in the first sectors of a bzImage. */
export const SETUP_HEADER = 0x1f1;
const SETUP_SECTS = 0x1f1;
const HEADER_JUMP = 0x201;
const HEADER_MAGIC = 0x202;
const PROTOCOL_VERSION = 0x206;
const LOADFLAGS = 0x211;
const INITRD_ADDR_MAX = 0x22c;
const XLOADFLAGS = 0x236;
const CMDLINE_SIZE = 0x238;
const INIT_SIZE = 0x260;
const HDRS = 0x53726448;
const LOADED_HIGH = 1;
const XLF_KERNEL_64 = 1;
const SECTOR = 512;
/** Where a bzImage's protected-mode part is loaded and entered. */
const BZIMAGE_ADDRESS = 0x100000;
/** Protocol 2.06 gave the kernel's limit for the command line; older ones take 255 bytes. */
const OLD_COMMAND_LINE_MAX = 255;
/** What Linux uses for its own kernels (COMMAND_LINE_SIZE - 1). */
const COMMAND_LINE_MAX = 2047;
/** The end of memory that i386 maps linearly, less what it keeps: Linux's own value of initrd_addr_max. */
const INITRD_MAX = 0x37ffffff;

/**
 * Recognises and checks a kernel, already inflated.
 * @throws BootError naming the file and what is wrong with it.
 */
export function parseKernel(name: string, bytes: Uint8Array): Kernel {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length >= 4 && data.getUint32(0, true) === ELF_MAGIC) return parseElf(name, bytes, data);
  if (bytes.length >= INIT_SIZE + 4 && data.getUint32(HEADER_MAGIC, true) === HDRS) {
    return parseBzImage(name, bytes, data);
  }
  throw new BootError(
    "not-a-kernel",
    `${name} is not a Linux kernel: it is neither an ELF vmlinux nor a bzImage.`,
  );
}

function parseElf(name: string, bytes: Uint8Array, data: DataView): Kernel {
  const truncated = (): BootError =>
    new BootError(
      "truncated",
      `${name} is cut short: an ELF kernel says that it is longer than its ${bytes.length} bytes.`,
    );
  if (bytes.length < ELF_HEADER_SIZE) throw truncated();
  const machine = data.getUint16(18, true);
  if (bytes[4] === ELF_CLASS_64 || machine === ELF_MACHINE_X86_64) {
    throw new BootError(
      "64-bit-kernel",
      `${name} is a 64-bit kernel, and the emulated CPU is a 32-bit one: give an i386 kernel.`,
    );
  }
  if (machine !== ELF_MACHINE_386 || data.getUint16(16, true) !== ELF_TYPE_EXECUTABLE) {
    throw new BootError("not-a-kernel", `${name} is an ELF file, but not an executable i386 kernel.`);
  }
  const entry = data.getUint32(24, true);
  const table = data.getUint32(28, true);
  const entrySize = data.getUint16(42, true);
  const count = data.getUint16(44, true);
  if (entrySize < PROGRAM_HEADER_SIZE || table + count * entrySize > bytes.length) throw truncated();

  const segments: Segment[] = [];
  let physicalEntry = entry;
  let end = 0;
  for (let i = 0; i < count; i++) {
    const header = table + i * entrySize;
    if (data.getUint32(header, true) !== PT_LOAD) continue;
    const offset = data.getUint32(header + 4, true);
    const virtual = data.getUint32(header + 8, true);
    const address = data.getUint32(header + 12, true);
    const fileBytes = data.getUint32(header + 16, true);
    const memoryBytes = data.getUint32(header + 20, true);
    if (offset + fileBytes > bytes.length) throw truncated();
    if (fileBytes > memoryBytes) {
      throw new BootError(
        "not-a-kernel",
        `${name} is a damaged ELF file: a segment is larger in the file than in memory.`,
      );
    }
    segments.push({ address, bytes: bytes.subarray(offset, offset + fileBytes), memoryBytes });
    end = Math.max(end, address + memoryBytes);
    // Linux gives its entry point as a physical address; other kernels give a virtual one.
    if (virtual !== address && entry >= virtual && entry - virtual < memoryBytes) {
      physicalEntry = entry - virtual + address;
    }
  }
  if (segments.length === 0)
    throw new BootError("not-a-kernel", `${name} is an ELF file with nothing to load.`);
  return {
    format: "elf",
    segments,
    entry: physicalEntry,
    end,
    initrdAddressMax: INITRD_MAX,
    commandLineMax: COMMAND_LINE_MAX,
  };
}

function parseBzImage(name: string, bytes: Uint8Array, data: DataView): Kernel {
  const version = data.getUint16(PROTOCOL_VERSION, true);
  if (version < 0x203 || (data.getUint8(LOADFLAGS) & LOADED_HIGH) === 0) {
    throw new BootError(
      "too-old",
      `${name} speaks boot protocol ${version >>> 8}.${String(version & 0xff).padStart(2, "0")}; a bzImage of 2.03 or newer is needed.`,
    );
  }
  if (version >= 0x20c && (data.getUint16(XLOADFLAGS, true) & XLF_KERNEL_64) !== 0) {
    throw new BootError(
      "64-bit-kernel",
      `${name} is a 64-bit kernel, and the emulated CPU is a 32-bit one: give an i386 kernel.`,
    );
  }
  const setupSectors = data.getUint8(SETUP_SECTS) || 4;
  const start = (setupSectors + 1) * SECTOR;
  const headerEnd = HEADER_MAGIC + data.getUint8(HEADER_JUMP);
  // syssize: the protected-mode part in units of 16 bytes.
  const payload = data.getUint32(0x1f4, true) * 16;
  if (start >= bytes.length || headerEnd > bytes.length || start + payload - 16 > bytes.length) {
    throw new BootError(
      "truncated",
      `${name} is cut short: its header promises ${start + payload} bytes, and it has ${bytes.length}.`,
    );
  }
  const code = bytes.subarray(start);
  const initSize = version >= 0x20a ? data.getUint32(INIT_SIZE, true) : 0;
  return {
    format: "bzimage",
    segments: [{ address: BZIMAGE_ADDRESS, bytes: code, memoryBytes: code.length }],
    entry: BZIMAGE_ADDRESS,
    setupHeader: bytes.subarray(SETUP_HEADER, headerEnd),
    // It unpacks itself around where it lies; without init_size, allow for what kernels of that age took.
    end: BZIMAGE_ADDRESS + Math.max(code.length, initSize || code.length * 4),
    initrdAddressMax: data.getUint32(INITRD_ADDR_MAX, true) || INITRD_MAX,
    commandLineMax: version >= 0x206 ? data.getUint32(CMDLINE_SIZE, true) : OLD_COMMAND_LINE_MAX,
  };
}
