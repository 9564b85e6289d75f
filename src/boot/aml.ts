/**
 * A writer of AML, the byte code of ACPI's definition blocks: as much as it takes to name devices and what they use
 * (ACPI specification 6.4, chapter 20 "AML Specification" and section 6.4 "Resource Data Types").
 */
import { ascii, le16, le32 } from "./bytes.ts";

/** A piece of AML. */
export type Aml = readonly number[];

/** Op codes, section 20.3. */
const ZERO_OP = 0x00;
const ONE_OP = 0x01;
const NAME_OP = 0x08;
const BYTE_PREFIX = 0x0a;
const WORD_PREFIX = 0x0b;
const DWORD_PREFIX = 0x0c;
const STRING_PREFIX = 0x0d;
const SCOPE_OP = 0x10;
const BUFFER_OP = 0x11;
const EXT_PREFIX = 0x5b;
const DEVICE_OP = 0x82;

/** Tags of resource descriptors with their lengths, section 6.4. */
const IRQ_NO_FLAGS = 0x22;
const IO_PORT = 0x47;
const END_TAG = 0x79;
const MEMORY_32_FIXED = 0x86;
const EXTENDED_INTERRUPT = 0x89;
const DECODE_16 = 1;
const READ_WRITE = 1;
/** Of an extended interrupt: it is consumed; bits for edge, active low and shared are clear. */
const CONSUMER_LEVEL_HIGH = 0x01;

/** `Scope (path) { ... }` */
export function scope(path: string, ...contents: readonly Aml[]): Aml {
  return [SCOPE_OP, ...packaged([...nameString(path), ...contents.flat()])];
}

/** `Device (name) { ... }` */
export function device(name: string, ...contents: readonly Aml[]): Aml {
  return [EXT_PREFIX, DEVICE_OP, ...packaged([...nameString(name), ...contents.flat()])];
}

/** `Name (name, value)` */
export function named(name: string, value: Aml): Aml {
  return [NAME_OP, ...nameString(name), ...value];
}

/** An unsigned number of up to 32 bits, as short as it can be said. */
export function integer(value: number): Aml {
  if (value === 0) return [ZERO_OP];
  if (value === 1) return [ONE_OP];
  if (value <= 0xff) return [BYTE_PREFIX, value];
  if (value <= 0xffff) return [WORD_PREFIX, ...le16(value)];
  return [DWORD_PREFIX, ...le32(value)];
}

/** ASCII text. */
export function text(value: string): Aml {
  return [STRING_PREFIX, ...ascii(value), 0];
}

/** `EisaId ("PNP0501")`: three letters of five bits and four hexadecimal digits, most significant byte first. */
export function eisaId(id: string): Aml {
  const [a = 0, b = 0, c = 0] = ascii(id.slice(0, 3)).map((code) => code - 0x40);
  const value = (a << 26) | (b << 21) | (c << 16) | Number.parseInt(id.slice(3), 16);
  return [DWORD_PREFIX, ...le32(value).reverse()];
}

/** `ResourceTemplate () { ... }` */
export function resources(...descriptors: readonly Aml[]): Aml {
  // A checksum of 0 says that there is none.
  const bytes = [...descriptors.flat(), END_TAG, 0];
  return [BUFFER_OP, ...packaged([...integer(bytes.length), ...bytes])];
}

/** `Memory32Fixed (ReadWrite, base, size)` */
export function memory32Fixed(base: number, size: number): Aml {
  return [MEMORY_32_FIXED, ...le16(9), READ_WRITE, ...le32(base), ...le32(size)];
}

/** `Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { gsi }` */
export function levelInterrupt(gsi: number): Aml {
  return [EXTENDED_INTERRUPT, ...le16(6), CONSUMER_LEVEL_HIGH, 1, ...le32(gsi)];
}

/** `IO (Decode16, port, port, 1, length)` */
export function ioPort(port: number, length: number): Aml {
  return [IO_PORT, DECODE_16, ...le16(port), ...le16(port), 1, length];
}

/** `IRQNoFlags () { line }`: edge-triggered, active high, as on ISA. */
export function isaInterrupt(line: number): Aml {
  return [IRQ_NO_FLAGS, ...le16(1 << line)];
}

/** What follows, with its length before it; the length counts itself (section 20.2.4). */
function packaged(contents: Aml): Aml {
  // Six bits fit one byte; else a nibble and as many bytes as the two upper bits of the first one say.
  if (contents.length + 1 < 0x40) return [contents.length + 1, ...contents];
  let more = 1;
  while (contents.length + 1 + more >= 1 << (4 + 8 * more)) more++;
  const length = contents.length + 1 + more;
  const high = Array.from({ length: more }, (_, index) => (length >>> (4 + 8 * index)) & 0xff);
  return [(more << 6) | (length & 0xf), ...high, ...contents];
}

/** "\\_SB" or "COM1": an optional root and one segment of four, filled up with "_". */
function nameString(path: string): Aml {
  const root = path.startsWith("\\");
  const segment = root ? path.slice(1) : path;
  if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment)) throw new RangeError(`"${path}" is no name of ACPI`);
  return [...(root ? ascii("\\") : []), ...ascii(segment.padEnd(4, "_"))];
}
