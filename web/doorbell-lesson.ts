/** One lesson, step by step: its text, what is set and run, and the checks that the machine decides. */
import { html, LitElement, nothing } from "lit";
import type { Lesson, Part, Step } from "./lessons/lesson.ts";
import { lessonStyles } from "./lessons/lesson-styles.ts";
import { renderMarkdown } from "./lessons/markdown.ts";
import { forget, markDone, stepsDone } from "./lessons/progress.ts";
import { type CheckState, StepSession } from "./lessons/session.ts";
import { sharedStyles } from "./shared-styles.ts";
import type { MachineStore } from "./store.ts";
import { StoreController } from "./store-controller.ts";

/** The person goes to another step, or back to the list of lessons (no step). */
export class GoToStepEvent extends Event {
  readonly step: number | undefined;
  constructor(step: number | undefined) {
    super("go-to-step");
    this.step = step;
  }
}

export class DoorbellLesson extends LitElement {
  static override properties = {
    store: { attribute: false },
    lesson: { attribute: false },
    step: { type: Number },
  };

  static override styles = [sharedStyles, lessonStyles];

  declare store: MachineStore;
  declare lesson: Lesson;
  /** Index of the step. */
  declare step: number;
  #session: StepSession | undefined;
  #unsubscribe = () => {};

  constructor() {
    super();
    this.step = 0;
    new StoreController(this);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unsubscribe = this.store.onSample(() => this.#session?.sample());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unsubscribe();
  }

  override willUpdate(changed: ReadonlyMap<PropertyKey, unknown>): void {
    if (changed.has("lesson") || changed.has("step")) this.#begin();
  }

  override updated(changed: ReadonlyMap<PropertyKey, unknown>): void {
    // A step that was reached by a click is read from its heading on.
    if (changed.get("step") !== undefined) this.renderRoot.querySelector<HTMLElement>("h3")?.focus();
  }

  get #current(): Step | undefined {
    return this.lesson.steps[this.step];
  }

  #begin(): void {
    this.#session?.cancel();
    const step = this.#current;
    if (step === undefined) return;
    const { id } = this.lesson;
    const session: StepSession = new StepSession(this.store, step, () => {
      if (this.#session !== session) return;
      if (session.done) markDone(id, index);
      this.requestUpdate();
    });
    const index = this.step;
    this.#session = session;
    session.sample();
  }

  override render() {
    const { lesson, step: index } = this;
    const step = this.#current;
    const session = this.#session;
    if (step === undefined || session === undefined) return nothing;
    const done = stepsDone(lesson.id);
    const last = index === lesson.steps.length - 1;
    const complete = lesson.steps.every((_, one) => done.has(one));
    return html`<article class="page" aria-label=${lesson.title}>
      <div class="row">
        <button type="button" class="button" id="all-lessons" @click=${() => this.#go(undefined)}>All lessons</button>
        <h2>${lesson.title}</h2>
      </div>
      <ol class="steps" aria-label="Steps">
        ${lesson.steps.map(
          ({ title }, one) => html`<li>
            <button
              type="button"
              aria-label="Step ${one + 1}, ${title}${done.has(one) ? ", done" : ""}"
              aria-current=${one === index ? "step" : nothing}
              ?data-done=${done.has(one)}
              title=${title}
              @click=${() => this.#go(one)}
            >
              ${one + 1}
            </button>
          </li>`,
        )}
      </ol>
      <h3 tabindex="-1">${step.title}</h3>
      ${session.set || step.parts.some(({ kind }) => kind === "set") ? nothing : this.#set(session)}
      ${step.parts.map((part) => this.#part(part, session))}
      ${session.problem === undefined ? nothing : html`<p class="bad" role="alert">${session.problem}</p>`}
      <div class="row">
        <button type="button" class="button" id="back" ?hidden=${index === 0} @click=${() => this.#go(index - 1)}>Back</button>
        ${
          last
            ? html`<button type="button" class="button ${complete ? "primary" : ""}" id="next" @click=${() => this.#go(undefined)}>
                ${complete ? "Finish" : "Leave"}
              </button>`
            : html`<button type="button" class="button ${session.done ? "primary" : ""}" id="next" @click=${() => this.#go(index + 1)}>
                ${session.done ? "Next" : "Skip"}
              </button>`
        }
        <button type="button" class="button" id="again" @click=${this.#again}>Restart the lesson</button>
        <span class="soft" role="status" id="step-state">${session.done ? "This step is done." : ""}${
          complete ? " So is the lesson." : ""
        }</span>
      </div>
    </article>`;
  }

  #go(step: number | undefined): void {
    this.dispatchEvent(new GoToStepEvent(step));
  }

  readonly #again = () => {
    forget(this.lesson.id);
    if (this.step === 0) this.#begin();
    this.requestUpdate();
    this.#go(0);
  };

  #part(part: Part, session: StepSession) {
    switch (part.kind) {
      case "text":
        return renderMarkdown(part.token);
      case "set":
        return this.#set(session);
      case "run":
        return this.#run(part.command, session);
      case "ask":
        return ask(part, session);
      case "check":
        return html`<div class="action">
          <ul class="checks">
            ${session.checks.map((one) => checkRow(one))}
          </ul>
        </div>`;
    }
  }

  #set(session: StepSession) {
    const shown = session.settings.filter((setting) => !setting.implied || !setting.inForce(this.store));
    const button = session.restarts ? "Set, and restart the guest" : "Set";
    return html`<div class="action row">
      <ul class="checks">
        ${shown.map(
          (setting) => html`<li class=${setting.inForce(this.store) ? "held" : ""}>
            <span class="mark" aria-hidden="true"></span><span>${setting.label}</span>
          </li>`,
        )}
      </ul>
      ${
        session.set && !session.applying
          ? html`<span class="soft">In force.</span>`
          : html`<button
              type="button"
              class="button primary"
              id="set"
              aria-disabled=${session.applying}
              @click=${() => void session.apply()}
            >
              ${session.applying ? "Setting \u2026" : button}
            </button>`
      }
    </div>`;
  }

  #run(command: string, session: StepSession) {
    const { state } = this.store;
    const ready = state.stage === "running" && state.phases.ready !== undefined;
    const wait = !ready
      ? "The guest is not ready yet."
      : !session.set
        ? "Set the machine first."
        : session.asksFirst
          ? "Choose an answer first: the machine will show whether it is right."
          : undefined;
    return html`<div class="action">
      <div class="row">
        <code>${command}</code>
        ${
          session.run === "running"
            ? html`<button type="button" class="button" id="run" @click=${() => session.cancel()}>Cancel</button>`
            : html`<button
                type="button"
                class="button ${session.run === "idle" ? "primary" : ""}"
                id="run"
                aria-disabled=${wait !== undefined}
                aria-describedby="run-note"
                @click=${() => wait === undefined && void session.execute()}
              >
                ${session.run === "done" ? "Run again" : "Run"}
              </button>`
        }
      </div>
      <span class="soft" id="run-note">${wait ?? nothing}</span>
      ${session.output === "" ? nothing : html`<pre class="printed" tabindex="0" aria-label="What the command printed">${plain(session.output)}</pre>`}
      ${
        session.status === undefined || session.status === 0
          ? nothing
          : html`<p class="bad">The command ended with status ${session.status}.</p>`
      }
    </div>`;
  }
}

function checkRow({ check, value, held }: CheckState) {
  const state = value === undefined ? "" : held ? "held" : "missed";
  const spoken = { "": "not measured yet", held: "holds", missed: "does not hold" }[state];
  return html`<li class=${state}>
    <span class="mark" aria-hidden="true"></span>
    <span>${check.meaning}<span class="hidden-text">: ${spoken}</span><code class="formula">${check.condition.text}</code></span>
    <span class="value">${value === undefined ? "" : figure(value)}</span>
  </li>`;
}

function ask({ question, answers }: Extract<Part, { kind: "ask" }>, session: StepSession) {
  const { answer, truth } = session;
  const known = answer !== undefined && truth !== undefined;
  return html`<div class="action">
    <fieldset>
      <legend>${question}</legend>
      ${answers.map(
        ({ meaning }, index) => html`<label>
          <input
            type="radio"
            name="answer"
            .checked=${answer === index}
            ?disabled=${answer !== undefined && answer !== index}
            @change=${() => session.choose(index)}
          />
          <span>${meaning}</span>
        </label>`,
      )}
    </fieldset>
    <p class="verdict" role="status">${
      known
        ? answer === truth
          ? "Right: the machine says so."
          : html`The machine says otherwise: ${answers[truth]?.meaning}`
        : answer !== undefined
          ? "The machine will tell."
          : nothing
    }</p>
  </div>`;
}

/** Up to two decimals, as many as matter. */
function figure(value: number): string {
  if (Number.isNaN(value)) return "\u2013";
  return value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 100 ? 2 : 0 });
}

/** Without the sequences by which programs colour a terminal. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
  return text.replace(/\x1b\[[0-9;?]*[A-Za-z]|\r/g, "").trimEnd();
}

customElements.define("doorbell-lesson", DoorbellLesson);

declare global {
  interface HTMLElementTagNameMap {
    "doorbell-lesson": DoorbellLesson;
  }
}
