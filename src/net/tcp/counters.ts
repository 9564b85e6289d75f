/** What our TCP counts: plain fields, added to where things happen. They only grow, but for `openConnections`. */

/** Connections to our services. */
export interface ConnectionCounters {
  /** Handshake complete, and not yet closed by both sides. */
  openConnections: number;
  acceptedConnections: number;
  /** Given up by us: the guest did not read or did not acknowledge, or the service failed. */
  abortedConnections: number;
  /** No service at that port, or no place left: the sum of `refusalReasons`. */
  refusedConnections: number;
  /** From a fixed set of reasons, e.g. "no service at that port". */
  readonly refusalReasons: Record<string, number>;
  /** Forgotten to make room for a new one: half open, or closed on our side. */
  evictedConnections: number;
  readonly segments: SegmentCounters;
}

/** Segments of our own connections. */
export interface SegmentCounters {
  /** Sound ones from the guest. */
  received: number;
  sent: number;
  /** Of `sent`: those with nothing but an acknowledgement. */
  acknowledgements: number;
  /** Of `sent`: those sent before, and probes of a closed window. */
  retransmitted: number;
  /** Of `received`: outside of the window, or not the next ones, or challenged (RFC 5961). */
  unacceptable: number;
  resetsReceived: number;
  /** Of `sent`. */
  resetsSent: number;
}

/** All zero. */
export function emptyConnectionCounters(): ConnectionCounters {
  return {
    openConnections: 0,
    acceptedConnections: 0,
    abortedConnections: 0,
    refusedConnections: 0,
    refusalReasons: {},
    evictedConnections: 0,
    segments: {
      received: 0,
      sent: 0,
      acknowledgements: 0,
      retransmitted: 0,
      unacceptable: 0,
      resetsReceived: 0,
      resetsSent: 0,
    },
  };
}
