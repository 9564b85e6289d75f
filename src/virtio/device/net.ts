import {
  bool,
  bytes,
  checked,
  count,
  fixedBytes,
  list,
  optional,
  record,
  type StateOf,
  u8,
} from "../../state/codec.ts";
import { VIRTIO_ID_NET } from "../defs.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";
import type { Clock, DeviceContext, VirtioDevice } from "../types.ts";
import { featureMask, hasFeature } from "./feature-bits.ts";
import { FrameBudget } from "./frame-queue.ts";
import { COALESCING_STATE, Coalescer, type Coalescing, NO_COALESCING } from "./net-coalesce.ts";
import { NetConfig } from "./net-config.ts";
import { type ControlTarget, NetControl } from "./net-control.ts";
import { NET_COUNTS_STATE, NetCounts } from "./net-counts.ts";
import {
  ETH_ALEN,
  ETH_HLEN,
  IPV4_MAX,
  linkHeaderLength,
  NET_CONTROL_QUEUE,
  PAIRS_MOST,
  transmitQueue,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_NOTF_COAL,
  VIRTIO_NET_F_STATUS,
  VIRTIO_NET_HDR_SIZE,
  VLAN_HLEN,
} from "./net-defs.ts";
import { FLOW_TABLE_STATE, FlowTable } from "./net-flows.ts";
import {
  type EthernetLink,
  type FrameOffload,
  NO_OFFLOAD,
  NO_TAIL,
  type ReceiveOffloads,
} from "./net-link.ts";
import { NetReceiver } from "./net-receive.ts";
import { NetTransmitter } from "./net-transmit.ts";

const NO_OFFLOADS: ReceiveOffloads = { checksum: false, segmentation: false };
const MTU_DEFAULT = 1500;
const MTU_MIN = 68;
const MTU_MAX = 65535;
const RX_QUEUE_BOUND = 4096;
const RX_QUEUE_BYTES = 8 * 1024 * 1024;

/** QueueNumMax of the queues that carry frames, and of the control queue. */
const QUEUE_SIZE = 256;
const CONTROL_QUEUE_SIZE = 64;

const WAITING_FRAME = checked(
  bytes(VIRTIO_NET_HDR_SIZE + ETH_HLEN + VLAN_HLEN + IPV4_MAX),
  "virtio_net_hdr and frame",
  ({ length }) => length >= VIRTIO_NET_HDR_SIZE + ETH_HLEN,
);

/** What is kept of a {@link NetDevice}. */
export const NET_STATE = record({
  mac: fixedBytes(ETH_ALEN),
  linkUp: bool,
  /** For each pair of queues; each frame behind its virtio_net_hdr. */
  waiting: list(list(WAITING_FRAME, RX_QUEUE_BOUND), PAIRS_MOST),
  unusableBuffers: count,
  /** Pairs that the driver uses. */
  pairs: checked(u8, "1 to 8", (pairs) => pairs >= 1 && pairs <= PAIRS_MOST),
  /** There when it uses more than one. */
  flows: optional(FLOW_TABLE_STATE),
  receiveCoalescing: COALESCING_STATE,
  transmitCoalescing: COALESCING_STATE,
  counts: NET_COUNTS_STATE,
});
export type NetState = StateOf<typeof NET_STATE>;

/** Options of {@link NetDevice}. */
export interface NetDeviceOptions {
  /** Six bytes; what the driver finds in configuration space after each reset. */
  readonly mac: Uint8Array;
  /** Largest payload of a frame in bytes, 68 to 65535. Default 1500. */
  readonly mtu?: number;
  readonly link: EthernetLink;
  /** Pairs of queues that the driver may use, 1 to 8. Default 1, and VIRTIO_NET_F_MQ is not offered then. */
  readonly queuePairs?: number;
  /** For the coalescing of interrupts; without one it is not offered. */
  readonly clock?: Clock;
  /** Most frames that wait for receive buffers. Default 4096. */
  readonly rxQueueBound?: number;
  /** Most bytes of frames that wait for receive buffers. Default 8 MiB. */
  readonly rxQueueBytes?: number;
}

/**
 * The network device, virtio 1.2 section 5.1: up to eight pairs of queues and a control queue, with
 * checksum and segmentation offloads.
 *
 * A frame from the link is put into the driver's buffers at once or waits, bounded, and survives a reset while
 * it waits. Frames from the driver go to the link within the notification. What the link answers meanwhile
 * goes to the driver in the same notification, so that one request costs one receive interrupt.
 */
export class NetDevice implements VirtioDevice, ControlTarget {
  readonly type = VIRTIO_ID_NET;
  readonly name = "net";
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  readonly configSize: number;
  /** Frames and bytes each way and what was dropped; the same object for the device's whole life. */
  readonly net = new NetCounts();

  readonly #link: EthernetLink;
  readonly #mtu: number;
  readonly #mostPairs: number;
  readonly #config: NetConfig;
  readonly #receiver: NetReceiver;
  readonly #transmitter: NetTransmitter;
  readonly #control = new NetControl(this);
  readonly #flows = new FlowTable();
  readonly #transmitCoalescers: readonly Coalescer[];
  #transmitCoalescing = NO_COALESCING;
  #context: DeviceContext | undefined;
  /** Pairs that the driver uses: the first one until it says otherwise (NET-MQ-01). */
  #pairs = 1;
  /** The pair whose frames are being sent. */
  #transmitting = 0;

  constructor(options: NetDeviceOptions) {
    const mtu = options.mtu ?? MTU_DEFAULT;
    if (options.mac.length !== ETH_ALEN) throw new RangeError("a MAC address has 6 bytes");
    if (!Number.isInteger(mtu) || mtu < MTU_MIN || mtu > MTU_MAX) {
      throw new RangeError(`MTU ${mtu} is not in ${MTU_MIN}..${MTU_MAX}`);
    }
    const pairs = options.queuePairs ?? 1;
    if (!Number.isInteger(pairs) || pairs < 1 || pairs > PAIRS_MOST) {
      throw new RangeError(`${pairs} pairs of queues are not 1 to ${PAIRS_MOST}`);
    }
    this.#mtu = mtu;
    this.#mostPairs = pairs;
    this.features = featureMask(
      VIRTIO_NET_F_CSUM,
      VIRTIO_NET_F_GUEST_CSUM,
      VIRTIO_NET_F_GUEST_TSO4,
      VIRTIO_NET_F_HOST_TSO4,
      VIRTIO_NET_F_MTU,
      VIRTIO_NET_F_MAC,
      VIRTIO_NET_F_MRG_RXBUF,
      VIRTIO_NET_F_STATUS,
      VIRTIO_NET_F_CTRL_VQ,
      VIRTIO_NET_F_CTRL_MAC_ADDR,
      ...(pairs > 1 ? [VIRTIO_NET_F_MQ] : []),
      ...(options.clock === undefined ? [] : [VIRTIO_NET_F_NOTF_COAL]),
    );
    this.queueSizes = [...new Array<number>(2 * pairs).fill(QUEUE_SIZE), CONTROL_QUEUE_SIZE];
    this.#link = options.link;
    this.#config = new NetConfig(options.mac, mtu, pairs);
    this.configSize = this.#config.size;
    const budget = new FrameBudget(
      options.rxQueueBound ?? RX_QUEUE_BOUND,
      options.rxQueueBytes ?? RX_QUEUE_BYTES,
    );
    this.#receiver = new NetReceiver(this.net, pairs, budget, options.clock);
    this.#transmitter = new NetTransmitter(this.net, mtu, (frame, offload) => this.#send(frame, offload));
    this.#transmitCoalescers = Array.from(
      { length: pairs },
      (_, pair) => new Coalescer(options.clock, () => this.#context?.notifyUsed(transmitQueue(pair))),
    );
    options.link.receive = (frame, offload, tail) => this.receive(frame, offload, tail);
  }

  /** Frames that wait for receive buffers. */
  get waiting(): number {
    return this.#receiver.waiting;
  }

  /** Receive buffers given back empty because they cannot even hold a header and a frame's start. */
  get unusableBuffers(): number {
    return this.#receiver.unusableBuffers;
  }

  /** Whether the link is up, which the driver sees as VIRTIO_NET_S_LINK_UP. */
  get linkUp(): boolean {
    return this.#config.linkUp;
  }

  /** Plugs the cable in or out. While it is out, frames are dropped either way. */
  setLink(up: boolean): void {
    if (up === this.linkUp) return;
    this.#config.linkUp = up;
    const context = this.#context;
    if (context !== undefined && hasFeature(context.features, VIRTIO_NET_F_STATUS)) context.configChanged();
  }

  readConfig(offset: number): number {
    return this.#config.read(offset);
  }

  /** All fields are read-only for the driver (virtio 1.2 section 5.1.4). */
  writeConfig(_offset: number, _size: number, _value: number): void {}

  save(): NetState {
    return {
      mac: this.#config.mac,
      linkUp: this.linkUp,
      waiting: this.#receiver.save(),
      unusableBuffers: this.unusableBuffers,
      pairs: this.#pairs,
      flows: this.#pairs > 1 ? this.#flows.save() : undefined,
      receiveCoalescing: this.#receiver.coalescing,
      transmitCoalescing: this.#transmitCoalescing,
      counts: this.net.save(),
    };
  }

  restore(state: NetState, context: DeviceContext | undefined): void {
    this.#config.setMac(state.mac);
    this.#config.linkUp = state.linkUp;
    this.net.restore(state.counts);
    this.#receiver.restore(state.waiting, state.unusableBuffers, state.receiveCoalescing);
    this.#transmitCoalescing = state.transmitCoalescing;
    this.#pairs = Math.min(state.pairs, this.#mostPairs);
    if (state.flows !== undefined) this.#flows.restore(state.flows);
    if (context === undefined) return;
    this.#receiver.proceed(context, this.#begin(context));
    for (const coalescer of this.#transmitCoalescers) coalescer.proceed(this.#transmitCoalescing);
  }

  activate(context: DeviceContext): void {
    this.#receiver.activate(context, this.#begin(context));
  }

  /** A driver is there; returns what it takes. */
  #begin(context: DeviceContext): ReceiveOffloads {
    this.#context = context;
    context.counters.net = this.net;
    const negotiated = (bit: number): boolean => hasFeature(context.features, bit);
    // Segments come without checksums, so one depends on the other both ways (virtio 1.2 section 5.1.3.1).
    const pair = (checksum: boolean, segmentation: boolean): ReceiveOffloads => ({
      checksum,
      segmentation: checksum && segmentation,
    });
    this.#transmitter.allow(pair(negotiated(VIRTIO_NET_F_CSUM), negotiated(VIRTIO_NET_F_HOST_TSO4)));
    const takes = pair(negotiated(VIRTIO_NET_F_GUEST_CSUM), negotiated(VIRTIO_NET_F_GUEST_TSO4));
    this.#link.setReceiveOffloads?.(takes);
    return takes;
  }

  reset(): void {
    this.#context = undefined;
    this.#link.setReceiveOffloads?.(NO_OFFLOADS);
    this.#receiver.reset();
    this.#transmitCoalescing = NO_COALESCING;
    for (const coalescer of this.#transmitCoalescers) coalescer.reset();
    this.#pairs = 1;
    this.#flows.clear();
    this.#config.reset();
  }

  quiesce(): boolean {
    return this.#receiver.quiesce();
  }

  /** Takes {@link quiesce} back without a reset: a switch was given up. */
  resume(): void {
    this.#receiver.resume();
  }

  notify(index: number): void {
    const context = this.#context;
    const queue = context?.queues[index];
    if (context === undefined || queue === undefined) return;
    if (index === this.#controlQueue(context)) {
      if (hasFeature(context.features, VIRTIO_NET_F_CTRL_VQ) && this.#control.serve(queue) > 0)
        context.notifyUsed(index);
    } else if (index < 2 * this.#mostPairs) {
      const pair = index >> 1;
      if (index === transmitQueue(pair)) this.#transmit(queue, pair);
      else this.#receiver.flush(pair);
    }
  }

  /** Behind the pairs that there are for this driver (NET-01). */
  #controlQueue({ features }: DeviceContext): number {
    return hasFeature(features, VIRTIO_NET_F_MQ) ? 2 * this.#mostPairs : NET_CONTROL_QUEUE;
  }

  // ---- Commands of the driver ----

  setMac(mac: Uint8Array): boolean {
    const context = this.#context;
    if (context === undefined || !hasFeature(context.features, VIRTIO_NET_F_CTRL_MAC_ADDR)) return false;
    if (this.#config.setMac(mac)) context.configChanged();
    return true;
  }

  /** Virtio 1.2 section 5.1.6.5.6. */
  setPairs(pairs: number): boolean {
    const context = this.#context;
    if (context === undefined || !hasFeature(context.features, VIRTIO_NET_F_MQ)) return false;
    if (pairs < 1 || pairs > this.#mostPairs) return false;
    this.#pairs = pairs;
    // Every flow is on the first pair until it is transmitted again.
    this.#flows.clear();
    this.#receiver.usePairs(pairs);
    return true;
  }

  /** Virtio 1.2 section 5.1.6.5.7. */
  setCoalescing(direction: "receive" | "transmit", coalescing: Coalescing): boolean {
    const context = this.#context;
    if (context === undefined || !hasFeature(context.features, VIRTIO_NET_F_NOTF_COAL)) return false;
    if (direction === "receive") this.#receiver.coalescing = coalescing;
    else {
      this.#transmitCoalescing = coalescing;
      for (const coalescer of this.#transmitCoalescers) coalescer.flush();
    }
    return true;
  }

  /**
   * A frame comes in from the link, at any time: within {@link EthernetLink.send}, from outside, before the
   * driver is there. It is in the driver's buffers when this returns, or waits, or was counted as dropped.
   */
  receive(frame: Uint8Array, offload: Readonly<FrameOffload> = NO_OFFLOAD, tail: Uint8Array = NO_TAIL): void {
    const refusal = this.#receiveRefusal(frame, frame.length + tail.length, offload);
    if (refusal !== undefined) {
      this.net.drop(refusal);
      return;
    }
    this.#receiver.receive(this.#pairFor(frame), frame, offload, tail);
  }

  /** Automatic receive steering, virtio 1.2 section 5.1.6.5.6. */
  #pairFor(frame: Uint8Array): number {
    if (this.#pairs === 1) return 0;
    const pair = this.#flows.pairOf(frame);
    return pair < this.#pairs ? pair : 0;
  }

  #receiveRefusal(frame: Uint8Array, length: number, offload: Readonly<FrameOffload>): string | undefined {
    if (!this.linkUp) return "link down";
    if (frame.length < ETH_HLEN) return "receive frame too short";
    // Virtio 1.2 section 5.1.4.1: nothing longer than the MTU and the link-layer header is passed up, unless in segments.
    const longest = offload.segmentSize === 0 ? this.#mtu : IPV4_MAX;
    if (length > longest + linkHeaderLength(frame)) return "receive frame too long";
    return undefined;
  }

  #transmit(queue: Virtqueue, pair: number): void {
    let taken = 0;
    this.#transmitting = pair;
    this.#receiver.beginBatch();
    try {
      taken = this.#transmitter.transmit(queue);
    } finally {
      this.#receiver.endBatch();
    }
    this.#receiver.notify();
    this.#transmitCoalescers[pair]?.used(taken, this.#transmitCoalescing);
  }

  #send(frame: Uint8Array, offload: Readonly<FrameOffload>): string | undefined {
    if (!this.linkUp) return "link down";
    this.net.transmitted(frame.length);
    // A pair beyond those in use gets nothing back (NET-MQ-02).
    if (this.#pairs > 1 && this.#transmitting < this.#pairs) this.#flows.learn(frame, this.#transmitting);
    this.#link.send(frame, offload);
    return undefined;
  }
}
