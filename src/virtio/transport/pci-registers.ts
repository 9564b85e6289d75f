/** The common configuration structure as one table (virtio 1.2 section 4.1.4.3), and names for counting accesses. */
import {
  VIRTIO_PCI_COMMON_CFGGENERATION,
  VIRTIO_PCI_COMMON_DF,
  VIRTIO_PCI_COMMON_DFSELECT,
  VIRTIO_PCI_COMMON_GF,
  VIRTIO_PCI_COMMON_GFSELECT,
  VIRTIO_PCI_COMMON_MSIX,
  VIRTIO_PCI_COMMON_NUMQ,
  VIRTIO_PCI_COMMON_Q_AVAILLO,
  VIRTIO_PCI_COMMON_Q_DESCLO,
  VIRTIO_PCI_COMMON_Q_ENABLE,
  VIRTIO_PCI_COMMON_Q_MSIX,
  VIRTIO_PCI_COMMON_Q_NOFF,
  VIRTIO_PCI_COMMON_Q_SELECT,
  VIRTIO_PCI_COMMON_Q_SIZE,
  VIRTIO_PCI_COMMON_Q_USEDLO,
  VIRTIO_PCI_COMMON_SIZE,
  VIRTIO_PCI_COMMON_STATUS,
} from "./pci-defs.ts";

/** Offset, width in bytes and name of each field. */
export const PCI_COMMON_FIELDS: readonly (readonly [offset: number, width: 1 | 2 | 4 | 8, name: string])[] = [
  [VIRTIO_PCI_COMMON_DFSELECT, 4, "device_feature_select"],
  [VIRTIO_PCI_COMMON_DF, 4, "device_feature"],
  [VIRTIO_PCI_COMMON_GFSELECT, 4, "driver_feature_select"],
  [VIRTIO_PCI_COMMON_GF, 4, "driver_feature"],
  [VIRTIO_PCI_COMMON_MSIX, 2, "config_msix_vector"],
  [VIRTIO_PCI_COMMON_NUMQ, 2, "num_queues"],
  [VIRTIO_PCI_COMMON_STATUS, 1, "device_status"],
  [VIRTIO_PCI_COMMON_CFGGENERATION, 1, "config_generation"],
  [VIRTIO_PCI_COMMON_Q_SELECT, 2, "queue_select"],
  [VIRTIO_PCI_COMMON_Q_SIZE, 2, "queue_size"],
  [VIRTIO_PCI_COMMON_Q_MSIX, 2, "queue_msix_vector"],
  [VIRTIO_PCI_COMMON_Q_ENABLE, 2, "queue_enable"],
  [VIRTIO_PCI_COMMON_Q_NOFF, 2, "queue_notify_off"],
  [VIRTIO_PCI_COMMON_Q_DESCLO, 8, "queue_desc"],
  [VIRTIO_PCI_COMMON_Q_AVAILLO, 8, "queue_driver"],
  [VIRTIO_PCI_COMMON_Q_USEDLO, 8, "queue_device"],
];

/** Index of "isr": reads and writes of the ISR status byte. */
export const PCI_REGISTER_ISR = PCI_COMMON_FIELDS.length;
/** Index of "Config": any access to the device's configuration structure. */
export const PCI_REGISTER_CONFIG = PCI_COMMON_FIELDS.length + 1;
/** Index of "Doorbell": any access to the notification structure. */
export const PCI_REGISTER_DOORBELL = PCI_COMMON_FIELDS.length + 2;
/** Index of "MsixTable": any access to the MSI-X table or its pending bits. */
export const PCI_REGISTER_MSIX = PCI_COMMON_FIELDS.length + 3;
/** Index of "PciConfig": configuration cycles. */
export const PCI_REGISTER_CYCLE = PCI_COMMON_FIELDS.length + 4;
/** Index of "Other": accesses to the BAR where nothing is. */
export const PCI_REGISTER_OTHER = PCI_COMMON_FIELDS.length + 5;

/** Names in the order of the counters' indices. What mmio has too has mmio's name, so that figures compare. */
export const PCI_REGISTER_NAMES: readonly string[] = [
  ...PCI_COMMON_FIELDS.map(([, , name]) => name),
  "isr",
  "Config",
  "Doorbell",
  "MsixTable",
  "PciConfig",
  "Other",
];

const byByte = new Uint8Array(VIRTIO_PCI_COMMON_SIZE);
PCI_COMMON_FIELDS.forEach(([offset, width], index) => {
  byByte.fill(index, offset, offset + width);
});

/** Counter index of the field that the byte at `offset` belongs to; every byte below the structure's end is of one. */
export function fieldIndex(offset: number): number {
  return byByte[offset] ?? PCI_REGISTER_OTHER;
}

/** Offset of a field, by the index that {@link fieldIndex} gives. */
export function fieldOffset(index: number): number {
  return PCI_COMMON_FIELDS[index]?.[0] ?? 0;
}

/**
 * Whether an access is in the field's natural width (virtio 1.2 section 4.1.3.1). An address is accessed in halves.
 * A CPU without 16-bit bus reads asks for the bytes of a 16-bit field one by one.
 */
export function naturalWidth(offset: number, size: number, write: boolean): boolean {
  const [start, width] = PCI_COMMON_FIELDS[fieldIndex(offset)] ?? [0, 0];
  if (width === 8) return size === 4 && (offset - start) % 4 === 0;
  if (width === 2 && size === 1) return !write;
  return offset === start && size === width;
}
