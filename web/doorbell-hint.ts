/** A term with its explanation: a button that opens a small popover, for pointer, touch and keyboard alike. */
import { css, html, LitElement } from "lit";
import { sharedStyles } from "./shared-styles.ts";

export class DoorbellHint extends LitElement {
  static override properties = { name: {}, meaning: {} };

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: inline;
      }

      button {
        padding: 0;
        border: 0;
        border-bottom: 1px dotted var(--line-strong);
        background: none;
        color: inherit;
        font: inherit;
        letter-spacing: inherit;
        text-align: inherit;
        cursor: help;
      }

      button:hover,
      button[aria-expanded="true"] {
        border-bottom: 1px solid var(--accent);
      }

      [popover] {
        position: fixed;
        inset: auto;
        width: max-content;
        max-width: min(21rem, calc(100vw - 1rem));
        margin: 0;
        padding: 0.625rem 0.75rem;
        border: 1px solid var(--line-strong);
        border-radius: var(--radius);
        background: var(--surface);
        color: var(--ink);
        box-shadow: 0 0.25rem 1rem rgb(0 0 0 / 18%);
        font: 400 0.8125rem / 1.45 var(--sans);
        letter-spacing: normal;
        text-align: left;
        text-transform: none;
        white-space: normal;
      }

      strong {
        display: block;
        margin-bottom: 0.125rem;
      }
    `,
  ];

  declare name: string;
  declare meaning: string;

  constructor() {
    super();
    this.name = "";
    this.meaning = "";
  }

  override render() {
    return html`<button type="button" popovertarget="meaning" aria-expanded="false"><slot>${this.name}</slot></button
      ><span id="meaning" popover role="note" @toggle=${this.#toggled}
        ><strong>${this.name}</strong>${this.meaning}</span
      >`;
  }

  #toggled(event: ToggleEvent): void {
    const open = event.newState === "open";
    const button = this.renderRoot.querySelector("button");
    const popover = this.renderRoot.querySelector<HTMLElement>("#meaning");
    if (button === null || popover === null) return;
    button.setAttribute("aria-expanded", String(open));
    if (!open) return;
    const anchor = button.getBoundingClientRect();
    const box = popover.getBoundingClientRect();
    const margin = 8;
    const below = anchor.bottom + 4;
    const fits = below + box.height + margin <= innerHeight;
    popover.style.left = `${Math.max(margin, Math.min(anchor.left, innerWidth - box.width - margin))}px`;
    popover.style.top = `${fits ? below : Math.max(margin, anchor.top - box.height - 4)}px`;
  }
}

customElements.define("doorbell-hint", DoorbellHint);
