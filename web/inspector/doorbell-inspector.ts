/**
 * The view "Inspector": a device's registers, queues and messages, and the interrupt controllers, as they stand. It looks
 * five times per second while it is open, and records the events of the last moment for "last access".
 */
import { html, LitElement, nothing } from "lit";
import type {
  AccessEvent,
  DeviceInspection,
  MachineInspection,
  TraceEvent,
  TraceEventKind,
} from "../../src/index.ts";
import { describeEvent } from "../../src/index.ts";
import "../doorbell-segmented.ts";
import type { ChooseEvent } from "../doorbell-segmented.ts";
import { formatCount } from "../format.ts";
import { vectorName } from "../glossary.ts";
import type { Machine } from "../page-state.ts";
import { sharedStyles } from "../shared-styles.ts";
import type { MachineStore } from "../store.ts";
import { StoreController } from "../store-controller.ts";
import { controllersView } from "./controllers-view.ts";
import { type Accesses, featureList, messageTable, registerTable, summary } from "./device-view.ts";
import { inspectorStyles } from "./inspector-styles.ts";
import { queueView } from "./queue-view.ts";

const SAMPLE_MS = 200;
/** Events that are kept while the inspector is open, and those that are looked at. */
const RING = 4096;
const RECENT = 256;
const LISTED = 8;
const CONTROLLERS = "controllers";

/** What a step can run to. */
const STEPS: readonly {
  readonly id: string;
  readonly name: string;
  readonly kinds: readonly TraceEventKind[];
}[] = [
  { id: "access", name: "register access", kinds: ["read", "write"] },
  { id: "doorbell", name: "doorbell", kinds: ["doorbell"] },
  { id: "chain", name: "chain taken or used", kinds: ["available", "used"] },
  { id: "interrupt", name: "interrupt raised", kinds: ["raised", "message"] },
  { id: "taken", name: "interrupt taken", kinds: ["taken"] },
  { id: "frame", name: "frame", kinds: ["frame-out", "frame-in"] },
];

export class DoorbellInspector extends LitElement {
  static override properties = {
    store: { attribute: false },
    tab: { state: true },
    queue: { state: true },
    stepTo: { state: true },
    stepping: { state: true },
    allPins: { state: true },
    inspection: { state: true },
    reached: { state: true },
  };

  static override styles = [sharedStyles, inspectorStyles];

  declare store: MachineStore;
  /** A device's name, or "controllers". */
  declare tab: string;
  declare queue: number;
  /** Id of the events that a step runs to. */
  declare stepTo: string;
  declare stepping: boolean;
  declare allPins: boolean;
  declare inspection: MachineInspection | undefined;
  /** Where the last step came to. */
  declare reached: TraceEvent | undefined;
  #events: readonly TraceEvent[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  /** The machine whose trace was started here. */
  #tracing: Machine | undefined;

  constructor() {
    super();
    this.tab = "net0";
    this.queue = 0;
    this.stepTo = "access";
    this.stepping = false;
    this.allPins = false;
    new StoreController(this);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#timer = setInterval(() => this.#look(), SAMPLE_MS);
    this.#look();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#timer);
    this.#tracing?.trace.stop();
    this.#tracing = undefined;
  }

  #look(): void {
    const { machine } = this.store;
    if (machine === undefined) {
      this.inspection = undefined;
      this.#events = [];
      return;
    }
    if (!machine.trace.active) {
      machine.trace.start(RING);
      this.#tracing = machine;
    }
    this.#events = machine.trace.latest(RECENT);
    this.inspection = machine.inspect();
  }

  override render() {
    const { inspection } = this;
    if (inspection === undefined) return html`<p class="card soft">There is no machine to look at yet.</p>`;
    const device = inspection.devices.find(({ name }) => name === this.tab);
    return html`
      ${this.#bar(inspection)}
      ${
        device === undefined
          ? html`<div class="card">
              ${controllersView(inspection, this.allPins)}
              <label>
                <input
                  type="checkbox"
                  .checked=${this.allPins}
                  @change=${(event: Event) => {
                    this.allPins = (event.target as HTMLInputElement).checked;
                  }}
                />
                masked pins too
              </label>
            </div>`
          : this.#device(device)
      }
    `;
  }

  #bar(inspection: MachineInspection) {
    const { stage } = this.store.state;
    const names = inspection.devices.map(({ name }) => name);
    const canStep = stage === "running" || stage === "paused";
    return html`<div class="card">
      <div class="bar">
        <doorbell-segmented
          id="tabs"
          compact
          label="What to look at"
          .segments=${[...names, CONTROLLERS].map((name) => ({
            value: name,
            label: name === CONTROLLERS ? "Interrupt controllers" : name,
          }))}
          .value=${this.tab}
          @choose=${(event: ChooseEvent) => {
            this.tab = event.value;
            this.queue = 0;
          }}
        ></doorbell-segmented>
        <span class="grow"></span>
        <span class="soft">${formatCount(inspection.guestInstructions)} instructions</span>
      </div>
      <div class="bar step">
        <button
          type="button"
          class="button primary"
          id="step"
          aria-disabled=${!canStep || this.stepping}
          @click=${this.#step}
        >
          Step
        </button>
        <label
          >to the next
          <select
            id="step-to"
            .value=${this.stepTo}
            @change=${(event: Event) => {
              this.stepTo = (event.target as HTMLSelectElement).value;
            }}
          >
            ${STEPS.map(({ id, name }) => html`<option value=${id} ?selected=${id === this.stepTo}>${name}</option>`)}
          </select></label
        >
        <button
          type="button"
          class="button"
          id="run-pause"
          aria-disabled=${!canStep}
          @click=${() => (inspection.running ? this.store.pause() : this.store.resume())}
        >
          ${inspection.running ? "Pause" : "Resume"}
        </button>
        <span class="soft" id="state" role="status"
          >${this.#stateText(inspection.running)}</span
        >
      </div>
      <ol class="events" aria-label="The latest events, the newest last">
        ${this.#events.slice(-LISTED).map(eventLine)}
      </ol>
    </div>`;
  }

  #stateText(running: boolean): string {
    if (this.stepping) return "Runs until it happens";
    if (running) return "Running, looked at 5 times per second";
    return this.reached === undefined ? "Paused" : `Paused just behind: ${describeEvent(this.reached)}`;
  }

  #device(device: DeviceInspection) {
    const queue = device.queues[this.queue] ?? device.queues[0];
    return html`
      <section class="card" aria-label="Registers">
        <h3>${device.name}: registers</h3>
        ${summary(device)} ${registerTable(device, this.#accesses(device.name))}
      </section>
      <section class="card" aria-label="Queues">
        <h3>Virtqueues in guest memory</h3>
        <doorbell-segmented
          id="queues"
          compact
          label="Queue"
          .segments=${device.queues.map(({ index }) => ({
            value: String(index),
            label: `${index} ${vectorName(device.type, index + 1)}`,
          }))}
          .value=${String(queue?.index ?? 0)}
          @choose=${(event: ChooseEvent) => {
            this.queue = Number(event.value);
          }}
        ></doorbell-segmented>
        ${queue === undefined ? nothing : queueView(queue)}
      </section>
      <section class="card" aria-label="Messages">
        <h3>${device.transport === "pci" ? "MSI-X table" : "MSI table"}</h3>
        ${messageTable(device)}
      </section>
      <section class="card" aria-label="Features">
        <h3>Features offered</h3>
        ${featureList(device)}
      </section>
    `;
  }

  #accesses(name: string): Accesses {
    const accesses = this.#events.filter(
      (event): event is AccessEvent =>
        (event.kind === "read" || event.kind === "write") && event.device === name,
    );
    const byRegister = new Map(accesses.map((event) => [event.register, event]));
    return { byRegister, last: accesses.at(-1) };
  }

  readonly #step = async (): Promise<void> => {
    if (this.stepping) return;
    this.stepping = true;
    this.reached = undefined;
    try {
      const kinds = STEPS.find(({ id }) => id === this.stepTo)?.kinds ?? ["read", "write"];
      this.reached = await this.store.step(kinds);
    } finally {
      this.stepping = false;
      this.#look();
    }
  };
}

/** What an event is of, for its colour. */
function eventClass(event: TraceEvent): string {
  switch (event.kind) {
    case "read":
    case "write":
      return "exit";
    case "raised":
    case "line":
      return "wired";
    case "message":
      return "msi";
    default:
      return "";
  }
}

function eventLine(event: TraceEvent) {
  return html`<li class=${eventClass(event)}>
    <span>${formatCount(event.instructions)}</span><span>${"device" in event ? event.device : "apic"}</span
    ><span>${describeEvent(event)}</span>
  </li>`;
}

customElements.define("doorbell-inspector", DoorbellInspector);

declare global {
  interface HTMLElementTagNameMap {
    "doorbell-inspector": DoorbellInspector;
  }
}
