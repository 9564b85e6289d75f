/**
 * ACPI tables for kernels that take no device list from their command line: what a microVM has of ACPI, which is a way to
 * be found (ACPI specification 6.4, chapter 5). Hardware-reduced: no fixed registers, no SCI, no power button.
 */
import {
  type Aml,
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
import { ascii, checksum, le16, le32 } from "./bytes.ts";
import { IOAPIC_ADDRESS, IOAPIC_ID, LOCAL_APIC_ADDRESS, type MpLine } from "./mp-table.ts";

/** A window of virtio-mmio registers. */
export interface AcpiWindow {
  readonly base: number;
  readonly size: number;
  /** Its line, which is the pin of the same number at the IOAPIC. */
  readonly line: number;
}

/** What the tables describe. */
export interface AcpiMachine {
  readonly lines: readonly MpLine[];
  readonly windows: readonly AcpiWindow[];
  /** The first serial port. */
  readonly serial: { readonly port: number; readonly ports: number; readonly line: number };
  /** Writing `value` to the 8-bit I/O port `port` resets the machine. */
  readonly reset: { readonly port: number; readonly value: number };
}

/** The hardware id of a virtio-mmio window, which Linux and UEFI know it by. */
const VIRTIO_MMIO = "LNRO0005";
const SERIAL_16550A = "PNP0501";

const OEM = ascii("DOORBL");
const OEM_TABLE = ascii("MICROVM ");
const CREATOR = ascii("DOOR");
const ALIGNMENT = 16;

/** Table revisions of ACPI 6.4: ACPI_6 for the FADT and its minor version. */
const FADT_REVISION = 6;
const FADT_MINOR = 4;
const MADT_REVISION = 5;
const DSDT_REVISION = 2;
const RSDP_REVISION = 2;
const ROOT_REVISION = 1;
const RSDP_BYTES = 36;
/** Its first 20 bytes are what ACPI 1.0 knew, with a checksum of their own. */
const RSDP_BYTES_1_0 = 20;

/** FADT: offsets and bits, section 5.2.9. */
const FADT_BYTES = 276;
const FADT_DSDT = 40;
const FADT_BOOT_ARCHITECTURE = 109;
const FADT_FLAGS = 112;
const FADT_RESET_REGISTER = 116;
const FADT_RESET_VALUE = 128;
const FADT_MINOR_VERSION = 131;
const FADT_X_DSDT = 140;
/** There is no VGA to be looked for; no "8042" bit either, so no keyboard controller. */
const VGA_NOT_PRESENT = 1 << 2;
const WBINVD = 1 << 0;
const RESET_REG_SUPPORTED = 1 << 10;
const HARDWARE_REDUCED = 1 << 20;
const SYSTEM_IO = 1;
const BYTE_ACCESS = 1;

/** MADT: structures and flags, section 5.2.12. */
const PROCESSOR_LOCAL_APIC = 0;
const IO_APIC = 1;
const SOURCE_OVERRIDE = 2;
const LOCAL_APIC_NMI = 4;
const ENABLED = 1;
const ALL_PROCESSORS = 0xff;
const LEVEL_ACTIVE_HIGH = 0x0d;
const NMI_LINT = 1;

/** A table with its signature: the order in which they lie in memory after the RSDP. */
export interface AcpiTable {
  readonly signature: "RSD PTR " | "DSDT" | "FACP" | "APIC" | "RSDT" | "XSDT";
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** All tables as they lie from `address` on, the RSDP first. `address` is a multiple of 16, where kernels look for it. */
export function acpiTables(address: number, machine: AcpiMachine): AcpiTable[] {
  const placed: AcpiTable[] = [];
  let next = address + RSDP_BYTES;
  const place = (
    signature: Exclude<AcpiTable["signature"], "RSD PTR ">,
    revision: number,
    body: Aml,
  ): number => {
    const at = Math.ceil(next / ALIGNMENT) * ALIGNMENT;
    const bytes = table(signature, revision, body);
    placed.push({ signature, address: at, bytes });
    next = at + bytes.length;
    return at;
  };
  const dsdt = place("DSDT", DSDT_REVISION, definitions(machine));
  const described = [
    place("FACP", FADT_REVISION, fadt(dsdt, machine)),
    place("APIC", MADT_REVISION, madt(machine)),
  ];
  const rsdt = place("RSDT", ROOT_REVISION, described.flatMap(le32));
  const xsdt = place("XSDT", ROOT_REVISION, described.flatMap(le64));
  return [{ signature: "RSD PTR ", address, bytes: rsdp(rsdt, xsdt) }, ...placed];
}

/** One block of memory with all of them, as it lies at `address`. */
export function buildAcpi(address: number, machine: AcpiMachine): Uint8Array {
  const tables = acpiTables(address, machine);
  const end = Math.max(...tables.map((placed) => placed.address + placed.bytes.length));
  const block = new Uint8Array(end - address);
  for (const placed of tables) block.set(placed.bytes, placed.address - address);
  return block;
}

/** The DSDT's contents: a device for each window, and the serial port. */
function definitions({ windows, serial }: AcpiMachine): Aml {
  return scope(
    "\\_SB",
    ...windows.map(({ base, size, line }, uid) =>
      device(
        `VR${String(uid).padStart(2, "0")}`,
        named("_HID", text(VIRTIO_MMIO)),
        named("_UID", integer(uid)),
        named("_CCA", integer(1)),
        named("_CRS", resources(memory32Fixed(base, size), levelInterrupt(line))),
      ),
    ),
    device(
      "COM1",
      named("_HID", eisaId(SERIAL_16550A)),
      named("_UID", integer(1)),
      named("_CRS", resources(ioPort(serial.port, serial.ports), isaInterrupt(serial.line))),
    ),
  );
}

function fadt(dsdt: number, { reset }: AcpiMachine): Aml {
  const bytes = new Uint8Array(FADT_BYTES);
  const data = new DataView(bytes.buffer);
  data.setUint32(FADT_DSDT, dsdt, true);
  data.setUint16(FADT_BOOT_ARCHITECTURE, VGA_NOT_PRESENT, true);
  data.setUint32(FADT_FLAGS, WBINVD | RESET_REG_SUPPORTED | HARDWARE_REDUCED, true);
  bytes.set([SYSTEM_IO, 8, 0, BYTE_ACCESS, ...le64(reset.port)], FADT_RESET_REGISTER);
  data.setUint8(FADT_RESET_VALUE, reset.value);
  data.setUint8(FADT_MINOR_VERSION, FADT_MINOR);
  data.setUint32(FADT_X_DSDT, dsdt, true);
  return [...bytes.subarray(HEADER_BYTES)];
}

function madt({ lines }: AcpiMachine): Aml {
  return [
    ...le32(LOCAL_APIC_ADDRESS),
    // No "PCAT_COMPAT": a hardware-reduced machine's kernel leaves the two 8259s alone.
    ...le32(0),
    ...[PROCESSOR_LOCAL_APIC, 8, 0, 0, ...le32(ENABLED)],
    ...[IO_APIC, 12, IOAPIC_ID, 0, ...le32(IOAPIC_ADDRESS), ...le32(0)],
    // Lines that are not as ISA has them. Those of the windows are said in the DSDT once more.
    ...lines
      .filter(({ trigger }) => trigger === "level-high")
      .flatMap(({ line }) => [SOURCE_OVERRIDE, 10, 0, line, ...le32(line), ...le16(LEVEL_ACTIVE_HIGH)]),
    ...[LOCAL_APIC_NMI, 6, ALL_PROCESSORS, ...le16(0), NMI_LINT],
  ];
}

/** Signature, length, revision, checksum, OEM id, OEM table id, OEM revision, creator id, creator revision. */
const HEADER_BYTES = 36;
const CHECKSUM = 9;

function table(signature: string, revision: number, body: Aml): Uint8Array {
  const header = [...ascii(signature), ...le32(HEADER_BYTES + body.length), revision, 0];
  const bytes = Uint8Array.from([
    ...header,
    ...OEM,
    ...OEM_TABLE,
    ...le32(1),
    ...CREATOR,
    ...le32(1),
    ...body,
  ]);
  bytes[CHECKSUM] = checksum(bytes);
  return bytes;
}

function rsdp(rsdt: number, xsdt: number): Uint8Array {
  const bytes = Uint8Array.from([
    ...[...ascii("RSD PTR "), 0, ...OEM, RSDP_REVISION, ...le32(rsdt)],
    ...[...le32(RSDP_BYTES), ...le64(xsdt), 0, 0, 0, 0],
  ]);
  bytes[8] = checksum(bytes.subarray(0, RSDP_BYTES_1_0));
  bytes[32] = checksum(bytes);
  return bytes;
}

function le64(value: number): number[] {
  return [...le32(value), ...le32(0)];
}
