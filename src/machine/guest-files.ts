/** From the files that a machine is booted from to a CPU that stands at the kernel's first instruction. */
import { concatArchives } from "../boot/cpio.ts";
import { gunzip } from "../boot/gzip.ts";
import { type Kernel, parseKernel } from "../boot/kernel.ts";
import { loadLinux } from "../boot/load.ts";
import type { Cpu } from "../cpu/cpu.ts";
import { ACPI_MACHINE } from "./acpi.ts";
import { commandLine } from "./command-line.ts";
import { interruptMap } from "./interrupt-map.ts";
import type { MicroVmOptions } from "./types.ts";

/** Files inflated and understood. */
export interface GuestFiles {
  readonly kernel: Kernel;
  /** All archives behind one another. */
  readonly initrd: Uint8Array;
}

/** @throws BootError: the kernel is none, or a file is damaged; at once, whatever the others still do. */
export async function openGuestFiles({ kernel, initrd = [] }: MicroVmOptions): Promise<GuestFiles> {
  const kernelBytes = gunzip(kernel.name, kernel.bytes);
  const archives = Promise.all(initrd.map(({ name, bytes }) => gunzip(name, bytes)));
  // Whichever fails first is reported; the other must not be left as an unhandled rejection.
  archives.catch(() => {});
  return { kernel: parseKernel(kernel.name, await kernelBytes), initrd: concatArchives(await archives) };
}

/** Puts both into memory, with command line and tables, and the CPU to where the kernel begins. @throws BootError */
export function enterGuest(cpu: Cpu, { kernel, initrd }: GuestFiles, options: MicroVmOptions): void {
  const { transport = "mmio", networkCard, acpi, append } = options;
  cpu.enter(
    loadLinux(cpu.memory, {
      kernelName: options.kernel.name,
      kernel,
      initrd,
      commandLine: commandLine(append, transport, networkCard, acpi),
      lines: interruptMap(transport, networkCard),
      ...(acpi ? { acpi: ACPI_MACHINE } : {}),
    }),
  );
}
