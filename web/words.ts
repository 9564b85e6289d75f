/** The page's words for the machine's states. */
import type { BootPhase, DoorbellMode, InterruptMode, TransportKind } from "../src/index.ts";

/** On PCI the same two ways have names of their own. */
export const INTERRUPT_NAMES: Record<TransportKind, Record<InterruptMode, string>> = {
  mmio: { wired: "Legacy (wired)", msi: "MSI" },
  pci: { wired: "INTx (wired)", msi: "MSI-X" },
};
export const INTERRUPT_SHORT: Record<TransportKind, Record<InterruptMode, string>> = {
  mmio: { wired: "Legacy", msi: "MSI" },
  pci: { wired: "PCI INTx", msi: "PCI MSI-X" },
};
export const TRANSPORT_NAMES: Record<TransportKind, string> = { mmio: "MMIO", pci: "PCI" };
export const DOORBELL_NAMES: Record<DoorbellMode, string> = { shared: "Shared", "per-queue": "Per queue" };

/** Boot phases in their order, as steps that a person can follow. "created" is over before anything can be seen. */
export const PHASES: readonly { readonly phase: BootPhase; readonly name: string }[] = [
  { phase: "started", name: "CPU running" },
  { phase: "kernel", name: "Linux booting" },
  { phase: "console", name: "Console connected" },
  { phase: "network", name: "Network up" },
  { phase: "ready", name: "Ready" },
];

/** The sentence of an error, whatever was thrown. */
export function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
