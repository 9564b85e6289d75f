/** The page's switches of interrupts and doorbells: one at a time, shown while they go on, a failure survived. */
import type { DoorbellMode, InterruptMode, SwitchResult } from "../src/index.ts";
import { formatMilliseconds } from "./format.ts";
import type { Machine, PageState, StoreAccess } from "./page-state.ts";
import { DOORBELL_NAMES, INTERRUPT_NAMES, INTERRUPT_SHORT, sentence } from "./words.ts";

/** One switch, in words and deeds. */
interface Switch {
  readonly kind: "interrupts" | "doorbell";
  readonly name: string;
  readonly mark: string;
  readonly wanted: Partial<PageState>;
  perform(machine: Machine): Promise<SwitchResult>;
}

/** See the file's head. */
export class Switches {
  readonly #host: StoreAccess;
  readonly #switched: (mark: string) => void;

  /** `switched`: told when the devices have negotiated again, with a word for the chart. */
  constructor(host: StoreAccess, switched: (mark: string) => void) {
    this.#host = host;
    this.#switched = switched;
  }

  /** Live on MMIO; on PCI the choice waits for the next start. */
  async setInterrupts(mode: InterruptMode): Promise<void> {
    const { state } = this.#host;
    if (mode === state.interrupts) return;
    if (state.started?.transport === "pci") {
      this.#host.update({ interrupts: mode });
      this.#host.announce(`${INTERRUPT_NAMES.pci[mode]} takes effect at the next restart.`);
      return;
    }
    await this.#switch({
      kind: "interrupts",
      name: INTERRUPT_NAMES.mmio[mode],
      mark: INTERRUPT_SHORT.mmio[mode],
      wanted: { interrupts: mode },
      perform: (machine) => machine.setInterrupts(mode),
    });
  }

  async setDoorbell(mode: DoorbellMode): Promise<void> {
    if (mode === this.#host.state.doorbell) return;
    const name = DOORBELL_NAMES[mode].toLowerCase();
    await this.#switch({
      kind: "doorbell",
      name: `${name} doorbells`,
      mark: name,
      wanted: { doorbell: mode },
      perform: (machine) => machine.setDoorbell(mode),
    });
  }

  async #switch({ kind, name, mark, wanted, perform }: Switch): Promise<void> {
    const host = this.#host;
    const { machine, state } = host;
    if (machine === undefined || state.stage !== "running" || state.switching !== undefined) return;
    host.update({ ...wanted, switching: kind, notice: undefined });
    let notice: string | undefined;
    try {
      const { milliseconds } = await perform(machine);
      if (machine !== host.machine) return;
      this.#switched(mark);
      host.announce(`The devices use ${name}, after ${formatMilliseconds(milliseconds)}.`);
    } catch (error) {
      // One that has stopped meanwhile has said why.
      if (machine !== host.machine || host.state.switching === undefined) return;
      notice = `The switch to ${name} did not finish: ${sentence(error)} Nothing is lost; try again.`;
    }
    const { interrupts, doorbell } = machine;
    host.update({
      ...(notice === undefined ? {} : { notice }),
      switching: undefined,
      interrupts,
      doorbell,
    });
  }
}
