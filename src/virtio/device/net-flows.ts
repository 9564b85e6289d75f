import { fixedBytes, list, record, type StateOf, u32 } from "../../state/codec.ts";
import { ETH_HLEN } from "./net-defs.ts";

const ETH_P_IP = 0x0800;
const IPV4_HEADER = 20;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

/** Flows remembered: a power of two. A flow takes the place of another one that falls into the same slot. */
const SLOTS = 1024;

/** What is kept of a {@link FlowTable}. */
export const FLOW_TABLE_STATE = record({ flows: list(u32, SLOTS), pairs: fixedBytes(SLOTS) });
export type FlowTableState = StateOf<typeof FLOW_TABLE_STATE>;

/**
 * On which pair of queues each flow was last transmitted: the driver wants what comes back on the same pair (automatic
 * receive steering, virtio 1.2 section 5.1.6.5.6). Of fixed size, and nothing is allocated for a frame.
 */
export class FlowTable {
  /** 0 where no flow is. */
  readonly #flows = new Uint32Array(SLOTS);
  readonly #pairs = new Uint8Array(SLOTS);

  /** A frame was transmitted on a pair. */
  learn(frame: Uint8Array, pair: number): void {
    const flow = flowOf(frame);
    if (flow === 0) return;
    this.#flows[flow % SLOTS] = flow;
    this.#pairs[flow % SLOTS] = pair;
  }

  /** The pair for a received frame: the first one when its flow is not known, or it belongs to none. */
  pairOf(frame: Uint8Array): number {
    const flow = flowOf(frame);
    const slot = flow % SLOTS;
    return flow !== 0 && this.#flows[slot] === flow ? (this.#pairs[slot] as number) : 0;
  }

  clear(): void {
    this.#flows.fill(0);
  }

  save(): FlowTableState {
    return { flows: [...this.#flows], pairs: this.#pairs.slice() };
  }

  restore({ flows, pairs }: FlowTableState): void {
    this.#flows.set(flows);
    this.#pairs.set(pairs);
  }
}

/**
 * A number for the two ends of an unfragmented TCP or UDP packet over untagged IPv4, the same in both directions; 0 for any
 * other frame. Two flows may share a number, and then share a pair.
 */
function flowOf(frame: Uint8Array): number {
  if (frame.length < ETH_HLEN + IPV4_HEADER || be16(frame, 12) !== ETH_P_IP) return 0;
  const protocol = frame[ETH_HLEN + 9];
  if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) return 0;
  const ports = ETH_HLEN + ((frame[ETH_HLEN] as number) & 15) * 4;
  if ((be16(frame, ETH_HLEN + 6) & 0x3fff) !== 0 || frame.length < ports + 4) return 0;
  const addresses = be32(frame, ETH_HLEN + 12) ^ be32(frame, ETH_HLEN + 16);
  const both = (be16(frame, ports) ^ be16(frame, ports + 2)) | (protocol << 16);
  // Odd constants of no meaning mix all bits into the low ones, which choose the slot.
  const mixed = Math.imul(addresses ^ Math.imul(both, 0x9e37_79b1), 0x85eb_ca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

function be16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number); // every caller has checked the length
}

function be32(bytes: Uint8Array, offset: number): number {
  return (be16(bytes, offset) << 16) | be16(bytes, offset + 2);
}
