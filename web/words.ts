/** The page's words for the machine's states. */
import type { BootPhase, DoorbellMode, InterruptMode } from "../src/index.ts";

export const INTERRUPT_NAMES: Record<InterruptMode, string> = { wired: "Legacy (wired)", msi: "MSI" };
export const INTERRUPT_SHORT: Record<InterruptMode, string> = { wired: "Legacy", msi: "MSI" };
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
