/** The counters of one device, per second and total: exits by register, interrupts by vector and way, frames. */
import { css, html, LitElement, nothing } from "lit";
import type { DeviceMetrics, MetricsSnapshot } from "../src/index.ts";
import "./doorbell-hint.ts";
import type { ChooseEvent } from "./doorbell-segmented.ts";
import { formatBytes, formatCount, formatRate } from "./format.ts";
import { HOT_REGISTERS, REGISTER_TERMS, TERMS, type Term, vectorName } from "./glossary.ts";
import type { Counter, Reading } from "./metrics-history.ts";
import { sharedStyles } from "./shared-styles.ts";
import type { MachineStore } from "./store.ts";
import { StoreController } from "./store-controller.ts";
import { tableStyles } from "./table-styles.ts";
import { INTERRUPT_NAMES } from "./words.ts";

/** Picks one growing number of the device shown. */
type DeviceCounter = (device: DeviceMetrics) => number;

interface Row {
  readonly term: Term;
  readonly counter: Counter;
  readonly sum?: boolean;
  readonly format?: (value: number) => string;
}

export class DoorbellPanel extends LitElement {
  static override properties = { store: { attribute: false }, device: { state: true } };

  static override styles = [
    sharedStyles,
    tableStyles,
    css`
      :host {
        display: block;
      }

      header {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: space-between;
        gap: 0.25rem 0.75rem;
        margin-bottom: 0.375rem;
      }

      .state {
        color: var(--ink-soft);
        font-size: 0.75rem;
      }

      .tables {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(13.5rem, 1fr));
        gap: 0.625rem 1.25rem;
      }

      .column {
        display: grid;
        align-content: start;
        gap: 0.625rem;
        min-width: 0;
      }

      details {
        font-size: 0.75rem;
      }

      summary {
        color: var(--ink-soft);
        cursor: pointer;
      }

      .faults {
        margin-top: 0.375rem;
        color: var(--bad);
        font-size: 0.75rem;
      }
    `,
  ];

  declare store: MachineStore;
  /** Name of the device shown. */
  declare device: string;

  constructor() {
    super();
    this.device = "net0";
    new StoreController(this, true);
  }

  override render() {
    const { reading } = this.store.history;
    if (reading === undefined) return html`<h2>Devices</h2><p class="state">No machine yet.</p>`;
    const names = Object.keys(reading.current.devices);
    const device = reading.current.devices[this.device];
    return html`
      <header>
        <doorbell-segmented
          compact
          label="Device"
          .segments=${names.map((name) => ({ value: name, label: name }))}
          .value=${this.device}
          @choose=${(event: ChooseEvent) => {
            this.device = event.value;
          }}
        ></doorbell-segmented>
        ${device === undefined ? nothing : html`<span class="state">${describe(device)}</span>`}
      </header>
      ${device === undefined ? nothing : this.#tables(reading, device)}
    `;
  }

  #tables(reading: Reading, device: DeviceMetrics) {
    return html`<div class="tables">
        <div class="column">
          ${this.#exits(reading, device)} ${device.net === undefined ? nothing : this.#frames(reading)}
        </div>
        <div class="column">${this.#interrupts(reading, device)}</div>
      </div>
      ${reasons("Needed a reset", device.faults)} ${reasons("Register accesses without effect", device.ignored)}`;
  }

  #exits(reading: Reading, device: DeviceMetrics) {
    const { byRegister } = device.exits;
    const hot = HOT_REGISTERS[device.transport];
    const setUp = Object.keys(byRegister).filter((name) => !hot.includes(name));
    const register = (name: string): Row => ({
      term: { name, meaning: REGISTER_TERMS[name] ?? "A register of this device." },
      counter: this.#of((d) => d.exits.byRegister[name] ?? 0),
    });
    return html`<div>
      ${table("Exits", TERMS.exits, reading, [
        { term: { ...TERMS.exits, name: "All" }, counter: this.#of((d) => d.exits.total), sum: true },
        ...hot.map(register),
        {
          term: TERMS.setup,
          counter: this.#of((d) => setUp.reduce((sum, name) => sum + (d.exits.byRegister[name] ?? 0), 0)),
        },
      ])}
      <details>
        <summary>Set-up registers one by one</summary>
        ${table("", undefined, reading, setUp.filter((name) => (byRegister[name] ?? 0) > 0).map(register))}
      </details>
    </div>`;
  }

  #interrupts(reading: Reading, device: DeviceMetrics) {
    const rows: Row[] = [
      { term: TERMS.wired, counter: this.#of((d) => d.interrupts.wired), sum: true },
      { term: TERMS.eoi, counter: (m) => m.ioapicEois },
      { term: TERMS.msi, counter: this.#of((d) => d.interrupts.msi), sum: true },
      ...device.interrupts.byVector.map((_, index) => ({
        term: {
          name: `${index} ${vectorName(device.type, index)}`,
          meaning: `Messages of vector ${index} of this device, merged ones included.`,
        },
        counter: this.#of((d) => d.interrupts.byVector[index] ?? 0),
      })),
      { term: TERMS.merged, counter: this.#of((d) => d.interrupts.merged) },
      ...(device.interrupts.refused > 0
        ? [{ term: TERMS.refused, counter: this.#of((d) => d.interrupts.refused) }]
        : []),
      { term: TERMS.doorbells, counter: this.#of((d) => d.doorbells), sum: true },
    ];
    return table("Interrupts and doorbells", TERMS.interrupts, reading, rows);
  }

  #frames(reading: Reading) {
    return table("Network", TERMS.frames, reading, [
      { term: TERMS.framesOut, counter: this.#of((d) => d.net?.txFrames ?? 0) },
      { term: TERMS.framesIn, counter: this.#of((d) => d.net?.rxFrames ?? 0) },
      { term: TERMS.bytesOut, counter: this.#of((d) => d.net?.txBytes ?? 0), format: formatBytes },
      { term: TERMS.bytesIn, counter: this.#of((d) => d.net?.rxBytes ?? 0), format: formatBytes },
      { term: TERMS.dropped, counter: this.#of((d) => d.net?.dropped ?? 0) },
    ]);
  }

  #of(pick: DeviceCounter): Counter {
    const name = this.device;
    return (snapshot: MetricsSnapshot) => {
      const device = snapshot.devices[name];
      return device === undefined ? 0 : pick(device);
    };
  }
}

/** VIRTIO_CONFIG_S_DRIVER_OK, virtio 1.2 section 2.1. */
const DRIVER_OK = 4;

function describe(device: DeviceMetrics): string {
  if ((device.status & DRIVER_OK) === 0) return "waiting for its driver";
  const transport = device.transport === "mmio" ? `virtio-mmio version ${device.version}` : "virtio-pci";
  return `${transport}, ${INTERRUPT_NAMES[device.transport][device.interrupts.mode]}`;
}

/** What a driver did that the device could not serve; nothing is the rule. */
function reasons(title: string, counts: Readonly<Record<string, number>>) {
  const entries = Object.entries(counts);
  if (entries.length === 0) return nothing;
  return html`<p class="faults">
    ${title}: ${entries.map(([reason, times]) => `${reason} (${formatCount(times)}\u00d7)`).join(", ")}.
  </p>`;
}

function table(caption: string, term: Term | undefined, reading: Reading, rows: readonly Row[]) {
  return html`<table>
    ${
      term === undefined
        ? html`<caption class="hidden-text">
          Set-up registers
        </caption>`
        : html`<caption>
          <doorbell-hint .name=${caption} .meaning=${term.meaning}></doorbell-hint>
        </caption>`
    }
    <thead>
      <tr>
        <th scope="col"><span class="hidden-text">what</span></th>
        <th scope="col">per s</th>
        <th scope="col">total</th>
      </tr>
    </thead>
    <tbody>
      ${rows.map((row) => {
        const rate = reading.rate(row.counter);
        const total = row.counter(reading.current);
        return html`<tr class=${row.sum ? "sum" : nothing}>
          <th scope="row"><doorbell-hint .name=${row.term.name} .meaning=${row.term.meaning}></doorbell-hint></th>
          <td class=${rate === 0 ? "zero" : nothing}>${(row.format ?? formatRate)(rate)}</td>
          <td class=${total === 0 ? "zero" : nothing}>${(row.format ?? formatCount)(total)}</td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

customElements.define("doorbell-panel", DoorbellPanel);
