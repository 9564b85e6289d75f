import { ETH_ALEN, VIRTIO_NET_S_LINK_UP } from "./net-defs.ts";

/** struct virtio_net_config: mac, status, max_virtqueue_pairs, mtu; virtio 1.2 section 5.1.4. */
const CONFIG_MAC = 0;
const CONFIG_STATUS = 6;
const CONFIG_MAX_VIRTQUEUE_PAIRS = 8;
const CONFIG_MTU = 10;
const CONFIG_SIZE = 12;

/** The network device's configuration space. All fields are read-only for the driver (virtio 1.2 section 5.1.4). */
export class NetConfig {
  readonly size = CONFIG_SIZE;
  readonly #fields = new DataView(new ArrayBuffer(CONFIG_SIZE));
  /** What the driver finds after each reset. */
  readonly #mac: Uint8Array;

  constructor(mac: Uint8Array, mtu: number, pairs: number) {
    this.#mac = mac.slice();
    this.setMac(mac);
    this.#fields.setUint16(CONFIG_STATUS, VIRTIO_NET_S_LINK_UP, true);
    this.#fields.setUint16(CONFIG_MAX_VIRTQUEUE_PAIRS, pairs, true);
    this.#fields.setUint16(CONFIG_MTU, mtu, true);
  }

  read(offset: number): number {
    return this.#fields.getUint8(offset);
  }

  /** The address that the driver finds now. */
  get mac(): Uint8Array {
    return new Uint8Array(this.#fields.buffer.slice(CONFIG_MAC, CONFIG_MAC + ETH_ALEN));
  }

  get linkUp(): boolean {
    return this.#fields.getUint16(CONFIG_STATUS, true) === VIRTIO_NET_S_LINK_UP;
  }
  set linkUp(up: boolean) {
    this.#fields.setUint16(CONFIG_STATUS, up ? VIRTIO_NET_S_LINK_UP : 0, true);
  }

  /** Six bytes; whether that changed anything. */
  setMac(mac: Uint8Array): boolean {
    let changed = false;
    for (let i = 0; i < ETH_ALEN; i++) {
      const byte = mac[i] as number;
      if (this.#fields.getUint8(CONFIG_MAC + i) !== byte) changed = true;
      this.#fields.setUint8(CONFIG_MAC + i, byte);
    }
    return changed;
  }

  /** A reset brings the first address back. */
  reset(): void {
    this.setMac(this.#mac);
  }
}
