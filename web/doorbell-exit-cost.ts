/** The slider of the exit-cost model, with the words that say so whenever it is not 0. */
import { css, html, LitElement } from "lit";
import { live } from "lit/directives/live.js";
import "./doorbell-hint.ts";
import { EXIT_COST, microseconds, modelledExitCost } from "./exit-cost.ts";
import { TERMS } from "./glossary.ts";
import { rememberOption } from "./page-options.ts";
import { sharedStyles } from "./shared-styles.ts";
import type { MachineStore } from "./store.ts";
import { StoreController } from "./store-controller.ts";

export class DoorbellExitCost extends LitElement {
  static override properties = { store: { attribute: false }, moving: { state: true } };

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: grid;
        grid-template-columns: auto minmax(5rem, 1fr) 10.5rem;
        align-items: center;
        gap: 0 0.625rem;
        font-size: 0.75rem;
      }

      .name {
        color: var(--ink-soft);
      }

      input {
        width: 100%;
        min-width: 0;
        height: 1.25rem;
        margin: 0;
        accent-color: var(--accent);
      }

      output {
        font-variant-numeric: tabular-nums;
        white-space: nowrap;
      }

      output.modelled {
        color: var(--modelled);
        font-weight: 600;
      }

      @media (pointer: coarse) {
        input {
          height: 2.25rem;
        }
      }
    `,
  ];

  declare store: MachineStore;
  /** Where the slider is while it is dragged: what it stands for is set when it is let go. */
  declare moving: number | undefined;

  constructor() {
    super();
    this.moving = undefined;
    new StoreController(this);
  }

  override render() {
    const nanoseconds = this.moving ?? this.store.state.exitCostNs;
    const words = modelledExitCost(nanoseconds);
    // A run that is being measured keeps the cost that it started with.
    const measuring = this.store.state.comparison.stage !== "idle";
    return html`<span class="name"
        ><doorbell-hint .name=${TERMS.exitCost.name} .meaning=${TERMS.exitCost.meaning}></doorbell-hint
      ></span>
      <input
        type="range"
        min="0"
        max=${EXIT_COST.most}
        step=${EXIT_COST.step}
        aria-label="Exit cost in nanoseconds"
        aria-valuetext=${words ?? "off"}
        ?disabled=${measuring}
        .value=${live(String(nanoseconds))}
        @input=${(event: Event) => {
          this.moving = nanosecondsOf(event);
        }}
        @change=${(event: Event) => this.#set(nanosecondsOf(event))}
      />
      <output class=${words === undefined ? "" : "modelled"}>${words ?? `${microseconds(0)} \u00b5s, off`}</output>`;
  }

  #set(nanoseconds: number): void {
    this.moving = undefined;
    this.store.setExitCost(nanoseconds);
    rememberOption("exitcost", nanoseconds === 0 ? undefined : String(nanoseconds));
  }
}

function nanosecondsOf({ target }: Event): number {
  return target instanceof HTMLInputElement ? target.valueAsNumber : 0;
}

customElements.define("doorbell-exit-cost", DoorbellExitCost);
