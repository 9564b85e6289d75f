/** One device: its register file with bit fields, its features, its message table. */
import { html, nothing } from "lit";
import type { AccessEvent, DeviceInspection, RegisterView } from "../../src/index.ts";
import "../doorbell-hint.ts";
import { REGISTER_TERMS, vectorName } from "../glossary.ts";
import { INTERRUPT_NAMES } from "../words.ts";
import { bitFields, describeMessage, featureName, hex, negotiated, setBits } from "./bit-fields.ts";

/** Registers that keep nothing: writing them is all there is. */
const COMMANDS: readonly string[] = ["InterruptACK", "MsiCommand", "SHMSel"];
const ALL_ONES = 0xffff_ffff;
/** Registers that are shown first: those of a device at work. */
const EVERY_PACKET: readonly string[] = [
  "QueueNotify",
  "InterruptStatus",
  "InterruptACK",
  "Status",
  "MsiStatus",
  "isr",
  "device_status",
  "config_msix_vector",
];

/** The newest access to each register of a device, and which of them was the last of all. */
export interface Accesses {
  readonly byRegister: ReadonlyMap<string, AccessEvent>;
  readonly last: AccessEvent | undefined;
}

function value(register: RegisterView, access: AccessEvent | undefined) {
  if (COMMANDS.includes(register.name)) {
    return access === undefined
      ? html`<span class="soft">write only</span>`
      : html`<code>${hex(access.value)}</code>`;
  }
  if (register.name.startsWith("SHM") && register.value === ALL_ONES)
    return html`<span class="soft">none</span>`;
  return html`<code>${hex(register.value)}</code>`;
}

export function registerTable(device: DeviceInspection, { byRegister, last }: Accesses) {
  const row = (register: RegisterView) => {
    const access = byRegister.get(register.name);
    const fields = bitFields(device, register);
    const newest = last?.register === register.name;
    return html`<tr class=${newest ? "last" : access === undefined ? nothing : "recent"} data-register=${register.name}>
      <td class="offset"><code>${hex(register.offset, 3)}</code></td>
      <th scope="row">
        <doorbell-hint
          .name=${register.name}
          .meaning=${REGISTER_TERMS[register.name] ?? "A field of the common configuration structure (virtio 1.2 section 4.1.4.3)."}
        ></doorbell-hint>
      </th>
      <td class="value">${value(register, access)}</td>
      <td class="fields">
        ${fields.map((field) => html`<span class="chip">${field}</span>`)}
        ${
          access === undefined
            ? nothing
            : html`<span class="access">${access.kind === "read" ? "read" : "written"} ${hex(access.value)}</span>`
        }
      </td>
    </tr>`;
  };
  const doorbell = byRegister.get("Doorbell");
  const doorbells = html`<tr
    class=${last?.register === "Doorbell" ? "last" : doorbell ? "recent" : nothing}
    data-register="Doorbell"
  >
    <td class="offset"><code>${doorbell === undefined ? "" : hex(doorbell.offset)}</code></td>
    <th scope="row"><doorbell-hint .name=${"Doorbell"} .meaning=${REGISTER_TERMS.Doorbell ?? ""}></doorbell-hint></th>
    <td class="value"><span class="soft">write only</span></td>
    <td class="fields">
      ${doorbell === undefined ? nothing : html`<span class="access">written, queue ${doorbell.value}</span>`}
    </td>
  </tr>`;
  const everyPacket = (register: RegisterView): boolean => EVERY_PACKET.includes(register.name);
  const others = device.registers.filter((register) => !everyPacket(register));
  const touched = others.filter(({ name }) => byRegister.has(name)).length;
  return html`${table(
    `Registers of ${device.name} that matter while packets go`,
    html`${device.registers.filter(everyPacket).map(row)} ${device.doorbell === "per-queue" ? doorbells : nothing}`,
  )}
    <details>
      <summary>
        ${others.length} registers to find, negotiate and set up the
        device${touched === 0 ? "" : html`, <span class="access">${touched} accessed of late</span>`}
      </summary>
      ${table(`The other registers of ${device.name}`, others.map(row))}
    </details>`;
}

function table(caption: string, rows: unknown) {
  return html`<table class="registers">
    <caption class="hidden-text">
      ${caption}
    </caption>
    <thead>
      <tr>
        <th scope="col" class="offset">offset</th>
        <th scope="col">register</th>
        <th scope="col" class="value">value</th>
        <th scope="col" class="fields">means, and the last access</th>
      </tr>
    </thead>
    <tbody>
      ${rows}
    </tbody>
  </table>`;
}

export function summary(device: DeviceInspection) {
  const transport = device.transport === "mmio" ? `virtio-mmio version ${device.version}` : "virtio-pci";
  return html`<p class="soft">
    ${transport} at <code>${hex(device.base, 8)}</code>, line ${device.line},
    ${INTERRUPT_NAMES[device.transport][device.interrupts]}
  </p>`;
}

export function featureList(device: DeviceInspection) {
  const accepted = new Set(setBits(device.features.accepted));
  const offered = setBits(device.features.offered);
  return html`<p class="features">
    ${offered.map((bit) => {
      const taken = accepted.has(bit);
      return html`<span class="chip ${taken ? "taken" : ""}" title=${taken ? "accepted" : "offered, not accepted"}
        >${featureName(device.type, bit)}<span class="hidden-text">${taken ? " accepted" : " not accepted"}</span></span
      > `;
    })}
    <span class="soft">
      ${negotiated(device) ? "filled: the driver accepted it" : "the driver has not settled them yet"}
    </span>
  </p>`;
}

export function messageTable(device: DeviceInspection) {
  if (device.vectors.length === 0)
    return html`<p class="soft">None: the device offers its wired line only.</p>`;
  const use = (index: number): string => {
    const mapped = device.vectorUse[index] ?? "";
    return device.transport === "mmio" ? vectorName(device.type, index) : mapped || "not mapped";
  };
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Message table, scrolls sideways">
    <table class="messages">
      <thead>
        <tr>
          <th scope="col">vector</th>
          <th scope="col" class="text">tells of</th>
          <th scope="col">address</th>
          <th scope="col">data</th>
          <th scope="col" class="text">which is</th>
          <th scope="col" class="text">mask</th>
          <th scope="col" class="text">pending</th>
        </tr>
      </thead>
      <tbody>
        ${device.vectors.map(
          (vector, index) => html`<tr class=${vector.pending ? "hot" : nothing}>
            <th scope="row">${index}</th>
            <td class="text">${use(index)}</td>
            ${
              vector.empty
                ? html`<td class="text soft" colspan="3">no message</td>`
                : html`<td><code>${hex(vector.addressLow, 8)}</code></td>
                    <td><code>${hex(vector.data, 4)}</code></td>
                    <td class="text">${describeMessage(vector.addressLow, vector.data)}</td>`
            }
            <td class="text">${vector.masked ? "masked" : "open"}</td>
            <td class="text">${vector.pending ? "owed" : "no"}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
