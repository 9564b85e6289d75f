/** The common configuration structure and the ISR status of virtio-pci, for looking at. */
import type { InterruptMode } from "../../metrics/counters.ts";
import type { VirtioCore } from "./core.ts";
import { inspectCore, type RegisterView, type TransportView } from "./inspect.ts";
import type { MsixTable } from "./msix.ts";
import type { PciCommon } from "./pci-common.ts";
import {
  PCI_BAR_COMMON,
  PCI_BAR_ISR,
  VIRTIO_PCI_COMMON_CFGGENERATION,
  VIRTIO_PCI_COMMON_DF,
  VIRTIO_PCI_COMMON_NUMQ,
  VIRTIO_PCI_COMMON_Q_NOFF,
  VIRTIO_PCI_REVISION,
} from "./pci-defs.ts";
import { PCI_COMMON_FIELDS } from "./pci-registers.ts";

const TWO_32 = 0x1_0000_0000;
/** Fields that a driver only reads (virtio 1.2 section 4.1.4.3). */
const READ_ONLY: readonly number[] = [
  VIRTIO_PCI_COMMON_DF,
  VIRTIO_PCI_COMMON_NUMQ,
  VIRTIO_PCI_COMMON_CFGGENERATION,
  VIRTIO_PCI_COMMON_Q_NOFF,
];

export function inspectPci(
  core: VirtioCore,
  common: PciCommon,
  msix: MsixTable | undefined,
  isr: number,
  interrupts: InterruptMode,
): TransportView {
  const fields = PCI_COMMON_FIELDS.map(([offset, width, name]): RegisterView => {
    const value =
      width === 8
        ? common.read(offset, 4) + common.read(offset + 4, 4) * TWO_32
        : common.read(offset, width) >>> 0;
    const access = READ_ONLY.includes(offset) ? "R" : "RW";
    return { name, offset: PCI_BAR_COMMON + offset, width, value, access };
  });
  const uses = Array.from({ length: msix?.size ?? 0 }, (_, vector) => {
    const use = core.device.queueSizes.flatMap((_size, index) =>
      common.queueVector(index) === vector ? [`queue ${index}`] : [],
    );
    if (common.configVector === vector) use.unshift("configuration");
    return use.join(", ");
  });
  return {
    ...inspectCore(core),
    transport: "pci",
    version: VIRTIO_PCI_REVISION,
    interrupts,
    doorbell: "per-queue",
    registers: [...fields, { name: "isr", offset: PCI_BAR_ISR, width: 1, value: isr, access: "R" }],
    vectors: msix?.inspect() ?? [],
    vectorUse: uses,
  };
}
