import { count, list, record, type StateOf, tally, text } from "../state/codec.ts";
import { NETWORK, PORTS, parseIpv4, parseMac } from "./addresses.ts";
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";
import {
  completeChecksum,
  type FrameOffload,
  NO_OFFLOAD,
  NO_TAIL,
  type ReceiveOffloads,
  TCP_CHECKSUM,
  UDP_CHECKSUM,
  VERIFIED,
  WireFrames,
} from "./offload.ts";
import {
  ARP_PACKET,
  checkTcp,
  decodeIpv4,
  decodeUdp,
  ETHERNET_HEADER,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  emptyIpv4,
  emptyUdp,
  encodeUdp,
  type Ipv4Packet,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  UDP_DATA,
  type UdpEnds,
  u16,
} from "./packets.ts";
import type { RouterPort } from "./router.ts";
import { type DatagramService, NO_ANSWER, type ServiceCounters } from "./service.ts";
import { DiscardService } from "./services/discard.ts";
import { EchoService } from "./services/echo.ts";
import { RequestResponseService } from "./services/request-response.ts";
import { SourceService } from "./services/source.ts";
import { StatusService } from "./services/status.ts";
import { type ConnectionCounters, emptyConnectionCounters } from "./tcp/counters.ts";
import { CONNECTIONS_STATE, TcpListener } from "./tcp/listener.ts";

const SERVICES_MOST = 64;

/** What is kept of an {@link InPagePeer}: what it counted, and its connections. v86's router remembers nothing. */
export const PEER_STATE = record({
  framesFromGuest: count,
  framesToGuest: count,
  dropped: count,
  dropReasons: tally,
  openConnections: count,
  acceptedConnections: count,
  abortedConnections: count,
  refusedConnections: count,
  refusalReasons: tally,
  evictedConnections: count,
  segments: tally,
  services: list(record({ name: text(64), counters: tally }), SERVICES_MOST),
  connections: CONNECTIONS_STATE,
});
export type PeerState = StateOf<typeof PEER_STATE>;

/** Which way a frame goes. */
export type FrameDirection = "from-guest" | "to-guest";

/**
 * Sees every frame at the guest's cable, as a real cable would carry it: what guest and peer leave to each other is done for
 * it. `frame` is valid during the call only. A tap that throws is removed.
 */
export type FrameTap = (frame: Uint8Array, direction: FrameDirection) => void;

/** Options of {@link InPagePeer.addTap}. */
export interface TapOptions {
  /** Asked first, with the number of frames that come: true spares their making when the tap does not want them. */
  readonly skip?: (frames: number) => boolean;
}

interface Tap extends TapOptions {
  readonly show: Record<FrameDirection, (frame: Uint8Array) => void>;
}

export interface InPagePeerOptions {
  /** Answers what the peer does not; without one there are only our services. */
  readonly router?: RouterPort;
  /** Time for our TCP. Default: the host's. */
  readonly clock?: Clock;
  /**
   * Whether the guest may reach the router's fetch proxy, TCP port 80 at any address: it makes the page fetch any
   * URL that the guest names. Default false: connections are refused and counted.
   */
  readonly web?: boolean;
  /** Text of the status page. Default: the peer's own counters. */
  readonly status?: () => string;
  /** One line for each distinct reason why a frame was dropped. */
  readonly log?: (message: string) => void;
}

/** What happened at the peer. Fields only grow, but for `openConnections`. */
export interface PeerCounters extends ConnectionCounters {
  framesFromGuest: number;
  framesToGuest: number;
  /** Frames that went nowhere, the sum of `dropReasons`. */
  dropped: number;
  /** From a fixed set of reasons, e.g. "bad IPv4 header checksum". */
  dropReasons: Record<string, number>;
  services: Record<string, ServiceCounters>;
}

/**
 * The other end of the guest's Ethernet cable, inside the page (an Ethernet link in the sense of the net
 * device: `send` takes frames from the guest, `receive` is set by the device).
 *
 * UDP and TCP to our services are answered here, within send(): the answer is in the guest's receive ring before the
 * notification that brought the request has returned. All else goes to the router as it came.
 *
 * The guest is hostile: a frame may be any bytes of any length. Nothing is thrown out of send(); frames
 * that cannot be what they claim are dropped and counted by reason.
 */
export class InPagePeer {
  /**
   * Set by the device: takes a frame for the guest, valid during the call only. It should not throw (a frame
   * at which it does is dropped and counted), since it may be called far from any of the device's own code. `offload` says
   * what is left undone, as far as {@link setReceiveOffloads} allowed it.
   */
  receive?: (frame: Uint8Array, offload?: Readonly<FrameOffload>, tail?: Uint8Array) => void;

  readonly counters: PeerCounters = {
    framesFromGuest: 0,
    framesToGuest: 0,
    dropped: 0,
    dropReasons: {},
    services: {},
    ...emptyConnectionCounters(),
  };

  readonly #router: RouterPort | undefined;
  readonly #log: (message: string) => void;
  readonly #mac = parseMac(NETWORK.peer.mac);
  readonly #ip = parseIpv4(NETWORK.peer.ip);
  readonly #taps = new Set<Tap>();
  readonly #wire = new WireFrames();
  readonly #datagramServices = new Map<number, DatagramService>();
  readonly #tcp: TcpListener;
  readonly #web: boolean;

  // Reused for every frame, so that a datagram costs no allocation but the views handed to its service.
  readonly #packet = emptyIpv4();
  readonly #datagram = emptyUdp();
  readonly #reply = new Uint8Array(ETHERNET_HEADER + NETWORK.mtu);
  readonly #replyData = this.#reply.subarray(UDP_DATA);
  readonly #replyEnds: UdpEnds;

  constructor(options: InPagePeerOptions = {}) {
    this.#router = options.router;
    this.#log = options.log ?? (() => {});
    this.#replyEnds = {
      sourceMac: this.#mac,
      destinationMac: this.#mac,
      source: this.#ip,
      destination: 0,
      sourcePort: 0,
      destinationPort: 0,
    };

    const echo = new EchoService();
    const discard = new DiscardService();
    const requestResponse = new RequestResponseService();
    const status = new StatusService(options.status ?? (() => `${JSON.stringify(this.counters, null, 2)}\n`));
    for (const service of [echo, discard, requestResponse]) this.#datagramServices.set(service.port, service);
    const streamServices = [echo, discard, new SourceService(), requestResponse, status];
    for (const service of streamServices) this.counters.services[service.name] = service.counters;
    this.#tcp = new TcpListener({
      services: streamServices,
      clock: options.clock ?? SYSTEM_CLOCK,
      counters: this.counters,
      transmit: (frame, offload, tail) => this.#toGuest(frame, offload, tail),
      mac: this.#mac,
    });
    this.#web = options.web ?? false;
    this.#router?.onFrame((frame) => this.#toGuest(frame, NO_OFFLOAD));
  }

  save(): PeerState {
    const { services, segments, ...counters } = this.counters;
    return {
      ...counters,
      segments: { ...segments },
      services: Object.entries(services).map(([name, counted]) => ({ name, counters: counted })),
      connections: this.#tcp.save(),
    };
  }

  /** The device must be there: what cannot go on is reset, which the guest hears of at once. @throws StateError */
  restore(state: PeerState): void {
    const { services, segments, connections, dropReasons, refusalReasons, ...counts } = state;
    const { counters } = this;
    Object.assign(counters, counts);
    Object.assign(counters.dropReasons, dropReasons);
    Object.assign(counters.refusalReasons, refusalReasons);
    Object.assign(counters.segments, segments);
    for (const { name, counters: counted } of services) {
      const known = counters.services[name];
      if (known !== undefined) Object.assign(known, counted);
    }
    this.#tcp.restore(connections);
  }

  /** Forgets all connections and leaves nothing with the clock. The machine is over; no frame may come after that. */
  close(): void {
    this.#tcp.close();
  }

  /** Shows every frame, both ways, to `tap`. Returns a function that ends it; calling that twice is harmless. */
  addTap(tap: FrameTap, options: TapOptions = {}): () => void {
    const entry: Tap = {
      ...options,
      show: {
        "from-guest": (frame) => tap(frame, "from-guest"),
        "to-guest": (frame) => tap(frame, "to-guest"),
      },
    };
    this.#taps.add(entry);
    return () => {
      this.#taps.delete(entry);
    };
  }

  /** What the guest's driver lets us leave undone, from now on. */
  setReceiveOffloads(offloads: ReceiveOffloads): void {
    this.#tcp.setReceiveOffloads(offloads);
  }

  /**
   * Takes a frame from the guest, with what the guest has left to us. `frame` may be a buffer that is used again after the
   * call; a checksum may be completed in it. Never throws.
   */
  send(frame: Uint8Array, offload: Readonly<FrameOffload> = NO_OFFLOAD): void {
    this.counters.framesFromGuest++;
    this.#show(frame, "from-guest", offload, NO_TAIL);
    const reason = this.#dispatch(frame, offload);
    if (reason !== undefined) this.#drop(reason);
  }

  /** Takes the frame where it belongs. Returns why it belongs nowhere, if so. */
  #dispatch(frame: Uint8Array, offload: Readonly<FrameOffload>): string | undefined {
    if (frame.length < ETHERNET_HEADER) return "frame too short";
    if (!this.#isForPeer(frame)) return "not for the peer";
    const etherType = u16(frame, 12);
    if (etherType === ETHERTYPE_IPV4) return this.#dispatchIpv4(frame, offload);
    if (etherType !== ETHERTYPE_ARP) return "EtherType not served";
    if (frame.length < ETHERNET_HEADER + ARP_PACKET) return "ARP packet too short";
    return this.#route(frame, offload);
  }

  /** Our own address, or any group address (broadcast and multicast have the lowest bit of the first byte set). */
  #isForPeer(frame: Uint8Array): boolean {
    if (((frame[0] ?? 0) & 1) !== 0) return true;
    const mac = this.#mac;
    for (let i = 0; i < 6; i++) if (frame[i] !== mac[i]) return false;
    return true;
  }

  #dispatchIpv4(frame: Uint8Array, offload: Readonly<FrameOffload>): string | undefined {
    const packet = this.#packet;
    const problem = decodeIpv4(frame, packet);
    if (problem !== undefined) return problem;
    // A checksum that the guest left to us protects nothing between it and us: nobody looks at it but a wire.
    const left = offload.checksumStart !== 0;
    if (offload.segmentSize !== 0 && packet.protocol !== PROTOCOL_TCP) return "segments of what is not TCP";
    if (left && !isTransportChecksum(packet, offload)) {
      // Of something inside of the packet: with it completed, this is a frame like others, if perhaps no sound one.
      completeChecksum(frame, offload);
      return this.#dispatchIpv4(frame, NO_OFFLOAD);
    }
    let mayBeKept = false;
    if (packet.protocol === PROTOCOL_UDP) {
      const datagram = this.#datagram;
      const problem = decodeUdp(frame, packet, datagram, !left);
      if (problem !== undefined) return problem;
      if (packet.destination === this.#ip) {
        const service = this.#datagramServices.get(datagram.destinationPort);
        if (service !== undefined) {
          this.#answer(frame, service);
          return undefined;
        }
      }
      mayBeKept = datagram.destinationPort === PORTS.dns || datagram.sourcePort === PORTS.dns;
    } else if (packet.protocol === PROTOCOL_TCP) {
      // RFC 9293 section 3.9.2.3 (MUST-57): TCP is between two, and answers no group.
      if (((frame[0] ?? 0) & 1) !== 0) return "TCP to a group address";
      const problem = checkTcp(frame, packet);
      if (problem !== undefined) return problem;
      mayBeKept = u16(frame, packet.payload + 2) === PORTS.webProxy;
      if (mayBeKept) {
        if (!this.#web) return this.#tcp.refuse(frame, packet, "web access is off", !left);
      } else if (packet.destination === this.#ip) {
        return this.#tcp.receive(frame, packet, !left);
      }
    }
    // v86's router keeps subarrays of two kinds of frames after its call returned: TCP data for port 80, until a whole
    // request head has come (rawBuffer in its fetch_network.js), and the addresses of a DNS query, until an
    // answer over HTTPS has come (its fake_network.js). Of all other frames it keeps numbers and copies only: a
    // connection remembers its last packet, but reads no more than sequence number and window from it.
    return this.#route(frame, offload, mayBeKept ? this.#routeCopy : this.#routeFrame);
  }

  /** The router knows nothing of offloads: it gets what a wire would bring. */
  #route(frame: Uint8Array, offload: Readonly<FrameOffload>, emit = this.#routeFrame): string | undefined {
    if (this.#router === undefined) return "no router";
    try {
      this.#wire.forEach(frame, offload, NO_TAIL, emit);
    } catch {
      // v86's router reads options and names without bounds checks of its own: a RangeError is its way to say no.
      return "refused by the router";
    }
    return undefined;
  }

  readonly #routeFrame = (frame: Uint8Array): void => this.#router?.send(frame);
  readonly #routeCopy = (frame: Uint8Array): void => this.#router?.send(frame.slice());

  #answer(frame: Uint8Array, service: DatagramService): void {
    const packet = this.#packet;
    const datagram = this.#datagram;
    const length = service.answer(frame.subarray(datagram.data, datagram.end), this.#replyData);
    if (length === NO_ANSWER) return;
    const ends = this.#replyEnds;
    ends.destinationMac = frame.subarray(6, 12);
    ends.destination = packet.source;
    ends.sourcePort = datagram.destinationPort;
    ends.destinationPort = datagram.sourcePort;
    this.#toGuest(this.#reply.subarray(0, encodeUdp(this.#reply, ends, length)), VERIFIED);
  }

  #toGuest(frame: Uint8Array, offload: Readonly<FrameOffload>, tail = NO_TAIL): void {
    this.#show(frame, "to-guest", offload, tail);
    if (this.receive === undefined) {
      this.#drop("no receiver");
      return;
    }
    try {
      this.receive(frame, offload, tail);
      this.counters.framesToGuest++;
    } catch {
      this.#drop("not taken by the device");
    }
  }

  #show(
    frame: Uint8Array,
    direction: FrameDirection,
    offload: Readonly<FrameOffload>,
    tail: Uint8Array,
  ): void {
    for (const tap of this.#taps) {
      try {
        if (tap.skip?.(this.#wire.count(frame, offload, tail))) continue;
        this.#wire.forEach(frame, offload, tail, tap.show[direction]);
      } catch {
        this.#taps.delete(tap);
        this.#log("net: a capture failed and was ended");
      }
    }
  }

  #drop(reason: string): void {
    const reasons = this.counters.dropReasons;
    const before = reasons[reason] ?? 0;
    reasons[reason] = before + 1;
    this.counters.dropped++;
    if (before === 0) this.#log(`net: frame dropped: ${reason}`);
  }
}

/** Whether what is left to do is the checksum of the packet's own UDP or TCP header, which lies in the packet. */
function isTransportChecksum(packet: Ipv4Packet, offload: Readonly<FrameOffload>): boolean {
  if (offload.checksumStart !== packet.payload) return false;
  if (packet.protocol === PROTOCOL_TCP) return offload.checksumOffset === TCP_CHECKSUM;
  return packet.protocol === PROTOCOL_UDP && offload.checksumOffset === UDP_CHECKSUM;
}
