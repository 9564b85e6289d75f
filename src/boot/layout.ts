/** Where the boot loader puts its own things in low memory: one literal table, in bytes of guest-physical memory. */
export const BOOT_LAYOUT = {
  /** Global descriptor table: null, unused, flat code (0x10), flat data (0x18). */
  gdt: { address: 0x1000, bytes: 32 },
  /** struct boot_params ("zero page"). */
  bootParams: { address: 0x2000, bytes: 0x1000 },
  /** Command line, zero-terminated. */
  commandLine: { address: 0x3000, bytes: 0x1000 },
  /** Intel MP floating pointer and table: the last KiB of base memory, where a BIOS's EBDA would be. */
  mpTable: { address: 0x9fc00, bytes: 0x400 },
  /** ACPI tables, where a BIOS would have them, the RSDP first: kernels look for it from 0xE0000 on. */
  acpi: { address: 0xe0000, bytes: 0x1000 },
  /** Not RAM for the guest's use: from the MP table to the first MiB. */
  reserved: { address: 0x9fc00, bytes: 0x60400 },
  /** From here on kernel, initramfs and free memory. */
  high: { address: 0x100000 },
} as const;

/** Segment selectors in {@link BOOT_LAYOUT}.gdt, as the Linux boot protocol wants them. */
export const CODE_SELECTOR = 0x10;
export const DATA_SELECTOR = 0x18;
