/** What is left to do with a frame before a real wire could carry it. One record serves for many frames. */
export interface FrameOffload {
  /** Where the bytes begin that its checksum covers, up to the frame's end; 0 when the checksum is complete. */
  checksumStart: number;
  /** Where the 16 bits of the checksum are, counted from `checksumStart`. They hold the sum of the pseudo header. */
  checksumOffset: number;
  /** Data bytes of each TCP segment that it is to be cut into; 0 for a frame that is one already. */
  segmentSize: number;
  /** To the guest: its checksums were computed, or checked, just now; the guest need not do it again. */
  verified?: boolean;
}

/** A frame as a wire carries it. */
export const NO_OFFLOAD: Readonly<FrameOffload> = { checksumStart: 0, checksumOffset: 0, segmentSize: 0 };

/** The end of a frame that has no second part. */
export const NO_TAIL: Uint8Array = new Uint8Array(0);

/** What the guest's driver lets the link leave undone. */
export interface ReceiveOffloads {
  /** Checksums of TCP and UDP (VIRTIO_NET_F_GUEST_CSUM). */
  readonly checksum: boolean;
  /** Cutting TCP over IPv4 into segments, of up to 65535 bytes together (VIRTIO_NET_F_GUEST_TSO4). */
  readonly segmentation: boolean;
}

/** The wire: an Ethernet link without virtio on it. */
export interface EthernetLink {
  /**
   * A frame leaves the guest; answers may come within the call. Both are valid during the call only, and `frame` may be
   * changed by it: a checksum is completed where it lies. What `offload` says was checked against the frame's length.
   */
  send(frame: Uint8Array, offload: Readonly<FrameOffload>): void;
  /**
   * Set by the device. Called for each frame that comes in, in one part or in two, which stay the caller's. `offload`
   * asks for no more than {@link setReceiveOffloads} allowed.
   */
  receive?: (frame: Uint8Array, offload?: Readonly<FrameOffload>, tail?: Uint8Array) => void;
  /** Called by the device when a driver has come or gone. Before the first call nothing may be left undone. */
  setReceiveOffloads?(offloads: ReceiveOffloads): void;
}
