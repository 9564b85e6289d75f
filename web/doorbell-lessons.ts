/** The view "Lessons": the list, or the lesson that was opened. Lesson and step are in the address. */
import { css, html, LitElement } from "lit";
import "./doorbell-lesson.ts";
import type { GoToStepEvent } from "./doorbell-lesson.ts";
import type { Lesson } from "./lessons/lesson.ts";
import { LESSONS } from "./lessons/library.ts";
import { stepsDone } from "./lessons/progress.ts";
import { rememberOption } from "./page-options.ts";
import { sharedStyles } from "./shared-styles.ts";
import type { MachineStore } from "./store.ts";

export class DoorbellLessons extends LitElement {
  static override properties = {
    store: { attribute: false },
    lesson: { state: true },
    step: { state: true },
  };

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: block;
        font-size: 0.875rem;
      }

      .intro {
        margin-bottom: 0.5rem;
        color: var(--ink-soft);
      }

      ol {
        display: grid;
        gap: 0.5rem;
        margin: 0;
        padding: 0;
        list-style: none;
      }

      li {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        gap: 0.125rem 0.75rem;
        align-items: center;
        padding: 0.5rem 0.75rem 0.5625rem;
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--surface);
      }

      h3 {
        font-size: 0.9375rem;
      }

      .about {
        grid-row: 2;
        color: var(--ink-soft);
        font-size: 0.8125rem;
      }

      .button {
        grid-row: 1 / 3;
        grid-column: 2;
      }
    `,
  ];

  declare store: MachineStore;
  declare lesson: Lesson | undefined;
  declare step: number;

  constructor() {
    super();
    const query = new URLSearchParams(location.search);
    this.lesson = LESSONS.find(({ id }) => id === query.get("lesson"));
    const step = Number(query.get("step")) - 1;
    this.step = this.lesson?.steps[step] === undefined ? 0 : step;
  }

  override render() {
    if (this.lesson !== undefined) {
      return html`<doorbell-lesson
        .store=${this.store}
        .lesson=${this.lesson}
        .step=${this.step}
        @go-to-step=${({ step }: GoToStepEvent) => this.#open(step === undefined ? undefined : this.lesson, step ?? 0)}
      ></doorbell-lesson>`;
    }
    return html`
      <p class="intro">
        Each lesson takes a few minutes, runs commands in the guest beside it, and lets the machine's counters decide what is
        true. What you have done is kept in this browser.
      </p>
      <ol>
        ${LESSONS.map((lesson, index) => this.#entry(lesson, index))}
      </ol>
    `;
  }

  #entry(lesson: Lesson, index: number) {
    const { id, title, summary, minutes, steps } = lesson;
    const done = stepsDone(id);
    const next = steps.findIndex((_, step) => !done.has(step));
    const action = done.size === 0 ? "Start" : next < 0 ? "Again" : "Continue";
    const state = next < 0 ? "done" : done.size > 0 ? `${done.size} of ${steps.length} steps done` : "";
    return html`<li>
      <h3>${index + 1}. ${title}</h3>
      <p class="about">${summary} ${minutes} minutes${state === "" ? "" : html`, <strong>${state}</strong>`}.</p>
      <button
        type="button"
        class="button ${next >= 0 ? "primary" : ""}"
        aria-label="${action}: ${title}"
        @click=${() => this.#open(lesson, Math.max(0, next))}
      >
        ${action}
      </button>
    </li>`;
  }

  #open(lesson: Lesson | undefined, step: number): void {
    this.lesson = lesson;
    this.step = step;
    rememberOption("lesson", lesson?.id);
    rememberOption("step", lesson === undefined || step === 0 ? undefined : String(step + 1));
  }
}

customElements.define("doorbell-lessons", DoorbellLessons);

declare global {
  interface HTMLElementTagNameMap {
    "doorbell-lessons": DoorbellLessons;
  }
}
