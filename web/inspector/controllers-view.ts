/** The interrupt controllers: the local APIC's registers as grids of 256 bits, the IOAPIC's redirection table. */
import { html, nothing, svg } from "lit";
import type { MachineInspection, VectorBits } from "../../src/index.ts";
import { hex } from "./bit-fields.ts";

const VECTORS = 256;
const PER_ROW = 16;
const CELL = 10;

const isSet = (bits: VectorBits, vector: number): boolean =>
  (((bits[vector >>> 5] ?? 0) >>> (vector & 31)) & 1) === 1;

/** Which device an interrupt vector of the CPU belongs to, by the IOAPIC's pins and the devices' messages. */
export function vectorOwners(view: MachineInspection): ReadonlyMap<number, string> {
  const owners = new Map<number, string>();
  for (const { pin, vector, masked } of view.ioapic) {
    if (masked) continue;
    const device = view.devices.find(({ line }) => line === pin);
    owners.set(vector, device ? `${device.name}, by wire` : `line ${pin}`);
  }
  for (const device of view.devices) {
    device.vectors.forEach(({ data, empty }, index) => {
      if (!empty) owners.set(data & 0xff, `${device.name} ${device.vectorUse[index] ?? `vector ${index}`}`);
    });
  }
  return owners;
}

const REGISTERS = [
  ["irr", "IRR", "requested, not yet taken"],
  ["isr", "ISR", "taken, not yet ended"],
  ["tmr", "TMR", "level-triggered: EOI goes to the IOAPIC"],
] as const;

function grid(bits: VectorBits, owners: ReadonlyMap<number, string>, name: string, meaning: string) {
  const set = Array.from({ length: VECTORS }, (_, vector) => vector).filter((vector) => isSet(bits, vector));
  const owner = (vector: number): string => {
    const of = owners.get(vector);
    return of === undefined ? hex(vector, 2) : `${hex(vector, 2)} (${of})`;
  };
  return html`<figure class="bits">
    <figcaption><b>${name}</b> ${meaning}</figcaption>
    <svg viewBox="0 0 160 160" role="img" aria-label="${name}: ${set.length === 0 ? "no bit is set" : set.map(owner).join(", ")}">
      ${Array.from({ length: VECTORS }, (_, vector) => {
        const state = isSet(bits, vector) ? name.toLowerCase() : owners.has(vector) ? "owned" : "free";
        return svg`<rect class=${state} x=${(vector % PER_ROW) * CELL + 1} y=${Math.floor(vector / PER_ROW) * CELL + 1}
          width=${CELL - 2} height=${CELL - 2} rx="1"><title>${owner(vector)}</title></rect>`;
      })}
    </svg>
    <p>${set.length === 0 ? "no bit set" : set.map(owner).join(", ")}</p>
  </figure>`;
}

export function controllersView(view: MachineInspection, allPins: boolean) {
  const owners = vectorOwners(view);
  const pins = view.ioapic.filter(({ masked }) => allPins || !masked);
  return html`
    <section aria-label="Local APIC">
      <h3>Local APIC</h3>
      <p class="soft">
        ID <code>${view.localApic.id}</code>, task priority <code>${hex(view.localApic.taskPriority, 2)}</code>. One
        square for each of 256 vectors, 16 in a row; outlined ones belong to a device or line.
      </p>
      <div class="drawings">
        ${REGISTERS.map(([key, name, meaning]) => grid(view.localApic[key], owners, name, meaning))}
      </div>
    </section>
    <section aria-label="IOAPIC">
      <h3>IOAPIC redirection table</h3>
      <div class="scroll" tabindex="0" role="group" aria-label="Redirection table, scrolls sideways">
        <table>
          <thead>
            <tr>
              <th scope="col">pin</th>
              <th scope="col" class="text">device</th>
              <th scope="col">vector</th>
              <th scope="col" class="text">trigger</th>
              <th scope="col" class="text">active</th>
              <th scope="col" class="text">destination</th>
              <th scope="col" class="text">mask</th>
              <th scope="col" class="text">remote IRR</th>
            </tr>
          </thead>
          <tbody>
            ${pins.map(
              (entry) => html`<tr class=${entry.remoteIrr ? "hot" : nothing}>
                <th scope="row">${entry.pin}</th>
                <td class="text">${view.devices.find(({ line }) => line === entry.pin)?.name ?? ""}</td>
                <td><code>${hex(entry.vector, 2)}</code></td>
                <td class="text">${entry.level ? "level" : "edge"}</td>
                <td class="text">${entry.activeLow ? "low" : "high"}</td>
                <td class="text">${hex(entry.destination, 2)} ${entry.logical ? "logical" : "physical"}</td>
                <td class="text">${entry.masked ? "masked" : "open"}</td>
                <td class="text">${entry.level ? (entry.remoteIrr ? "set" : "clear") : ""}</td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </section>
  `;
}
