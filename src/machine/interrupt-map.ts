/** The interrupt map: every interrupt line of the machine, in one table. */
import type { MpLine } from "../boot/mp-table.ts";
import { V86_CARD_DEVICE } from "../cpu/v86-card.ts";
import type { TransportKind } from "../metrics/counters.ts";
import type { NetworkCard } from "./types.ts";

/** Lines that our devices use: free on a PC, level-triggered and active high by the MP table. */
export const DEVICE_LINES = { rng0: 5, spare0: 9, net0: 10, console0: 11 } as const;

/** The first serial port, as every PC has it: eight I/O ports and a line. */
export const SERIAL = { port: 0x3f8, ports: 8, line: 4 } as const;

/** What is wired to which pin of the IOAPIC. Line 2 is the PIC's cascade and has no pin. */
export const INTERRUPT_MAP: readonly (MpLine & { readonly use: string })[] = [
  { line: 0, trigger: "isa-edge", use: "timer (PIT)" },
  { line: 1, trigger: "isa-edge", use: "keyboard controller" },
  { line: 3, trigger: "isa-edge", use: "second serial port" },
  { line: SERIAL.line, trigger: "isa-edge", use: "first serial port" },
  { line: DEVICE_LINES.rng0, trigger: "level-high", use: "rng0" },
  { line: 6, trigger: "isa-edge", use: "floppy controller" },
  { line: 7, trigger: "isa-edge", use: "parallel port" },
  { line: 8, trigger: "isa-edge", use: "real-time clock" },
  { line: DEVICE_LINES.spare0, trigger: "level-high", use: "spare0, when there is one" },
  { line: DEVICE_LINES.net0, trigger: "level-high", use: "net0" },
  { line: DEVICE_LINES.console0, trigger: "level-high", use: "console0" },
  { line: 12, trigger: "isa-edge", use: "mouse" },
  { line: 13, trigger: "isa-edge", use: "coprocessor" },
  { line: 14, trigger: "isa-edge", use: "first disk controller" },
  { line: 15, trigger: "isa-edge", use: "second disk controller" },
];

/** Device numbers on PCI bus 0. The two bridges are v86's. */
export const PCI_DEVICES = { hostBridge: 0, isaBridge: 1, console0: 2, net0: 3, rng0: 4 } as const;

/** Our devices' lines when they are on PCI: INTA# of each has a line of its own, the one that it has on mmio. */
export const PCI_INTERRUPT_MAP: readonly (MpLine & { readonly use: string })[] = [
  ...INTERRUPT_MAP.filter(({ trigger }) => trigger === "isa-edge"),
  ...(["console0", "net0", "rng0"] as const).map((name) => ({
    line: DEVICE_LINES[name],
    trigger: "pci-level" as const,
    device: PCI_DEVICES[name],
    use: `${name} INTA#`,
  })),
];

/** The lines of a machine whose devices are on `transport`. v86's card has net0's line, by its own INTA#. */
export function interruptMap(
  transport: TransportKind,
  networkCard: NetworkCard = "doorbell",
): readonly MpLine[] {
  const lines = transport === "pci" ? PCI_INTERRUPT_MAP : INTERRUPT_MAP;
  if (networkCard === "doorbell") return lines;
  return [
    ...lines.filter(({ line }) => line !== DEVICE_LINES.net0),
    { line: DEVICE_LINES.net0, trigger: "pci-level", device: V86_CARD_DEVICE },
  ];
}
