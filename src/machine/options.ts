/** What a machine can be asked for: defaults, limits, and a sentence for what cannot be had. */
import { BootError } from "../boot/errors.ts";
import { PAIRS_MOST } from "../virtio/device/net-defs.ts";
import { MEMORY_MAP } from "./memory-map.ts";
import type { MicroVmOptions } from "./types.ts";

export const MIB = 0x100000;
const DEFAULT_MEMORY_MIB = 64;
const MEMORY_MIB = { least: 16, most: MEMORY_MAP.ram.maximum / MIB } as const;
/** Decision 0020: one CPU has no use for more, and each costs. */
const DEFAULT_QUEUE_PAIRS = 1;

/** Options with what has a size filled in. */
export type CheckedOptions = MicroVmOptions & Required<Pick<MicroVmOptions, "memoryMiB" | "queuePairs">>;

/** @throws BootError (memory size) or another Error whose message is a sentence. */
export function checkOptions(options: MicroVmOptions): CheckedOptions {
  const { memoryMiB = DEFAULT_MEMORY_MIB, queuePairs = DEFAULT_QUEUE_PAIRS, transport, acpi } = options;
  if (!Number.isInteger(memoryMiB) || memoryMiB < MEMORY_MIB.least || memoryMiB > MEMORY_MIB.most) {
    throw new BootError(
      "memory-size",
      `The guest cannot have ${memoryMiB} MiB of memory: give a whole number from ${MEMORY_MIB.least} to ${MEMORY_MIB.most}.`,
    );
  }
  if (transport === "pci" && options.doorbell === "shared") {
    throw new Error(
      "Devices on PCI have a doorbell for each queue: leave the doorbell mode out, or take per-queue.",
    );
  }
  if (transport === "pci" && options.spareDevice) {
    throw new Error("The spare device is on the virtio-mmio bus: leave it out with devices on PCI.");
  }
  if (!Number.isInteger(queuePairs) || queuePairs < 1 || queuePairs > PAIRS_MOST) {
    throw new Error(
      `The network card cannot have ${queuePairs} pairs of queues: give a whole number from 1 to ${PAIRS_MOST}.`,
    );
  }
  if (acpi && (transport === "pci" || options.networkCard === "v86")) {
    throw new Error(
      "The ACPI tables describe devices on MMIO: leave transport and network card as they are by default.",
    );
  }
  return { ...options, memoryMiB, queuePairs };
}
