/** The view "Packets": what is on the guest's cable, live, filtered by words, one of them in detail. */
import { css, html, LitElement, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { hexDump, type Packet, PacketList, SHOWN } from "./packets/packet-list.ts";
import { saveFile } from "./save-file.ts";
import { sharedStyles } from "./shared-styles.ts";
import type { MachineStore } from "./store.ts";
import { StoreController } from "./store-controller.ts";

export class DoorbellPackets extends LitElement {
  static override properties = {
    store: { attribute: false },
    filter: { state: true },
    frozen: { state: true },
    selected: { state: true },
  };

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: grid;
        grid-template-rows: auto minmax(8rem, 1fr) auto;
        gap: 0.5rem;
        height: 100%;
        font-size: 0.8125rem;
      }

      .bar {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.375rem 0.5rem;
      }

      .bar label {
        display: flex;
        flex: 1 1 12rem;
        align-items: center;
        gap: 0.375rem;
        font-weight: 600;
      }

      input {
        flex: 1;
        min-width: 6rem;
        min-height: 2rem;
        padding: 0 0.5rem;
        border: 1px solid var(--line-strong);
        border-radius: var(--radius);
        background: var(--surface);
        color: var(--ink);
        font: inherit;
      }

      .note {
        width: 100%;
        color: var(--ink-soft);
        font-size: 0.75rem;
      }

      .list,
      .detail {
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--surface);
        overflow: auto;
      }

      table {
        width: 100%;
        border-collapse: collapse;
        font-size: 0.75rem;
        font-variant-numeric: tabular-nums;
      }

      th,
      td {
        padding: 0.0625rem 0.5rem;
        text-align: left;
        white-space: nowrap;
      }

      thead th {
        position: sticky;
        top: 0;
        background: var(--raised);
        color: var(--ink-soft);
        font-weight: 400;
      }

      tbody tr:hover {
        background: var(--raised);
      }

      tbody tr[data-selected] {
        background: var(--accent-soft);
      }

      td button {
        padding: 0 0.25rem;
        border: 0;
        background: none;
        color: var(--accent);
        font: inherit;
        text-decoration: underline;
        cursor: pointer;
      }

      .detail {
        display: grid;
        gap: 0.375rem;
        max-height: 20rem;
        padding: 0.5rem 0.75rem;
        font-size: 0.75rem;
      }

      .detail header {
        display: flex;
        align-items: center;
        justify-content: space-between;
      }

      dl {
        display: grid;
        grid-template-columns: max-content minmax(0, 1fr);
        gap: 0 0.75rem;
        margin: 0.125rem 0 0 1rem;
      }

      dt {
        color: var(--ink-soft);
      }

      dd {
        margin: 0;
        overflow-wrap: anywhere;
      }

      summary {
        font-weight: 600;
        cursor: pointer;
      }

      pre {
        margin: 0;
        font-family: var(--mono);
        font-size: 0.6875rem;
        overflow-x: auto;
      }

      @media (max-width: 63.9rem) {
        .list {
          max-height: 60dvh;
        }
      }
    `,
  ];

  declare store: MachineStore;
  declare filter: string;
  /** The list stands still. */
  declare frozen: boolean;
  declare selected: Packet | undefined;
  readonly #list = new PacketList();
  #machine: MachineStore["machine"];
  #atEnd = true;

  constructor() {
    super();
    this.filter = "";
    this.frozen = false;
    new StoreController(this, true);
  }

  override willUpdate(): void {
    const { machine } = this.store;
    const box = this.#box;
    this.#atEnd = box === null || box.scrollTop + box.clientHeight >= box.scrollHeight - 24;
    if (machine !== this.#machine) {
      this.#machine = machine;
      this.#list.clear();
      this.selected = undefined;
    }
    if (machine !== undefined && !this.frozen) this.#list.update(machine);
  }

  override updated(): void {
    // A list that was read to its end goes on showing the end.
    const box = this.#box;
    if (box !== null && this.#atEnd && !this.frozen) box.scrollTop = box.scrollHeight;
  }

  get #box(): HTMLElement | null {
    return this.renderRoot?.querySelector<HTMLElement>(".list") ?? null;
  }

  override render() {
    const packets = this.#list.matching(this.filter);
    const capture = this.store.capture;
    return html`
      <div class="bar">
        <label>
          Filter
          <input
            type="search"
            placeholder="tcp 12865 !ack"
            .value=${this.filter}
            @input=${(event: Event) => {
              if (event.target instanceof HTMLInputElement) this.filter = event.target.value;
            }}
          />
        </label>
        <button type="button" class="button" id="freeze" aria-pressed=${this.frozen} @click=${() => {
          this.frozen = !this.frozen;
        }}>${this.frozen ? "Go on" : "Hold"}</button>
        <button type="button" class="button" id="save" aria-disabled=${capture === undefined} @click=${this.#save}>Save as .pcapng</button>
        <span class="note" id="packet-count">${this.#note(packets.length)}</span>
      </div>
      <div class="list" tabindex="0" role="region" aria-label="Packets">
        <table @keydown=${this.#move}>
          <thead>
            <tr>
              <th scope="col">No.</th>
              <th scope="col">Seconds</th>
              <th scope="col">Way</th>
              <th scope="col">Source</th>
              <th scope="col">Destination</th>
              <th scope="col">Protocol</th>
              <th scope="col">Bytes</th>
              <th scope="col">Summary</th>
            </tr>
          </thead>
          <tbody>
            ${repeat(
              packets,
              ({ index }) => index,
              (packet, position) => this.#row(packet, position === packets.length - 1),
            )}
          </tbody>
        </table>
      </div>
      ${this.selected === undefined ? nothing : detail(this.selected, () => this.#select(undefined))}
    `;
  }

  #note(shown: number): string {
    const { capture } = this.store;
    if (capture === undefined) return "There is no machine yet.";
    const full = capture.leftOut > 0 ? " The capture is full: later frames are counted and not kept." : "";
    return `${shown} shown${shown === SHOWN ? ", the newest" : ""}, of ${capture.frames.toLocaleString("en")} captured. Words that begin with ! exclude.${full}`;
  }

  #row(packet: Packet, last: boolean) {
    const { source, destination, protocol, summary } = packet.decoded;
    const selected = this.selected?.index === packet.index;
    // One stop for the Tab key; the arrow keys go from there.
    const stop = selected || (this.selected === undefined && last);
    return html`<tr ?data-selected=${selected} @click=${() => this.#select(packet)}>
      <td>
        <button type="button" data-index=${packet.index} tabindex=${stop ? 0 : -1} aria-pressed=${selected}>${packet.index + 1}</button>
      </td>
      <td>${(packet.microseconds / 1e6).toFixed(6)}</td>
      <td>${packet.direction === "from-guest" ? "out" : "in"}</td>
      <td>${source}</td>
      <td>${destination}</td>
      <td>${protocol}</td>
      <td>${packet.bytes.length}</td>
      <td>${summary}</td>
    </tr>`;
  }

  #select(packet: Packet | undefined): void {
    this.selected = packet;
    // What one looks at does not run away.
    if (packet !== undefined) this.frozen = true;
  }

  readonly #move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const packets = this.#list.matching(this.filter);
    const at = packets.findIndex(({ index }) => index === this.selected?.index);
    const next = packets[at < 0 ? packets.length - 1 : at + step];
    if (next === undefined) return;
    this.#select(next);
    void this.updateComplete.then(() =>
      this.renderRoot.querySelector<HTMLElement>(`[data-index="${next.index}"]`)?.focus(),
    );
  };

  readonly #save = () => {
    const bytes = this.store.pcapng();
    if (bytes !== undefined) saveFile("doorbell.pcapng", "application/x-pcapng", new Uint8Array(bytes));
  };
}

function detail({ index, decoded, bytes }: Packet, close: () => void) {
  return html`<section class="detail" tabindex="0" aria-label="Packet ${index + 1}">
    <header>
      <h2>Packet ${index + 1}: ${decoded.protocol}, ${bytes.length} bytes</h2>
      <button type="button" class="button" @click=${close}>Close</button>
    </header>
    ${decoded.layers.map(
      ({ name, fields }, depth) => html`<details ?open=${depth === decoded.layers.length - 1}>
        <summary>${name}</summary>
        <dl>
          ${fields.map(([field, value]) => html`<dt>${field}</dt><dd>${value}</dd>`)}
        </dl>
      </details>`,
    )}
    <pre tabindex="0" aria-label="Bytes">${hexDump(bytes)}</pre>
  </section>`;
}

customElements.define("doorbell-packets", DoorbellPackets);

declare global {
  interface HTMLElementTagNameMap {
    "doorbell-packets": DoorbellPackets;
  }
}
