/** What the bits of a register mean, in the standard's names (virtio 1.2 and docs/virtio-mmio-v3.md). */
import type { DeviceInspection, RegisterView } from "../../src/index.ts";

/** Device status, virtio 1.2 section 2.1. */
const STATUS_BITS: readonly (readonly [bit: number, name: string])[] = [
  [1, "ACKNOWLEDGE"],
  [2, "DRIVER"],
  [8, "FEATURES_OK"],
  [4, "DRIVER_OK"],
  [64, "DEVICE_NEEDS_RESET"],
  [128, "FAILED"],
];

/** Feature bits of the standard, section 6, and of each device, sections 5.1.3 and 5.3.3. */
const RING_FEATURES: Readonly<Record<number, string>> = {
  24: "NOTIFY_ON_EMPTY",
  27: "ANY_LAYOUT",
  28: "INDIRECT_DESC",
  29: "EVENT_IDX",
  32: "VERSION_1",
  33: "ACCESS_PLATFORM",
  34: "RING_PACKED",
  35: "IN_ORDER",
  36: "ORDER_PLATFORM",
  38: "NOTIFICATION_DATA",
};
const DEVICE_FEATURES: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  net: {
    0: "CSUM",
    1: "GUEST_CSUM",
    3: "MTU",
    5: "MAC",
    7: "GUEST_TSO4",
    8: "GUEST_TSO6",
    9: "GUEST_ECN",
    10: "GUEST_UFO",
    11: "HOST_TSO4",
    12: "HOST_TSO6",
    13: "HOST_ECN",
    15: "MRG_RXBUF",
    16: "STATUS",
    17: "CTRL_VQ",
    18: "CTRL_RX",
    21: "GUEST_ANNOUNCE",
    22: "MQ",
    23: "CTRL_MAC_ADDR",
    52: "VQ_NOTF_COAL",
    53: "NOTF_COAL",
    57: "HASH_REPORT",
    60: "RSS",
  },
  console: { 0: "SIZE", 1: "MULTIPORT", 2: "EMERG_WRITE" },
};
const DEVICE_NAMES: Readonly<Record<number, string>> = {
  1: "network card",
  2: "block device",
  3: "console",
  4: "entropy source",
};
const NO_VECTOR = 0xffff;
const FEATURES_OK = 8;

/** A feature bit's name; its number where it has none. */
export function featureName(type: string, bit: number): string {
  return RING_FEATURES[bit] ?? DEVICE_FEATURES[type]?.[bit] ?? `bit ${bit}`;
}

/** Numbers of the bits that are set, of a 64-bit hexadecimal number. */
export function setBits(hexadecimal: string): number[] {
  const value = BigInt(hexadecimal);
  return Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => ((value >> BigInt(bit)) & 1n) === 1n);
}

export const hex = (value: number, digits = 1): string => `0x${value.toString(16).padStart(digits, "0")}`;

/** A message's address and data in words (Intel SDM vol. 3A, "Message Signalled Interrupts"). */
export function describeMessage(address: number, data: number): string {
  const destination = (address >>> 12) & 0xff;
  const delivery = ["fixed", "lowest priority"][(data >>> 8) & 7] ?? `mode ${(data >>> 8) & 7}`;
  return `vector ${hex(data & 0xff, 2)} to local APIC ${destination}${(address & 4) !== 0 ? " (logical)" : ""}, ${delivery}, ${(data & 0x8000) === 0 ? "edge" : "level"}`;
}

/** The bit fields of a register's value, spelled out; empty where the number says it all. */
export function bitFields(device: DeviceInspection, register: RegisterView): string[] {
  const { value } = register;
  const selected = (name: string): number => device.registers.find((one) => one.name === name)?.value ?? 0;
  const features = (word: number): string[] => {
    if (word > 1) return [];
    return setBits(hex(value)).map((bit) => featureName(device.type, bit + 32 * word));
  };
  switch (register.name) {
    case "MagicValue":
      return ["\u201cvirt\u201d"];
    case "VendorID":
      return ["\u201cDBEL\u201d"];
    case "DeviceID":
      return [DEVICE_NAMES[value] ?? "unknown"];
    case "Version":
      return [value === 3 ? "the standard's, with doorbells or MSI" : "the standard's"];
    case "Status":
    case "device_status":
      return value === 0
        ? ["reset"]
        : STATUS_BITS.filter(([bit]) => (value & bit) !== 0).map(([, name]) => name);
    case "InterruptStatus":
    case "isr":
      return [
        ...((value & 1) !== 0 ? ["used buffers"] : []),
        ...((value & 2) !== 0 ? ["configuration"] : []),
      ];
    case "DeviceFeatures":
      return features(selected("DeviceFeaturesSel"));
    case "DriverFeatures":
      return features(selected("DriverFeaturesSel"));
    case "device_feature":
      return features(selected("device_feature_select"));
    case "driver_feature":
      return features(selected("driver_feature_select"));
    case "QueueNotify":
      return value === 0
        ? []
        : [`doorbells from ${hex(value & 0xffff)} on`, `${value >>> 16} bytes from one to the next`];
    case "MsiStatus":
      return value === 0 ? ["not offered"] : ["offered", `vectors 0 to ${value & 0x7ff}`];
    case "MsiData":
      return value === 0 ? [] : [describeMessage(selected("MsiAddressLow"), value)];
    case "QueueReady":
    case "queue_enable":
      return [value === 1 ? "enabled" : "not enabled"];
    case "config_msix_vector":
    case "queue_msix_vector":
      return value === NO_VECTOR ? ["none"] : [];
    default:
      return [];
  }
}

/** Whether the driver has settled the features. */
export function negotiated(device: DeviceInspection): boolean {
  return (device.status & FEATURES_OK) !== 0;
}
