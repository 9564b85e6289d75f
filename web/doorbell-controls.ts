/** The controls: interrupt and doorbell mode, tcp_rr, pause, restart, capture. */
import { css, html, LitElement } from "lit";
import type { DoorbellMode, InterruptMode } from "../src/index.ts";
import "./doorbell-hint.ts";
import type { ChooseEvent, Segment } from "./doorbell-segmented.ts";
import { TERMS } from "./glossary.ts";
import { RUN_SECONDS } from "./rr-run.ts";
import { sharedStyles } from "./shared-styles.ts";
import type { MachineStore } from "./store.ts";
import { StoreController } from "./store-controller.ts";
import { DOORBELL_NAMES, INTERRUPT_NAMES } from "./words.ts";

const INTERRUPTS: readonly Segment[] = (["wired", "msi"] as const).map((value) => ({
  value,
  label: INTERRUPT_NAMES[value],
}));
const DOORBELLS: readonly Segment[] = (["shared", "per-queue"] as const).map((value) => ({
  value,
  label: DOORBELL_NAMES[value],
}));

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
    const switching = state.switching !== undefined;
    return html`
      <div class="group">
        <span class="name"
          ><doorbell-hint .name=${TERMS.interruptsControl.name} .meaning=${TERMS.interruptsControl.meaning}></doorbell-hint
        ></span>
        <doorbell-segmented
          id="interrupts"
          label="Interrupts"
          .segments=${INTERRUPTS}
          .value=${state.interrupts}
          ?busy=${state.switching === "interrupts"}
          ?disabled=${!usable || state.switching === "doorbell"}
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
          .value=${state.doorbell}
          ?busy=${state.switching === "doorbell"}
          ?disabled=${!usable || state.switching === "interrupts"}
          @choose=${(event: ChooseEvent) => void this.store.setDoorbell(event.value as DoorbellMode)}
        ></doorbell-segmented>
      </div>
      <div class="group actions">
        ${this.#runButton(usable && state.phases.ready !== undefined)}
        <button
          type="button"
          class="button"
          id="pause"
          aria-disabled=${!(usable && !switching) && state.stage !== "paused"}
          @click=${() => (state.stage === "paused" ? this.store.resume() : this.store.pause())}
        >
          ${state.stage === "paused" ? "Resume" : "Pause"}
        </button>
        <button
          type="button"
          class="button"
          id="restart"
          aria-disabled=${state.stage === "downloading"}
          @click=${() => state.stage !== "downloading" && void this.store.boot()}
        >
          Restart
        </button>
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
    const url = URL.createObjectURL(new Blob([new Uint8Array(bytes)], { type: "application/x-pcapng" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = "doorbell.pcapng";
    link.click();
    // The browser takes its copy of the URL when the download starts, not when click() returns.
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}

customElements.define("doorbell-controls", DoorbellControls);
