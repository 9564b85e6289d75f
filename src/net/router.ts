/**
 * What the in-page peer needs of a router: something that answers ARP, DHCP, DNS and ping for the guest, and TCP that
 * is not for our own services. An interface only; `src/cpu/` implements them, a spec fakes it.
 */

/** The router's side of the cable. */
export interface RouterPort {
  /**
   * A frame from the guest. Answers may come back synchronously. The router may keep references into the frame
   * for TCP port 80 and UDP port 53 (see {@link ./peer.ts}), and must not for anything else. It may throw: the peer
   * catches it.
   */
  send(frame: Uint8Array): void;
  /** Frames for the guest, inside send() or later. `frame` is valid during the call only. One callback. */
  onFrame(callback: (frame: Uint8Array) => void): void;
}
