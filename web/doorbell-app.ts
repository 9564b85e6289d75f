/**
 * The page: header, controls, terminal, chart, panel, and the live regions that say what happens.
 * It renders into the document itself, so that links and labels reach across; its parts have shadow trees.
 */
import { html, LitElement, nothing } from "lit";
import "./doorbell-progress.ts";
import "./doorbell-terminal.ts";
import type { LeaveTerminalEvent } from "./doorbell-terminal.ts";
import { modelledExitCost } from "./exit-cost.ts";
import { formatMilliseconds } from "./format.ts";
import { pageKey } from "./keyboard.ts";
import { LAYOUTS, type Layout, pageLink, rememberOption, withOption } from "./page-options.ts";
import type { PageState } from "./page-state.ts";
import type { MachineStore } from "./store.ts";
import { StoreController } from "./store-controller.ts";
import { currentTheme, remember, remembered, setTheme, type Theme } from "./theme.ts";
import { FIRST_VIEW, OpenViewEvent, VIEWS, viewOf } from "./views.ts";

const TOUR_KEY = "doorbell-tour";
const NEXT_THEME: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };

export class DoorbellApp extends LitElement {
  static override properties = {
    store: { attribute: false },
    view: { reflect: true },
    wide: { type: Boolean, reflect: true },
    layout: { reflect: true },
    embed: { type: Boolean, reflect: true },
    offered: { attribute: false },
    newcomer: { state: true },
    touring: { state: true },
    table: { state: true },
    furnished: { state: true },
  };

  declare store: MachineStore;
  /** The view beside the terminal. */
  declare view: string;
  /** It takes more room than the terminal. */
  declare wide: boolean;
  declare layout: Layout;
  /** Without header, controls, chart and footer. */
  declare embed: boolean;
  /** A command that the link brought and that the person has neither run nor dismissed. */
  declare offered: string | undefined;
  /** The person has neither taken the tour nor declined it. */
  declare newcomer: boolean;
  declare touring: boolean;
  /** "Reproduce the table" has been asked for. */
  declare table: boolean;
  /** What stands around the terminal is there. */
  declare furnished: boolean;

  constructor() {
    super();
    this.view = FIRST_VIEW;
    this.wide = false;
    this.layout = "both";
    this.embed = false;
    this.newcomer = remembered(TOUR_KEY) === undefined;
    this.touring = false;
    this.table = false;
    this.furnished = false;
    this.addEventListener("open-view", (event) => {
      if (event instanceof OpenViewEvent) this.#openView(event);
    });
    new StoreController(this);
  }

  override createRenderRoot() {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("keydown", this.#key);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("keydown", this.#key);
  }

  override render() {
    const { store } = this;
    const { state } = store;
    // Where Linux has printed something, that stays in view.
    const modelled = modelledExitCost(state.exitCostNs);
    const covered = state.stage === "downloading" || state.stage === "failed";
    const strip = state.stage === "booting" || state.stage === "stopped";
    return html`
      <a class="skip" href="#panel">Skip the terminal</a>
      <header class="header">
        <h1>${logo}Doorbell</h1>
        ${
          this.newcomer
            ? html`<p class="welcome">
                First time here?
                <button type="button" class="quiet" id="take-tour" @click=${this.#startTour}>Take the tour</button>
                <button type="button" class="quiet" @click=${this.#endTour}>Not now</button>
              </p>`
            : html`<p>A real Linux microVM in this page, built to show how a guest and its devices talk.</p>`
        }
        <div class="end">
          ${modelled === undefined ? nothing : html`<strong class="modelled" id="modelled">${modelled}</strong>`}
          <span class="stage ${state.stage}" id="stage">${stageText(state)}</span>
          <button type="button" class="quiet" popovertarget="explain">What am I looking at?</button>
          <button type="button" class="quiet" id="keys" aria-haspopup="dialog" @click=${this.#showKeys}>Keys</button>
          <button type="button" class="quiet" id="copy-link" @click=${this.#copyLink}>Copy link</button>
          <button type="button" class="quiet" id="layout" @click=${this.#nextLayout}>Layout: ${this.layout}</button>
          <button type="button" class="quiet" @click=${this.#nextTheme}>Theme: ${currentTheme()}</button>
          <a class="quiet full" href=${`./${withOption(location.search, "embed", undefined)}`} target="_blank" rel="noreferrer">Full page</a>
        </div>
        ${this.#explanation()}
      </header>
      ${
        this.furnished
          ? html`<doorbell-controls role="region" aria-label="Controls" id="controls" tabindex="-1" .store=${store} @open-table=${this.#openTable}></doorbell-controls>`
          : html`<div class="controls-to-come"></div>`
      }
      <main class="terminal card" @leave-terminal=${this.#leave}>
        <doorbell-terminal .store=${store} ?inert=${covered}></doorbell-terminal>
        <doorbell-progress .store=${store} ?hidden=${!covered && !strip} ?strip=${strip}></doorbell-progress>
        ${this.#offer()}
      </main>
      <section class="chart card" aria-label="Chart">
        ${this.furnished ? html`<doorbell-chart .store=${store}></doorbell-chart>` : nothing}
      </section>
      ${
        this.furnished
          ? html`<doorbell-views role="region" aria-label="Views" .store=${store} .view=${this.view}></doorbell-views>`
          : nothing
      }
      <footer class="footer">
        <span>
          A trapped access costs about 0.05 &micro;s on this emulated CPU, 1 to 2 &micro;s on hardware; counts per
          transaction are the same.
        </span>
        <span>The guest reaches nothing outside this page.</span>
        <span>Documentation: docs/</span>
      </footer>
      ${this.table ? html`<doorbell-table .store=${store}></doorbell-table>` : nothing}
      ${this.touring ? html`<doorbell-tour @tour-end=${this.#endTour}></doorbell-tour>` : nothing}
      <div class="hidden-text" role="status" id="announcement">${state.announcement}</div>
      <div class="notice" role="alert" id="notice">
        ${
          state.notice === undefined
            ? nothing
            : html`<p>${state.notice}</p>
              <button type="button" class="quiet" @click=${() => store.dismissNotice()}>Dismiss</button>`
        }
      </div>
    `;
  }

  override willUpdate(): void {
    this.wide = viewOf(this.view).wide === true;
  }

  override updated(): void {
    this.#furnish();
    const terminal = this.querySelector("doorbell-terminal");
    // The first prompt takes the keyboard, unless the person is already somewhere else.
    if (this.store.state.stage === "running" && !this.#focused && terminal !== null) {
      this.#focused = true;
      if (document.activeElement === document.body) terminal.focus();
    }
    if (this.store.state.stage === "downloading") this.#focused = false;
  }

  #focused = false;
  #furnishing = false;

  /** Brings in what stands around the terminal: at once when there is a boot to wait for, else when the guest is in use. */
  #furnish(): void {
    const { stage } = this.store.state;
    if (this.#furnishing || stage === "booting") return;
    this.#furnishing = true;
    const furnish = async (): Promise<void> => {
      try {
        await import("./doorbell-parts.ts");
        this.furnished = true;
      } catch {
        this.store.showNotice("A part of the page could not be loaded: check the connection and reload.");
      }
    };
    if (stage === "downloading") void furnish();
    else requestAnimationFrame(() => setTimeout(furnish));
  }

  #leave(event: LeaveTerminalEvent): void {
    this.querySelector<HTMLElement>(event.backwards ? "#controls" : "#panel")?.focus();
  }

  readonly #key = (event: KeyboardEvent): void => {
    const key = pageKey(event);
    const view = VIEWS.find((one) => one.key === key);
    if (view !== undefined) {
      event.preventDefault();
      this.dispatchEvent(new OpenViewEvent(view.id));
    } else if (key === "?") {
      event.preventDefault();
      void this.#showKeys();
    } else if (key === "t") {
      event.preventDefault();
      this.querySelector("doorbell-terminal")?.focus();
    }
  };

  #openView({ view }: OpenViewEvent): void {
    this.view = viewOf(view).id;
    rememberOption("view", this.view === FIRST_VIEW ? undefined : this.view);
  }

  #explanation() {
    return html`<div class="explain" id="explain" popover>
  <h2>What am I looking at?</h2>
  <p>
    Linux runs here on an emulated CPU, and whenever it touches a register of one of its virtio devices, to ring the
    doorbell &ldquo;there is work in your queue&rdquo; for example, the CPU leaves the guest and the device answers: that
    is an <b>exit</b>.
  </p>
  <p>
    The device calls back with an <b>interrupt</b>: on the legacy wire the driver must then ask why and acknowledge, two
    more exits, while a message (MSI) names its queue by itself and costs none.
  </p>
  <p>
    Run tcp_rr, switch Interrupts while it runs, and watch the exits per transaction change while the connection stays
    open.
  </p>
  <button type="button" class="quiet" popovertarget="explain" popovertargetaction="hide" @click=${this.#startTour}>Take the tour</button>
  <button type="button" class="quiet" popovertarget="explain" popovertargetaction="hide">Close</button>
</div>`;
  }

  /** A command from a link is shown, and waits for the person. */
  #offer() {
    const { offered, store } = this;
    if (offered === undefined) return nothing;
    const ready = store.state.stage === "running";
    const settle = (run: boolean) => {
      if (run && !ready) return;
      if (run) store.type(new TextEncoder().encode(`${offered}\n`));
      this.offered = undefined;
      rememberOption("run", undefined);
      this.querySelector("doorbell-terminal")?.focus();
    };
    return html`<div class="offer" role="group" aria-label="A command from the link">
      <p>The link that brought you here suggests to run this in the guest: <code>${offered}</code></p>
      <button type="button" class="act" id="run-offered" aria-disabled=${!ready} @click=${() => settle(true)}>Run</button>
      <button type="button" class="quiet" @click=${() => settle(false)}>Dismiss</button>
    </div>`;
  }

  readonly #showKeys = async (): Promise<void> => {
    await import("./doorbell-keys.ts");
    const map =
      this.querySelector("doorbell-keys") ?? this.appendChild(document.createElement("doorbell-keys"));
    map.show();
  };

  readonly #startTour = async (): Promise<void> => {
    await import("./doorbell-tour.ts");
    this.touring = true;
  };

  readonly #endTour = (): void => {
    remember(TOUR_KEY, "seen");
    this.newcomer = false;
    this.touring = false;
  };

  readonly #nextLayout = (): void => {
    this.layout = LAYOUTS[(LAYOUTS.indexOf(this.layout) + 1) % LAYOUTS.length] ?? "both";
    rememberOption("layout", this.layout === "both" ? undefined : this.layout);
  };

  readonly #copyLink = async (): Promise<void> => {
    const link = pageLink(location.href, this.store.state);
    try {
      await navigator.clipboard.writeText(link);
      this.store.announce("The link is copied.");
    } catch {
      this.store.showNotice(`The browser did not allow the copy. The link is ${link}`);
    }
  };

  readonly #openTable = async (): Promise<void> => {
    await import("./doorbell-table.ts");
    this.table = true;
    await this.updateComplete;
    const table = this.querySelector("doorbell-table");
    await table?.updateComplete;
    table?.show();
  };

  #nextTheme(): void {
    setTheme(NEXT_THEME[currentTheme()]);
    this.requestUpdate();
  }
}

function stageText({ stage, phases, comparison }: PageState): string {
  if (comparison.stage !== "idle") return "Paused while the table is measured";
  switch (stage) {
    case "downloading":
      return "Downloading";
    case "booting":
      return "Booting";
    case "running":
      return phases.ready === undefined
        ? "Running, waiting for the network"
        : `Running, ready after ${formatMilliseconds(phases.ready)}`;
    case "paused":
      return "Paused";
    case "stopped":
      return "Stopped";
    case "failed":
      return "Not running";
  }
}

const logo = html`<svg viewBox="0 0 32 32" aria-hidden="true">
  <rect width="32" height="32" rx="7" fill="currentColor" />
  <circle class="ring" cx="16" cy="16" r="8.5" />
  <circle class="button" cx="16" cy="16" r="3.6" />
</svg>`;

customElements.define("doorbell-app", DoorbellApp);

declare global {
  interface HTMLElementTagNameMap {
    "doorbell-app": DoorbellApp;
  }
}
