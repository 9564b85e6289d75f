/** What a lesson can set on the machine, as data: `interrupts: wired`. */
import { microseconds } from "../exit-cost.ts";
import type { MachineStore } from "../store.ts";
import { DOORBELL_NAMES, INTERRUPT_NAMES, TRANSPORT_NAMES } from "../words.ts";
import { ExpressionError } from "./expression.ts";

/** The part of the page's store that a lesson works with. */
export type LessonStore = Pick<
  MachineStore,
  | "state"
  | "machine"
  | "boot"
  | "onChange"
  | "setInterrupts"
  | "setDoorbell"
  | "setTransport"
  | "setExitCost"
  | "setAtStart"
>;

/** One setting, ready to be compared with the machine and to be put into force. */
export interface Setting {
  readonly name: string;
  /** The lesson did not name it: one of those that are taken for granted. */
  readonly implied: boolean;
  /** What it comes to on the machine as it is now: a setting that depends on what is in force. */
  resolve?(store: LessonStore): Setting;
  /** What a person reads: "Interrupts: Legacy (wired)". */
  readonly label: string;
  /** Devices are found at boot: this setting is chosen first, and a restart puts it into force. */
  readonly atStart: boolean;
  inForce(store: LessonStore): boolean;
  apply(store: LessonStore): void | Promise<void>;
}

type Maker = (value: string) => Omit<Setting, "name" | "implied"> | undefined;

const MAKERS: Readonly<Record<string, Maker>> = {
  interrupts: (mode) => {
    if (mode === "other") {
      return {
        label: "Interrupts: the other way",
        atStart: false,
        inForce: () => false,
        apply: () => {},
        resolve: ({ state }) => parseSetting(`interrupts: ${state.interrupts === "msi" ? "wired" : "msi"}`),
      };
    }
    return mode === "wired" || mode === "msi"
      ? {
          label: `Interrupts: ${INTERRUPT_NAMES.mmio[mode]}`,
          atStart: false,
          inForce: ({ state }) => state.started?.transport === "mmio" && state.interrupts === mode,
          apply: (store) => store.setInterrupts(mode),
        }
      : undefined;
  },
  doorbell: (mode) =>
    mode === "shared" || mode === "per-queue"
      ? {
          label: `Doorbell: ${DOORBELL_NAMES[mode].toLowerCase()}`,
          atStart: false,
          inForce: ({ state }) => state.started?.transport === "mmio" && state.doorbell === mode,
          apply: (store) => store.setDoorbell(mode),
        }
      : undefined,
  exitcost: (text) => {
    const nanoseconds = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    return nanoseconds >= 0
      ? {
          label: `Exit cost: ${nanoseconds === 0 ? "off" : `${microseconds(nanoseconds)} \u00b5s, modelled`}`,
          atStart: false,
          inForce: ({ state }) => state.exitCostNs === nanoseconds,
          apply: (store) => store.setExitCost(nanoseconds),
        }
      : undefined;
  },
  transport: (kind) =>
    kind === "mmio" || kind === "pci"
      ? {
          label: `Devices on ${TRANSPORT_NAMES[kind]}`,
          atStart: true,
          inForce: ({ state }) => state.started?.transport === kind,
          apply: (store) => store.setTransport(kind),
        }
      : undefined,
  eventidx: (choice) =>
    choice === "on" || choice === "off"
      ? {
          label: `EVENT_IDX: ${choice}`,
          atStart: true,
          inForce: ({ state }) => state.started?.atStart.eventIndex === (choice === "on"),
          apply: (store) => store.setAtStart({ eventIndex: choice === "on" }),
        }
      : undefined,
  spare: (choice) =>
    choice === "on" || choice === "off"
      ? {
          label: `A spare device to break: ${choice}`,
          atStart: true,
          inForce: ({ state }) => state.started?.atStart.spareDevice === (choice === "on"),
          apply: (store) => store.setAtStart({ spareDevice: choice === "on" }),
        }
      : undefined,
  pairs: (text) => {
    const queuePairs = /^[1-8]$/.test(text) ? Number(text) : 0;
    return queuePairs > 0
      ? {
          label: `Pairs of queues of the network card: ${queuePairs}`,
          atStart: true,
          inForce: ({ state }) => state.started?.atStart.queuePairs === queuePairs,
          apply: (store) => store.setAtStart({ queuePairs }),
        }
      : undefined;
  },
};

/** What devices are found at boot, and how, unless a lesson says something else. */
const DEFAULTS = ["transport: mmio", "eventidx: on"];

/** Reads `name: value`. @throws ExpressionError */
export function parseSetting(line: string): Setting {
  const [, name = "", value = ""] = /^\s*(\w+):\s*(\S+)\s*$/.exec(line) ?? [];
  const setting = Object.hasOwn(MAKERS, name) ? MAKERS[name]?.(value) : undefined;
  if (setting === undefined) {
    throw new ExpressionError(`"${line}" cannot be set: there are ${Object.keys(MAKERS).join(", ")}.`);
  }
  return { name, implied: false, ...setting };
}

/** What every lesson takes for granted. */
export function defaultSettings(): readonly Setting[] {
  return DEFAULTS.map((line) => ({ ...parseSetting(line), implied: true }));
}

/** `settings` on top of those that were in force before; a setting of the same name takes the place of the earlier one. */
export function onTop(earlier: readonly Setting[], settings: readonly Setting[]): readonly Setting[] {
  return [...earlier.filter(({ name }) => settings.every((one) => one.name !== name)), ...settings];
}

/** The same settings for a step that inherits them. One that depends on the moment holds for its own step only. */
export function inherited(settings: readonly Setting[]): readonly Setting[] {
  return settings
    .filter(({ resolve }) => resolve === undefined)
    .map((setting) => ({ ...setting, implied: true }));
}

/** Puts settings into force; what is needed at boot first, by a restart. */
export async function applySettings(store: LessonStore, settings: readonly Setting[]): Promise<void> {
  const missing = settings.filter((setting) => !setting.inForce(store));
  for (const setting of missing) if (setting.atStart) await setting.apply(store);
  if (missing.some(({ atStart }) => atStart)) await store.boot();
  await ready(store);
  for (const setting of settings) if (!setting.inForce(store)) await setting.apply(store);
}

/** Resolves when the guest takes commands; rejects with a sentence when there is no guest that will. */
function ready(store: LessonStore): Promise<void> {
  return new Promise((resolve, reject) => {
    let unsubscribe = () => {};
    const look = () => {
      const { stage, phases, problem } = store.state;
      const failed = stage === "failed" || stage === "stopped";
      if (!failed && (stage !== "running" || phases.ready === undefined)) return false;
      unsubscribe();
      if (failed) reject(new Error(problem?.detail ?? "The guest does not run."));
      else resolve();
      return true;
    };
    if (!look()) unsubscribe = store.onChange(look);
  });
}
