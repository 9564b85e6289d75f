/** A segmented control: radio buttons side by side. Emits "choose" with the value; the owner decides what is chosen. */
import { css, html, LitElement } from "lit";
import { live } from "lit/directives/live.js";
import { sharedStyles } from "./shared-styles.ts";

export interface Segment {
  readonly value: string;
  readonly label: string;
}

/** The person chose another segment. */
export class ChooseEvent extends Event {
  readonly value: string;
  constructor(value: string) {
    super("choose");
    this.value = value;
  }
}

export class DoorbellSegmented extends LitElement {
  static override properties = {
    label: {},
    segments: { attribute: false },
    value: {},
    busy: { type: Boolean, reflect: true },
    disabled: { type: Boolean, reflect: true },
    compact: { type: Boolean, reflect: true },
  };

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: inline-block;
      }

      fieldset {
        display: inline-flex;
        margin: 0;
        padding: 2px;
        border: 1px solid var(--line-strong);
        border-radius: var(--radius);
        background: var(--raised);
      }

      label {
        position: relative;
        display: inline-flex;
        align-items: center;
        min-height: 1.625rem;
        padding: 0 0.75rem;
        border-radius: calc(var(--radius) - 2px);
        color: var(--ink-soft);
        font-size: 0.8125rem;
        font-weight: 500;
        white-space: nowrap;
        cursor: pointer;
      }

      :host([compact]) label {
        min-height: 1.375rem;
        padding: 0 0.5rem;
        font-size: 0.75rem;
      }

      label:hover {
        color: var(--ink);
      }

      input {
        position: absolute;
        inset: 0;
        margin: 0;
        opacity: 0;
        cursor: inherit;
      }

      label:has(:checked) {
        background: var(--accent);
        color: var(--accent-ink);
      }

      label:has(:focus-visible) {
        outline: 2px solid var(--accent);
        outline-offset: 3px;
      }

      :host([disabled]) label {
        cursor: not-allowed;
      }

      :host([disabled]) label:has(:checked) {
        background: var(--line);
        color: var(--ink);
      }

      :host([busy]) label:has(:checked) {
        animation: breathe 0.9s ease-in-out infinite alternate;
      }

      @keyframes breathe {
        to {
          background: var(--accent-soft);
          color: var(--ink);
        }
      }

      @media (pointer: coarse) {
        label,
        :host([compact]) label {
          min-height: 2.125rem;
        }
      }
    `,
  ];

  declare label: string;
  declare segments: readonly Segment[];
  declare value: string;
  /** A change is in progress: shown, and further choices wait. */
  declare busy: boolean;
  declare disabled: boolean;
  declare compact: boolean;

  constructor() {
    super();
    this.label = "";
    this.segments = [];
    this.value = "";
    this.busy = false;
    this.disabled = false;
    this.compact = false;
  }

  override render() {
    // aria-disabled, not disabled: who has the focus here keeps it while a switch is in progress.
    const inert = this.busy || this.disabled;
    return html`<fieldset role="radiogroup" aria-label=${this.label} aria-busy=${this.busy} aria-disabled=${inert}>
      ${this.segments.map(
        ({ value, label }) => html`<label
          ><input
            type="radio"
            name="segment"
            value=${value}
            .checked=${live(value === this.value)}
            aria-disabled=${inert}
            @change=${() => this.#choose(value)}
          />${label}</label
        >`,
      )}
    </fieldset>`;
  }

  #choose(value: string): void {
    if (!this.busy && !this.disabled) this.dispatchEvent(new ChooseEvent(value));
    this.requestUpdate();
  }
}

customElements.define("doorbell-segmented", DoorbellSegmented);
