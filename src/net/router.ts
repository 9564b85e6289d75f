/**
 * What the in-page peer needs of a router: something that answers ARP, DHCP, DNS, ping and TCP for the guest.
 * Interfaces only; `src/cpu/` implements them, a spec fakes them.
 *
 * Nothing here throws because of what the guest sent. {@link RouterPort.send} may all the same (the peer catches it).
 */

/** One TCP connection that the guest has opened, or is opening. */
export interface RouterConnection {
  /** The port that the guest asked for. */
  readonly port: number;
  /**
   * Bytes given to {@link RouterConnection.write} that the guest has not acknowledged. This is what a guest that
   * does not read makes grow, so the peer bounds it.
   */
  readonly queued: number;
  /** Completes the handshake. Only inside the onConnection callback; a connection not accepted there is reset. */
  accept(): void;
  /** Queues bytes for the guest and sends what may be sent, synchronously. Copies: the array is free afterwards. */
  write(bytes: Uint8Array): void;
  /** Sends FIN after all that is queued. Data may still come; {@link RouterConnection.onClose} tells the end. */
  close(): void;
  /** Ends the connection now: what is queued is dropped, the guest gets a reset, at the latest with its next segment. */
  abort(): void;
  /** Bytes from the guest, in order, split anyhow. `bytes` is valid during the call only. One callback. */
  onData(callback: (bytes: Uint8Array) => void): void;
  /** The guest will send no more (its FIN came), but still takes data until close(). One callback, called at most once. */
  onEnd(callback: () => void): void;
  /**
   * The connection is gone and holds no memory any more: both FINs acknowledged, reset by either side, aborted,
   * or replaced by a new connection from the same guest address and port. One callback, called exactly once for
   * each accepted connection, or not at all when the machine ends.
   */
  onClose(callback: () => void): void;
}

/** The router's side of the cable. */
export interface RouterPort {
  /**
   * A frame from the guest. Answers may come back synchronously. The router may keep references into the frame
   * for TCP port 80 and UDP port 53 (see {@link ./peer.ts}), and must not for anything else.
   */
  send(frame: Uint8Array): void;
  /** Frames for the guest, inside send() or later. `frame` is valid during the call only. One callback. */
  onFrame(callback: (frame: Uint8Array) => void): void;
  /** The guest connects by TCP to any address; the port is the one it asked for. One callback. */
  onConnection(callback: (connection: RouterConnection) => void): void;
}
