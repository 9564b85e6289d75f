/** The view "Counters": the large figures, the runs, and one device's counters. Styled by the page it stands in. */
import { html, LitElement } from "lit";
import "./doorbell-figures.ts";
import "./doorbell-panel.ts";
import "./doorbell-runs.ts";
import type { MachineStore } from "./store.ts";

export class DoorbellCounters extends LitElement {
  static override properties = { store: { attribute: false } };

  declare store: MachineStore;

  override createRenderRoot() {
    return this;
  }

  override render() {
    const { store } = this;
    return html`
      <doorbell-figures .store=${store}></doorbell-figures>
      <div class="card"><doorbell-runs .store=${store}></doorbell-runs></div>
      <div class="card"><doorbell-panel .store=${store}></doorbell-panel></div>
    `;
  }
}

customElements.define("doorbell-counters", DoorbellCounters);
