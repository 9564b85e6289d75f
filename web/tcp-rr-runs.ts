/** The page's runs of tcp_rr: one at a time, the newest results kept. */
import type { StoreAccess } from "./page-state.ts";
import { type RrResult, RUN_SECONDS, runRr, summariseRun } from "./rr-run.ts";
import { sentence } from "./words.ts";

const RESULTS_KEPT = 4;

/** See the file's head. */
export class TcpRrRuns {
  readonly #host: StoreAccess;
  readonly #mode: () => string;
  #cancel: AbortController | undefined;

  /** `mode`: what the network card uses now, in the words of the results. */
  constructor(host: StoreAccess, mode: () => string) {
    this.#host = host;
    this.#mode = mode;
  }

  /** Runs it in the guest and keeps the result. */
  async run(): Promise<void> {
    const host = this.#host;
    const { machine, state } = host;
    if (machine === undefined || state.stage !== "running" || state.run !== "idle") return;
    host.update({ run: "running", notice: undefined });
    host.announce("tcp_rr runs.");
    this.#cancel = new AbortController();
    const { signal } = this.#cancel;
    const before = this.#mode();
    // What the run of a machine that is gone still says is of no interest.
    const stale = () => machine !== host.machine;
    try {
      const run = await runRr(machine, RUN_SECONDS, signal);
      if (stale() || signal.aborted) return;
      const after = this.#mode();
      this.#keep(summariseRun(run, before === after ? after : `${before}, then ${after}`));
    } catch (error) {
      if (!stale() && !signal.aborted) host.update({ notice: `tcp_rr gave no result: ${sentence(error)}` });
    } finally {
      if (!stale()) {
        host.update({ run: "idle" });
        if (signal.aborted) host.announce("tcp_rr was cancelled.");
      }
    }
  }

  /** Ends the run in progress. */
  cancel(): void {
    if (this.#host.state.run !== "running") return;
    this.#host.update({ run: "cancelling" });
    this.#cancel?.abort();
  }

  #keep(result: RrResult): void {
    const host = this.#host;
    host.update({ results: [result, ...host.state.results].slice(0, RESULTS_KEPT) });
    const rate = Math.round(result.transactionsPerSecond).toLocaleString("en");
    const exits = result.exitsPerTransaction?.toFixed(2) ?? "an unknown number of";
    host.announce(`tcp_rr is done: ${rate} transactions per second, ${exits} exits per transaction.`);
  }
}
