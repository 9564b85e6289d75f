import type { DescriptorChain, Virtqueue } from "../queue/virtqueue.ts";
import type { NetCounts } from "./net-counts.ts";
import { ETH_HLEN, IPV4_MAX, linkHeaderLength, VIRTIO_NET_HDR_SIZE, VLAN_HLEN } from "./net-defs.ts";
import { readTransmitHeader, type TransmitOffloads } from "./net-header.ts";
import type { FrameOffload } from "./net-link.ts";
import { takeChains } from "./take-chains.ts";

/** Takes a frame that leaves; both are valid during the call only. Returns why it could not be sent, if so. */
export type Send = (frame: Uint8Array, offload: Readonly<FrameOffload>) => string | undefined;

/** The transmitting half of the network device: frames from the driver go to the link within the notification. */
export class NetTransmitter {
  readonly #counts: NetCounts;
  readonly #mtu: number;
  readonly #send: Send;
  /** One transmitted frame behind its header, used again for the next. */
  readonly #buffer: Uint8Array;
  readonly #offload: FrameOffload = { checksumStart: 0, checksumOffset: 0, segmentSize: 0 };
  #allowed: TransmitOffloads = { checksum: false, segmentation: false };

  constructor(counts: NetCounts, mtu: number, send: Send) {
    this.#counts = counts;
    this.#mtu = mtu;
    this.#send = send;
    this.#buffer = new Uint8Array(VIRTIO_NET_HDR_SIZE + ETH_HLEN + VLAN_HLEN + IPV4_MAX);
  }

  /** What the driver may leave to us from now on. */
  allow(offloads: TransmitOffloads): void {
    this.#allowed = offloads;
  }

  /** Sends what is available; returns how many buffers became used. */
  transmit(queue: Virtqueue): number {
    return takeChains(queue, this.#take);
  }

  readonly #take = (chain: DescriptorChain, queue: Virtqueue): void => {
    const refusal = this.#transmitOne(chain);
    if (refusal !== undefined) this.#counts.drop(refusal);
    queue.push(chain, 0);
  };

  /** One frame; why it was not sent, if it was not. */
  #transmitOne(chain: DescriptorChain): string | undefined {
    if (chain.writableLength > 0) return "transmit buffer writable";
    const length = chain.readableLength - VIRTIO_NET_HDR_SIZE;
    if (length < 0) return "transmit header incomplete";
    if (length < ETH_HLEN) return "transmit frame too short";
    // A chain may claim gigabytes: nothing longer than the longest frame is copied.
    if (chain.readableLength > this.#buffer.length) return "transmit frame too long";
    const whole = this.#buffer.subarray(0, chain.readableLength);
    chain.read(0, whole);
    const frame = whole.subarray(VIRTIO_NET_HDR_SIZE);
    const refusal = readTransmitHeader(whole, frame, this.#allowed, this.#mtu, this.#offload);
    if (refusal !== undefined) return refusal;
    const longest = this.#offload.segmentSize === 0 ? this.#mtu : IPV4_MAX;
    if (length > longest + linkHeaderLength(frame)) return "transmit frame too long";
    return this.#send(frame, this.#offload);
  }
}
