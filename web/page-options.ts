/** Options of the page itself, from its address: docs/embedding.md lists them. */
import type { DoorbellMode, InterruptMode, TransportKind } from "../src/index.ts";
import { EXIT_COST } from "./exit-cost.ts";

/** What a guest learns of its devices when it boots, and never again. */
export interface AtStart {
  /** Whether devices offer RING_EVENT_IDX. */
  readonly eventIndex: boolean;
  /** Pairs of queues that the network card offers, 1 to 8. */
  readonly queuePairs: number;
  /** Whether there is a spare device, to be broken. */
  readonly spareDevice: boolean;
}

/** Whether two machines tell their guests the same. */
export function sameAtStart(a: AtStart, b: AtStart): boolean {
  return a.eventIndex === b.eventIndex && a.queuePairs === b.queuePairs && a.spareDevice === b.spareDevice;
}

export interface PageOptions {
  readonly transport: TransportKind;
  readonly interrupts: InterruptMode;
  readonly doorbell: DoorbellMode;
  readonly atStart: AtStart;
  readonly memoryMiB: number | undefined;
  /** Nanoseconds of the exit-cost model; 0 is off. */
  readonly exitCostNs: number;
  /** Id of the view beside the terminal, as it stands there: viewOf() says which view that is. */
  readonly view: string | undefined;
  readonly layout: Layout;
  /** No header, controls, chart and footer: for slides and frames. */
  readonly embed: boolean;
  /** A command that the link brings. It runs when the person says so, and not before. */
  readonly run: string | undefined;
}

/** What of terminal and view is there. */
export type Layout = (typeof LAYOUTS)[number];
export const LAYOUTS = ["both", "terminal", "view"] as const;

/** One line that a person can read in full before running it. */
const COMMAND = /^[\x20-\x7e]{1,400}$/;

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
    atStart: {
      eventIndex: query.get("eventidx") !== "off",
      queuePairs: whole("pairs", 1, 8) ?? 1,
      spareDevice: query.has("spare"),
    },
    memoryMiB: whole("memory", 16, 1024),
    exitCostNs: whole("exitcost", 0, EXIT_COST.most) ?? 0,
    view: query.get("view") ?? undefined,
    layout: LAYOUTS.find((layout) => layout === query.get("layout")) ?? "both",
    embed: query.has("embed"),
    run: COMMAND.exec(query.get("run") ?? "")?.[0],
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

/** What a copied link says of the machine. */
export type LinkedState = Pick<
  PageOptions,
  "transport" | "interrupts" | "doorbell" | "exitCostNs" | "atStart"
>;

/**
 * A link to the page as it stands. `href` is the address now, which has the view, lesson, step, layout and memory already;
 * what can be changed without a trace in the address comes from `state`. Values that are the default are left out.
 */
export function pageLink(href: string, state: LinkedState): string {
  const url = new URL(href);
  const { transport, interrupts, doorbell, exitCostNs, atStart } = state;
  const values: readonly (readonly [string, string | undefined])[] = [
    ["transport", transport === "mmio" ? undefined : transport],
    ["interrupts", interrupts === "msi" ? undefined : interrupts],
    ["doorbell", doorbell === "per-queue" ? undefined : doorbell],
    ["exitcost", exitCostNs === 0 ? undefined : String(exitCostNs)],
    ["eventidx", atStart.eventIndex ? undefined : "off"],
    ["pairs", atStart.queuePairs === 1 ? undefined : String(atStart.queuePairs)],
    ["spare", atStart.spareDevice ? "" : undefined],
  ];
  for (const [name, value] of values) url.search = withOption(url.search, name, value);
  return url.href;
}
