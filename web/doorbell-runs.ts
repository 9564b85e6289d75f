/** The last runs of tcp_rr, side by side: the same load in different modes. */
import { css, html, LitElement, nothing } from "lit";
import { modelledExitCost } from "./exit-cost.ts";
import { formatCount, formatRatio } from "./format.ts";
import { sharedStyles } from "./shared-styles.ts";
import type { MachineStore } from "./store.ts";
import { StoreController } from "./store-controller.ts";
import { tableStyles } from "./table-styles.ts";

export class DoorbellRuns extends LitElement {
  static override properties = { store: { attribute: false } };
  static override styles = [
    sharedStyles,
    tableStyles,
    css`
      :host {
        display: block;
      }

      small {
        display: block;
        color: var(--modelled);
        font-size: 0.6875rem;
      }

      @media (max-width: 40rem) {
        tbody th {
          white-space: normal;
        }
      }

      .empty {
        color: var(--ink-soft);
        font-size: 0.75rem;
      }
    `,
  ];

  declare store: MachineStore;

  constructor() {
    super();
    new StoreController(this);
  }

  override render() {
    const { results, run } = this.store.state;
    if (results.length === 0) {
      return html`<h2>Runs of tcp_rr</h2>
        <p class="empty">
          ${run === "idle" ? "None yet. Run it once in each mode and compare." : "Running: 32-byte requests, 1024-byte responses."}
        </p>`;
    }
    return html`<table>
      <caption>
        Runs of tcp_rr
      </caption>
      <thead>
        <tr>
          <th scope="col">mode</th>
          <th scope="col">trans./s</th>
          <th scope="col"><abbr title="mean latency in microseconds">mean &micro;s</abbr></th>
          <th scope="col"><abbr title="99 of 100 were quicker, in microseconds">p99 &micro;s</abbr></th>
          <th scope="col"><abbr title="exits per transaction">exits</abbr></th>
          <th scope="col"><abbr title="interrupts per transaction">interrupts</abbr></th>
        </tr>
      </thead>
      <tbody>
        ${results.map(
          (result) => html`<tr>
            <th scope="row">${result.mode}${modelled(result.exitCostNs)}</th>
            <td>${formatCount(result.transactionsPerSecond)}</td>
            <td>${formatCount(result.meanMicroseconds)}</td>
            <td>${formatCount(result.p99Microseconds)}</td>
            <td>${formatRatio(result.exitsPerTransaction)}</td>
            <td>${formatRatio(result.interruptsPerTransaction)}</td>
          </tr>`,
        )}
      </tbody>
    </table>`;
  }
}

function modelled(exitCostNs: number) {
  const words = modelledExitCost(exitCostNs);
  return words === undefined ? nothing : html`<small>${words}</small>`;
}

customElements.define("doorbell-runs", DoorbellRuns);
