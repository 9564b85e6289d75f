/** From which kept machine a visit starts, decided while the emulator is still on its way. */
import { canKeep, findKept, type KeptMachine, type Place, readKept } from "./kept-machines.ts";
import { remembered } from "./theme.ts";

/** Set to "cold" by the person who wants each visit to boot. */
export const START_KEY = "doorbell-start";
/** Only the page that holds it keeps the machine that is used; a second page would overwrite it. */
const LOCK = "doorbell-autosave";
/** How long the page before this one may take to let go of the lock, in milliseconds. */
const LOCK_PATIENCE = 250;

/** What a visit begins with. */
export interface KeptStart {
  readonly place: Place;
  readonly machine: KeptMachine;
}

/** What is known before the rest of the page is there. */
export interface VisitStart {
  /** Where to start from; undefined is a boot. */
  readonly from: KeptStart | undefined;
  /** Whether this page may keep the machine that is used. */
  readonly mayKeep: boolean;
}

/**
 * Looks for what this visit starts from: the machine as it was left, else the one at its prompt; neither when the address
 * or the person asks for a boot, or the address asks for another machine.
 */
export async function findStart(identity: string, search: string): Promise<VisitStart> {
  if (!canKeep()) return { from: undefined, mayKeep: false };
  const query = new URLSearchParams(search);
  // Each step asks the browser's main process; what needs no lock does not wait for it.
  const autosave = findKept("autosave");
  const atPrompt = findKept("prompt");
  // A frame in somebody's page begins anew each time, and leaves alone what the page itself keeps.
  const mayKeep = !query.has("embed") && (await takeLock());
  if (query.get("boot") === "cold") return { from: undefined, mayKeep };
  // The page before this one may have kept its first machine while this one waited for the lock.
  const left = mayKeep ? await readKept((await autosave) ?? (await findKept("autosave"))) : undefined;
  if (left !== undefined && fits(left, query)) return { from: { place: "autosave", machine: left }, mayKeep };
  if (remembered(START_KEY) === "cold") return { from: undefined, mayKeep };
  const prompt = await readKept(await atPrompt);
  if (prompt === undefined || prompt.identity !== identity || !fits(prompt, query, true))
    return { from: undefined, mayKeep };
  return { from: { place: "prompt", machine: prompt }, mayKeep };
}

const DEFAULTS = {
  transport: "mmio",
  interrupts: "msi",
  doorbell: "per-queue",
  memory: "64",
  eventidx: "on",
  pairs: "1",
} as const;

/**
 * Whether the machine is what the address asks for. Of one that was left only what the address names is looked at: its
 * modes may have been switched since.
 */
export function fits(machine: KeptMachine, query: URLSearchParams, defaults = false): boolean {
  // One with the spare device is never kept.
  if (query.has("spare")) return false;
  const has = {
    transport: machine.transport,
    interrupts: machine.interrupts,
    doorbell: machine.doorbell,
    memory: String(machine.memoryMiB),
    eventidx: machine.eventIndex ? "on" : "off",
    pairs: String(machine.queuePairs),
  };
  return (Object.keys(has) as (keyof typeof has)[]).every((name) => {
    const asked = query.get(name) ?? (defaults ? DEFAULTS[name] : undefined);
    if (name === "doorbell" && machine.transport === "pci") return true;
    return asked === undefined || asked === has[name] || (asked === "legacy" && has[name] === "wired");
  });
}

/** Whether this page has the lock now; it keeps it as long as it is there. */
function takeLock(): Promise<boolean> {
  if (navigator.locks === undefined) return Promise.resolve(true);
  return new Promise((resolve) => {
    navigator.locks
      .request(LOCK, { signal: AbortSignal.timeout(LOCK_PATIENCE) }, () => {
        resolve(true);
        return new Promise(() => {});
      })
      .catch(() => resolve(false));
  });
}
