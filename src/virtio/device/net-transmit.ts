import type { DescriptorChain, Virtqueue } from "../queue/virtqueue.ts";
import type { NetCounts } from "./net-counts.ts";
import { ETH_HLEN, linkHeaderLength, VIRTIO_NET_HDR_SIZE, VLAN_HLEN } from "./net-defs.ts";
import { takeChains } from "./take-chains.ts";

/** The transmitting half of the network device: frames from the driver go to the link within the notification. */
export class NetTransmitter {
  readonly #counts: NetCounts;
  readonly #mtu: number;
  readonly #send: (frame: Uint8Array) => string | undefined;
  /** One transmitted frame, used again for the next. */
  readonly #buffer: Uint8Array;

  /** @param send takes a frame, valid during the call only; returns why it could not be sent, if so. */
  constructor(counts: NetCounts, mtu: number, send: (frame: Uint8Array) => string | undefined) {
    this.#counts = counts;
    this.#mtu = mtu;
    this.#send = send;
    this.#buffer = new Uint8Array(mtu + ETH_HLEN + VLAN_HLEN);
  }

  /** Sends what is available; returns how many buffers became used. */
  transmit(queue: Virtqueue): number {
    return takeChains(queue, (chain) => {
      const refusal = this.#transmitOne(chain);
      if (refusal !== undefined) this.#counts.drop(refusal);
      queue.push(chain, 0);
    });
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
    // A chain may claim gigabytes: no more than the longest frame is copied.
    const frame = this.#buffer.subarray(0, length);
    chain.read(VIRTIO_NET_HDR_SIZE, frame);
    if (length > this.#mtu + linkHeaderLength(frame)) return "transmit frame too long";
    return this.#send(frame);
  }
}
