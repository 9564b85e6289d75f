/** Options of the page itself, from its address: docs/embedding.md lists them. */
import type { DoorbellMode, InterruptMode, TransportKind } from "../src/index.ts";
import { EXIT_COST } from "./exit-cost.ts";
import { viewOf } from "./views.ts";

export interface PageOptions {
  readonly transport: TransportKind;
  readonly interrupts: InterruptMode;
  readonly doorbell: DoorbellMode;
  /** Whether devices offer RING_EVENT_IDX. */
  readonly eventIndex: boolean;
  readonly memoryMiB: number | undefined;
  /** Nanoseconds of the exit-cost model; 0 is off. */
  readonly exitCostNs: number;
  /** Id of the view beside the terminal. */
  readonly view: string;
}

/** Reads {@link PageOptions}; what is unknown or out of range is left at its default. */
export function readPageOptions(search: string): PageOptions {
  const query = new URLSearchParams(search);
  const interrupts = query.get("interrupts");
  const whole = (name: string, least: number, most: number) => {
    const text = query.get(name) ?? "";
    const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? value : undefined;
  };
  return {
    transport: query.get("transport") === "pci" ? "pci" : "mmio",
    interrupts: interrupts === "wired" || interrupts === "legacy" ? "wired" : "msi",
    doorbell: query.get("doorbell") === "shared" ? "shared" : "per-queue",
    eventIndex: query.get("eventidx") !== "off",
    memoryMiB: whole("memory", 16, 1024),
    exitCostNs: whole("exitcost", 0, EXIT_COST.most) ?? 0,
    view: viewOf(query.get("view") ?? undefined).id,
  };
}

/** The address's query with one option set, or taken out when it is undefined. */
export function withOption(search: string, name: string, value: string | undefined): string {
  const query = new URLSearchParams(search);
  if (value === undefined) query.delete(name);
  else query.set(name, value);
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

/** Puts an option into the page's address, so that a reload or a copied link has it too. */
export function rememberOption(name: string, value: string | undefined): void {
  const search = withOption(location.search, name, value);
  history.replaceState(history.state, "", `${location.pathname}${search}${location.hash}`);
}
