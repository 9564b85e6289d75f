/** The two figures that teach, and the machine's pulse beside them. */
import { css, html, LitElement } from "lit";
import "./doorbell-exit-cost.ts";
import "./doorbell-hint.ts";
import { formatCount, formatRate, formatRatio, NONE } from "./format.ts";
import { TERMS, type Term } from "./glossary.ts";
import {
  type ModeAverage,
  netExits,
  netInterrupts,
  type Reading,
  SERIES_COUNTERS,
} from "./metrics-history.ts";
import { sharedStyles } from "./shared-styles.ts";
import type { MachineStore } from "./store.ts";
import { StoreController } from "./store-controller.ts";
import { INTERRUPT_SHORT } from "./words.ts";

export class DoorbellFigures extends LitElement {
  static override properties = { store: { attribute: false } };

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: grid;
        grid-template-columns: 1fr 1fr;
        gap: var(--gap);
      }

      .figure,
      .pulse {
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--surface);
      }

      .figure {
        padding: 0.5rem 0.75rem 0.5625rem;
      }

      .name {
        font-size: 0.8125rem;
        font-weight: 600;
      }

      .value {
        font-size: 2.25rem;
        font-weight: 600;
        line-height: 1.15;
        letter-spacing: -0.02em;
        font-variant-numeric: tabular-nums;
      }

      .value.idle {
        color: var(--ink-soft);
        font-weight: 400;
      }

      .averages {
        display: flex;
        flex-wrap: wrap;
        gap: 0 0.875rem;
        color: var(--ink-soft);
        font-size: 0.75rem;
        font-variant-numeric: tabular-nums;
      }

      .averages b {
        color: var(--ink);
        font-weight: 600;
      }

      .averages .wired b {
        color: var(--series-wired);
      }

      .averages .msi b {
        color: var(--series-msi);
      }

      .pulse {
        grid-column: 1 / -1;
        padding: 0.375rem 0.75rem;
      }

      dl {
        display: grid;
        grid-template-columns: repeat(4, 1fr);
        margin: 0;
        gap: 0.125rem 0.5rem;
      }

      dt {
        color: var(--ink-soft);
        font-size: 0.75rem;
      }

      dd {
        margin: 0;
        font-size: 0.9375rem;
        font-weight: 500;
        font-variant-numeric: tabular-nums;
        white-space: nowrap;
      }

      @media (max-width: 26rem) {
        .value {
          font-size: 1.75rem;
        }

        dl {
          grid-template-columns: 1fr 1fr;
        }
      }
    `,
  ];

  declare store: MachineStore;

  constructor() {
    super();
    new StoreController(this, true);
  }

  override render() {
    const { reading } = this.store.history;
    const rate = (counter: Parameters<Reading["rate"]>[0]) =>
      reading === undefined ? NONE : formatRate(reading.rate(counter));
    return html`
      ${this.#figure(TERMS.exitsPerTransaction, reading?.perTransaction(netExits), (average) => average.exits)}
      ${this.#figure(
        TERMS.interruptsPerTransaction,
        reading?.perTransaction(netInterrupts),
        (average) => average.interrupts,
      )}
      <div class="pulse"><dl>
        ${entry(TERMS.transactions, `${rate(SERIES_COUNTERS.transactions)}/s`)}
        ${entry(TERMS.mips, reading === undefined ? NONE : formatRate(reading.rate((m) => m.guestInstructions) / 1e6))}
        ${entry(
          TERMS.frames,
          `${rate((m) => (m.devices.net0?.net?.txFrames ?? 0) + (m.devices.net0?.net?.rxFrames ?? 0))}/s`,
        )}
        ${entry(TERMS.dropped, reading === undefined ? NONE : formatCount(reading.current.devices.net0?.net?.dropped ?? 0))}
      </dl>
      <doorbell-exit-cost .store=${this.store}></doorbell-exit-cost></div>
    `;
  }

  #figure(term: Term, now: number | undefined, pick: (average: ModeAverage) => number) {
    const names = INTERRUPT_SHORT[this.store.state.started?.transport ?? "mmio"];
    return html`<div class="figure">
      <div class="name"><doorbell-hint .name=${term.name} .meaning=${term.meaning}></doorbell-hint></div>
      <div class=${now === undefined ? "value idle" : "value"}>${formatRatio(now)}</div>
      <div class="averages">
        ${(["wired", "msi"] as const).map((mode) => {
          const average = this.store.history.average(mode);
          return html`<span class=${mode}
            >${names[mode]} <b>${formatRatio(average === undefined ? undefined : pick(average))}</b></span
          >`;
        })}
      </div>
    </div>`;
  }
}

function entry(term: Term, value: string) {
  return html`<div>
    <dt><doorbell-hint .name=${term.name} .meaning=${term.meaning}></doorbell-hint></dt>
    <dd>${value}</dd>
  </div>`;
}

customElements.define("doorbell-figures", DoorbellFigures);
