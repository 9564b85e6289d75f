import { describe, expect, it } from "vitest";
import { V86_CARD_DEVICE } from "../cpu/v86-card.ts";
import { commandLine } from "./command-line.ts";
import { DEVICE_LINES, interruptMap } from "./interrupt-map.ts";

describe("a machine with v86's own network card", () => {
  it("tells the kernel of all devices but net0, and to look at PCI", () => {
    const words = commandLine("", "mmio", "v86").split(" ");
    expect(words).toContain("pci=conf1");
    expect(words).not.toContain("pci=off");
    expect(words.filter((word) => word.startsWith("virtio_mmio.device="))).toEqual([
      "virtio_mmio.device=8K@0xd0000000:11",
      "virtio_mmio.device=8K@0xd0004000:5",
    ]);
  });

  it.each(["mmio", "pci"] as const)(
    "has the card's INTA# at net0's line, beside our devices on %s",
    (transport) => {
      const lines = interruptMap(transport, "v86");
      expect(lines.filter(({ line }) => line === DEVICE_LINES.net0)).toEqual([
        { line: DEVICE_LINES.net0, trigger: "pci-level", device: V86_CARD_DEVICE },
      ]);
      expect(lines).toHaveLength(interruptMap(transport).length);
    },
  );
});
