/** Set by vite.config.ts: a hash over the guest image, the emulator and the sources that a machine is made of. */
declare const __MACHINE_IDENTITY__: string;
/** Set by vite.integrity.ts: SHA-256 of the machine's files as they are used, in hexadecimal. */
declare const __IMAGE_HASHES__: {
  readonly emulator?: string;
  readonly kernel?: string;
  readonly initramfs?: string;
};
