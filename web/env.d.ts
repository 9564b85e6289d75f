/** Set by vite.config.ts: a hash over the guest image, the emulator and the sources that a machine is made of. */
declare const __MACHINE_IDENTITY__: string;
