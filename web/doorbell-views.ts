/** The views beside the terminal: a strip of tabs, and the view that is open. It renders into the page itself. */
import { html, LitElement, nothing } from "lit";
import "./doorbell-counters.ts";
import type { MachineStore } from "./store.ts";
import { OpenViewEvent, VIEWS, type View, type ViewElement, viewOf } from "./views.ts";

export class DoorbellViews extends LitElement {
  static override properties = {
    store: { attribute: false },
    view: {},
    problem: { state: true },
    loaded: { state: true },
  };

  declare store: MachineStore;
  /** Id of the view that is open. */
  declare view: string;
  /** The view that could not be loaded. */
  declare problem: string | undefined;
  /** Counts views that came. */
  declare loaded: number;
  readonly #elements = new Map<string, ViewElement>();

  constructor() {
    super();
    this.view = viewOf(undefined).id;
    this.loaded = 0;
  }

  override createRenderRoot() {
    return this;
  }

  override render() {
    const open = viewOf(this.view);
    return html`
      <div class="tabs" role="tablist" aria-label="Views" @keydown=${this.#move}>
        ${VIEWS.map((view: View) => {
          const selected = view.id === open.id;
          return html`<button
            type="button"
            role="tab"
            id="tab-${view.id}"
            aria-selected=${selected}
            aria-controls="panel"
            tabindex=${selected ? nothing : -1}
            @click=${() => this.dispatchEvent(new OpenViewEvent(view.id))}
          >
            ${view.title}
          </button>`;
        })}
      </div>
      <div class="panel" id="panel" role="tabpanel" tabindex="-1" aria-labelledby="tab-${open.id}">
        ${this.#elements.get(open.id) ?? this.#missing(open)}
      </div>
    `;
  }

  override willUpdate(changed: ReadonlyMap<PropertyKey, unknown>): void {
    if (!changed.has("view")) return;
    const view = viewOf(this.view);
    if (!this.#elements.has(view.id)) void this.#load(view);
  }

  #missing(view: View) {
    return this.problem === view.id
      ? html`<div class="card" role="alert">
          <p>The view &ldquo;${view.title}&rdquo; could not be loaded: check the connection and try again.</p>
          <button type="button" class="quiet" @click=${() => void this.#load(view)}>Try again</button>
        </div>`
      : html`<p class="card" role="status">Loading ${view.title} &hellip;</p>`;
  }

  async #load(view: View): Promise<void> {
    this.problem = undefined;
    try {
      await view.load();
      const element = document.createElement(view.element) as ViewElement;
      element.store = this.store;
      element.classList.add("view");
      this.#elements.set(view.id, element);
      this.loaded++;
    } catch {
      this.problem = view.id;
    }
  }

  /** The keys of a tab list (ARIA practices): arrows, Home and End open the tab that they reach. */
  #move(event: KeyboardEvent): void {
    const at = VIEWS.findIndex(({ id }) => id === viewOf(this.view).id);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
    const view = to === undefined ? undefined : VIEWS.at(to % VIEWS.length);
    if (view === undefined) return;
    event.preventDefault();
    this.dispatchEvent(new OpenViewEvent(view.id));
    this.querySelector<HTMLElement>(`#tab-${view.id}`)?.focus();
  }
}

customElements.define("doorbell-views", DoorbellViews);

declare global {
  interface HTMLElementTagNameMap {
    "doorbell-views": DoorbellViews;
  }
}
