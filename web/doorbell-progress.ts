/**
 * What happens before the first prompt: downloads by bytes, then the steps of the boot; or why it did not come to that.
 * It covers the terminal while there is nothing to read there, else it is a strip below the text.
 */
import { css, html, LitElement, nothing } from "lit";
import type { DownloadProgress } from "./downloads.ts";
import { formatBytes, formatMilliseconds } from "./format.ts";
import { sharedStyles } from "./shared-styles.ts";
import type { MachineStore } from "./store.ts";
import { StoreController } from "./store-controller.ts";
import { PHASES } from "./words.ts";

export class DoorbellProgress extends LitElement {
  static override properties = { store: { attribute: false }, strip: { type: Boolean, reflect: true } };

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: grid;
        place-items: center;
        padding: 1rem;
        overflow: auto;
        background: var(--surface);
      }

      .card {
        width: min(26rem, 100%);
      }

      :host([strip]) {
        place-items: stretch;
        padding: 0.625rem 0.75rem;
        border-top: 1px solid var(--line);
      }

      :host([strip]) .card {
        width: auto;
      }

      :host([strip]) ol {
        display: flex;
        flex-wrap: wrap;
        gap: 0 1.125rem;
      }

      :host([strip]) li {
        gap: 0.375rem;
      }

      .slow {
        margin-top: 0.375rem;
        color: var(--bad);
        font-size: 0.8125rem;
      }

      h2 {
        margin-bottom: 0.75rem;
        font-size: 1rem;
      }

      dl {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 0.125rem 0;
        margin: 0;
        font-size: 0.8125rem;
      }

      dt {
        color: var(--ink);
      }

      dd {
        margin: 0;
        color: var(--ink-soft);
        text-align: right;
        font-variant-numeric: tabular-nums;
      }

      .bar {
        grid-column: 1 / -1;
        margin-bottom: 0.5rem;
        line-height: 0;
      }

      progress {
        width: 100%;
        height: 0.375rem;
        appearance: none;
        border: 0;
        border-radius: 1rem;
        background: var(--line);
        overflow: hidden;
      }

      progress::-webkit-progress-bar {
        background: var(--line);
      }

      progress::-webkit-progress-value {
        background: var(--accent);
      }

      progress::-moz-progress-bar {
        background: var(--accent);
      }

      .total {
        padding-top: 0.375rem;
        border-top: 1px solid var(--line);
        font-weight: 600;
      }

      ol {
        margin: 0;
        padding: 0;
        list-style: none;
        font-size: 0.8125rem;
      }

      li {
        display: flex;
        gap: 0.625rem;
        padding: 0.125rem 0;
        color: var(--ink-soft);
        white-space: nowrap;
      }

      li::before {
        content: "";
        flex: none;
        width: 0.625rem;
        height: 0.625rem;
        margin-top: 0.3rem;
        border: 2px solid var(--line-strong);
        border-radius: 50%;
      }

      li.done {
        color: var(--ink);
      }

      li.done::before {
        border-color: var(--accent);
        background: var(--accent);
      }

      li.next::before {
        border-color: var(--accent);
        animation: pulse 0.8s ease-in-out infinite alternate;
      }

      @keyframes pulse {
        to {
          opacity: 0.25;
        }
      }

      li span {
        color: var(--ink-soft);
        font-variant-numeric: tabular-nums;
      }

      .problem {
        padding: 0.875rem 1rem;
        border: 1px solid var(--bad);
        border-radius: var(--radius);
        background: var(--bad-soft);
        font-size: 0.875rem;
        overflow-wrap: anywhere;
      }

      .problem h2 {
        margin-bottom: 0.25rem;
        color: var(--bad);
      }

      .problem p {
        margin-bottom: 0.5rem;
      }
    `,
  ];

  declare store: MachineStore;
  declare strip: boolean;

  constructor() {
    super();
    this.strip = false;
    new StoreController(this);
  }

  override render() {
    const { stage, problem } = this.store.state;
    if (problem !== undefined) {
      return html`<div class="card problem" role="alert">
        <h2>${problem.title}</h2>
        <p>${problem.detail}</p>
        <p>${problem.remedy}</p>
        <button type="button" class="button primary" id="retry" @click=${() => void this.store.boot()}>
          ${problem.action}
        </button>
      </div>`;
    }
    if (stage === "downloading") return this.#downloads();
    return stage === "booting" ? this.#phases() : nothing;
  }

  #downloads() {
    const { downloads } = this.store.state;
    const received = downloads.reduce((sum, { received }) => sum + received, 0);
    const known = downloads.every(({ total }) => total !== undefined);
    const total = downloads.reduce((sum, { total }) => sum + (total ?? 0), 0);
    return html`<div class="card">
      <h2>Downloading the machine</h2>
      <dl>
        ${downloads.map((download) => html`<dt>${download.label}</dt><dd>${amount(download)}</dd><dd class="bar">${bar(download)}</dd>`)}
        <dt class="total">Total</dt>
        <dd class="total">${known ? `${formatBytes(received)} of ${formatBytes(total)}` : formatBytes(received)}</dd>
      </dl>
    </div>`;
  }

  #phases() {
    const { phases, slow } = this.store.state;
    const next = PHASES.findIndex(({ phase }) => phases[phase] === undefined);
    return html`<div class="card">
      <h2 class="hidden-text">Starting the machine</h2>
      <ol>
        ${PHASES.map(({ phase, name }, index) => {
          const at = phases[phase];
          const state = at !== undefined ? "done" : index === next ? "next" : "";
          return html`<li class=${state}>${name}<span>${at ? formatMilliseconds(at) : ""}</span></li>`;
        })}
      </ol>
      ${
        slow
          ? html`<p class="slow" role="alert">
            No console after 20 seconds. What Linux has said so far stands in the terminal; Restart tries again.
          </p>`
          : nothing
      }
    </div>`;
  }
}

function amount({ received, total, done }: DownloadProgress): string {
  if (done) return formatBytes(received);
  return total === undefined ? formatBytes(received) : `${formatBytes(received)} of ${formatBytes(total)}`;
}

/** Without a known total the bar is indeterminate: there is nothing honest to fill it with. */
function bar({ label, received, total }: DownloadProgress) {
  return total === undefined
    ? html`<progress aria-label=${`Download of the ${label}`}></progress>`
    : html`<progress aria-label=${`Download of the ${label}`} max=${Math.max(total, 1)} .value=${received}></progress>`;
}

customElements.define("doorbell-progress", DoorbellProgress);
