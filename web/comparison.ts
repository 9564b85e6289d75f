/** "Reproduce the table", from its start to a result that stays: one run at a time, cancellable at any moment. */
import type { ComparisonResult } from "./comparison-report.ts";
import type { ComparisonRun, ComparisonSettings, CreateGuest } from "./comparison-run.ts";
import { sentence } from "./words.ts";

/** The run in progress, and what the last one brought. */
export interface ComparisonState {
  readonly stage: "idle" | "running" | "cancelling";
  /** What is being done just now, in words. */
  readonly step: string;
  /** Why the last run did not come to its end, unless it was cancelled. */
  readonly problem: string | undefined;
  /** What was measured, of the run in progress as soon as there is something. */
  readonly result: ComparisonResult | undefined;
}

export const NO_COMPARISON: ComparisonState = {
  stage: "idle",
  step: "",
  problem: undefined,
  result: undefined,
};

const HIDDEN = "The page was in the background for a time, where browsers slow it down.";

export class Comparison {
  readonly #create: CreateGuest;
  readonly #onChange: () => void;
  #state: ComparisonState = NO_COMPARISON;
  #run: ComparisonRun | undefined;
  #cancel: AbortController | undefined;

  constructor(create: CreateGuest, onChange: () => void) {
    this.#create = create;
    this.#onChange = onChange;
  }

  get state(): ComparisonState {
    return this.#state;
  }

  /** How far the run in progress is; undefined when there is none. */
  get progress(): ComparisonRun["progress"] | undefined {
    return this.#run?.progress;
  }

  /** Runs to the end, to a failure or to {@link cancel}; never rejects. */
  async run(settings: ComparisonSettings): Promise<void> {
    const cancel = new AbortController();
    const date = new Date().toISOString();
    this.#cancel = cancel;
    this.#update({ stage: "running", problem: undefined });
    // Downloaded by whoever measures.
    const { CancelledError, ComparisonRun } = await import("./comparison-run.ts");
    const run: ComparisonRun = new ComparisonRun({
      settings,
      signal: cancel.signal,
      create: this.#create,
      onChange: () => report(false),
    });
    const report = (complete: boolean) => {
      const { measurements, notes, step, warmUp } = run;
      // What an earlier run brought stays until this one has something of its own.
      if (measurements.length === 0) this.#update({ step });
      else {
        const kept = { notes: [...notes], measurements: [...measurements], warmUp: { ...warmUp } };
        this.#update({ step, result: { date, settings, complete, ...kept } });
      }
    };
    const watch = () => {
      if (document.hidden && !run.notes.includes(HIDDEN)) run.notes.push(HIDDEN);
    };
    watch();
    document.addEventListener("visibilitychange", watch);
    this.#run = run;
    try {
      await run.run();
      report(true);
    } catch (error) {
      if (!(error instanceof CancelledError)) this.#update({ problem: sentence(error) });
    } finally {
      document.removeEventListener("visibilitychange", watch);
      this.#run = undefined;
      this.#update({ stage: "idle", step: "" });
    }
  }

  cancel(): void {
    if (this.#state.stage !== "running") return;
    this.#update({ stage: "cancelling" });
    this.#cancel?.abort();
  }

  #update(change: Partial<ComparisonState>): void {
    this.#state = { ...this.#state, ...change };
    this.#onChange();
  }
}
