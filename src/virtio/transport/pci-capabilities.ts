import type { PciConfigSpace } from "./pci-config.ts";
import {
  PCI_BAR_COMMON,
  PCI_BAR_DEVICE,
  PCI_BAR_ISR,
  PCI_BAR_MSIX_PBA,
  PCI_BAR_MSIX_TABLE,
  PCI_BAR_NOTIFY,
  PCI_CAP_ID_MSIX,
  PCI_CAP_ID_VNDR,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_MASKALL,
  PCI_NOTIFY_MULTIPLIER,
  VIRTIO_PCI_CAP_BAR,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_LENGTH,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_CAP_OFFSET,
  VIRTIO_PCI_CAP_PCI_CFG,
  VIRTIO_PCI_CFG_DATA,
  VIRTIO_PCI_COMMON_SIZE,
} from "./pci-defs.ts";

/** Offsets in configuration space of the capabilities that a driver writes to. */
export interface PciCapabilities {
  /** Access to the BAR through configuration space. */
  readonly pciCfg: number;
  /** MSI-X; 0 when it is not offered. */
  readonly msix: number;
}

/** Bytes of struct virtio_pci_cap. */
const CAP_SIZE = 16;
const BAR = 0;

/**
 * Adds the capabilities of a virtio device (virtio 1.2 section 4.1.4), all structures in BAR 0, and MSI-X when it has
 * vectors (PCI 3.0 section 6.8.2). A device without configuration space has no capability for it.
 */
export function addVirtioCapabilities(
  config: PciConfigSpace,
  device: { readonly queues: number; readonly configSize: number; readonly msixVectors: number },
): PciCapabilities {
  const add = (type: number, offset: number, length: number, tail: readonly number[] = []): number =>
    config.addCapability(PCI_CAP_ID_VNDR, [
      CAP_SIZE + tail.length,
      type,
      BAR,
      0, // id: one structure of each type
      0,
      0,
      ...le32(offset),
      ...le32(length),
      ...tail,
    ]);
  add(VIRTIO_PCI_CAP_COMMON_CFG, PCI_BAR_COMMON, VIRTIO_PCI_COMMON_SIZE);
  add(
    VIRTIO_PCI_CAP_NOTIFY_CFG,
    PCI_BAR_NOTIFY,
    device.queues * PCI_NOTIFY_MULTIPLIER,
    le32(PCI_NOTIFY_MULTIPLIER),
  );
  add(VIRTIO_PCI_CAP_ISR_CFG, PCI_BAR_ISR, 1);
  if (device.configSize > 0) add(VIRTIO_PCI_CAP_DEVICE_CFG, PCI_BAR_DEVICE, device.configSize);
  const pciCfg = add(VIRTIO_PCI_CAP_PCI_CFG, 0, 0, le32(0));
  config.allowWrites(pciCfg + VIRTIO_PCI_CAP_BAR, 0xff, 1);
  config.allowWrites(pciCfg + VIRTIO_PCI_CAP_OFFSET, -1, 4);
  config.allowWrites(pciCfg + VIRTIO_PCI_CAP_LENGTH, -1, 4);
  config.allowWrites(pciCfg + VIRTIO_PCI_CFG_DATA, -1, 4);
  if (device.msixVectors === 0) return { pciCfg, msix: 0 };
  const msix = config.addCapability(PCI_CAP_ID_MSIX, [
    ...le16(device.msixVectors - 1),
    ...le32(PCI_BAR_MSIX_TABLE | BAR),
    ...le32(PCI_BAR_MSIX_PBA | BAR),
  ]);
  config.allowWrites(msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
  return { pciCfg, msix };
}

function le16(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff];
}

function le32(value: number): number[] {
  return [...le16(value), ...le16(value >>> 16)];
}
