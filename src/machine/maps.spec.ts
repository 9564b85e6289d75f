import { describe, expect, it } from "vitest";
import { buildAcpi } from "../boot/acpi.ts";
import { BOOT_LAYOUT } from "../boot/layout.ts";
import { MMIO_BLOCK_SIZE } from "../cpu/cpu.ts";
import { PCI_BAR_SIZE } from "../virtio/transport/pci-defs.ts";
import { ACPI_MACHINE } from "./acpi.ts";
import { commandLine, deviceArguments } from "./command-line.ts";
import { DEVICE_LINES, INTERRUPT_MAP, interruptMap, PCI_DEVICES } from "./interrupt-map.ts";
import {
  BAR_SIZE,
  BARS,
  type DeviceName,
  MEMORY_MAP,
  SPARE_WINDOW,
  WINDOW_SIZE,
  WINDOWS,
} from "./memory-map.ts";

describe("the memory map", () => {
  it("gives each device a window of its own inside the one block of the bus", () => {
    const bases = Object.values(WINDOWS);
    expect(new Set(bases).size).toBe(bases.length);
    expect(MEMORY_MAP.virtio.size).toBe(MMIO_BLOCK_SIZE);
    for (const base of bases) {
      expect(base % WINDOW_SIZE).toBe(0);
      expect(base).toBeGreaterThanOrEqual(MEMORY_MAP.virtio.base);
      expect(base + WINDOW_SIZE).toBeLessThanOrEqual(MEMORY_MAP.virtio.base + MEMORY_MAP.virtio.size);
    }
  });
});

describe("the spare device", () => {
  it("has a window and a line of its own, and no kernel is told of it", () => {
    expect(Object.values(WINDOWS)).not.toContain(SPARE_WINDOW);
    expect(SPARE_WINDOW % WINDOW_SIZE).toBe(0);
    expect(SPARE_WINDOW + WINDOW_SIZE).toBeLessThanOrEqual(MEMORY_MAP.virtio.base + MEMORY_MAP.virtio.size);
    expect(INTERRUPT_MAP.find(({ line }) => line === DEVICE_LINES.spare0)?.trigger).toBe("level-high");
    expect(commandLine()).not.toContain(SPARE_WINDOW.toString(16));
  });
});

describe("the memory map of PCI", () => {
  it("gives each device a BAR of its own inside a block of its own, at a multiple of its size", () => {
    expect(Object.keys(BARS)).toEqual(Object.keys(WINDOWS));
    expect(BAR_SIZE).toBe(PCI_BAR_SIZE);
    expect(MEMORY_MAP.pci.size).toBe(MMIO_BLOCK_SIZE);
    expect(MEMORY_MAP.pci.base % MMIO_BLOCK_SIZE).toBe(0);
    const bases = Object.values(BARS);
    expect(new Set(bases).size).toBe(bases.length);
    for (const base of bases) {
      expect(base % BAR_SIZE).toBe(0);
      expect(base).toBeGreaterThanOrEqual(MEMORY_MAP.pci.base);
      expect(base + BAR_SIZE).toBeLessThanOrEqual(MEMORY_MAP.pci.base + MEMORY_MAP.pci.size);
    }
    expect(MEMORY_MAP.pci.base).toBeGreaterThanOrEqual(MEMORY_MAP.virtio.base + MEMORY_MAP.virtio.size);
  });
});

describe("the interrupt map", () => {
  it("wires INTA# of each PCI device to the line that the device has on mmio, and names every line once", () => {
    const map = interruptMap("pci");
    const lines = map.map(({ line }) => line);
    expect(new Set(lines).size).toBe(lines.length);
    expect(map.filter(({ trigger }) => trigger === "level-high")).toEqual([]);
    for (const name of ["console0", "net0", "rng0"] as const) {
      expect(map.find(({ device }) => device === PCI_DEVICES[name])).toMatchObject({
        line: DEVICE_LINES[name],
        trigger: "pci-level",
      });
    }
    expect(interruptMap("mmio")).toBe(INTERRUPT_MAP);
  });

  it("names every line once and has our devices' lines level-triggered", () => {
    const lines = INTERRUPT_MAP.map(({ line }) => line);
    expect(new Set(lines).size).toBe(lines.length);
    for (const line of Object.values(DEVICE_LINES)) {
      expect(INTERRUPT_MAP.find((entry) => entry.line === line)?.trigger).toBe("level-high");
    }
  });
});

describe("the ACPI tables", () => {
  it("describe every window with its line, and fit the room that the boot loader has for them", () => {
    expect(ACPI_MACHINE.windows).toEqual(
      (Object.keys(WINDOWS) as DeviceName[]).map((name) => ({
        base: WINDOWS[name],
        size: WINDOW_SIZE,
        line: DEVICE_LINES[name],
      })),
    );
    const { address, bytes } = BOOT_LAYOUT.acpi;
    expect(buildAcpi(address, ACPI_MACHINE).length).toBeLessThanOrEqual(bytes);
    expect(address).toBeGreaterThanOrEqual(BOOT_LAYOUT.reserved.address);
    expect(address + bytes).toBeLessThanOrEqual(BOOT_LAYOUT.reserved.address + BOOT_LAYOUT.reserved.bytes);
  });
});

describe("the kernel command line", () => {
  it("lists the devices from the machine's own maps", () => {
    expect(deviceArguments()).toEqual([
      "virtio_mmio.device=8K@0xd0000000:11",
      "virtio_mmio.device=8K@0xd0002000:10",
      "virtio_mmio.device=8K@0xd0004000:5",
    ]);
  });

  it("says nothing of devices that the kernel finds on PCI", () => {
    expect(commandLine("", "mmio")).toContain(" pci=off ");
    expect(commandLine("", "mmio")).toContain("virtio_mmio.device");
    expect(commandLine("", "pci")).toContain(" pci=conf1");
    expect(commandLine("", "pci")).not.toMatch(/virtio_mmio|pci=off/);
  });

  it("says nothing of devices that the kernel finds by ACPI, and how fast the clock is that nothing can measure", () => {
    const line = commandLine("", "mmio", "doorbell", true);
    expect(line).not.toMatch(/virtio_mmio|acpi=off/);
    expect(line).toContain(" pci=off tsc_early_khz=1000000");
    expect(commandLine()).toContain(" acpi=off ");
  });

  it("ends with what is appended, so that it wins", () => {
    expect(commandLine("  loglevel=7   debug ")).toMatch(/ loglevel=7 debug$/);
    expect(commandLine()).not.toMatch(/\s$/);
  });
});
