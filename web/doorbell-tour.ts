/** The tour for who is here for the first time: a few places of the page, one sentence or two each. */
import { css, html, LitElement, nothing } from "lit";
import { sharedStyles } from "./shared-styles.ts";
import { OpenViewEvent } from "./views.ts";

interface Stop {
  /** Where: the first of these that is on the page. */
  readonly place: string;
  readonly title: string;
  readonly text: string;
}

const STOPS: readonly Stop[] = [
  {
    place: "doorbell-terminal",
    title: "A real Linux",
    text: "It booted in this page, on an emulated CPU. Type in it as you would anywhere. F6 takes the keyboard out again.",
  },
  {
    place: "#run, doorbell-controls",
    title: "Give it something to do",
    text: "\u201cRun tcp_rr\u201d sends small requests to a host inside this page and waits for each answer. One request with its answer is a transaction.",
  },
  {
    place: "doorbell-figures, #panel",
    title: "What it costs",
    text: "Whenever Linux touches a device register, it has to stop until the device has answered: an exit. Here you see how many a transaction takes.",
  },
  {
    place: "#interrupts",
    title: "Flip the switch",
    text: "The devices can call by one wire, as they always did, or by messages. Switch while tcp_rr runs: three exits become one, and no connection is lost.",
  },
  {
    place: ".tabs",
    title: "Look closer",
    text: "Lessons explain it step by step, and let the machine prove it. The other views show packets, registers and rings as they are right now.",
  },
];
const MARGIN = 8;

/** The tour has ended, at its end or before. */
export class TourEndEvent extends Event {
  constructor() {
    super("tour-end");
  }
}

export class DoorbellTour extends LitElement {
  static override properties = { stop: { state: true } };

  static override styles = [
    sharedStyles,
    css`
      .ring {
        position: fixed;
        z-index: 15;
        border: 3px solid var(--accent);
        border-radius: calc(var(--radius) + 4px);
        box-shadow: 0 0 0 100vmax rgb(0 0 0 / 25%);
        pointer-events: none;
      }

      .card {
        position: fixed;
        z-index: 16;
        width: min(22rem, calc(100vw - 1rem));
        padding: 0.875rem 1rem 1rem;
        border: 1px solid var(--line-strong);
        border-radius: var(--radius);
        background: var(--surface);
        color: var(--ink);
        box-shadow: 0 0.5rem 2rem rgb(0 0 0 / 30%);
        font-size: 0.9375rem;
      }

      h2 {
        font-size: 1.0625rem;
      }

      h2:focus {
        outline: none;
      }

      p {
        margin: 0.375rem 0 0.75rem;
      }

      .row {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.5rem;
      }

      .row span {
        margin-right: auto;
        color: var(--ink-soft);
        font-size: 0.8125rem;
      }
    `,
  ];

  declare stop: number;
  readonly #follow = () => this.#place();

  constructor() {
    super();
    this.stop = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("resize", this.#follow);
    addEventListener("scroll", this.#follow, { capture: true, passive: true });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("resize", this.#follow);
    removeEventListener("scroll", this.#follow, { capture: true });
  }

  override render() {
    const stop = STOPS[this.stop];
    if (stop === undefined) return nothing;
    const last = this.stop === STOPS.length - 1;
    return html`<div class="ring"></div>
      <section class="card" role="dialog" aria-labelledby="title" aria-describedby="text" @keydown=${this.#key}>
        <h2 id="title" tabindex="-1">${stop.title}</h2>
        <p id="text">${stop.text}</p>
        <div class="row">
          <span>${this.stop + 1} of ${STOPS.length}</span>
          <button type="button" class="button" @click=${this.#end}>${last ? "Done" : "Skip"}</button>
          ${
            this.stop === 0
              ? nothing
              : html`<button type="button" class="button" @click=${() => this.#go(this.stop - 1)}>Back</button>`
          }
          ${
            last
              ? html`<button type="button" class="button primary" @click=${this.#learn}>To the lessons</button>`
              : html`<button type="button" class="button primary" @click=${() => this.#go(this.stop + 1)}>Next</button>`
          }
        </div>
      </section>`;
  }

  override updated(): void {
    this.#target?.scrollIntoView({ block: "nearest" });
    this.#place();
    this.renderRoot.querySelector<HTMLElement>("h2")?.focus();
  }

  get #target(): Element | undefined {
    const places = STOPS[this.stop]?.place.split(", ") ?? [];
    const roots = [
      document,
      ...[...document.querySelectorAll("*")].flatMap(({ shadowRoot }) => shadowRoot ?? []),
    ];
    for (const place of places) {
      for (const root of roots) {
        const found = root.querySelector(place);
        if (found !== null && found.getClientRects().length > 0) return found;
      }
    }
    return undefined;
  }

  /** The ring around the place, the card where there is room beside it. */
  #place(): void {
    const ring = this.renderRoot.querySelector<HTMLElement>(".ring");
    const card = this.renderRoot.querySelector<HTMLElement>(".card");
    if (ring === null || card === null) return;
    const box = this.#target?.getBoundingClientRect() ?? new DOMRect(innerWidth / 2, innerHeight / 3);
    const size = card.getBoundingClientRect();
    const within = (value: number, room: number) => Math.max(MARGIN, Math.min(value, room - MARGIN));
    const below = box.bottom + MARGIN + size.height < innerHeight;
    const above = box.top - MARGIN - size.height > 0;
    const top = below ? box.bottom + MARGIN : above ? box.top - MARGIN - size.height : box.top + 5 * MARGIN;
    place(ring, { left: box.left - 4, top: box.top - 4, width: box.width + 8, height: box.height + 8 });
    place(card, {
      left: within(box.left, innerWidth - size.width),
      top: within(top, innerHeight - size.height),
    });
  }

  #go(stop: number): void {
    this.stop = stop;
  }

  readonly #key = (event: KeyboardEvent) => {
    if (event.key === "Escape") this.#end();
    else if (event.key === "ArrowRight" && this.stop < STOPS.length - 1) this.#go(this.stop + 1);
    else if (event.key === "ArrowLeft" && this.stop > 0) this.#go(this.stop - 1);
    else return;
    event.preventDefault();
  };

  readonly #learn = () => {
    this.dispatchEvent(new OpenViewEvent("lessons"));
    this.#end();
  };

  readonly #end = () => {
    this.dispatchEvent(new TourEndEvent());
  };
}

function place(element: HTMLElement, box: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(box)) element.style.setProperty(name, `${value}px`);
}

customElements.define("doorbell-tour", DoorbellTour);

declare global {
  interface HTMLElementTagNameMap {
    "doorbell-tour": DoorbellTour;
  }
}
