import type { DescriptorChain, Virtqueue } from "../queue/virtqueue.ts";
import type { DeviceContext } from "../types.ts";
import { hasFeature } from "./feature-bits.ts";
import type { NetConfig } from "./net-config.ts";
import {
  ETH_ALEN,
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_MAC_ADDR_SET,
  VIRTIO_NET_ERR,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_OK,
} from "./net-defs.ts";
import { takeChains } from "./take-chains.ts";

/** The control queue of the network device, virtio 1.2 section 5.1.6.5. */
export class NetControl {
  readonly #config: NetConfig;
  /** Class, command and a MAC address: the longest command there is. */
  readonly #command = new Uint8Array(2 + ETH_ALEN);
  readonly #ack = new Uint8Array(1);

  constructor(config: NetConfig) {
    this.#config = config;
  }

  /** Carries out the commands that are available; returns how many buffers became used. */
  serve(context: DeviceContext, queue: Virtqueue): number {
    return takeChains(queue, (chain) => {
      // Without a place for the answer a command is not carried out: the driver could not know.
      if (chain.writableLength === 0) {
        queue.push(chain, 0);
        return;
      }
      this.#ack[0] = this.#execute(context, chain) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
      queue.push(chain, chain.write(0, this.#ack));
    });
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
    if (this.#config.setMac(this.#command.subarray(2))) context.configChanged();
    return true;
  }
}
