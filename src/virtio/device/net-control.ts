import type { DescriptorChain, Virtqueue } from "../queue/virtqueue.ts";
import type { Coalescing } from "./net-coalesce.ts";
import {
  ETH_ALEN,
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_MAC_ADDR_SET,
  VIRTIO_NET_CTRL_MQ,
  VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
  VIRTIO_NET_CTRL_NOTF_COAL,
  VIRTIO_NET_CTRL_NOTF_COAL_RX_SET,
  VIRTIO_NET_CTRL_NOTF_COAL_TX_SET,
  VIRTIO_NET_ERR,
  VIRTIO_NET_OK,
} from "./net-defs.ts";
import { takeChains } from "./take-chains.ts";

/** Class and command, a byte each. */
const COMMAND_HEADER = 2;
/** struct virtio_net_ctrl_mq: virtqueue_pairs. */
const PAIRS_DATA = 2;
/** struct virtio_net_ctrl_coal_rx and _tx: max_packets, usecs. The longest data of all commands. */
const COALESCING_DATA = 8;

/** What commands do; each says whether it was done. A command that was not negotiated is not. */
export interface ControlTarget {
  setMac(mac: Uint8Array): boolean;
  setPairs(pairs: number): boolean;
  setCoalescing(direction: "receive" | "transmit", coalescing: Coalescing): boolean;
}

/** The control queue of the network device, virtio 1.2 section 5.1.6.5. */
export class NetControl {
  readonly #target: ControlTarget;
  readonly #command = new Uint8Array(COMMAND_HEADER + COALESCING_DATA);
  readonly #data = new DataView(this.#command.buffer, COMMAND_HEADER);
  readonly #ack = new Uint8Array(1);

  constructor(target: ControlTarget) {
    this.#target = target;
  }

  /** Carries out the commands that are available; returns how many buffers became used. */
  serve(queue: Virtqueue): number {
    return takeChains(queue, this.#serveOne);
  }

  readonly #serveOne = (chain: DescriptorChain, queue: Virtqueue): void => {
    // Without a place for the answer a command is not carried out: the driver could not know.
    if (chain.writableLength === 0) {
      queue.push(chain, 0);
      return;
    }
    this.#ack[0] = this.#execute(chain) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
    queue.push(chain, chain.write(0, this.#ack));
  };

  /** One command; its effect is there before its buffer is used (5.1.6.5.2.1). One of a wrong length is none that we know. */
  #execute(chain: DescriptorChain): boolean {
    const length = chain.readableLength - COMMAND_HEADER;
    if (length < 0 || length > COALESCING_DATA) return false;
    chain.read(0, this.#command);
    const group = this.#command[0];
    const command = this.#command[1];
    if (group === VIRTIO_NET_CTRL_MAC && command === VIRTIO_NET_CTRL_MAC_ADDR_SET) {
      return (
        length === ETH_ALEN &&
        this.#target.setMac(this.#command.subarray(COMMAND_HEADER, COMMAND_HEADER + ETH_ALEN))
      );
    }
    if (group === VIRTIO_NET_CTRL_MQ && command === VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET) {
      return length === PAIRS_DATA && this.#target.setPairs(this.#data.getUint16(0, true));
    }
    if (group !== VIRTIO_NET_CTRL_NOTF_COAL || length !== COALESCING_DATA) return false;
    const coalescing = {
      packets: this.#data.getUint32(0, true),
      microseconds: this.#data.getUint32(4, true),
    };
    if (command === VIRTIO_NET_CTRL_NOTF_COAL_RX_SET)
      return this.#target.setCoalescing("receive", coalescing);
    return command === VIRTIO_NET_CTRL_NOTF_COAL_TX_SET && this.#target.setCoalescing("transmit", coalescing);
  }
}
