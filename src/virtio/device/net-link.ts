/** The wire: an Ethernet link without virtio on it. */
export interface EthernetLink {
  /** A frame leaves the guest. `frame` is valid during the call only; answers may come within the call. */
  send(frame: Uint8Array): void;
  /** Set by the device. Called for each frame that comes in; the frame stays the caller's. */
  receive?: (frame: Uint8Array) => void;
}
