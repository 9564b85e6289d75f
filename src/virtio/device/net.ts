import { bool, bytes, checked, count, fixedBytes, list, record, type StateOf } from "../../state/codec.ts";
import { VIRTIO_ID_NET } from "../defs.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";
import type { DeviceContext, VirtioDevice } from "../types.ts";
import { featureMask, hasFeature } from "./feature-bits.ts";
import { NetConfig } from "./net-config.ts";
import { NetControl } from "./net-control.ts";
import { NET_COUNTS_STATE, NetCounts } from "./net-counts.ts";
import {
  ETH_ALEN,
  ETH_HLEN,
  IPV4_MAX,
  linkHeaderLength,
  NET_CONTROL_QUEUE,
  NET_RECEIVE_QUEUE,
  NET_TRANSMIT_QUEUE,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_STATUS,
  VIRTIO_NET_HDR_SIZE,
  VLAN_HLEN,
} from "./net-defs.ts";
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

/** Pairs of queues that a device can have. */
const PAIRS_MOST = 8;

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
  /** Most frames that wait for receive buffers. Default 4096. */
  readonly rxQueueBound?: number;
  /** Most bytes of frames that wait for receive buffers. Default 8 MiB. */
  readonly rxQueueBytes?: number;
}

/**
 * The network device, virtio 1.2 section 5.1: one pair of queues and a control queue, checksum and segmentation offloads.
 *
 * A frame from the link is put into the driver's buffers at once or waits, bounded, and survives a reset while
 * it waits. Frames from the driver go to the link within the notification. What the link answers meanwhile
 * goes to the driver in the same notification, so that one request costs one receive interrupt.
 */
export class NetDevice implements VirtioDevice {
  readonly type = VIRTIO_ID_NET;
  readonly name = "net";
  readonly features = featureMask(
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
  );
  readonly queueSizes: readonly number[] = [256, 256, 64];
  readonly configSize: number;
  /** Frames and bytes each way and what was dropped; the same object for the device's whole life. */
  readonly net = new NetCounts();

  readonly #link: EthernetLink;
  readonly #mtu: number;
  readonly #config: NetConfig;
  readonly #receiver: NetReceiver;
  readonly #transmitter: NetTransmitter;
  readonly #control: NetControl;
  #context: DeviceContext | undefined;

  constructor(options: NetDeviceOptions) {
    const mtu = options.mtu ?? MTU_DEFAULT;
    if (options.mac.length !== ETH_ALEN) throw new RangeError("a MAC address has 6 bytes");
    if (!Number.isInteger(mtu) || mtu < MTU_MIN || mtu > MTU_MAX) {
      throw new RangeError(`MTU ${mtu} is not in ${MTU_MIN}..${MTU_MAX}`);
    }
    this.#mtu = mtu;
    this.#link = options.link;
    this.#config = new NetConfig(options.mac, mtu);
    this.configSize = this.#config.size;
    this.#receiver = new NetReceiver(
      this.net,
      1,
      options.rxQueueBound ?? RX_QUEUE_BOUND,
      options.rxQueueBytes ?? RX_QUEUE_BYTES,
    );
    this.#transmitter = new NetTransmitter(this.net, mtu, (frame, offload) => this.#send(frame, offload));
    this.#control = new NetControl(this.#config);
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
      counts: this.net.save(),
    };
  }

  restore(state: NetState, context: DeviceContext | undefined): void {
    this.#config.setMac(state.mac);
    this.#config.linkUp = state.linkUp;
    this.net.restore(state.counts);
    this.#receiver.restore(state.waiting, state.unusableBuffers);
    if (context !== undefined) this.#receiver.proceed(context, this.#begin(context));
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
    if (index === NET_RECEIVE_QUEUE) this.#receiver.flush(0);
    else if (index === NET_TRANSMIT_QUEUE) this.#transmit(context, queue);
    else if (hasFeature(context.features, VIRTIO_NET_F_CTRL_VQ)) {
      if (this.#control.serve(context, queue) > 0) context.notifyUsed(NET_CONTROL_QUEUE);
    }
  }

  /**
   * A frame comes in from the link, at any time: within {@link EthernetLink.send}, from outside, before the
   * driver is there. It is in the driver's buffers when this returns, or waits, or was counted as dropped.
   */
  receive(frame: Uint8Array, offload: Readonly<FrameOffload> = NO_OFFLOAD, tail: Uint8Array = NO_TAIL): void {
    const refusal = this.#receiveRefusal(frame, frame.length + tail.length, offload);
    if (refusal === undefined) this.#receiver.receive(0, frame, offload, tail);
    else this.net.drop(refusal);
  }

  #receiveRefusal(frame: Uint8Array, length: number, offload: Readonly<FrameOffload>): string | undefined {
    if (!this.linkUp) return "link down";
    if (frame.length < ETH_HLEN) return "receive frame too short";
    // Virtio 1.2 section 5.1.4.1: nothing longer than the MTU and the link-layer header is passed up, unless in segments.
    const longest = offload.segmentSize === 0 ? this.#mtu : IPV4_MAX;
    if (length > longest + linkHeaderLength(frame)) return "receive frame too long";
    return undefined;
  }

  #transmit(context: DeviceContext, queue: Virtqueue): void {
    let taken = 0;
    this.#receiver.beginBatch();
    try {
      taken = this.#transmitter.transmit(queue);
    } finally {
      this.#receiver.endBatch();
    }
    this.#receiver.notify();
    if (taken > 0) context.notifyUsed(NET_TRANSMIT_QUEUE);
  }

  #send(frame: Uint8Array, offload: Readonly<FrameOffload>): string | undefined {
    if (!this.linkUp) return "link down";
    this.net.transmitted(frame.length);
    this.#link.send(frame, offload);
    return undefined;
  }
}
