/** The interrupt map: every interrupt line of the machine, in one table. */
import type { MpLine } from "../boot/mp-table.ts";

/** Lines that our devices use: free on a PC, level-triggered and active high by the MP table. */
export const DEVICE_LINES = { rng0: 5, spare: 9, net0: 10, console0: 11 } as const;

/** What is wired to which pin of the IOAPIC. Line 2 is the PIC's cascade and has no pin. */
export const INTERRUPT_MAP: readonly (MpLine & { readonly use: string })[] = [
  { line: 0, trigger: "isa-edge", use: "timer (PIT)" },
  { line: 1, trigger: "isa-edge", use: "keyboard controller" },
  { line: 3, trigger: "isa-edge", use: "second serial port" },
  { line: 4, trigger: "isa-edge", use: "first serial port" },
  { line: DEVICE_LINES.rng0, trigger: "level-high", use: "rng0" },
  { line: 6, trigger: "isa-edge", use: "floppy controller" },
  { line: 7, trigger: "isa-edge", use: "parallel port" },
  { line: 8, trigger: "isa-edge", use: "real-time clock" },
  { line: DEVICE_LINES.spare, trigger: "level-high", use: "a further device" },
  { line: DEVICE_LINES.net0, trigger: "level-high", use: "net0" },
  { line: DEVICE_LINES.console0, trigger: "level-high", use: "console0" },
  { line: 12, trigger: "isa-edge", use: "mouse" },
  { line: 13, trigger: "isa-edge", use: "coprocessor" },
  { line: 14, trigger: "isa-edge", use: "first disk controller" },
  { line: 15, trigger: "isa-edge", use: "second disk controller" },
];
