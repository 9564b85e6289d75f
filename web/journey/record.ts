/** Records one request in each way of interrupts that the machine can be switched to. */
import type { InterruptMode } from "../../src/index.ts";
import type { MachineStore } from "../store.ts";
import { INTERRUPT_NAMES } from "../words.ts";
import { type Journey, pickJourney } from "./journey.ts";

/** Long enough for the emulated CPU to have translated the path, short enough for nobody to wait. */
const SECONDS = 0.5;
const REQUEST = 32;
const RESPONSE = 1024;
const RING = 1 << 17;

/** By way of interrupts; on PCI one only. */
export type Journeys = Partial<Record<InterruptMode, Journey>>;

/**
 * Runs tcp_rr with the trace on; on MMIO once in each way, with the live switch between, and back.
 * @throws Error with a sentence.
 */
export async function recordJourneys(
  store: MachineStore,
  progress: (text: string) => void,
): Promise<Journeys> {
  const { machine } = store;
  if (machine === undefined || machine.phase !== "ready" || store.state.stage !== "running") {
    throw new Error("The guest is not ready: wait until it runs and its network is up.");
  }
  const { transport } = machine;
  const first =
    store.state.started?.transport === "pci" ? store.state.started.interrupts : store.state.interrupts;
  const modes: InterruptMode[] = transport === "pci" ? [first] : [first, first === "msi" ? "wired" : "msi"];
  const journeys: Journeys = {};
  try {
    for (const mode of modes) {
      const name = INTERRUPT_NAMES[transport][mode];
      progress(`Recording one request with ${name}.`);
      if (transport === "mmio") await store.setInterrupts(mode);
      if (transport === "mmio" && machine.interrupts !== mode)
        throw new Error(`The switch to ${name} did not come to its end.`);
      machine.trace.start(RING);
      const status = await machine.exec(`tcp_rr -H 10.0.2.2 -l ${SECONDS} -r ${REQUEST},${RESPONSE}`);
      machine.trace.stop();
      if (status !== 0) throw new Error(`tcp_rr ended with status ${status}.`);
      const journey = pickJourney(machine.trace.events, transport, REQUEST);
      if (journey === undefined) throw new Error("No whole request was seen: record again.");
      journeys[mode] = journey;
    }
  } finally {
    machine.trace.stop();
    if (transport === "mmio") await store.setInterrupts(first);
  }
  return journeys;
}
