/** The registers of virtio-mmio as one table: names, for counting, as the standard spells them, and access. */
import {
  VIRTIO_MMIO_CONFIG,
  VIRTIO_MMIO_CONFIG_GENERATION,
  VIRTIO_MMIO_DEVICE_FEATURES,
  VIRTIO_MMIO_DEVICE_FEATURES_SEL,
  VIRTIO_MMIO_DEVICE_ID,
  VIRTIO_MMIO_DRIVER_FEATURES,
  VIRTIO_MMIO_DRIVER_FEATURES_SEL,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_INTERRUPT_STATUS,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_MSI_ADDRESS_HIGH,
  VIRTIO_MMIO_MSI_ADDRESS_LOW,
  VIRTIO_MMIO_MSI_COMMAND,
  VIRTIO_MMIO_MSI_DATA,
  VIRTIO_MMIO_MSI_STATUS,
  VIRTIO_MMIO_QUEUE_DESC_HIGH,
  VIRTIO_MMIO_QUEUE_DESC_LOW,
  VIRTIO_MMIO_QUEUE_DEVICE_HIGH,
  VIRTIO_MMIO_QUEUE_DEVICE_LOW,
  VIRTIO_MMIO_QUEUE_DRIVER_HIGH,
  VIRTIO_MMIO_QUEUE_DRIVER_LOW,
  VIRTIO_MMIO_QUEUE_NOTIFY,
  VIRTIO_MMIO_QUEUE_NUM,
  VIRTIO_MMIO_QUEUE_NUM_MAX,
  VIRTIO_MMIO_QUEUE_READY,
  VIRTIO_MMIO_QUEUE_SEL,
  VIRTIO_MMIO_SHM_BASE_HIGH,
  VIRTIO_MMIO_SHM_BASE_LOW,
  VIRTIO_MMIO_SHM_LEN_HIGH,
  VIRTIO_MMIO_SHM_LEN_LOW,
  VIRTIO_MMIO_SHM_SEL,
  VIRTIO_MMIO_STATUS,
  VIRTIO_MMIO_VENDOR_ID,
  VIRTIO_MMIO_VERSION,
} from "../defs.ts";

type Access = "R" | "W" | "RW";

/** Offset, width in bytes, name and access of each register below the configuration space. */
export const MMIO_REGISTERS: readonly (readonly [
  offset: number,
  width: 2 | 4,
  name: string,
  access: Access,
])[] = [
  [VIRTIO_MMIO_MAGIC_VALUE, 4, "MagicValue", "R"],
  [VIRTIO_MMIO_VERSION, 4, "Version", "R"],
  [VIRTIO_MMIO_DEVICE_ID, 4, "DeviceID", "R"],
  [VIRTIO_MMIO_VENDOR_ID, 4, "VendorID", "R"],
  [VIRTIO_MMIO_DEVICE_FEATURES, 4, "DeviceFeatures", "R"],
  [VIRTIO_MMIO_DEVICE_FEATURES_SEL, 4, "DeviceFeaturesSel", "W"],
  [VIRTIO_MMIO_DRIVER_FEATURES, 4, "DriverFeatures", "W"],
  [VIRTIO_MMIO_DRIVER_FEATURES_SEL, 4, "DriverFeaturesSel", "W"],
  [VIRTIO_MMIO_QUEUE_SEL, 4, "QueueSel", "W"],
  [VIRTIO_MMIO_QUEUE_NUM_MAX, 4, "QueueNumMax", "R"],
  [VIRTIO_MMIO_QUEUE_NUM, 4, "QueueNum", "W"],
  [VIRTIO_MMIO_QUEUE_READY, 4, "QueueReady", "RW"],
  [VIRTIO_MMIO_QUEUE_NOTIFY, 4, "QueueNotify", "RW"],
  [VIRTIO_MMIO_INTERRUPT_STATUS, 4, "InterruptStatus", "R"],
  [VIRTIO_MMIO_INTERRUPT_ACK, 4, "InterruptACK", "W"],
  [VIRTIO_MMIO_STATUS, 4, "Status", "RW"],
  [VIRTIO_MMIO_QUEUE_DESC_LOW, 4, "QueueDescLow", "W"],
  [VIRTIO_MMIO_QUEUE_DESC_HIGH, 4, "QueueDescHigh", "W"],
  [VIRTIO_MMIO_QUEUE_DRIVER_LOW, 4, "QueueDriverLow", "W"],
  [VIRTIO_MMIO_QUEUE_DRIVER_HIGH, 4, "QueueDriverHigh", "W"],
  [VIRTIO_MMIO_QUEUE_DEVICE_LOW, 4, "QueueDeviceLow", "W"],
  [VIRTIO_MMIO_QUEUE_DEVICE_HIGH, 4, "QueueDeviceHigh", "W"],
  [VIRTIO_MMIO_SHM_SEL, 4, "SHMSel", "W"],
  [VIRTIO_MMIO_SHM_LEN_LOW, 4, "SHMLenLow", "R"],
  [VIRTIO_MMIO_SHM_LEN_HIGH, 4, "SHMLenHigh", "R"],
  [VIRTIO_MMIO_SHM_BASE_LOW, 4, "SHMBaseLow", "R"],
  [VIRTIO_MMIO_SHM_BASE_HIGH, 4, "SHMBaseHigh", "R"],
  [VIRTIO_MMIO_MSI_STATUS, 2, "MsiStatus", "RW"],
  [VIRTIO_MMIO_MSI_COMMAND, 2, "MsiCommand", "W"],
  [VIRTIO_MMIO_MSI_ADDRESS_LOW, 4, "MsiAddressLow", "W"],
  [VIRTIO_MMIO_MSI_ADDRESS_HIGH, 4, "MsiAddressHigh", "W"],
  [VIRTIO_MMIO_MSI_DATA, 4, "MsiData", "W"],
  [VIRTIO_MMIO_CONFIG_GENERATION, 4, "ConfigGeneration", "R"],
];

/** Index of "Config": any access to configuration space. */
export const REGISTER_CONFIG = MMIO_REGISTERS.length;
/** Index of "Doorbell": any access to the second page of the window. */
export const REGISTER_DOORBELL = MMIO_REGISTERS.length + 1;
/** Index of "Other": accesses below the configuration space that name no register. */
export const REGISTER_OTHER = MMIO_REGISTERS.length + 2;

/** Names in the order of the counters' indices. */
export const MMIO_REGISTER_NAMES: readonly string[] = [
  ...MMIO_REGISTERS.map(([, , name]) => name),
  "Config",
  "Doorbell",
  "Other",
];

const byHalfword = new Uint8Array(VIRTIO_MMIO_CONFIG / 2).fill(REGISTER_OTHER);
MMIO_REGISTERS.forEach(([offset, width], index) => {
  byHalfword.fill(index, offset / 2, (offset + width) / 2);
});

/** Counter index of the register at an offset below the configuration space. */
export function registerIndex(offset: number): number {
  return byHalfword[offset >>> 1] ?? REGISTER_OTHER;
}

export const WRONG_WIDTH = "register accessed in the wrong width";
export const READ_OF_WRITE_ONLY = "read of a write-only register";

/** What is wrong with a read, or a write, of an offset below the configuration space that had no effect. */
export function misuse(offset: number, size: number, write: boolean): string {
  const [start, width, , access] = MMIO_REGISTERS[registerIndex(offset)] ?? [0, 0, "", undefined];
  if (access === undefined) return "undefined register";
  if (offset !== start || size !== width) return WRONG_WIDTH;
  if (write) return access === "R" ? "write to a read-only register" : "undefined register";
  return access === "W" ? READ_OF_WRITE_ONLY : "undefined register";
}
