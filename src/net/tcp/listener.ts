import { list } from "../../state/codec.ts";
import type { Clock } from "../clock.ts";
import { type FrameOffload, NO_TAIL, type ReceiveOffloads, TCP_CHECKSUM, VERIFIED } from "../offload.ts";
import { IPV4_HEADER, IPV4_PAYLOAD, type Ipv4Packet, TCP_HEADER } from "../packets.ts";
import type { StreamService } from "../service.ts";
import { Connection, type ConnectionHost } from "./connection.ts";
import { CONNECTION_STATE, type ConnectionState } from "./connection-state.ts";
import type { ConnectionCounters } from "./counters.ts";
import {
  ACK,
  advance,
  decodeTcp,
  emptyTcp,
  encodeTcp,
  NO_WINDOW_SHIFT,
  RST,
  SYN,
  sequenceLength,
  TCP_DATA,
  type TcpHeader,
} from "./segment.ts";
import { SendBuffer } from "./send-buffer.ts";

/** Connections to our services at one time, half open ones and those in TIME-WAIT included. */
export const MAX_CONNECTIONS = 256;
/** How long an acknowledgement may wait for company, in milliseconds. */
export const ACKNOWLEDGEMENT_DELAY = 1;
/** Most of what a new initial sequence number lies beyond the last one of the connection that it replaces. */
const SEQUENCE_JUMP_MASK = 0x0fff_ffff;

/** What is kept of a {@link TcpListener}. */
export const CONNECTIONS_STATE = list(CONNECTION_STATE, MAX_CONNECTIONS);

export interface TcpListenerOptions {
  readonly services: Iterable<StreamService>;
  readonly clock: Clock;
  readonly counters: ConnectionCounters;
  /** Takes a frame for the guest, in one part or in two; all is valid during the call only. Must not throw. */
  readonly transmit: (frame: Uint8Array, offload: Readonly<FrameOffload>, tail: Uint8Array) => void;
  /** Our MAC address. */
  readonly mac: Uint8Array;
  /** An unpredictable number from 0 to 2^32 - 1, for initial sequence numbers. Default: the platform's generator. */
  readonly random?: () => number;
}

/** The largest IPv4 packet (RFC 791) less its headers. */
const LARGEST_SEGMENT = 65535 - IPV4_HEADER - TCP_HEADER;

/**
 * TCP for the services of the peer: passive opens only, at the ports of the services and at one address. It finds
 * the connection for each segment, bounds how many there are, and refuses what is for nobody.
 *
 * Frames are built in one buffer, used again for each. A segment costs no allocation but for the views that a
 * service and the cable are handed.
 */
export class TcpListener implements ConnectionHost {
  readonly clock: Clock;
  readonly counters: ConnectionCounters;

  readonly #ports = new Map<number, ServedPort>();
  readonly #connections = new Map<number, Connection>();
  readonly #transmit: TcpListenerOptions["transmit"];
  readonly #mac: Uint8Array;
  readonly #random: () => number;
  /** Whose acknowledgements wait. */
  readonly #waiting = new Set<Connection>();
  #cancelWaiting: (() => void) | undefined;

  readonly #segment = emptyTcp();
  readonly #frame = new Uint8Array(TCP_DATA + LARGEST_SEGMENT);
  /** Whether the guest takes segments that are still to be cut. */
  #segmentation = false;
  readonly #offload: FrameOffload = {
    checksumStart: IPV4_PAYLOAD,
    checksumOffset: TCP_CHECKSUM,
    segmentSize: 0,
  };
  readonly #noData = new SendBuffer();
  readonly #resetHeader: TcpHeader;

  constructor(options: TcpListenerOptions) {
    this.clock = options.clock;
    this.counters = options.counters;
    this.#transmit = options.transmit;
    this.#mac = options.mac;
    this.#random = options.random ?? randomNumber;
    for (const service of options.services) {
      this.#ports.set(service.port, { service, index: this.#ports.size });
    }
    this.#resetHeader = {
      sourceMac: this.#mac,
      destinationMac: this.#mac,
      source: 0,
      destination: 0,
      sourcePort: 0,
      destinationPort: 0,
      sequence: 0,
      acknowledgement: 0,
      flags: 0,
      window: 0,
      mss: 0,
      windowShift: NO_WINDOW_SHIFT,
    };
  }

  /** Connections held, in whatever state. */
  get size(): number {
    return this.#connections.size;
  }

  /**
   * Takes a packet of TCP for our address. `frame` is read during the call only, and answers come within it. Returns
   * undefined, or why the packet is no sound segment.
   * @param verifyChecksum false when the guest has left the checksum to us.
   */
  receive(frame: Uint8Array, packet: Ipv4Packet, verifyChecksum = true): string | undefined {
    const segment = this.#segment;
    const problem = decodeTcp(frame, packet, segment, verifyChecksum);
    if (problem !== undefined) return problem;
    this.counters.segments.received++;
    const port = this.#ports.get(segment.destinationPort);
    if (port === undefined) {
      this.#refuse(frame, packet, "no service at that port");
      return undefined;
    }
    const key = connectionKey(port.index, packet.source, segment.sourcePort);
    const connection = this.#connections.get(key);
    const opens = (segment.flags & (SYN | ACK | RST)) === SYN;
    if (connection !== undefined && !(opens && connection.yieldsTo(segment.sequence))) {
      connection.receive(segment, frame);
    } else if (opens) {
      this.#accept(frame, packet, key, port.service, connection);
    } else {
      this.#reset(frame, packet);
    }
    return undefined;
  }

  /**
   * Refuses a packet of TCP for whatever address with a reset, and counts a connection refused for `reason` if it
   * was to begin one. Returns undefined, or why the packet is no sound segment.
   */
  refuse(frame: Uint8Array, packet: Ipv4Packet, reason: string, verifyChecksum = true): string | undefined {
    const problem = decodeTcp(frame, packet, this.#segment, verifyChecksum);
    if (problem !== undefined) return problem;
    this.counters.segments.received++;
    this.#refuse(frame, packet, reason);
    return undefined;
  }

  save(): ConnectionState[] {
    return [...this.#connections.values()].flatMap((connection) => connection.save() ?? []);
  }

  /** Goes on with connections that were saved; one whose service is not there any more is answered with a reset. */
  restore(states: readonly ConnectionState[]): void {
    for (const state of states) {
      const port = this.#ports.get(state.servicePort);
      if (port === undefined) continue;
      const key = connectionKey(port.index, state.address, state.port);
      const ends = {
        sourceMac: this.#mac,
        destinationMac: state.mac,
        source: state.ourAddress,
        destination: state.address,
        sourcePort: state.servicePort,
        destinationPort: state.port,
      };
      const connection = Connection.restore(this, port.service, key, ends, state);
      if (!connection.over) this.#connections.set(key, connection);
    }
  }

  /** What the guest's driver lets us leave undone from now on. */
  setReceiveOffloads(offloads: ReceiveOffloads): void {
    this.#segmentation = offloads.segmentation;
  }

  /** Forgets every connection, without a word to the guest. */
  close(): void {
    for (const connection of this.#connections.values()) connection.release();
    this.#waiting.clear();
    this.#cancelWaiting?.();
    this.#cancelWaiting = undefined;
  }

  // ---- For connections ----

  get largestSegment(): number {
    return this.#segmentation ? LARGEST_SEGMENT : 0;
  }

  transmit(header: TcpHeader, data: SendBuffer, offset: number, length: number, segmentSize: number): void {
    const frame = this.#frame;
    this.counters.segments.sent++;
    // What is to be cut leaves its checksums to the guest and its data where they lie: they are copied once, into the guest's
    // memory. A short segment's data are copied twice, which costs less than a second part does, and its checksum less
    // than the guest's work with one that is left to it.
    const cut = length > segmentSize;
    const tail = cut ? data.view(offset, length) : undefined;
    if (tail === undefined) data.copy(offset, length, frame, TCP_DATA);
    const frameLength = encodeTcp(frame, header, length, !cut);
    this.#offload.segmentSize = segmentSize;
    this.#transmit(
      frame.subarray(0, tail === undefined ? frameLength : TCP_DATA),
      cut ? this.#offload : VERIFIED,
      tail ?? NO_TAIL,
    );
  }

  acknowledgeLater(connection: Connection): void {
    this.#waiting.add(connection);
    this.#cancelWaiting ??= this.clock.after(ACKNOWLEDGEMENT_DELAY, this.#acknowledge);
  }

  released(connection: Connection): void {
    if (this.#connections.get(connection.key) === connection) this.#connections.delete(connection.key);
  }

  readonly #acknowledge = (): void => {
    this.#cancelWaiting = undefined;
    for (const connection of this.#waiting) connection.acknowledge();
    this.#waiting.clear();
  };

  // ---- Beginnings and refusals ----

  /** A SYN that belongs to no connection, or to one that yields to it. */
  #accept(
    frame: Uint8Array,
    packet: Ipv4Packet,
    key: number,
    service: StreamService,
    before: Connection | undefined,
  ): void {
    const segment = this.#segment;
    let initialSequence = this.#random() >>> 0;
    if (before !== undefined) {
      // RFC 9293 section 3.6.1 (MAY-2): beyond all that the one before has sent.
      initialSequence = advance(before.nextSequence, 1 + (initialSequence & SEQUENCE_JUMP_MASK));
      before.release();
    }
    if (!this.#makeRoom()) {
      this.#refuse(frame, packet, "too many connections");
      return;
    }
    const ends = {
      sourceMac: this.#mac,
      destinationMac: frame.slice(6, 12),
      source: packet.destination,
      destination: packet.source,
      sourcePort: segment.destinationPort,
      destinationPort: segment.sourcePort,
    };
    this.#connections.set(key, Connection.answer(this, service, key, ends, segment, initialSequence));
  }

  /**
   * Whether there is room for one more connection. When the table is full, the least recently used of those that
   * nobody misses makes room: else a guest that floods us with SYN could hold the services shut.
   */
  #makeRoom(): boolean {
    if (this.#connections.size < MAX_CONNECTIONS) return true;
    let oldest: Connection | undefined;
    for (const connection of this.#connections.values()) {
      if (!connection.evictable) continue;
      if (oldest === undefined || connection.lastUsed < oldest.lastUsed) oldest = connection;
    }
    if (oldest === undefined) return false;
    this.counters.evictedConnections++;
    oldest.release();
    return true;
  }

  /** Resets, and counts what wanted to begin a connection. */
  #refuse(frame: Uint8Array, packet: Ipv4Packet, reason: string): void {
    if ((this.#segment.flags & (SYN | ACK | RST)) === SYN) {
      this.counters.refusedConnections++;
      this.counters.refusalReasons[reason] = (this.counters.refusalReasons[reason] ?? 0) + 1;
    }
    this.#reset(frame, packet);
  }

  /** Answers the segment with a reset (RFC 9293 section 3.10.7.1), unless it is one. */
  #reset(frame: Uint8Array, packet: Ipv4Packet): void {
    const segment = this.#segment;
    if ((segment.flags & RST) !== 0) return;
    const header = this.#resetHeader;
    header.destinationMac = frame.subarray(6, 12);
    header.source = packet.destination;
    header.destination = packet.source;
    header.sourcePort = segment.destinationPort;
    header.destinationPort = segment.sourcePort;
    if ((segment.flags & ACK) !== 0) {
      header.flags = RST;
      header.sequence = segment.acknowledgement;
    } else {
      header.flags = RST | ACK;
      header.sequence = 0;
      header.acknowledgement = advance(segment.sequence, sequenceLength(segment));
    }
    this.counters.segments.resetsSent++;
    this.transmit(header, this.#noData, 0, 0, 0);
  }
}

interface ServedPort {
  readonly service: StreamService;
  /** Among the ports served. */
  readonly index: number;
}

/** A number of its own for each pair of ends, exact below 2^53: our address is always the same, our ports are few. */
function connectionKey(portIndex: number, address: number, port: number): number {
  return (portIndex * 0x1_0000 + port) * 0x1_0000_0000 + address;
}

function randomNumber(): number {
  const word = new Uint32Array(1);
  return crypto.getRandomValues(word)[0] as number;
}
