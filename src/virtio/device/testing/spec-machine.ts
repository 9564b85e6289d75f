import { MockMemory } from "../../testing/mock-memory.ts";
import { MmioRig } from "../../testing/mock-rig.ts";
import type { VirtioDevice } from "../../types.ts";

/** Bytes of RAM around a device in a spec. */
export const SPEC_RAM = 0x40_0000;

/** One device on a real transport, with a driver's half to drive it. For specs. */
export type SpecMachine = MmioRig;

/** Puts a device behind virtio-mmio with MSI and doorbells; the driver is not initialised yet. */
export function specMachine(device: VirtioDevice, ram = SPEC_RAM): MmioRig {
  return new MmioRig(device, { interrupts: "msi", doorbell: "per-queue" }, new MockMemory(ram));
}
