/** A live split virtqueue as it lies in guest memory, for looking at. Reads only; nothing of the queue changes. */
import {
  VIRTQ_AVAIL_ELEMENT_SIZE,
  VIRTQ_DESC_SIZE,
  VIRTQ_RING_HEADER_SIZE,
  VIRTQ_USED_ELEMENT_SIZE,
} from "../defs.ts";
import type { GuestMemory } from "../types.ts";
import { type VirtqueueLayout, virtqueuePartSizes } from "./virtqueue.ts";

/** What a queue knows of itself that its rings do not say. */
export interface QueuePosition {
  readonly layout: VirtqueueLayout;
  /** VIRTIO_RING_F_EVENT_IDX was negotiated. */
  readonly eventIndex: boolean;
  /** Next available ring index to take, modulo 65536. */
  readonly nextAvailable: number;
  /** Next used ring index to fill, modulo 65536. */
  readonly nextUsed: number;
  /** Heads of the chains that the device holds, ascending. */
  readonly inFlight: readonly number[];
}

/** One descriptor of the table, as it stands (virtio 1.2 section 2.7.5). */
export interface DescriptorView {
  readonly address: number;
  readonly length: number;
  readonly flags: number;
  readonly next: number;
}

/** The rings and the table. What lies beyond the indices is what was there before: rings are used again. */
export interface RingsView extends QueuePosition {
  readonly descriptors: readonly DescriptorView[];
  readonly available: {
    readonly flags: number;
    /** The driver's index, modulo 65536. */
    readonly index: number;
    /** Heads by slot. */
    readonly ring: readonly number[];
    /** used_event: with EVENT_IDX, the driver wants a notification when this used index is passed. */
    readonly usedEvent: number;
  };
  readonly used: {
    readonly flags: number;
    readonly index: number;
    readonly ring: readonly { readonly id: number; readonly length: number }[];
    /** avail_event: with EVENT_IDX, the device wants a notification when this available index is passed. */
    readonly availableEvent: number;
  };
}

/** Reads a queue's rings; its layout was checked when the queue was made. */
export function inspectRings(memory: GuestMemory, position: QueuePosition): RingsView {
  const { size, descriptorTable, availableRing, usedRing } = position.layout;
  const parts = virtqueuePartSizes(size);
  const window = (address: number, length: number): DataView => {
    const bytes = memory.view(address, length);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
  const table = window(descriptorTable, parts.descriptorTable);
  const available = window(availableRing, parts.availableRing);
  const used = window(usedRing, parts.usedRing);
  const slots = Array.from({ length: size }, (_, slot) => slot);
  const header = VIRTQ_RING_HEADER_SIZE;
  return {
    ...position,
    descriptors: slots.map((index) => {
      const at = index * VIRTQ_DESC_SIZE;
      return {
        address: table.getUint32(at, true) + table.getUint32(at + 4, true) * 0x1_0000_0000,
        length: table.getUint32(at + 8, true),
        flags: table.getUint16(at + 12, true),
        next: table.getUint16(at + 14, true),
      };
    }),
    available: {
      flags: available.getUint16(0, true),
      index: available.getUint16(2, true),
      ring: slots.map((slot) => available.getUint16(header + slot * VIRTQ_AVAIL_ELEMENT_SIZE, true)),
      usedEvent: available.getUint16(header + size * VIRTQ_AVAIL_ELEMENT_SIZE, true),
    },
    used: {
      flags: used.getUint16(0, true),
      index: used.getUint16(2, true),
      ring: slots.map((slot) => {
        const at = header + slot * VIRTQ_USED_ELEMENT_SIZE;
        return { id: used.getUint32(at, true), length: used.getUint32(at + 4, true) };
      }),
      availableEvent: used.getUint16(header + size * VIRTQ_USED_ELEMENT_SIZE, true),
    },
  };
}
