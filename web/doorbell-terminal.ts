/** The terminal: xterm.js on the guest's console, fitted to its box, with a way out for the keyboard. */
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import xtermCss from "@xterm/xterm/css/xterm.css?inline";
import { css, html, LitElement, nothing, unsafeCSS } from "lit";
import { OutputQueue } from "./output-queue.ts";
import type { TerminalSink } from "./page-state.ts";
import { sharedStyles } from "./shared-styles.ts";
import type { MachineStore } from "./store.ts";
import { openTerminal } from "./terminal-document.ts";
import { terminalTheme } from "./terminal-theme.ts";
import { onThemeChange, remember, remembered } from "./theme.ts";

const SCREEN_READER_KEY = "doorbell-screen-reader";

/** The person wants the keyboard back; `backwards` with Shift. */
export class LeaveTerminalEvent extends Event {
  readonly backwards: boolean;
  constructor(backwards: boolean) {
    super("leave-terminal", { bubbles: true, composed: true });
    this.backwards = backwards;
  }
}

/** Keys that a touch keyboard lacks. */
const TOUCH_KEYS: readonly { readonly label: string; readonly name?: string; readonly bytes: string }[] = [
  { label: "Esc", bytes: "\x1b" },
  { label: "Tab", bytes: "\t" },
  { label: "Ctrl C", bytes: "\x03" },
  { label: "Ctrl D", bytes: "\x04" },
  { label: "\u2191", name: "Arrow up", bytes: "\x1b[A" },
  { label: "\u2193", name: "Arrow down", bytes: "\x1b[B" },
];

export class DoorbellTerminal extends LitElement implements TerminalSink {
  static override properties = {
    store: { attribute: false },
    screenReader: { state: true },
    size: { state: true },
  };

  static override styles = [
    unsafeCSS(xtermCss),
    sharedStyles,
    css`
      :host {
        container-type: inline-size;
        display: flex;
        flex-direction: column;
        min-width: 0;
        min-height: 0;
      }

      .bar {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: space-between;
        gap: 0.125rem 0.75rem;
        padding: 0.25rem 0.375rem 0.25rem 0.75rem;
        border-bottom: 1px solid var(--line);
        color: var(--ink-soft);
        font-size: 0.75rem;
      }

      .bar h2 {
        color: var(--ink);
      }

      .size {
        margin-right: auto;
        font-variant-numeric: tabular-nums;
      }

      kbd {
        padding: 0 0.25rem;
        border: 1px solid var(--line);
        border-radius: 0.25rem;
        background: var(--raised);
        font-family: inherit;
      }

      .bar .button {
        min-height: 1.5rem;
        padding: 0 0.5rem;
        border-color: var(--line);
        font-size: 0.75rem;
      }

      .bar .button[aria-pressed="true"] {
        border-color: var(--accent);
        background: var(--accent-soft);
      }

      .touch {
        display: none;
        gap: 0.25rem;
        padding: 0.25rem 0.375rem;
        border-top: 1px solid var(--line);
        overflow-x: auto;
      }

      .screen {
        flex: 1;
        min-height: 0;
        padding: 0.375rem 0.25rem 0.25rem 0.75rem;
      }

      .fit {
        position: relative;
        width: 100%;
        height: 100%;
        overflow: hidden;
      }

      .screen:focus-within {
        outline: 2px solid var(--accent);
        outline-offset: -2px;
        border-radius: 0 0 var(--radius) var(--radius);
      }

      .xterm {
        height: 100%;
      }

      /* xterm's own black shows where the last row does not reach. */
      .xterm .xterm-viewport {
        background-color: transparent;
      }

      @media (pointer: coarse) {
        .touch {
          display: flex;
        }

        .bar .button {
          min-height: 2rem;
        }
      }

      @media (pointer: coarse) {
        .copying {
          display: none;
        }
      }

      @container (max-width: 40rem) {
        .copying {
          display: none;
        }
      }

      @container (max-width: 26rem) {
        .way-out {
          display: none;
        }
      }
    `,
  ];

  declare store: MachineStore;
  declare screenReader: boolean;
  declare size: string;
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #output: OutputQueue;
  readonly #encoder = new TextEncoder();
  #observer: ResizeObserver | undefined;
  #unsubscribe: (() => void) | undefined;
  #fitRequested = false;
  #replaying = false;

  constructor() {
    super();
    this.screenReader = remembered(SCREEN_READER_KEY) === "on";
    this.size = "";
    this.#terminal = new Terminal({
      // Links that the guest prints (OSC 8) lead nowhere: it reaches nothing outside this page.
      linkHandler: { activate: () => {} },
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      minimumContrastRatio: 4.5,
      scrollback: 5000,
      screenReaderMode: this.screenReader,
    });
    this.#output = new OutputQueue((bytes, parsed) => this.#terminal.write(bytes, parsed));
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.onData((text) => {
      if (!this.#replaying) this.store.type(this.#encoder.encode(text));
    });
    this.#terminal.onBinary((text) => this.store.type(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    this.#terminal.onResize(({ cols, rows }) => {
      this.size = `${cols} \u00d7 ${rows}`;
      this.store.resizeTerminal(cols, rows);
    });
    this.#terminal.attachCustomKeyEventHandler((event) => this.#key(event));
  }

  get columns(): number {
    return this.#terminal.cols;
  }

  get rows(): number {
    return this.#terminal.rows;
  }

  /** Shows guest output, a frame's worth at a time. */
  write(bytes: Uint8Array): void {
    this.#output.push(bytes);
  }

  replay(bytes: Uint8Array): void {
    this.#replaying = true;
    this.#terminal.write(bytes, () => {
      this.#replaying = false;
    });
  }

  /** Empties screen and scrollback. */
  clear(): void {
    this.#output.clear();
    this.#terminal.reset();
  }

  override focus(): void {
    this.#terminal.focus();
  }

  /** The visible lines as text: what a test reads. */
  get text(): string {
    const { active } = this.#terminal.buffer;
    const lines: string[] = [];
    for (let row = 0; row < active.length; row++) {
      lines.push(active.getLine(row)?.translateToString(true) ?? "");
    }
    return lines.join("\n").trimEnd();
  }

  override render() {
    return html`
      <div class="bar">
        <h2>Terminal</h2>
        <span class="size">${this.size}</span>
        <span class="copying"><kbd>Ctrl Shift C</kbd> copy, <kbd>Ctrl Shift V</kbd> paste,</span>
        <span><kbd>F6</kbd> leaves<span class="way-out"> the terminal</span></span>
        <button
          type="button"
          class="button"
          aria-pressed=${this.screenReader}
          title="Lets a screen reader follow the terminal's output"
          @click=${this.#toggleScreenReader}
        >
          Screen reader
        </button>
      </div>
      <div class="screen"><div class="fit"></div></div>
      <div class="touch" role="group" aria-label="Keys">
        ${TOUCH_KEYS.map(
          ({ label, name, bytes }) => html`<button
            type="button"
            class="button"
            aria-label=${name ?? nothing}
            @click=${() => this.store.type(this.#encoder.encode(bytes))}
          >
            ${label}
          </button>`,
        )}
      </div>
    `;
  }

  override firstUpdated(): void {
    const box = this.renderRoot.querySelector<HTMLElement>(".fit");
    if (box === null) return;
    this.#dress();
    openTerminal(this.#terminal, box);
    this.#terminal.textarea?.setAttribute("aria-label", "Guest terminal. F6 leaves it.");
    this.#fit.fit();
    this.#observer?.observe(box);
    this.store.attachTerminal(this);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#observer = new ResizeObserver(() => this.#requestFit());
    const box = this.renderRoot?.querySelector(".fit");
    if (box) this.#observer.observe(box);
    this.#unsubscribe = onThemeChange(() => this.#dress());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#observer?.disconnect();
    this.#unsubscribe?.();
  }

  /** Colours and type from the style sheet. */
  #dress(): void {
    this.#terminal.options.theme = terminalTheme(this);
    this.#terminal.options.fontFamily = getComputedStyle(this).getPropertyValue("--mono");
    this.#sizeType();
  }

  /** With the page's type, which the person may have made larger. */
  #sizeType(): void {
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.#terminal.options.fontSize = Math.round(rem * 0.8125);
  }

  #requestFit(): void {
    if (this.#fitRequested) return;
    this.#fitRequested = true;
    requestAnimationFrame(() => {
      this.#fitRequested = false;
      this.#sizeType();
      this.#fit.fit();
    });
  }

  /** False keeps the key from the guest. */
  #key(event: KeyboardEvent): boolean {
    if (event.key === "F6" && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      if (event.type === "keydown") this.dispatchEvent(new LeaveTerminalEvent(event.shiftKey));
      return false;
    }
    if (event.ctrlKey && event.shiftKey && event.code === "KeyC") {
      event.preventDefault();
      if (event.type === "keydown") this.#copy();
      return false;
    }
    // The browser pastes by itself: it fires "paste", which xterm takes; no clipboard permission is needed.
    if (event.ctrlKey && event.shiftKey && event.code === "KeyV") return false;
    return true;
  }

  #copy(): void {
    const text = this.#terminal.getSelection();
    if (text === "") return;
    const failed = () =>
      this.store.showNotice("The browser did not allow the copy. Use its own menu instead.");
    if (navigator.clipboard === undefined) failed();
    else navigator.clipboard.writeText(text).catch(failed);
  }

  #toggleScreenReader(): void {
    this.screenReader = !this.screenReader;
    remember(SCREEN_READER_KEY, this.screenReader ? "on" : "off");
    this.#terminal.options.screenReaderMode = this.screenReader;
  }
}

customElements.define("doorbell-terminal", DoorbellTerminal);

declare global {
  interface HTMLElementTagNameMap {
    "doorbell-terminal": DoorbellTerminal;
  }
}
