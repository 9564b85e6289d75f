/** The memory map: what lies where in guest-physical memory, in one table. */

/** Bytes of a virtio-mmio window: registers and configuration in the first 4 KiB, doorbells in the second. */
export const WINDOW_SIZE = 0x2000;

/** Bytes of a virtio-pci device's BAR: structures, doorbells, MSI-X table, MSI-X pending bits, a page each. */
export const BAR_SIZE = 0x4000;

/** Guest-physical memory from low to high. Low memory in detail: boot/layout.ts. */
export const MEMORY_MAP = {
  /** RAM, as much as was asked for; 0x9fc00..0xfffff of it is reserved. */
  ram: { base: 0x0000_0000, maximum: 0x4000_0000 },
  /** One block of v86's memory map, with all windows of our bus in it. */
  virtio: { base: 0xd000_0000, size: 0x2_0000 },
  /** Another one, with the BARs of our PCI devices. */
  pci: { base: 0xd002_0000, size: 0x2_0000 },
  /** v86's own: VGA frame buffer, IOAPIC, local APIC. */
  vga: { base: 0xe000_0000, size: 0x10_0000 },
  ioapic: { base: 0xfec0_0000, size: 0x1000 },
  localApic: { base: 0xfee0_0000, size: 0x1000 },
} as const;

/** Windows on the virtio bus, in the order in which the guest sees its devices. */
export const WINDOWS = {
  console0: MEMORY_MAP.virtio.base + 0 * WINDOW_SIZE,
  net0: MEMORY_MAP.virtio.base + 1 * WINDOW_SIZE,
  rng0: MEMORY_MAP.virtio.base + 2 * WINDOW_SIZE,
} as const;

/**
 * The window of the spare device, when the machine has one: an entropy source that no kernel is told of, for whoever
 * wants to drive a device from user space (guest-images/tools/ringbreaker.c looks for it here).
 */
export const SPARE_WINDOW = MEMORY_MAP.virtio.base + 3 * WINDOW_SIZE;

/** BARs of the same devices, when they are on PCI: each at a multiple of its size. */
export const BARS = {
  console0: MEMORY_MAP.pci.base + 0 * BAR_SIZE,
  net0: MEMORY_MAP.pci.base + 1 * BAR_SIZE,
  rng0: MEMORY_MAP.pci.base + 2 * BAR_SIZE,
} as const;

/** Names of the machine's devices, in metrics, messages and commands. */
export type DeviceName = keyof typeof WINDOWS;
