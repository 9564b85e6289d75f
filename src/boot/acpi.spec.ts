import { describe, expect, it } from "vitest";
import { type AcpiMachine, type AcpiTable, acpiTables, buildAcpi } from "./acpi.ts";

const AT = 0xe0000;
const MACHINE: AcpiMachine = {
  lines: [
    { line: 0, trigger: "isa-edge" },
    { line: 5, trigger: "level-high" },
    { line: 10, trigger: "level-high" },
  ],
  windows: [
    { base: 0xd0000000, size: 0x2000, line: 5 },
    { base: 0xd0002000, size: 0x2000, line: 10 },
  ],
  serial: { port: 0x3f8, ports: 8, line: 4 },
  reset: { port: 0x64, value: 0xfe },
};

function tables(): Record<AcpiTable["signature"], AcpiTable & { data: DataView }> {
  const found = acpiTables(AT, MACHINE).map((placed) => [
    placed.signature,
    { ...placed, data: new DataView(placed.bytes.buffer) },
  ]);
  return Object.fromEntries(found);
}

const sum = (bytes: Uint8Array): number => bytes.reduce((all, byte) => (all + byte) & 0xff, 0);

describe("the ACPI tables", () => {
  it("begin with the RSDP, which names XSDT and RSDT; both name FADT and MADT, and the FADT the DSDT", () => {
    const { "RSD PTR ": rsdp, RSDT, XSDT, FACP, APIC, DSDT } = tables();
    expect(rsdp.address).toBe(AT);
    expect(rsdp.data.getUint32(16, true)).toBe(RSDT.address);
    expect(rsdp.data.getBigUint64(24, true)).toBe(BigInt(XSDT.address));
    expect([RSDT.data.getUint32(36, true), RSDT.data.getUint32(40, true)]).toEqual([
      FACP.address,
      APIC.address,
    ]);
    expect([XSDT.data.getBigUint64(36, true), XSDT.data.getBigUint64(44, true)]).toEqual([
      BigInt(FACP.address),
      BigInt(APIC.address),
    ]);
    expect(FACP.data.getUint32(40, true)).toBe(DSDT.address);
    expect(FACP.data.getBigUint64(140, true)).toBe(BigInt(DSDT.address));
  });

  it("have true lengths and checksums, lie on 16 bytes each, and do not overlap", () => {
    const all = acpiTables(AT, MACHINE);
    for (const { signature, bytes, address } of all) {
      expect(sum(bytes), signature).toBe(0);
      expect(address % 16, signature).toBe(0);
      const length = new DataView(bytes.buffer).getUint32(signature === "RSD PTR " ? 20 : 4, true);
      expect(length, signature).toBe(bytes.length);
    }
    // What ACPI 1.0 reads of the RSDP adds up by itself.
    expect(sum(tables()["RSD PTR "].bytes.subarray(0, 20))).toBe(0);
    const ends = all.map(({ address, bytes }) => address + bytes.length);
    all.slice(1).forEach(({ address }, index) => {
      expect(address).toBeGreaterThanOrEqual(ends[index] ?? 0);
    });
    const block = buildAcpi(AT, MACHINE);
    for (const { address, bytes } of all)
      expect(block.slice(address - AT, address - AT + bytes.length)).toEqual(bytes);
  });

  it("say that the hardware is reduced, that there is no 8042 and no VGA, and how the machine is reset", () => {
    const { FACP } = tables();
    expect(FACP.bytes.length).toBe(276);
    expect(FACP.data.getUint32(112, true) & (1 << 20)).not.toBe(0);
    expect(FACP.data.getUint32(112, true) & (1 << 10)).not.toBe(0);
    expect(FACP.data.getUint16(109, true)).toBe(1 << 2);
    expect([...FACP.bytes.subarray(116, 129)]).toEqual([1, 8, 0, 1, 0x64, 0, 0, 0, 0, 0, 0, 0, 0xfe]);
  });

  it("list one processor, the IOAPIC, and an override for each line that is not as ISA has it", () => {
    const { bytes } = tables().APIC;
    const structures: number[][] = [];
    for (let at = 44; at < bytes.length; at += bytes[at + 1] ?? 1)
      structures.push([...bytes.subarray(at, at + (bytes[at + 1] ?? 1))]);
    expect(structures.map(([type]) => type)).toEqual([0, 1, 2, 2, 4]);
    expect(structures[1]).toEqual([1, 12, 1, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
    expect(structures[3]).toEqual([2, 10, 0, 10, 10, 0, 0, 0, 0x0d, 0]);
  });
});
