import { NETWORK, PORTS, parseIpv4, parseMac } from "./addresses.ts";
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
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  UDP_DATA,
  type UdpEnds,
  u16,
} from "./packets.ts";
import type { RouterConnection, RouterPort } from "./router.ts";
import {
  type DatagramService,
  NO_ANSWER,
  type ServiceCounters,
  type Stream,
  type StreamHandler,
  type StreamService,
} from "./service.ts";
import { DiscardService } from "./services/discard.ts";
import { EchoService } from "./services/echo.ts";
import { RequestResponseService } from "./services/request-response.ts";
import { StatusService } from "./services/status.ts";

/** Which way a frame goes. */
export type FrameDirection = "from-guest" | "to-guest";

/** Sees every frame at the guest's cable. `frame` is valid during the call only. A tap that throws is removed. */
export type FrameTap = (frame: Uint8Array, direction: FrameDirection) => void;

/** Connections to our services, open or on their way to it, at one time. */
export const MAX_CONNECTIONS = 256;
/** Bytes that may wait for the guest in one connection: eight of the largest responses. */
export const MAX_QUEUED = 512 * 1024;

export interface InPagePeerOptions {
  /** Answers what the peer does not; without one there are only the UDP services. */
  readonly router?: RouterPort;
  /** Text of the status page. Default: the peer's own counters. */
  readonly status?: () => string;
  /** One line for each distinct reason why a frame was dropped. */
  readonly log?: (message: string) => void;
}

/** What happened at the peer. Fields only grow, but for `openConnections`. */
export interface PeerCounters {
  framesFromGuest: number;
  framesToGuest: number;
  /** Frames that went nowhere, the sum of `dropReasons`. */
  dropped: number;
  /** From a fixed set of reasons, e.g. "bad IPv4 header checksum". */
  dropReasons: Record<string, number>;
  openConnections: number;
  acceptedConnections: number;
  /** No service at that port, or too many connections open. */
  refusedConnections: number;
  /** Aborted because the guest did not read, or to make room for a new one. */
  abortedConnections: number;
  services: Record<string, ServiceCounters>;
}

/**
 * The other end of the guest's Ethernet cable, inside the page (an Ethernet link in the sense of the net
 * device: `send` takes frames from the guest, `receive` is set by the device).
 *
 * UDP to our services is answered here, within send(): the answer is in the guest's receive ring before the
 * notification that brought the request has returned. Our TCP services are joined to connections that the router
 * offers. All else goes to the router as it came.
 *
 * The guest is hostile: a frame may be any bytes of any length. Nothing is thrown out of send(); frames
 * that cannot be what they claim are dropped and counted by reason.
 */
export class InPagePeer {
  /**
   * Set by the device: takes a frame for the guest, valid during the call only. It should not throw (a frame
   * at which it does is dropped and counted), since it may be called far from any of the device's own code.
   */
  receive?: (frame: Uint8Array) => void;

  readonly counters: PeerCounters = {
    framesFromGuest: 0,
    framesToGuest: 0,
    dropped: 0,
    dropReasons: {},
    openConnections: 0,
    acceptedConnections: 0,
    refusedConnections: 0,
    abortedConnections: 0,
    services: {},
  };

  readonly #router: RouterPort | undefined;
  readonly #log: (message: string) => void;
  readonly #mac = parseMac(NETWORK.peer.mac);
  readonly #ip = parseIpv4(NETWORK.peer.ip);
  readonly #taps = new Set<FrameTap>();
  readonly #datagramServices = new Map<number, DatagramService>();
  readonly #streamServices = new Map<number, StreamService>();
  /** In the order in which they were opened. */
  readonly #streams = new Set<PeerStream>();

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
    for (const service of [echo, discard, requestResponse, status]) {
      this.#streamServices.set(service.port, service);
      this.counters.services[service.name] = service.counters;
    }

    this.#router?.onFrame((frame) => this.#toGuest(frame));
    this.#router?.onConnection((connection) => this.#offer(connection));
  }

  /** Shows every frame, both ways, to `tap`. Returns a function that ends it; calling that twice is harmless. */
  addTap(tap: FrameTap): () => void {
    this.#taps.add(tap);
    return () => {
      this.#taps.delete(tap);
    };
  }

  /** Takes a frame from the guest. `frame` may be a buffer that is used again after the call. Never throws. */
  send(frame: Uint8Array): void {
    this.counters.framesFromGuest++;
    this.#show(frame, "from-guest");
    const reason = this.#dispatch(frame);
    if (reason !== undefined) this.#drop(reason);
  }

  /** Takes the frame where it belongs. Returns why it belongs nowhere, if so. */
  #dispatch(frame: Uint8Array): string | undefined {
    if (frame.length < ETHERNET_HEADER) return "frame too short";
    if (!this.#isForPeer(frame)) return "not for the peer";
    const etherType = u16(frame, 12);
    if (etherType === ETHERTYPE_IPV4) return this.#dispatchIpv4(frame);
    if (etherType !== ETHERTYPE_ARP) return "EtherType not served";
    if (frame.length < ETHERNET_HEADER + ARP_PACKET) return "ARP packet too short";
    return this.#route(frame);
  }

  /** Our own address, or any group address (broadcast and multicast have the lowest bit of the first byte set). */
  #isForPeer(frame: Uint8Array): boolean {
    if (((frame[0] ?? 0) & 1) !== 0) return true;
    const mac = this.#mac;
    for (let i = 0; i < 6; i++) if (frame[i] !== mac[i]) return false;
    return true;
  }

  #dispatchIpv4(frame: Uint8Array): string | undefined {
    const packet = this.#packet;
    const problem = decodeIpv4(frame, packet);
    if (problem !== undefined) return problem;
    let mayBeKept = false;
    if (packet.protocol === PROTOCOL_UDP) {
      const datagram = this.#datagram;
      const problem = decodeUdp(frame, packet, datagram);
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
      const problem = checkTcp(frame, packet);
      if (problem !== undefined) return problem;
      mayBeKept = u16(frame, packet.payload + 2) === PORTS.webProxy;
    }
    // v86's router keeps subarrays of two kinds of frames after its call returned: TCP data for port 80, until a whole
    // request head has come (rawBuffer in its fetch_network.js), and the addresses of a DNS query, until an
    // answer over HTTPS has come (its fake_network.js). Of all other frames it keeps numbers and copies only: a
    // connection remembers its last packet, but reads no more than sequence number and window from it.
    return this.#route(mayBeKept ? frame.slice() : frame);
  }

  #route(frame: Uint8Array): string | undefined {
    if (this.#router === undefined) return "no router";
    try {
      this.#router.send(frame);
    } catch {
      // v86's router reads options and names without bounds checks of its own: a RangeError is its way to say no.
      return "refused by the router";
    }
    return undefined;
  }

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
    this.#toGuest(this.#reply.subarray(0, encodeUdp(this.#reply, ends, length)));
  }

  #toGuest(frame: Uint8Array): void {
    this.#show(frame, "to-guest");
    if (this.receive === undefined) {
      this.#drop("no receiver");
      return;
    }
    try {
      this.receive(frame);
      this.counters.framesToGuest++;
    } catch {
      this.#drop("not taken by the device");
    }
  }

  #show(frame: Uint8Array, direction: FrameDirection): void {
    for (const tap of this.#taps) {
      try {
        tap(frame, direction);
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

  #offer(connection: RouterConnection): void {
    // Not accepting is refusing: the router answers with a reset.
    const service = this.#streamServices.get(connection.port);
    if (service === undefined || !this.#makeRoom()) {
      this.counters.refusedConnections++;
      return;
    }
    const stream = new PeerStream(connection, () => this.counters.abortedConnections++);
    this.#streams.add(stream);
    this.counters.openConnections = this.#streams.size;
    this.counters.acceptedConnections++;
    connection.onClose(() => {
      stream.gone();
      this.#streams.delete(stream);
      this.counters.openConnections = this.#streams.size;
    });
    stream.serve(service);
    connection.accept();
  }

  /**
   * Whether there is room for one more connection. When the table is full, one that is closed on our side and only
   * waits for the guest to agree makes room: else a guest (or one lost frame) could hold the services shut for good.
   */
  #makeRoom(): boolean {
    if (this.#streams.size < MAX_CONNECTIONS) return true;
    for (const stream of this.#streams) {
      if (!stream.closing) continue;
      stream.abort();
      return this.#streams.size < MAX_CONNECTIONS;
    }
    return false;
  }
}

/** A connection of the router with the bounds that the peer puts on it. */
class PeerStream implements Stream {
  readonly #connection: RouterConnection;
  readonly #onAbort: () => void;
  #handler: StreamHandler | undefined;
  /** Our side is closed; the guest may still have to agree. */
  closing = false;

  constructor(connection: RouterConnection, onAbort: () => void) {
    this.#connection = connection;
    this.#onAbort = onAbort;
  }

  serve(service: StreamService): void {
    this.#handler = service.open(this);
    this.#connection.onData((bytes) => {
      if (bytes.length > 0) this.#handler?.data(bytes);
    });
    this.#connection.onEnd(() => {
      if (this.#handler?.end !== undefined) this.#handler.end();
      else this.close();
    });
  }

  write(bytes: Uint8Array): boolean {
    if (this.closing) return false;
    if (this.#connection.queued + bytes.length > MAX_QUEUED) {
      this.abort();
      return false;
    }
    this.#connection.write(bytes);
    return !this.closing;
  }

  close(): void {
    if (this.closing) return;
    this.gone();
    this.#connection.close();
  }

  abort(): void {
    this.gone();
    this.#onAbort();
    this.#connection.abort();
  }

  /** Nothing is delivered and nothing sent from now on. */
  gone(): void {
    this.closing = true;
    this.#handler = undefined;
  }
}
