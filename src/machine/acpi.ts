/** What our ACPI tables describe, from the machine's own maps. */
import type { AcpiMachine } from "../boot/acpi.ts";
import { DEVICE_LINES, INTERRUPT_MAP, SERIAL } from "./interrupt-map.ts";
import { type DeviceName, WINDOW_SIZE, WINDOWS } from "./memory-map.ts";

/** The keyboard controller's command to pulse the CPU's reset line: the one reset that v86 has. */
const RESET = { port: 0x64, value: 0xfe } as const;

/** A machine whose devices are on MMIO. */
export const ACPI_MACHINE: AcpiMachine = {
  lines: INTERRUPT_MAP,
  windows: (Object.keys(WINDOWS) as DeviceName[]).map((name) => ({
    base: WINDOWS[name],
    size: WINDOW_SIZE,
    line: DEVICE_LINES[name],
  })),
  serial: SERIAL,
  reset: RESET,
};
