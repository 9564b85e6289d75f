/**
 * The view "Journey": one request and its response, step by step through lanes, with the wire and with messages side by
 * side. Arrow keys, Home and End walk through it, the space bar plays it.
 */
import { html, LitElement, nothing, svg } from "lit";
import type { InterruptMode } from "../../src/index.ts";
import { formatCount } from "../format.ts";
import { renderMarkdown } from "../lessons/markdown.ts";
import { sharedStyles } from "../shared-styles.ts";
import type { MachineStore } from "../store.ts";
import { StoreController } from "../store-controller.ts";
import { INTERRUPT_NAMES, sentence } from "../words.ts";
import { clauseId, clauseText } from "./clauses.ts";
import { type Journey, LANES, STEP_KEYS, STEPS, type Step, type StepKey } from "./journey.ts";
import { journeyStyles } from "./journey-styles.ts";
import { type Journeys, recordJourneys } from "./record.ts";

const PLAY_MS = 1100;
/** In the order in which they stand. */
const MODES: readonly InterruptMode[] = ["wired", "msi"];
/** Why a step is missing where the other way has it. */
const ABSENT: Partial<Record<StepKey, string>> = {
  raise: "Nothing: a message needs no bit to ask for.",
  "line-up": "Nothing: the wired line stays down.",
  message: "Nothing: there is one wire for everything, and it says no more than that something happened.",
  status: "No read, no exit: the vector has said which queue it is.",
  acknowledge: "No write, no exit: each message stands for itself.",
  "line-down": "Nothing: the line was never up.",
};

/** What is counted of a journey. */
const FIGURES: readonly (readonly [id: string, name: string, of: (journey: Journey) => number])[] = [
  ["exits", "Exits", (journey) => journey.exits],
  ["status-reads", "InterruptStatus reads", (journey) => journey.statusReads],
  ["acknowledgements", "InterruptACK writes", (journey) => journey.acknowledgements],
  ["interrupts", "Interrupts", (journey) => journey.interruptsRaised],
  ["instructions", "Guest instructions until the next request", (journey) => journey.instructions],
];

export class DoorbellJourney extends LitElement {
  static override properties = {
    store: { attribute: false },
    journeys: { state: true },
    at: { state: true },
    playing: { state: true },
    progress: { state: true },
    problem: { state: true },
  };

  static override styles = [sharedStyles, journeyStyles];

  declare store: MachineStore;
  declare journeys: Journeys;
  /** Row that the person is at. */
  declare at: number;
  declare playing: boolean;
  /** What the recording does, while there is one. */
  declare progress: string | undefined;
  declare problem: string | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor() {
    super();
    this.journeys = {};
    this.at = 0;
    this.playing = false;
    new StoreController(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#play(false);
  }

  /** Rows: the steps that any of the journeys has. */
  get #rows(): StepKey[] {
    const journeys = this.#shown.map(([, journey]) => journey);
    return STEP_KEYS.filter((key) => journeys.some(({ steps }) => steps.has(key)));
  }

  get #shown(): (readonly [InterruptMode, Journey])[] {
    return MODES.flatMap((mode) => {
      const journey = this.journeys[mode];
      return journey === undefined ? [] : [[mode, journey] as const];
    });
  }

  override render() {
    const shown = this.#shown;
    return html`
      <div class="card">
        <p class="intro">
          One request of 32 bytes and its response of 1024, as a trace recorded them: each register with the value that was
          written or read. Where the guest ran unseen between two exits, a step is inferred and drawn hollow.
        </p>
        <div class="bar">
          <button
            type="button"
            class="button primary"
            id="record"
            aria-disabled=${this.progress !== undefined}
            @click=${this.#record}
          >
            ${shown.length === 0 ? "Record one request" : "Record again"}
          </button>
          <span role="status" class="soft" id="progress">${this.progress ?? ""}</span>
          ${this.problem === undefined ? nothing : html`<span role="alert" class="problem">${this.problem}</span>`}
          <span class="grow"></span>
          ${shown.length === 0 ? nothing : this.#player()}
        </div>
        ${shown.length === 0 ? nothing : figures(shown)}
      </div>
      ${shown.length === 0 ? nothing : html`${this.#now(shown)} ${this.#timeline(shown)}`}
    `;
  }

  #player() {
    const last = this.#rows.length - 1;
    return html`
      <button type="button" class="button" aria-label="Step back" aria-disabled=${this.at === 0} @click=${() => this.#go(this.at - 1)}>
        &larr;
      </button>
      <button type="button" class="button" id="play" aria-pressed=${this.playing} @click=${() => this.#play(!this.playing)}>
        ${this.playing ? "Stop" : "Play"}
      </button>
      <button
        type="button"
        class="button"
        aria-label="Step forward"
        aria-disabled=${this.at === last}
        @click=${() => this.#go(this.at + 1)}
      >
        &rarr;
      </button>
    `;
  }

  /** The step that the person is at, in each way. */
  #now(shown: readonly (readonly [InterruptMode, Journey])[]) {
    const rows = this.#rows;
    const key = rows[this.at] ?? "send";
    return html`<section class="card now" aria-label="This step" aria-live=${this.playing ? "off" : "polite"} id="now">
      <h3>${this.at + 1}. ${STEPS[key].title} <small>${STEPS[key].lane}</small></h3>
      ${shown.map(([mode, journey]) => {
        const step = journey.steps.get(key);
        const name = INTERRUPT_NAMES[journey.transport][mode];
        const id = clauseId(key, mode, journey.steps.get("notify")?.text.includes("QueueNotify") ?? false);
        return html`<article class="${mode} ${step === undefined ? "absent" : ""}" data-mode=${mode}>
          <h4>${name}</h4>
          ${step === undefined ? html`<p>${ABSENT[key] ?? "Nothing of the kind happened."}</p>` : stepText(step)}
          ${journey.transport === "mmio" ? clause(id) : nothing}
        </article>`;
      })}
    </section>`;
  }

  #timeline(shown: readonly (readonly [InterruptMode, Journey])[]) {
    const rows = this.#rows;
    const [first, second] = shown;
    const head = html`<div class="heads" aria-hidden="true">${LANES.map((lane) => html`<span>${lane}</span>`)}</div>`;
    const single = second === undefined;
    return html`<section class="card" aria-label="Steps" @keydown=${this.#key}>
      <div class="timeline ${single ? "single" : ""}">
        ${head}
        <div class="middle">
          ${shown.map(
            ([mode, journey], i) =>
              html`<span class=${mode}
                ><b>${single ? "" : i === 0 ? "\u2190 " : ""}${INTERRUPT_NAMES[journey.transport][mode]}${single || i === 0 ? "" : " \u2192"}</b></span
              >`,
          )}
        </div>
        ${single ? nothing : head} ${first === undefined ? nothing : this.#lanes(first, rows)}
        <ol class="steps">
          ${rows.map((key, i) => {
            const inferred = shown.every(([, { steps }]) => steps.get(key)?.inferred !== false);
            return html`<li>
              <button
                type="button"
                class=${inferred ? "inferred" : nothing}
                aria-current=${i === this.at ? "step" : nothing}
                tabindex=${i === this.at ? 0 : -1}
                title=${STEPS[key].title}
                @click=${() => this.#go(i)}
              >
                ${STEPS[key].title}<span class="hidden-text">, ${STEPS[key].lane}${inferred ? ", inferred" : ""}</span>
              </button>
            </li>`;
          })}
        </ol>
        ${second === undefined ? nothing : this.#lanes(second, rows)}
      </div>
      <ul class="legend">
        <li>${mark("dot")}recorded</li>
        <li>${mark("dot exit")}an exit</li>
        <li>${mark("dot inferred")}inferred, not observed</li>
        <li>Arrow keys, Home, End: walk; space: play</li>
      </ul>
    </section>`;
  }

  /** One journey drawn: a column for each lane, a row for each step, and the packet where it is. */
  #lanes([mode, { steps }]: readonly [InterruptMode, Journey], rows: readonly StepKey[]) {
    const row = this.#rowHeight();
    const x = (key: StepKey): string => `${((LANES.indexOf(STEPS[key].lane) + 0.5) / LANES.length) * 100}%`;
    const y = (i: number): number => (i + 0.5) * row;
    const there = rows.flatMap((key, i) => {
      const step = steps.get(key);
      return step === undefined ? [] : [{ key, i, step }];
    });
    // Where nothing happens the packet waits at the step before.
    const token = there.findLast(({ i }) => i <= this.at) ?? there[0];
    return html`<svg class="lanes ${mode}" height=${rows.length * row} aria-hidden="true">
      <rect class="band" x="0" y=${this.at * row} width="100%" height=${row} rx="4" />
      ${LANES.map((_, i) => {
        const at = `${((i + 0.5) / LANES.length) * 100}%`;
        return svg`<line class="lane" x1=${at} x2=${at} y1="0" y2=${rows.length * row} />`;
      })}
      ${there.slice(1).map(({ key, i, step }, before) => {
        const from = there[before];
        if (from === undefined) return nothing;
        const inferred = step.inferred || from.step.inferred;
        return svg`<line class="path ${inferred ? "inferred" : ""}" x1=${x(from.key)} y1=${y(from.i)} x2=${x(key)} y2=${y(i)} />`;
      })}
      ${there.map(
        ({ key, i, step }) =>
          svg`<circle class="dot ${step.inferred ? "inferred" : ""} ${step.exit ? "exit" : ""}" cx=${x(key)} cy=${y(i)} r="5.5"
            @click=${() => this.#go(i)} />`,
      )}
      ${token === undefined ? nothing : svg`<circle class="token" cx=${x(token.key)} cy=${y(token.i)} r="9.5" />`}
    </svg>`;
  }

  /** The height of a row in pixels, as the style sheet has it. */
  #rowHeight(): number {
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    return Number.parseFloat(getComputedStyle(this).getPropertyValue("--row")) * rem;
  }

  #go(to: number): void {
    this.at = Math.max(0, Math.min(to, this.#rows.length - 1));
    void this.updateComplete.then(() => this.#current?.scrollIntoView({ block: "nearest" }));
  }

  get #current(): HTMLElement | null {
    return this.renderRoot.querySelector<HTMLElement>('[aria-current="step"]');
  }

  #play(on: boolean): void {
    clearInterval(this.#timer);
    this.playing = on;
    if (!on) return;
    if (this.at >= this.#rows.length - 1) this.at = 0;
    this.#timer = setInterval(() => {
      this.#go(this.at + 1);
      if (this.at >= this.#rows.length - 1) this.#play(false);
    }, PLAY_MS);
  }

  readonly #key = async (event: KeyboardEvent): Promise<void> => {
    const last = this.#rows.length - 1;
    const to = {
      ArrowDown: this.at + 1,
      ArrowRight: this.at + 1,
      ArrowUp: this.at - 1,
      ArrowLeft: this.at - 1,
      Home: 0,
      End: last,
    }[event.key];
    if (event.key === " ") this.#play(!this.playing);
    else if (to === undefined) return;
    else {
      this.#play(false);
      this.#go(to);
    }
    event.preventDefault();
    await this.updateComplete;
    this.#current?.focus({ preventScroll: true });
  };

  readonly #record = async (): Promise<void> => {
    if (this.progress !== undefined) return;
    this.#play(false);
    this.problem = undefined;
    this.progress = "Recording.";
    try {
      this.journeys = await recordJourneys(this.store, (text) => {
        this.progress = text;
      });
      this.at = 0;
    } catch (error) {
      this.problem = sentence(error);
    } finally {
      this.progress = undefined;
    }
  };
}

function mark(className: string) {
  return html`<svg aria-hidden="true"><circle class=${className} cx="7" cy="7" r="5" /></svg>`;
}

function stepText({ text, inferred, exit, instructions, within }: Step) {
  const observed =
    within > 0
      ? `seen at +${formatCount(instructions ?? 0)}, within the ${formatCount(within)} instructions before`
      : `+${formatCount(instructions ?? 0)} guest instructions`;
  return html`<p class=${inferred ? nothing : "event"}>${text}</p>
    <p>
      ${exit ? html`<span class="tag exit">exit</span>` : nothing}
      <span class="tag ${inferred ? "inferred" : ""}">${inferred ? "inferred, not observed" : "recorded"}</span>
      <span class="soft">${inferred ? "" : observed}</span>
    </p>`;
}

/** A clause of the register specification, its text where it is asked for. */
function clause(id: string) {
  return html`<details>
    <summary>${id} of virtio-mmio version 3</summary>
    ${clauseText(id)?.map(renderMarkdown)}
  </details>`;
}

function figures(shown: readonly (readonly [InterruptMode, Journey])[]) {
  return html`<table>
    <caption class="hidden-text">
      What this one request cost
    </caption>
    <thead>
      <tr>
        <th scope="col"><span class="hidden-text">what</span></th>
        ${shown.map(
          ([mode, { transport }]) =>
            html`<th scope="col" class=${mode}>${INTERRUPT_NAMES[transport][mode]}</th>`,
        )}
      </tr>
    </thead>
    <tbody>
      ${FIGURES.map(([id, name, of]) => {
        const values = shown.map(([, journey]) => of(journey));
        const differs = id !== "instructions" && new Set(values).size > 1;
        return html`<tr id=${id}>
          <th scope="row">${name}</th>
          ${values.map((value) => html`<td class=${differs ? "differs" : nothing}>${formatCount(value)}</td>`)}
        </tr>`;
      })}
      <tr>
        <th scope="row">Requests in the trace that went this way</th>
        ${shown.map(
          ([, { alike, requests }]) => html`<td>${formatCount(alike)} of ${formatCount(requests)}</td>`,
        )}
      </tr>
    </tbody>
  </table>`;
}

customElements.define("doorbell-journey", DoorbellJourney);

declare global {
  interface HTMLElementTagNameMap {
    "doorbell-journey": DoorbellJourney;
  }
}
