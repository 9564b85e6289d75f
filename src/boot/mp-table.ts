/**
 * The Intel MultiProcessor table (specification 1.4): how a kernel without ACPI learns of the local APIC, the IOAPIC
 * and which interrupt line is wired to which pin, and how.
 */
import { ascii, checksum, le16, le32 } from "./bytes.ts";

/** One interrupt line and how it behaves. */
export interface MpLine {
  readonly line: number;
  /** Edge as ISA has it, level-triggered and active high, or level-triggered and active low as PCI has it. */
  readonly trigger: "isa-edge" | "level-high" | "pci-level";
  /** With "pci-level": the number of the device on PCI bus 0 whose INTA# this is. */
  readonly device?: number;
}

/** The interrupt controllers, where a PC has them. */
export const LOCAL_APIC_ADDRESS = 0xfee00000;
export const IOAPIC_ADDRESS = 0xfec00000;
const LOCAL_APIC_VERSION = 0x14;
const IOAPIC_VERSION = 0x11;
export const IOAPIC_ID = 1;

const ENTRY_PROCESSOR = 0;
const ENTRY_BUS = 1;
const ENTRY_IOAPIC = 2;
const ENTRY_IO_INTERRUPT = 3;
const ENTRY_LOCAL_INTERRUPT = 4;

const INTERRUPT_VECTORED = 0;
const INTERRUPT_NMI = 1;
const INTERRUPT_EXTINT = 3;
/** Flags of an interrupt entry: polarity in bits 1..0 (1 = active high), trigger in bits 3..2 (3 = level). */
const CONFORMS_TO_BUS = 0;
const LEVEL_ACTIVE_HIGH = 0x0d;
const LEVEL_ACTIVE_LOW = 0x0f;
const FLAGS = { "isa-edge": CONFORMS_TO_BUS, "level-high": LEVEL_ACTIVE_HIGH, "pci-level": LEVEL_ACTIVE_LOW };
const ALL_LOCAL_APICS = 0xff;

const FLOATING_POINTER_BYTES = 16;
const HEADER_BYTES = 44;

/**
 * Builds floating pointer and table as they lie at `address`.
 * IRQ 0 is wired to pin 0 here, not to pin 2: v86's IOAPIC has every line at the pin of its own number. It has no notion
 * of polarity: what the table says of it matters to the guest's own records only.
 */
export function buildMpTable(address: number, lines: readonly MpLine[]): Uint8Array {
  // PCI buses come first and are numbered as the hardware numbers them (MP 1.4 section D.3).
  const pci = lines.some(({ trigger }) => trigger === "pci-level") ? [0] : [];
  const isa = pci.length;
  const entries: number[][] = [
    // The one processor: local APIC id 0, enabled (1) and bootstrap (2); signature; features FPU and APIC.
    [ENTRY_PROCESSOR, 0, LOCAL_APIC_VERSION, 3, ...le32(0x600), ...le32(0x201), ...le32(0), ...le32(0)],
    ...pci.map((bus) => [ENTRY_BUS, bus, ...ascii("PCI", 6)]),
    [ENTRY_BUS, isa, ...ascii("ISA", 6)],
    [ENTRY_IOAPIC, IOAPIC_ID, IOAPIC_VERSION, 1, ...le32(IOAPIC_ADDRESS)],
    ...lines.map(({ line, trigger, device = 0 }) => [
      ENTRY_IO_INTERRUPT,
      INTERRUPT_VECTORED,
      ...le16(FLAGS[trigger]),
      // A PCI interrupt's source is device number and pin, INTA# being 0.
      ...(trigger === "pci-level" ? [0, device << 2] : [isa, line]),
      IOAPIC_ID,
      line,
    ]),
    [ENTRY_LOCAL_INTERRUPT, INTERRUPT_EXTINT, ...le16(CONFORMS_TO_BUS), isa, 0, ALL_LOCAL_APICS, 0],
    [ENTRY_LOCAL_INTERRUPT, INTERRUPT_NMI, ...le16(CONFORMS_TO_BUS), isa, 0, ALL_LOCAL_APICS, 1],
  ];
  const body = entries.flat();
  const table = [
    ...ascii("PCMP", 4),
    ...le16(HEADER_BYTES + body.length),
    4, // specification 1.4
    0, // checksum, below
    ...ascii("DOORBELL", 8),
    ...ascii("MICROVM", 12),
    ...le32(0),
    ...le16(0),
    ...le16(entries.length),
    ...le32(LOCAL_APIC_ADDRESS),
    ...le16(0),
    0,
    0,
    ...body,
  ];
  table[7] = checksum(table);
  const pointer = [
    ...ascii("_MP_", 4),
    ...le32(address + FLOATING_POINTER_BYTES),
    1, // length in 16-byte units
    4, // specification 1.4
    0, // checksum, below
    0, // a table is present
    0, // no IMCR: virtual wire mode
    0,
    0,
    0,
  ];
  pointer[10] = checksum(pointer);
  return Uint8Array.from([...pointer, ...table]);
}
