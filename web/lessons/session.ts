/** One step of a lesson, being done: what was set, run and answered, and what the machine says of it. */
import type { MetricsSnapshot } from "../../src/index.ts";
import { sentence } from "../words.ts";
import type { Growth } from "./expression.ts";
import type { Check, Part, Step } from "./lesson.ts";
import { applySettings, type LessonStore, type Setting } from "./settings.ts";

/** What a command printed is bounded: a guest may print without end. */
const PRINTED_AT_MOST = 8192;

export type RunState = "idle" | "running" | "done";

/** A check as it stands. */
export interface CheckState {
  readonly check: Check;
  /** The left side of the condition now; undefined while nothing was measured, NaN when it cannot be computed. */
  readonly value: number | undefined;
  readonly held: boolean;
}

export class StepSession {
  readonly #store: LessonStore;
  readonly #changed: () => void;
  /** What has to be in force. */
  readonly settings: readonly Setting[];
  readonly #command: string | undefined;
  readonly #checks: readonly Check[];
  readonly #answers: readonly Check[];
  #machine: LessonStore["machine"];
  #before: MetricsSnapshot | undefined;
  #after: MetricsSnapshot | undefined;
  #cancel: AbortController | undefined;
  #run: RunState = "idle";
  #status: number | undefined;
  #output = "";
  #applying = false;
  #problem: string | undefined;
  #answer: number | undefined;
  #done = false;

  /** `changed` is called after each change that a person could see. */
  constructor(store: LessonStore, step: Step, changed: () => void) {
    this.#store = store;
    this.#changed = changed;
    const part = <K extends Part["kind"]>(kind: K) =>
      step.parts.find((one): one is Extract<Part, { kind: K }> => one.kind === kind);
    this.settings = step.settings.map((setting) => setting.resolve?.(store) ?? setting);
    this.#command = part("run")?.command;
    this.#checks = part("check")?.checks ?? [];
    this.#answers = part("ask")?.answers ?? [];
    this.#machine = store.machine;
    this.#before = store.machine?.metrics();
  }

  get run(): RunState {
    return this.#run;
  }

  /** What the command printed, both its outputs together. */
  get output(): string {
    return this.#output;
  }

  /** The command's exit status. */
  get status(): number | undefined {
    return this.#status;
  }

  get applying(): boolean {
    return this.#applying;
  }

  /** What went wrong, in a sentence. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** The answer that the person chose. */
  get answer(): number | undefined {
    return this.#answer;
  }

  /** The answer that the machine gives: the first whose condition holds. */
  get truth(): number | undefined {
    const growth = this.#growth;
    if (growth === undefined) return undefined;
    const index = this.#answers.findIndex(({ condition }) => condition.holds(growth));
    return index < 0 ? undefined : index;
  }

  /** Whether all is in force that the step sets. */
  get set(): boolean {
    return this.settings.every((setting) => setting.inForce(this.#store));
  }

  /** Whether setting it restarts the guest. */
  get restarts(): boolean {
    return this.settings.some((setting) => setting.atStart && !setting.inForce(this.#store));
  }

  get checks(): readonly CheckState[] {
    const growth = this.#growth;
    return this.#checks.map((check) => ({
      check,
      value: growth === undefined ? undefined : check.condition.value(growth),
      held: growth !== undefined && check.condition.holds(growth),
    }));
  }

  /** Whether the step's question has to be answered before its command runs: a prediction. */
  get asksFirst(): boolean {
    return this.#answers.length > 0 && this.#answer === undefined;
  }

  /** Everything that the step asks for has happened; it stays so. */
  get done(): boolean {
    return this.#done;
  }

  /** Looks at the counters. Where nothing is run, the step measures from its beginning on, all the time. */
  sample(): void {
    const { machine } = this.#store;
    if (machine !== this.#machine) {
      // Another machine: it counts from its own beginning.
      this.#machine = machine;
      this.#before = machine === undefined ? undefined : NOTHING_YET;
      if (this.#command !== undefined) this.#after = undefined;
    }
    if (this.#command === undefined || this.#run === "running") this.#after = machine?.metrics();
    this.#done ||=
      this.set &&
      !this.#applying &&
      (this.#command === undefined || this.#run === "done") &&
      this.checks.every(({ held }) => held) &&
      (this.#answers.length === 0 || (this.#answer !== undefined && this.truth !== undefined));
    this.#changed();
  }

  /** Puts the step's settings into force. */
  async apply(): Promise<void> {
    if (this.#applying) return;
    this.#applying = true;
    this.#problem = undefined;
    this.#changed();
    try {
      await applySettings(this.#store, this.settings);
    } catch (error) {
      this.#problem = sentence(error);
    } finally {
      this.#applying = false;
      this.sample();
    }
  }

  /** Runs the step's command in the guest and measures what it did. */
  async execute(): Promise<void> {
    const { machine } = this.#store;
    if (this.#command === undefined || machine === undefined || this.#run === "running") return;
    this.#cancel = new AbortController();
    this.#run = "running";
    this.#output = "";
    this.#status = undefined;
    this.#problem = undefined;
    this.#before = machine.metrics();
    this.sample();
    const decoder = new TextDecoder();
    const print = (bytes: Uint8Array) => {
      if (this.#output.length < PRINTED_AT_MOST) this.#output += decoder.decode(bytes, { stream: true });
      this.#changed();
    };
    try {
      this.#status = await machine.exec(this.#command, {
        signal: this.#cancel.signal,
        onStdout: print,
        onStderr: print,
      });
      this.#after = machine.metrics();
      this.#run = "done";
    } catch (error) {
      this.#run = "idle";
      this.#after = undefined;
      this.#problem = sentence(error);
    }
    this.sample();
  }

  /** Ends the command, as Ctrl-C does. */
  cancel(): void {
    this.#cancel?.abort();
  }

  choose(answer: number): void {
    if (this.#answer !== undefined) return;
    this.#answer = answer;
    this.sample();
  }

  /** What was measured; undefined until there is something to look at. */
  get #growth(): Growth | undefined {
    if (this.#command !== undefined ? this.#run !== "done" : this.#applying || !this.set) return undefined;
    return this.#before === undefined || this.#after === undefined
      ? undefined
      : { before: this.#before, after: this.#after };
  }
}

/** The counters of a machine that has not begun. */
const NOTHING_YET: MetricsSnapshot = {
  wallMs: 0,
  guestInstructions: 0,
  switches: 0,
  ioapicEois: 0,
  exitCostNs: 0,
  peer: { transactions: 0 },
  devices: {},
};
