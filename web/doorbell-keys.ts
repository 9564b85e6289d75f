/** The keyboard map: a dialog with every key that the page takes, and the way to turn the single ones off. */
import { css, html, LitElement } from "lit";
import { enableKeys, keysEnabled } from "./keyboard.ts";
import { sharedStyles } from "./shared-styles.ts";
import { VIEWS } from "./views.ts";

const EVERYWHERE: readonly (readonly [keys: string, what: string])[] = [
  ["F6", "from the terminal to the view beside it; with Shift to the controls"],
  ["Ctrl Shift C, Ctrl Shift V", "copy and paste in the terminal"],
  ["Tab, Shift Tab", "from one control to the next (in the terminal they are the guest's)"],
  ["\u2190 \u2192", "between the tabs, and between the choices of a control"],
  ["Esc", "closes what has opened"],
];

const SINGLE: readonly (readonly [keys: string, what: string])[] = [
  ["t", "the terminal"],
  ...VIEWS.map(({ key, title }) => [key, `the view \u201c${title}\u201d`] as const),
  ["?", "this map"],
];

export class DoorbellKeys extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      dialog {
        width: min(34rem, calc(100vw - 1.5rem));
        max-height: calc(100dvh - 1.5rem);
        margin: auto;
        padding: 1rem 1.25rem 1.25rem;
        border: 1px solid var(--line-strong);
        border-radius: var(--radius);
        background: var(--surface);
        color: var(--ink);
        font-size: 0.875rem;
        overflow: auto;
      }

      dialog::backdrop {
        background: rgb(0 0 0 / 30%);
      }

      header {
        display: flex;
        align-items: center;
        justify-content: space-between;
      }

      h2 {
        font-size: 1.0625rem;
      }

      h3 {
        margin: 0.75rem 0 0.25rem;
        font-size: 0.875rem;
      }

      dl {
        display: grid;
        grid-template-columns: minmax(5rem, max-content) minmax(0, 1fr);
        gap: 0.25rem 1rem;
        margin: 0;
      }

      dd {
        margin: 0;
      }

      kbd {
        padding: 0 0.375rem;
        border: 1px solid var(--line-strong);
        border-radius: 0.25rem;
        background: var(--raised);
        font: inherit;
        font-size: 0.8125rem;
      }

      label {
        display: flex;
        gap: 0.5rem;
        align-items: center;
        margin-top: 0.75rem;
      }

      input {
        width: 1rem;
        height: 1rem;
        margin: 0;
        accent-color: var(--accent);
      }
    `,
  ];

  /** Opens the map. */
  show(): void {
    void this.updateComplete.then(() => {
      this.requestUpdate();
      this.renderRoot.querySelector("dialog")?.showModal();
    });
  }

  override render() {
    return html`<dialog aria-labelledby="title">
      <header>
        <h2 id="title">Keyboard</h2>
        <button type="button" class="button" @click=${this.#close}>Close</button>
      </header>
      <h3>Always</h3>
      ${list(EVERYWHERE)}
      <h3>While the keyboard is neither in the terminal nor in a text field</h3>
      ${list(SINGLE)}
      <label>
        <input type="checkbox" .checked=${keysEnabled()} @change=${toggle} />
        Single keys work
      </label>
    </dialog>`;
  }

  readonly #close = () => this.renderRoot.querySelector("dialog")?.close();
}

function list(entries: readonly (readonly [keys: string, what: string])[]) {
  return html`<dl>
    ${entries.map(([keys, what]) => html`<dt>${keys.split(", ").map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${what}</dd>`)}
  </dl>`;
}

function toggle(event: Event): void {
  if (event.target instanceof HTMLInputElement) enableKeys(event.target.checked);
}

customElements.define("doorbell-keys", DoorbellKeys);

declare global {
  interface HTMLElementTagNameMap {
    "doorbell-keys": DoorbellKeys;
  }
}
