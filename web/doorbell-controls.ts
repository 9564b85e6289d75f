/** The controls: interrupt and doorbell mode, tcp_rr, the table, pause, transport and restart, capture. */
import { css, html, LitElement, nothing } from "lit";
import { live } from "lit/directives/live.js";
import type { DoorbellMode, InterruptMode, TransportKind } from "../src/index.ts";
import { saveFile } from "./save-file.ts";
import "./doorbell-hint.ts";
import type { ChooseEvent, Segment } from "./doorbell-segmented.ts";
import { TERMS } from "./glossary.ts";
import { rememberOption } from "./page-options.ts";
import { needsRestart, type PageState } from "./page-state.ts";
import { RUN_SECONDS } from "./rr-run.ts";
import { sharedStyles } from "./shared-styles.ts";
import type { MachineStore } from "./store.ts";
import { StoreController } from "./store-controller.ts";
import { DOORBELL_NAMES, INTERRUPT_NAMES, TRANSPORT_NAMES } from "./words.ts";

const interrupts = (transport: TransportKind): readonly Segment[] =>
  (["wired", "msi"] as const).map((value) => ({ value, label: INTERRUPT_NAMES[transport][value] }));
const INTERRUPTS: Record<TransportKind, readonly Segment[]> = {
  mmio: interrupts("mmio"),
  pci: interrupts("pci"),
};
const DOORBELLS: readonly Segment[] = (["shared", "per-queue"] as const).map((value) => ({
  value,
  label: DOORBELL_NAMES[value],
}));

/** The person wants to see the table. */
export class OpenTableEvent extends Event {
  constructor() {
    super("open-table", { bubbles: true, composed: true });
  }
}

export class DoorbellControls extends LitElement {
  static override properties = { store: { attribute: false } };

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.5rem 1.125rem;
      }

      .group {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.375rem 0.5rem;
      }

      .name {
        font-size: 0.8125rem;
        font-weight: 600;
      }

      .actions {
        margin-left: auto;
      }

      .restart {
        display: flex;
      }

      .restart button {
        border-radius: 0 var(--radius) var(--radius) 0;
      }

      select {
        min-height: 2rem;
        padding: 0.1875rem 0.375rem;
        border: 1px solid var(--line-strong);
        border-right: 0;
        border-radius: var(--radius) 0 0 var(--radius);
        background: var(--surface);
        color: var(--ink);
        font: inherit;
        font-size: 0.8125rem;
      }

      .note {
        width: 100%;
        color: var(--ink-soft);
        font-size: 0.75rem;
      }

      .run {
        position: relative;
        overflow: hidden;
      }

      .run[data-running]::after {
        content: "";
        position: absolute;
        inset: auto auto 0 0;
        width: 100%;
        height: 3px;
        background: var(--accent);
        transform-origin: left;
        animation: elapse var(--run-seconds, 5s) linear both;
      }

      @keyframes elapse {
        from {
          transform: scaleX(0);
        }
      }

      @media (max-width: 40rem) {
        .actions {
          margin-left: 0;
        }

        .name {
          min-width: 5.5rem;
        }
      }
    `,
  ];

  declare store: MachineStore;

  constructor() {
    super();
    new StoreController(this);
  }

  override render() {
    const { state } = this.store;
    const usable = state.stage === "running";
    const measuring = state.comparison.stage !== "idle";
    const pci = state.started?.transport === "pci";
    const switching = state.switching !== undefined;
    return html`
      <div class="group">
        <span class="name"
          ><doorbell-hint .name=${TERMS.interruptsControl.name} .meaning=${TERMS.interruptsControl.meaning}></doorbell-hint
        ></span>
        <doorbell-segmented
          id="interrupts"
          label="Interrupts"
          .segments=${INTERRUPTS[state.started?.transport ?? state.transport]}
          .value=${state.interrupts}
          ?busy=${state.switching === "interrupts"}
          ?disabled=${!(usable || pci) || state.switching === "doorbell"}
          @choose=${(event: ChooseEvent) => void this.store.setInterrupts(event.value as InterruptMode)}
        ></doorbell-segmented>
      </div>
      <div class="group">
        <span class="name"
          ><doorbell-hint .name=${TERMS.doorbellControl.name} .meaning=${TERMS.doorbellControl.meaning}></doorbell-hint
        ></span>
        <doorbell-segmented
          id="doorbell"
          label="Doorbell"
          .segments=${DOORBELLS}
          .value=${pci ? "per-queue" : state.doorbell}
          ?busy=${state.switching === "doorbell"}
          ?disabled=${!usable || pci || state.switching === "interrupts"}
          @choose=${(event: ChooseEvent) => void this.store.setDoorbell(event.value as DoorbellMode)}
        ></doorbell-segmented>
      </div>
      <div class="group actions">
        ${this.#runButton(usable && state.phases.ready !== undefined)}
        <button type="button" class="button" id="table" @click=${() => this.dispatchEvent(new OpenTableEvent())}>
          ${measuring ? "Measuring the table" : "Reproduce the table"}
        </button>
        <button
          type="button"
          class="button"
          id="pause"
          aria-disabled=${measuring || (!(usable && !switching) && state.stage !== "paused")}
          @click=${() => (state.stage === "paused" ? this.store.resume() : this.store.pause())}
        >
          ${state.stage === "paused" ? "Resume" : "Pause"}
        </button>
        <span class="restart">
          <select
            id="transport"
            aria-label="Devices on, at the next restart"
            title=${TERMS.transport.meaning}
            .value=${live(state.transport)}
            @change=${this.#chooseTransport}
          >
            ${(["mmio", "pci"] as const).map(
              (kind) =>
                html`<option value=${kind} ?selected=${kind === state.transport}>${TRANSPORT_NAMES[kind]}</option>`,
            )}
          </select>
          <button
            type="button"
            class=${needsRestart(state) ? "button primary" : "button"}
            id="restart"
            aria-disabled=${measuring || state.stage === "downloading"}
            @click=${() => state.stage !== "downloading" && void this.store.boot()}
          >
            Restart
          </button>
        </span>
        <button
          type="button"
          class="button"
          id="pcap"
          aria-disabled=${this.store.capture === undefined}
          title="The network traffic since the start, as a .pcapng file"
          @click=${this.#savePcap}
        >
          Save pcap
        </button>
      </div>
      ${restartNote(state)}
    `;
  }

  #runButton(ready: boolean) {
    const { run } = this.store.state;
    if (run === "idle") {
      return html`<button type="button" class="button primary run" id="run" aria-disabled=${!ready} @click=${() => ready && void this.store.runTcpRr()}>
        Run tcp_rr for ${RUN_SECONDS} s
      </button>`;
    }
    return html`<button
      type="button"
      class="button run"
      id="run"
      data-running
      aria-disabled=${run === "cancelling"}
      @click=${() => this.store.cancelTcpRr()}
    >
      ${run === "cancelling" ? "Cancelling" : "Cancel tcp_rr"}
    </button>`;
  }

  #savePcap(): void {
    const bytes = this.store.pcapng();
    if (bytes === undefined) return;
    saveFile("doorbell.pcapng", "application/x-pcapng", new Uint8Array(bytes));
  }

  #chooseTransport(event: Event): void {
    if (!(event.target instanceof HTMLSelectElement)) return;
    const transport: TransportKind = event.target.value === "pci" ? "pci" : "mmio";
    this.store.setTransport(transport);
    rememberOption("transport", transport === "mmio" ? undefined : transport);
  }
}

/** Why a choice waits for a restart; nothing where none does and none would. */
function restartNote(state: PageState) {
  const { started, transport } = state;
  if (started === undefined) return nothing;
  const pending = needsRestart(state)
    ? ` Restart to have the devices on ${TRANSPORT_NAMES[transport]}${
        transport === "pci" ? ` with ${INTERRUPT_NAMES.pci[state.interrupts]}` : ""
      }.`
    : "";
  if (started.transport === "pci") {
    return html`<p class="note" id="restart-note">
      On PCI, interrupts are chosen at a restart, because Linux's virtio-pci driver does not recover from
      DEVICE_NEEDS_RESET, and each queue always has its own doorbell.${pending}
    </p>`;
  }
  return pending === ""
    ? nothing
    : html`<p class="note" id="restart-note">The guest looks for its devices only when it boots.${pending}</p>`;
}

customElements.define("doorbell-controls", DoorbellControls);
