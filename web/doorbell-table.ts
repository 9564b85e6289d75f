/** "Reproduce the table": a dialog that measures the columns of 2019 in this page and shows them beside those. */
import { css, html, LitElement, nothing } from "lit";
import { live } from "lit/directives/live.js";
import { COLUMN_SHORT, guestOf, TABLE_COLUMNS, type TableColumn } from "./comparison-columns.ts";
import { GUEST_MEMORY_MIB } from "./comparison-run.ts";
import "./doorbell-exit-cost.ts";
import "./doorbell-table-results.ts";
import { EXIT_COST_SENTENCE } from "./exit-cost.ts";
import { sharedStyles } from "./shared-styles.ts";
import type { MachineStore } from "./store.ts";
import { StoreController } from "./store-controller.ts";

const SECONDS = { least: 1, most: 30, usual: 2 } as const;
const ROUNDS = { least: 1, most: 10, usual: 3 } as const;
const PROGRESS_MS = 250;

export class DoorbellTable extends LitElement {
  static override properties = {
    store: { attribute: false },
    seconds: { state: true },
    rounds: { state: true },
    chosen: { state: true },
  };

  static override styles = [
    sharedStyles,
    css`
      dialog {
        width: min(66rem, calc(100vw - 1.5rem));
        max-height: calc(100dvh - 1.5rem);
        margin: auto;
        padding: 0;
        border: 1px solid var(--line-strong);
        border-radius: var(--radius);
        background: var(--surface);
        color: var(--ink);
        box-shadow: 0 0.5rem 2rem rgb(0 0 0 / 22%);
        font-size: 0.8125rem;
      }

      dialog::backdrop {
        background: rgb(0 0 0 / 30%);
      }

      .inside {
        display: grid;
        gap: 0.75rem;
        padding: 0.75rem 1rem 1rem;
      }

      header {
        display: flex;
        align-items: center;
        justify-content: space-between;
        gap: 0.75rem;
      }

      h2 {
        font-size: 1.0625rem;
      }

      .about {
        max-width: 60rem;
        color: var(--ink-soft);
      }

      .options {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.5rem 1.25rem;
      }

      fieldset {
        display: flex;
        flex-wrap: wrap;
        gap: 0.25rem 1rem;
        min-width: 0;
        margin: 0;
        padding: 0;
        border: 0;
      }

      legend {
        float: left;
        margin-right: 1rem;
        padding: 0;
        font-weight: 600;
      }

      label {
        display: inline-flex;
        align-items: center;
        gap: 0.375rem;
      }

      input[type="checkbox"] {
        width: 1rem;
        height: 1rem;
        margin: 0;
        accent-color: var(--accent);
      }

      input[type="number"] {
        width: 3.5rem;
        min-height: 1.75rem;
        padding: 0 0.375rem;
        border: 1px solid var(--line-strong);
        border-radius: calc(var(--radius) - 2px);
        background: var(--raised);
        color: var(--ink);
        font: inherit;
      }

      doorbell-exit-cost {
        flex: 1;
        min-width: min(20rem, 100%);
        max-width: 28rem;
        font-size: 0.8125rem;
      }

      .go {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.375rem 0.75rem;
        min-height: 2rem;
      }

      progress {
        flex: 1;
        min-width: 8rem;
        max-width: 20rem;
        accent-color: var(--accent);
      }

      .left {
        font-variant-numeric: tabular-nums;
      }

      .problem {
        padding: 0.5rem 0.75rem;
        border: 1px solid var(--bad);
        border-radius: var(--radius);
        background: var(--bad-soft);
      }

      @media (pointer: coarse) {
        label,
        input[type="number"] {
          min-height: 2.25rem;
        }
      }
    `,
  ];

  declare store: MachineStore;
  declare seconds: number;
  declare rounds: number;
  declare chosen: ReadonlySet<TableColumn>;
  #ticker: ReturnType<typeof setInterval> | undefined;

  constructor() {
    super();
    this.seconds = SECONDS.usual;
    this.rounds = ROUNDS.usual;
    this.chosen = new Set(TABLE_COLUMNS);
    new StoreController(this);
  }

  /** Opens the dialog. Closing it leaves a run going. */
  show(): void {
    const dialog = this.renderRoot.querySelector("dialog");
    if (dialog?.open === false) dialog.showModal();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  override render() {
    const { comparison } = this.store.state;
    const idle = comparison.stage === "idle";
    const guests = new Set(TABLE_COLUMNS.filter((name) => this.chosen.has(name)).map(guestOf)).size;
    return html`<dialog aria-labelledby="title">
      <div class="inside">
        <header>
          <h2 id="title">Reproduce the table</h2>
          <button type="button" class="button" id="close" @click=${this.#close}>Close</button>
        </header>
        <p class="about">
          tcp_rr with 32-byte requests and 1024-byte responses, in rounds that take turns over the columns. The visible
          guest pauses; ${guests} guest${guests === 1 ? "" : "s"} of ${GUEST_MEMORY_MIB} MiB boot${guests === 1 ? "s" : ""}
          beside it, one for MMIO, which is switched live, and one for each way of PCI; never do two run at a time.
          ${EXIT_COST_SENTENCE}
        </p>
        <div class="options">
          ${this.#number("Seconds per round", "seconds", SECONDS)} ${this.#number("Rounds", "rounds", ROUNDS)}
          <doorbell-exit-cost .store=${this.store}></doorbell-exit-cost>
        </div>
        <fieldset>
          <legend>Columns</legend>
          ${TABLE_COLUMNS.map((name) => this.#checkbox(name))}
        </fieldset>
        <div class="go">${idle ? this.#start() : this.#progress()}</div>
        <div class="hidden-text" role="status">${comparison.step}</div>
        ${
          comparison.problem === undefined
            ? nothing
            : html`<p class="problem" role="alert">The run did not come to its end: ${comparison.problem}</p>`
        }
        ${
          comparison.result === undefined
            ? nothing
            : html`<doorbell-table-results .result=${comparison.result} ?running=${!idle}></doorbell-table-results>`
        }
      </div>
    </dialog>`;
  }

  override updated(): void {
    const running = this.store.state.comparison.stage !== "idle";
    if (running) this.#ticker ??= setInterval(() => this.requestUpdate(), PROGRESS_MS);
    else {
      clearInterval(this.#ticker);
      this.#ticker = undefined;
    }
  }

  #start() {
    const ready = this.store.canCompare && this.chosen.size > 0;
    const why =
      this.chosen.size === 0
        ? "Choose at least one column."
        : "It can start when Linux has booted, and no switch and no tcp_rr is in progress.";
    return html`<button type="button" class="button primary" id="start" aria-disabled=${!ready} @click=${this.#run}>
        Measure
      </button>
      ${ready ? nothing : html`<span>${why}</span>`}`;
  }

  #progress() {
    const { stage, step } = this.store.state.comparison;
    const progress = this.store.comparison.progress;
    return html`<button
        type="button"
        class="button"
        id="cancel"
        aria-disabled=${stage === "cancelling"}
        @click=${() => this.store.comparison.cancel()}
      >
        ${stage === "cancelling" ? "Cancelling" : "Cancel"}
      </button>
      <progress aria-label="Progress of the measurement" max="1" .value=${progress?.part ?? 0}></progress>
      <span id="step">${step}</span>
      <span class="left">${progress === undefined ? nothing : `about ${progress.secondsLeft} s left`}</span>`;
  }

  #number(label: string, name: "seconds" | "rounds", { least, most }: { least: number; most: number }) {
    return html`<label
      ><input
        type="number"
        id=${name}
        min=${least}
        max=${most}
        step="1"
        .value=${live(String(this[name]))}
        ?disabled=${this.store.state.comparison.stage !== "idle"}
        @change=${({ target }: Event) => {
          const value = target instanceof HTMLInputElement ? Math.round(target.valueAsNumber) : Number.NaN;
          if (Number.isFinite(value)) this[name] = Math.min(most, Math.max(least, value));
          this.requestUpdate();
        }}
      />${label}</label
    >`;
  }

  #checkbox(name: TableColumn) {
    return html`<label
      ><input
        type="checkbox"
        name="column"
        value=${name}
        .checked=${live(this.chosen.has(name))}
        ?disabled=${this.store.state.comparison.stage !== "idle"}
        @change=${() => {
          const chosen = new Set(this.chosen);
          if (!chosen.delete(name)) chosen.add(name);
          this.chosen = chosen;
        }}
      />${COLUMN_SHORT[name]}</label
    >`;
  }

  #run(): void {
    if (this.chosen.size === 0) return;
    const columns = TABLE_COLUMNS.filter((name) => this.chosen.has(name));
    void this.store.compare({ columns, seconds: this.seconds, rounds: this.rounds });
  }

  #close(): void {
    this.renderRoot.querySelector("dialog")?.close();
  }
}

customElements.define("doorbell-table", DoorbellTable);

declare global {
  interface HTMLElementTagNameMap {
    "doorbell-table": DoorbellTable;
  }
}
