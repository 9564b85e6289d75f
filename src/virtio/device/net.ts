import type { NetCounters } from "../../metrics/counters.ts";
import { VIRTIO_ID_NET } from "../defs.ts";
import type { DescriptorChain, Virtqueue } from "../queue/virtqueue.ts";
import type { DeviceContext, VirtioDevice } from "../types.ts";
import { featureMask, hasFeature } from "./feature-bits.ts";
import { FrameQueue } from "./frame-queue.ts";
import { takeChains } from "./take-chains.ts";

/** Feature bits by number, virtio 1.2 section 5.1.3. */
export const VIRTIO_NET_F_MTU = 3;
export const VIRTIO_NET_F_MAC = 5;
export const VIRTIO_NET_F_MRG_RXBUF = 15;
export const VIRTIO_NET_F_STATUS = 16;
export const VIRTIO_NET_F_CTRL_VQ = 17;
export const VIRTIO_NET_F_CTRL_MAC_ADDR = 23;

/** Bit of the configuration field `status`, virtio 1.2 section 5.1.4. */
export const VIRTIO_NET_S_LINK_UP = 1;

/** Control commands, virtio 1.2 section 5.1.6.5. */
export const VIRTIO_NET_CTRL_MAC = 1;
export const VIRTIO_NET_CTRL_MAC_ADDR_SET = 1;
export const VIRTIO_NET_OK = 0;
export const VIRTIO_NET_ERR = 1;

/** Virtqueues without VIRTIO_NET_F_MQ, virtio 1.2 section 5.1.2. */
export const NET_RECEIVE_QUEUE = 0;
export const NET_TRANSMIT_QUEUE = 1;
export const NET_CONTROL_QUEUE = 2;

/** struct virtio_net_hdr with VIRTIO_F_VERSION_1, num_buffers included, virtio 1.2 section 5.1.6. */
export const VIRTIO_NET_HDR_SIZE = 12;
const HDR_NUM_BUFFERS = 10;

/** struct virtio_net_config: mac, status, max_virtqueue_pairs, mtu; virtio 1.2 section 5.1.4. */
const CONFIG_MAC = 0;
const CONFIG_STATUS = 6;
const CONFIG_MAX_VIRTQUEUE_PAIRS = 8;
const CONFIG_MTU = 10;
const CONFIG_SIZE = 12;

const ETH_ALEN = 6;
const ETH_HLEN = 14;
const VLAN_HLEN = 4;
const ETH_P_8021Q = 0x8100;
const ETH_P_8021AD = 0x88a8;

const MTU_DEFAULT = 1500;
const MTU_MIN = 68;
const MTU_MAX = 65535;
const RX_QUEUE_BOUND = 4096;
const RX_QUEUE_BYTES = 8 * 1024 * 1024;

/** The wire: an Ethernet link without virtio on it. */
export interface EthernetLink {
  /** A frame leaves the guest. `frame` is valid during the call only; answers may come within the call. */
  send(frame: Uint8Array): void;
  /** Set by the device. Called for each frame that comes in; the frame stays the caller's. */
  receive?: (frame: Uint8Array) => void;
}

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
 * The network device, virtio 1.2 section 5.1: one pair of queues and a control queue, no offloads.
 *
 * A frame from the link is put into the driver's buffers at once or waits, bounded, and survives a reset while
 * it waits. Frames from the driver go to the link within the notification. What the link answers meanwhile
 * goes to the driver in the same notification, so that one request costs one receive interrupt.
 */
export class NetDevice implements VirtioDevice {
  readonly type = VIRTIO_ID_NET;
  readonly name = "net";
  readonly features = featureMask(
    VIRTIO_NET_F_MTU,
    VIRTIO_NET_F_MAC,
    VIRTIO_NET_F_MRG_RXBUF,
    VIRTIO_NET_F_STATUS,
    VIRTIO_NET_F_CTRL_VQ,
    VIRTIO_NET_F_CTRL_MAC_ADDR,
  );
  readonly queueSizes: readonly number[] = [256, 256, 64];
  readonly configSize = CONFIG_SIZE;
  /** Frames and bytes each way and what was dropped; the same object for the device's whole life. */
  readonly net: NetCounters = {
    txFrames: 0,
    rxFrames: 0,
    txBytes: 0,
    rxBytes: 0,
    dropped: 0,
    dropReasons: {},
  };

  readonly #link: EthernetLink;
  readonly #mac: Uint8Array;
  readonly #mtu: number;
  readonly #config = new DataView(new ArrayBuffer(CONFIG_SIZE));
  readonly #waiting: FrameQueue;
  /** One transmitted frame, used again for the next. */
  readonly #transmitBuffer: Uint8Array;
  /** Class, command and a MAC address: the longest command there is. */
  readonly #command = new Uint8Array(2 + ETH_ALEN);
  /** All zero but num_buffers: no checksum and no segmentation offload (NET-RX-06, NET-RX-12). */
  readonly #header = new Uint8Array(VIRTIO_NET_HDR_SIZE);
  readonly #ack = new Uint8Array(1);

  #context: DeviceContext | undefined;
  #mergeable = false;
  #quiescing = false;
  /** Whether the driver was asked to notify of receive buffers: only while frames wait for them. */
  #receiveKicks = true;
  /** Receive buffers became used and the driver was not yet notified. */
  #receiveUsed = false;
  /** Frames from the driver are being handled: the receive notification waits for the batch's end. */
  #inBatch = false;
  /** The frame that {@link receive} is working on; undefined as soon as the driver has it. */
  #incoming: Uint8Array | undefined;
  #unusableBuffers = 0;

  constructor(options: NetDeviceOptions) {
    const mtu = options.mtu ?? MTU_DEFAULT;
    if (options.mac.length !== ETH_ALEN) throw new RangeError("a MAC address has 6 bytes");
    if (!Number.isInteger(mtu) || mtu < MTU_MIN || mtu > MTU_MAX) {
      throw new RangeError(`MTU ${mtu} is not in ${MTU_MIN}..${MTU_MAX}`);
    }
    this.#mac = options.mac.slice();
    this.#mtu = mtu;
    this.#link = options.link;
    this.#waiting = new FrameQueue(
      options.rxQueueBound ?? RX_QUEUE_BOUND,
      options.rxQueueBytes ?? RX_QUEUE_BYTES,
    );
    this.#transmitBuffer = new Uint8Array(mtu + ETH_HLEN + VLAN_HLEN);
    this.#setMac(this.#mac);
    this.#config.setUint16(CONFIG_STATUS, VIRTIO_NET_S_LINK_UP, true);
    this.#config.setUint16(CONFIG_MAX_VIRTQUEUE_PAIRS, 1, true);
    this.#config.setUint16(CONFIG_MTU, mtu, true);
    options.link.receive = (frame) => this.receive(frame);
  }

  /** Frames that wait for receive buffers. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Receive buffers given back empty because they cannot even hold a header and a frame's start. */
  get unusableBuffers(): number {
    return this.#unusableBuffers;
  }

  /** Whether the link is up, which the driver sees as VIRTIO_NET_S_LINK_UP. */
  get linkUp(): boolean {
    return this.#config.getUint16(CONFIG_STATUS, true) === VIRTIO_NET_S_LINK_UP;
  }

  /** Plugs the cable in or out. While it is out, frames are dropped either way. */
  setLink(up: boolean): void {
    if (up === this.linkUp) return;
    this.#config.setUint16(CONFIG_STATUS, up ? VIRTIO_NET_S_LINK_UP : 0, true);
    const context = this.#context;
    if (context !== undefined && hasFeature(context.features, VIRTIO_NET_F_STATUS)) context.configChanged();
  }

  readConfig(offset: number): number {
    return this.#config.getUint8(offset);
  }

  /** All fields are read-only for the driver (virtio 1.2 section 5.1.4). */
  writeConfig(_offset: number, _size: number, _value: number): void {}

  activate(context: DeviceContext): void {
    this.#context = context;
    this.#mergeable = hasFeature(context.features, VIRTIO_NET_F_MRG_RXBUF);
    this.#receiveKicks = true;
    context.counters.net = this.net;
    context.run(this.#flushWaiting);
  }

  reset(): void {
    this.#context = undefined;
    this.#quiescing = false;
    this.#setMac(this.#mac);
  }

  quiesce(): boolean {
    this.#quiescing = true;
    return this.#context?.queues[NET_RECEIVE_QUEUE]?.driverCaughtUp() ?? true;
  }

  /** Takes {@link quiesce} back without a reset: a switch was given up. */
  resume(): void {
    this.#quiescing = false;
    this.#context?.run(this.#flushWaiting);
  }

  notify(index: number): void {
    const context = this.#context;
    const queue = context?.queues[index];
    if (context === undefined || queue === undefined) return;
    if (index === NET_RECEIVE_QUEUE) this.#flushWaiting();
    else if (index === NET_TRANSMIT_QUEUE) this.#transmit(context, queue);
    else if (hasFeature(context.features, VIRTIO_NET_F_CTRL_VQ)) this.#control(context, queue);
  }

  // ---- Receiving: from the link to the driver ----

  /**
   * A frame comes in from the link, at any time: within {@link EthernetLink.send}, from outside, before the
   * driver is there. It is in the driver's buffers when this returns, or waits, or was counted as dropped.
   */
  receive(frame: Uint8Array): void {
    const refusal = this.#receiveRefusal(frame);
    if (refusal !== undefined) {
      this.#drop(refusal);
      return;
    }
    if (this.#context !== undefined && this.#waiting.length === 0) {
      this.#incoming = frame;
      this.#context.run(this.#receiveOne);
      if (this.#incoming === undefined) return;
      this.#incoming = undefined;
    }
    if (!this.#waiting.push(frame)) this.#drop("receive queue full");
  }

  #receiveRefusal(frame: Uint8Array): string | undefined {
    if (!this.linkUp) return "link down";
    if (frame.length < ETH_HLEN) return "receive frame too short";
    // Virtio 1.2 section 5.1.4.1: nothing longer than the MTU and the link-layer header is passed up.
    if (frame.length > this.#longest(frame)) return "receive frame too long";
    return undefined;
  }

  // Both are made once: a frame costs no closure.
  readonly #receiveOne = (): void => {
    const context = this.#context;
    const queue = context?.queues[NET_RECEIVE_QUEUE];
    const frame = this.#incoming;
    if (context === undefined || queue === undefined || frame === undefined || this.#quiescing) return;
    if (this.#deliver(queue, frame)) this.#incoming = undefined;
    else this.#wantReceiveKicks(queue, true);
    this.#notifyReceived(context);
  };

  /** Puts waiting frames into the driver's buffers as far as there are any. */
  readonly #flushWaiting = (): void => {
    const context = this.#context;
    const queue = context?.queues[NET_RECEIVE_QUEUE];
    if (context === undefined || queue === undefined || this.#quiescing) return;
    for (let delivered = 0; delivered < queue.size; delivered++) {
      const frame = this.#waiting.peek();
      if (frame === undefined || !this.#deliver(queue, frame)) break;
      this.#waiting.shift();
    }
    this.#wantReceiveKicks(queue, this.#waiting.length > 0);
    this.#notifyReceived(context);
  };

  #wantReceiveKicks(queue: Virtqueue, wanted: boolean): void {
    if (wanted === this.#receiveKicks) return;
    this.#receiveKicks = wanted;
    // Nothing else runs between finding too few buffers and asking for more: there is nothing to check again.
    queue.setNotificationsWanted(wanted);
  }

  #notifyReceived(context: DeviceContext): void {
    if (!this.#receiveUsed || this.#inBatch) return;
    this.#receiveUsed = false;
    context.notifyUsed(NET_RECEIVE_QUEUE);
  }

  /**
   * Puts one frame into receive buffers (virtio 1.2 section 5.1.6.4); false when there are not enough of them, and none
   * is used then. True also when the frame was dropped because these buffers can never hold it.
   */
  #deliver(queue: Virtqueue, frame: Uint8Array): boolean {
    const first = this.#firstBuffer(queue);
    if (first === undefined) return false;
    const wanted = VIRTIO_NET_HDR_SIZE + frame.length;
    if (first.writableLength < wanted) {
      if (this.#mergeable) return this.#deliverMerged(queue, first, frame);
      // The buffer may still do for the next frame.
      queue.undoPop(1);
      this.#drop("receive buffers too small");
      return true;
    }
    this.#writeHeader(first, 1);
    first.write(VIRTIO_NET_HDR_SIZE, frame);
    queue.push(first, wanted);
    this.#received(frame);
    return true;
  }

  /** The same for a frame that the first buffer cannot hold alone. */
  #deliverMerged(queue: Virtqueue, first: DescriptorChain, frame: Uint8Array): boolean {
    const wanted = VIRTIO_NET_HDR_SIZE + frame.length;
    const chains = [first];
    for (let room = first.writableLength; room < wanted; ) {
      const chain = chains.length < queue.size ? queue.pop() : undefined;
      if (chain === undefined) {
        const all = chains.length === queue.size;
        queue.undoPop(chains.length);
        if (all) this.#drop("receive buffers too small");
        return all;
      }
      chains.push(chain);
      room += chain.writableLength;
    }
    this.#writeHeader(first, chains.length);
    // All but the last are filled completely, and all become used together (5.1.6.4.1).
    let done = first.write(VIRTIO_NET_HDR_SIZE, frame);
    const written = [VIRTIO_NET_HDR_SIZE + done];
    for (const chain of chains.slice(1)) {
      const count = chain.write(0, frame.subarray(done));
      written.push(count);
      done += count;
    }
    queue.pushAll(chains, written);
    this.#received(frame);
    return true;
  }

  /**
   * The next receive buffer that can begin a frame: all of it device-writable, and a header at least (5.1.6.3.1).
   * What is none is of no use for any frame and goes back empty.
   */
  #firstBuffer(queue: Virtqueue): DescriptorChain | undefined {
    const least = this.#mergeable ? VIRTIO_NET_HDR_SIZE : VIRTIO_NET_HDR_SIZE + ETH_HLEN;
    for (let tried = 0; tried < queue.size; tried++) {
      const chain = queue.pop();
      if (chain === undefined || (chain.writableLength >= least && chain.readableLength === 0)) return chain;
      queue.push(chain, 0);
      this.#unusableBuffers++;
      this.#receiveUsed = true;
    }
    return undefined;
  }

  /** num_buffers is little-endian, and 1 without VIRTIO_NET_F_MRG_RXBUF too (5.1.6.4.1). */
  #writeHeader(first: DescriptorChain, buffers: number): void {
    this.#header[HDR_NUM_BUFFERS] = buffers & 0xff;
    this.#header[HDR_NUM_BUFFERS + 1] = buffers >> 8;
    first.write(0, this.#header);
  }

  #received(frame: Uint8Array): void {
    this.net.rxFrames++;
    this.net.rxBytes += frame.length;
    this.#receiveUsed = true;
  }

  // ---- Transmitting: from the driver to the link ----

  #transmit(context: DeviceContext, queue: Virtqueue): void {
    let taken = 0;
    this.#inBatch = true;
    try {
      taken = takeChains(queue, (chain) => {
        const refusal = this.#transmitOne(chain);
        if (refusal !== undefined) this.#drop(refusal);
        queue.push(chain, 0);
      });
    } finally {
      this.#inBatch = false;
    }
    this.#notifyReceived(context);
    if (taken > 0) context.notifyUsed(NET_TRANSMIT_QUEUE);
  }

  /**
   * One frame; why it was not sent, if it was not.
   * No offload is offered, so nothing of the header is looked at (NET-TX-01 to NET-TX-04).
   */
  #transmitOne(chain: DescriptorChain): string | undefined {
    if (chain.writableLength > 0) return "transmit buffer writable";
    const length = chain.readableLength - VIRTIO_NET_HDR_SIZE;
    if (length < 0) return "transmit header incomplete";
    if (length < ETH_HLEN) return "transmit frame too short";
    if (!this.linkUp) return "link down";
    // A chain may claim gigabytes: no more than the longest frame is copied.
    const frame = this.#transmitBuffer.subarray(0, length);
    chain.read(VIRTIO_NET_HDR_SIZE, frame);
    if (length > this.#longest(frame)) return "transmit frame too long";
    this.net.txFrames++;
    this.net.txBytes += length;
    this.#link.send(frame);
    return undefined;
  }

  // ---- Control ----

  #control(context: DeviceContext, queue: Virtqueue): void {
    const taken = takeChains(queue, (chain) => {
      // Without a place for the answer a command is not carried out: the driver could not know.
      if (chain.writableLength === 0) {
        queue.push(chain, 0);
        return;
      }
      this.#ack[0] = this.#execute(context, chain) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
      queue.push(chain, chain.write(0, this.#ack));
    });
    if (taken > 0) context.notifyUsed(NET_CONTROL_QUEUE);
  }

  /** One command; its effect is there before its buffer is used (5.1.6.5.2.1). */
  #execute(context: DeviceContext, chain: DescriptorChain): boolean {
    // A command of another length is none that we know, whatever it holds.
    if (chain.readableLength !== this.#command.length) return false;
    chain.read(0, this.#command);
    if (this.#command[0] !== VIRTIO_NET_CTRL_MAC || this.#command[1] !== VIRTIO_NET_CTRL_MAC_ADDR_SET) {
      return false;
    }
    if (!hasFeature(context.features, VIRTIO_NET_F_CTRL_MAC_ADDR)) return false;
    if (this.#setMac(this.#command.subarray(2))) context.configChanged();
    return true;
  }

  /** Whether that changed anything. */
  #setMac(mac: Uint8Array): boolean {
    let changed = false;
    mac.forEach((byte, i) => {
      if (this.#config.getUint8(CONFIG_MAC + i) !== byte) changed = true;
      this.#config.setUint8(CONFIG_MAC + i, byte);
    });
    return changed;
  }

  /** The longest frame with this one's header: a VLAN tag comes on top. */
  #longest(frame: Uint8Array): number {
    const etherType = ((frame[12] as number) << 8) | (frame[13] as number); // at least ETH_HLEN bytes
    const tagged = etherType === ETH_P_8021Q || etherType === ETH_P_8021AD;
    return this.#mtu + ETH_HLEN + (tagged ? VLAN_HLEN : 0);
  }

  #drop(reason: string): void {
    this.net.dropped++;
    this.net.dropReasons[reason] = (this.net.dropReasons[reason] ?? 0) + 1;
  }
}
