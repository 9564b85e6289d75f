/** One virtqueue drawn: both rings as rings, the descriptor table as a grid, and what its indices say in words. */
import { html, nothing, svg } from "lit";
import type { QueueView, RingsView } from "../../src/index.ts";
import { hex } from "./bit-fields.ts";

const WRAP = 0xffff;
const NO_FLAG = 0;
const DESC_NEXT = 1;
const DESC_WRITE = 2;
const DESC_INDIRECT = 4;
/** Chains that are listed one by one. */
const LISTED = 4;
const RADIUS = 58;
const CENTRE = 88;

const between = (to: number, from: number): number => (to - from) & WRAP;

/** How far around a ring a slot is, as a point at a radius. */
function point(slot: number, size: number, radius: number): readonly [number, number] {
  const angle = (2 * Math.PI * (slot % size)) / size - Math.PI / 2;
  return [CENTRE + radius * Math.cos(angle), CENTRE + radius * Math.sin(angle)];
}

/** The part of the ring from one index to another. */
function arc(from: number, count: number, size: number) {
  if (count <= 0) return nothing;
  if (count >= size) return svg`<circle class="arc" cx=${CENTRE} cy=${CENTRE} r=${RADIUS} />`;
  const [x1, y1] = point(from, size, RADIUS);
  const [x2, y2] = point(from + count, size, RADIUS);
  const large = count > size / 2 ? 1 : 0;
  return svg`<path class="arc" d="M ${x1} ${y1} A ${RADIUS} ${RADIUS} 0 ${large} 1 ${x2} ${y2}" />`;
}

/** A hand that points at a slot, from outside (the driver's) or from inside (the device's). */
function hand(slot: number, size: number, side: "driver" | "device") {
  const outside = side === "driver";
  const [x1, y1] = point(slot, size, outside ? RADIUS + 8 : RADIUS - 8);
  const [x2, y2] = point(slot, size, outside ? RADIUS + 24 : RADIUS - 24);
  return svg`<g class=${side}><line x1=${x1} y1=${y1} x2=${x2} y2=${y2} /><circle cx=${x1} cy=${y1} r="3.5" /></g>`;
}

/** The event index: a mark across the ring. */
function eventMark(slot: number, size: number) {
  const [x1, y1] = point(slot, size, RADIUS - 8);
  const [x2, y2] = point(slot, size, RADIUS + 8);
  return svg`<line class="event" x1=${x1} y1=${y1} x2=${x2} y2=${y2} />`;
}

function ringDrawing(
  title: string,
  size: number,
  parts: {
    readonly from: number;
    readonly count: number;
    readonly driver: number | undefined;
    readonly device: number;
    readonly event: number | undefined;
    readonly middle: readonly [string, string];
  },
) {
  const [large, small] = parts.middle;
  return html`<figure>
    <svg viewBox="0 0 176 176" role="img" aria-label="${title}: ${large} ${small}">
      <circle class="ring" cx=${CENTRE} cy=${CENTRE} r=${RADIUS} />
      ${arc(parts.from, parts.count, size)}
      ${parts.event === undefined ? nothing : eventMark(parts.event, size)}
      ${parts.driver === undefined ? nothing : hand(parts.driver, size, "driver")}
      ${hand(parts.device, size, "device")}
      <text class="large" x=${CENTRE} y=${CENTRE + 2}>${large}</text>
      <text class="small" x=${CENTRE} y=${CENTRE + 16}>${small}</text>
    </svg>
    <figcaption>${title}</figcaption>
  </figure>`;
}

/** Heads that wait in the available ring, the next one first. */
function waiting(rings: RingsView): number[] {
  const size = rings.layout.size;
  const count = Math.min(between(rings.available.index, rings.nextAvailable), size);
  return Array.from({ length: count }, (_, i) => rings.available.ring[(rings.nextAvailable + i) % size] ?? 0);
}

/** Indices of a chain's descriptors in the table, from its head. A ring that loops ends where it began. */
function chain(rings: RingsView, head: number): number[] {
  const indices: number[] = [];
  for (let index = head; indices.length < rings.layout.size; ) {
    const descriptor = rings.descriptors[index];
    if (descriptor === undefined || indices.includes(index)) break;
    indices.push(index);
    if ((descriptor.flags & DESC_NEXT) === 0 || (descriptor.flags & DESC_INDIRECT) !== 0) break;
    index = descriptor.next;
  }
  return indices;
}

function table(rings: RingsView) {
  const size = rings.layout.size;
  const available = new Set(waiting(rings).flatMap((head) => chain(rings, head)));
  const held = new Set(rings.inFlight.flatMap((head) => chain(rings, head)));
  // As square as it gets, and no cell larger than in a table of 64.
  const across = Math.ceil(Math.sqrt(Math.max(size, 64)));
  const step = 176 / across;
  return html`<figure>
    <svg
      viewBox="0 0 176 176"
      role="img"
      aria-label="Descriptor table: ${available.size} descriptors are available, the device holds ${held.size}"
    >
      ${rings.descriptors.map((descriptor, index) => {
        const state = held.has(index) ? "held" : available.has(index) ? "available" : "free";
        return svg`<rect class=${state}
          x=${(index % across) * step + 1} y=${Math.floor(index / across) * step + 1}
          width=${step - 2} height=${step - 2} rx="1.5"
        ><title>${index}: ${hex(descriptor.address, 8)}, ${descriptor.length} bytes</title></rect>`;
      })}
    </svg>
    <figcaption>Descriptor table</figcaption>
  </figure>`;
}

function describeDescriptor(rings: RingsView, index: number) {
  const descriptor = rings.descriptors[index];
  if (descriptor === undefined) return nothing;
  const { address, length, flags } = descriptor;
  const way =
    (flags & DESC_INDIRECT) !== 0
      ? "indirect table"
      : (flags & DESC_WRITE) !== 0
        ? "device writes"
        : "device reads";
  return html`<li><code>${index}</code> <code>${hex(address, 8)}</code> ${length} bytes, ${way}</li>`;
}

/** Who wants to be told of what (virtio 1.2 sections 2.7.7 and 2.7.10). */
function suppression(rings: RingsView): readonly [string, string] {
  if (!rings.eventIndex) {
    return [
      rings.used.flags === NO_FLAG
        ? "VIRTQ_USED_F_NO_NOTIFY is clear: the device wants a doorbell for each new buffer."
        : "VIRTQ_USED_F_NO_NOTIFY is set: the device wants no doorbell.",
      rings.available.flags === NO_FLAG
        ? "VIRTQ_AVAIL_F_NO_INTERRUPT is clear: the driver wants an interrupt for used buffers."
        : "VIRTQ_AVAIL_F_NO_INTERRUPT is set: the driver wants no interrupt.",
    ];
  }
  const size = rings.layout.size;
  const doorbell = between(rings.used.availableEvent, rings.available.index);
  const interrupt = between(rings.available.usedEvent, rings.used.index);
  return [
    `avail_event ${rings.used.availableEvent}: ${
      doorbell < size
        ? `the driver rings the doorbell ${doorbell === 0 ? "with its next buffer" : `after ${doorbell + 1} more buffers`}`
        : "lies behind, so the driver need not ring"
    }.`,
    `used_event ${rings.available.usedEvent}: ${
      interrupt < size
        ? `the device interrupts ${interrupt === 0 ? "with the next used buffer" : `after ${interrupt + 1} more used buffers`}`
        : "lies behind, so the device does not interrupt"
    }.`,
  ];
}

/** The drawing of a queue, or why there is none. */
export function queueView(queue: QueueView) {
  const { rings } = queue;
  if (rings === undefined) {
    return html`<p class="soft">
      Not in operation: ${queue.ready ? "the device waits for DRIVER_OK." : "the driver has not enabled it."} At most
      ${queue.maximum} descriptors.
    </p>`;
  }
  const { size } = rings.layout;
  const heads = waiting(rings);
  const [doorbell, interrupt] = suppression(rings);
  const listed = [...rings.inFlight, ...heads].slice(0, LISTED);
  return html`
    <div class="drawings">
      ${ringDrawing("Available ring", size, {
        from: rings.nextAvailable,
        count: heads.length,
        driver: rings.available.index,
        device: rings.nextAvailable,
        event: rings.eventIndex ? rings.used.availableEvent : undefined,
        middle: [String(heads.length), "wait"],
      })}
      ${table(rings)}
      ${ringDrawing("Used ring", size, {
        from: 0,
        count: 0,
        driver: undefined,
        device: rings.used.index,
        event: rings.eventIndex ? rings.available.usedEvent : undefined,
        middle: [String(rings.used.index), "used index"],
      })}
    </div>
    <ul class="legend">
      <li class="driver">driver's index</li>
      <li class="device">device's index</li>
      ${rings.eventIndex ? html`<li class="event">event index</li>` : nothing}
      <li class="available">available</li>
      <li class="held">held by the device</li>
    </ul>
    <dl class="facts">
      <dt>Available</dt>
      <dd>
        index <code>${rings.available.index}</code>, the device has taken up to <code>${rings.nextAvailable}</code>;
        flags <code>${hex(rings.available.flags)}</code>
      </dd>
      <dt>Used</dt>
      <dd>index <code>${rings.used.index}</code>; flags <code>${hex(rings.used.flags)}</code></dd>
      <dt>In flight</dt>
      <dd>
        ${
          rings.inFlight.length === 0
            ? "nothing: the device holds no chain"
            : `${rings.inFlight.length}: head ${rings.inFlight.slice(0, 12).join(", ")}${rings.inFlight.length > 12 ? " \u2026" : ""}`
        }
      </dd>
      <dt>Doorbell</dt>
      <dd>${doorbell}</dd>
      <dt>Interrupt</dt>
      <dd>${interrupt}</dd>
      <dt>In memory</dt>
      <dd>
        ${size} descriptors at <code>${hex(rings.layout.descriptorTable, 8)}</code>, available ring
        <code>${hex(rings.layout.availableRing, 8)}</code>, used ring <code>${hex(rings.layout.usedRing, 8)}</code>
      </dd>
    </dl>
    ${
      listed.length === 0
        ? nothing
        : html`<ol class="chains" aria-label="Chains: what the device holds, then what waits">
            ${listed.map(
              (head) => html`<li>
                <span>chain ${head}${rings.inFlight.includes(head) ? ", held" : ""}</span>
                <ul>
                  ${chain(rings, head)
                    .slice(0, 4)
                    .map((index) => describeDescriptor(rings, index))}
                </ul>
              </li>`,
            )}
          </ol>`
    }
  `;
}
