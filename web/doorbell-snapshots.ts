/** The view "Snapshots": the machine to a file and back, and what the browser keeps of it between visits. */
import { css, html, LitElement, type nothing, type TemplateResult } from "lit";
import { formatBytes, formatMilliseconds } from "./format.ts";
import { saveFile } from "./save-file.ts";
import { sharedStyles } from "./shared-styles.ts";
import type { Kept, Origin } from "./snapshots.ts";
import type { MachineStore } from "./store.ts";
import { StoreController } from "./store-controller.ts";
import { sentence } from "./words.ts";

const ORIGINS: Record<Origin, string> = {
  boot: "This machine was booted.",
  autosave: "This machine goes on from the last visit.",
  prompt: "This machine was started from its prompt, without a boot.",
  file: "This machine goes on from a file.",
};

export class DoorbellSnapshots extends LitElement {
  static override properties = { store: { attribute: false } };
  static override styles = [
    sharedStyles,
    css`
      :host {
        display: block;
      }

      section {
        padding: 0.75rem;
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--surface);
        font-size: 0.8125rem;
      }

      section + section {
        margin-top: 0.75rem;
      }

      h2 {
        margin-bottom: 0.375rem;
      }

      p {
        color: var(--ink-soft);
        line-height: 1.45;
      }

      p + p {
        margin-top: 0.375rem;
      }

      .row {
        display: flex;
        flex-wrap: wrap;
        gap: 0.5rem;
        margin-top: 0.625rem;
      }

      label.check {
        display: flex;
        align-items: center;
        gap: 0.5rem;
        margin-top: 0.625rem;
        color: var(--ink);
      }

      input[type="checkbox"] {
        width: 1rem;
        height: 1rem;
        margin: 0;
        accent-color: var(--accent);
      }

      input[type="file"] {
        position: absolute;
        width: 1px;
        height: 1px;
        overflow: hidden;
        clip-path: inset(50%);
      }

      input[type="file"]:focus-visible + label {
        outline: 2px solid var(--accent);
        outline-offset: 2px;
      }
    `,
  ];

  declare store: MachineStore;

  constructor() {
    super();
    new StoreController(this);
  }

  override render() {
    const { snapshots, stage } = this.store.state;
    const { impossible, origin, busy, autosaveOn, warmOn, autosave, prompt } = snapshots;
    const there = stage === "running" || stage === "paused";
    return html`
      <section aria-labelledby="file">
        <h2 id="file">To a file and back</h2>
        <p id="origin">${there ? ORIGINS[origin] : "There is no machine just now."}</p>
        <p>
          A file holds the whole machine: memory, CPU, devices, and its connections to the page. It can be opened in another
          browser, or with <code>npm run -s vm -- --restore</code>.
        </p>
        <div class="row">
          <button type="button" class="button" id="save" aria-disabled=${!there || busy !== undefined} @click=${this.#save}>
            ${busy === "saving" ? "Saving \u2026" : "Save to a file"}
          </button>
          <input type="file" id="load" @change=${this.#load} />
          <label class="button" for="load">${busy === "loading" ? "Loading \u2026" : "Load a file"}</label>
        </div>
      </section>
      ${
        impossible === undefined
          ? html`
              <section aria-labelledby="autosave">
                <h2 id="autosave">A reload brings the machine back</h2>
                <p>The browser keeps the machine whenever its terminal has been quiet for a moment. ${shown(autosave)}</p>
                ${this.#check("Keep the machine", "keep", autosaveOn, (on) => this.store.snapshots.setAutosave(on))}
              </section>
              <section aria-labelledby="warm">
                <h2 id="warm">Later visits start at the prompt</h2>
                <p>
                  After the first boot the browser keeps the machine at its prompt, as long as image and code are the same.
                  ${shown(prompt)}
                </p>
                ${this.#check("Start from the prompt", "warm-start", warmOn, (on) => this.store.snapshots.setWarm(on))}
                <div class="row">
                  <button type="button" class="button" id="cold" @click=${() => void this.store.boot()}>Boot now</button>
                  <button
                    type="button"
                    class="button"
                    id="forget"
                    aria-disabled=${prompt === undefined}
                    @click=${() => void this.store.snapshots.forget("prompt")}
                  >
                    Forget the prompt
                  </button>
                </div>
              </section>
            `
          : html`<section><p id="impossible">${impossible}</p></section>`
      }
    `;
  }

  #check(label: string, id: string, on: boolean, set: (on: boolean) => void): TemplateResult {
    return html`<label class="check">
      <input
        type="checkbox"
        id=${id}
        .checked=${on}
        @change=${(event: Event) => set((event.target as HTMLInputElement).checked)}
      />
      ${label}
    </label>`;
  }

  async #save(): Promise<void> {
    const file = await this.store.snapshots.save();
    if (file === undefined) return;
    const time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
    saveFile(`doorbell-${time}.snapshot`, "application/octet-stream", file);
  }

  async #load(event: Event): Promise<void> {
    const input = event.target as HTMLInputElement;
    const file = input.files?.[0];
    // The same file can be chosen again.
    input.value = "";
    if (file === undefined) return;
    try {
      await this.store.load(new Uint8Array(await file.arrayBuffer()));
    } catch (error) {
      this.store.showNotice(`The file could not be read: ${sentence(error)}`);
    }
  }
}

function shown(kept: Kept | undefined): TemplateResult | typeof nothing {
  if (kept === undefined) return html`Nothing is kept yet.`;
  const pause = kept.pauseMs > 0 ? `, and the guest stood still for ${formatMilliseconds(kept.pauseMs)}` : "";
  return html`Kept at ${new Date(kept.saved).toLocaleTimeString()}: ${formatBytes(kept.bytes)}${pause}.`;
}

customElements.define("doorbell-snapshots", DoorbellSnapshots);

declare global {
  interface HTMLElementTagNameMap {
    "doorbell-snapshots": DoorbellSnapshots;
  }
}
