import { describe, expect, it } from "vitest";
import { MMIO_BLOCK_SIZE } from "../cpu/cpu.ts";
import { commandLine, deviceArguments } from "./command-line.ts";
import { DEVICE_LINES, INTERRUPT_MAP } from "./interrupt-map.ts";
import { MEMORY_MAP, WINDOW_SIZE, WINDOWS } from "./memory-map.ts";

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

describe("the interrupt map", () => {
  it("names every line once and has our devices' lines level-triggered", () => {
    const lines = INTERRUPT_MAP.map(({ line }) => line);
    expect(new Set(lines).size).toBe(lines.length);
    for (const line of Object.values(DEVICE_LINES)) {
      expect(INTERRUPT_MAP.find((entry) => entry.line === line)?.trigger).toBe("level-high");
    }
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

  it("ends with what is appended, so that it wins", () => {
    expect(commandLine("  loglevel=7   debug ")).toMatch(/ loglevel=7 debug$/);
    expect(commandLine()).not.toMatch(/\s$/);
  });
});
