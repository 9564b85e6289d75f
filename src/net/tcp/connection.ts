/**
 * One TCP connection that the guest has opened to a service: the state machine of RFC 9293 section 3.10.7 without its
 * active half.
 *
 * The guest is at the other end of a cable that loses and reorders nothing on purpose. So there is no
 * congestion control, no reassembly (what comes out of order is dropped and answered with a duplicate
 * acknowledgement) and no measuring of round trips; but whatever gets lost all the same is sent again, and hostile segments
 * only ever cost the guest its own connection.
 *
 * What the service answers while a segment is processed leaves in frames that also acknowledge it: one request, one
 * frame back.
 */
import { StateError } from "../../state/codec.ts";
import type { Clock } from "../clock.ts";
import type { Stream, StreamHandler, StreamService } from "../service.ts";
import {
  type ConnectionState,
  FIN_WAIT_2,
  MAX_QUEUED,
  type TcpState,
  TIME_WAIT,
} from "./connection-state.ts";
import type { ConnectionCounters, SegmentCounters } from "./counters.ts";
import { LARGEST_WINDOW_FIELD, RECEIVE_SHIFT, ReceiveWindow } from "./receive-window.ts";
import { Retries } from "./retries.ts";
import {
  ACK,
  advance,
  DEFAULT_SEGMENT,
  distance,
  FIN,
  MAX_SEGMENT,
  NO_WINDOW_SHIFT,
  PSH,
  RST,
  SYN,
  sequenceLength,
  type TcpEnds,
  type TcpHeader,
  type TcpSegment,
} from "./segment.ts";
import type { SendBuffer } from "./send-buffer.ts";
import { NOTHING, SendSequence } from "./send-sequence.ts";
import { LazyTimer } from "./timer.ts";

/** What a connection needs of the listener that holds it. */
export interface ConnectionHost {
  readonly clock: Clock;
  readonly counters: ConnectionCounters;
  /** Most data bytes of a segment that is cut later on into those that a wire carries; 0 when nobody cuts. */
  readonly largestSegment: number;
  /** Sends a segment with `length` bytes of `data` from `offset`, to be cut into pieces of `segmentSize` if it is longer. */
  transmit(header: TcpHeader, data: SendBuffer, offset: number, length: number, segmentSize: number): void;
  /** {@link Connection.acknowledge} is to be called within about a millisecond. */
  acknowledgeLater(connection: Connection): void;
  /** The state is CLOSED: nothing is to be kept. */
  released(connection: Connection): void;
}

/** See the file's head. */
export class Connection implements Stream {
  /** Its name in the listener's table. */
  readonly key: number;
  /** `segments.received` when its last segment came: the smallest is the least recently used. */
  lastUsed: number;

  readonly #host: ConnectionHost;
  readonly #segments: SegmentCounters;
  readonly #service: StreamService;
  readonly #header: TcpHeader;
  readonly #send: SendSequence;
  readonly #receive: ReceiveWindow;
  readonly #receiveInitial: number;
  readonly #timer: LazyTimer;
  #handler: StreamHandler | undefined;
  #state: TcpState = "SYN-RECEIVED";
  /** Counted as open. */
  #open = false;
  /** A segment is being processed: what is to be sent leaves at its end. */
  #processing = false;
  #acknowledgement: "none" | "later" | "now" = "none";
  /** Bytes received and not acknowledged. */
  #unacknowledged = 0;
  readonly #retries = new Retries();

  /**
   * Answers `syn`, a SYN from the ends of `ends` (seen from us: we are the source).
   * @param initialSequence unpredictable, 0 to 2^32 - 1.
   */
  static answer(
    host: ConnectionHost,
    service: StreamService,
    key: number,
    ends: TcpEnds,
    syn: TcpSegment,
    initialSequence: number,
  ): Connection {
    // RFC 7323 section 2.2: both sides scale, or none does.
    const scaled = syn.windowShift !== NO_WINDOW_SHIFT;
    const segmentSize = Math.max(DEFAULT_SEGMENT, Math.min(MAX_SEGMENT, syn.mss));
    const receive = new ReceiveWindow(advance(syn.sequence, 1), scaled);
    const send = new SendSequence(initialSequence, syn, segmentSize);
    const connection = new Connection(host, service, key, ends, scaled, receive, syn.sequence, send);
    connection.#transmitSyn();
    connection.#settle();
    return connection;
  }

  /**
   * One that was saved goes on, or is reset when its service cannot. Guest and device must be there.
   * @throws StateError when it is none.
   */
  static restore(
    host: ConnectionHost,
    service: StreamService,
    key: number,
    ends: TcpEnds,
    state: ConnectionState,
  ): Connection {
    const { next, edge, scaled } = state.receive;
    const receive = new ReceiveWindow(next, scaled, edge);
    const send = SendSequence.restore(state.send);
    const connection = new Connection(host, service, key, ends, scaled, receive, state.receiveInitial, send);
    connection.#restore(state);
    return connection;
  }

  private constructor(
    host: ConnectionHost,
    service: StreamService,
    key: number,
    ends: TcpEnds,
    scaled: boolean,
    receive: ReceiveWindow,
    receiveInitial: number,
    send: SendSequence,
  ) {
    this.#host = host;
    this.#segments = host.counters.segments;
    this.#service = service;
    this.key = key;
    this.lastUsed = this.#segments.received;
    this.#header = {
      ...ends,
      sequence: 0,
      acknowledgement: 0,
      flags: 0,
      window: 0,
      mss: MAX_SEGMENT,
      windowShift: scaled ? RECEIVE_SHIFT : NO_WINDOW_SHIFT,
    };
    this.#receive = receive;
    this.#receiveInitial = receiveInitial;
    this.#send = send;
    this.#timer = new LazyTimer(host.clock, () => this.#onTimer());
  }

  /** The state, unless the connection is over. */
  save(): ConnectionState | undefined {
    if (this.#state === "CLOSED") return undefined;
    const header = this.#header;
    return {
      state: this.#state,
      mac: header.destinationMac,
      address: header.destination,
      port: header.destinationPort,
      servicePort: header.sourcePort,
      ourAddress: header.source,
      send: this.#send.save(),
      receive: this.#receive.save(),
      receiveInitial: this.#receiveInitial,
      open: this.#open,
      acknowledgement: this.#acknowledgement,
      unacknowledged: this.#unacknowledged,
      timer: this.#timer.left,
      retries: this.#retries.save(),
      lastUsed: this.lastUsed,
      handler: this.#handler?.save?.(),
    };
  }

  #restore(state: ConnectionState): void {
    this.#state = state.state;
    this.#open = state.open;
    this.#acknowledgement = state.acknowledgement;
    this.#unacknowledged = state.unacknowledged;
    this.#retries.restore(state.retries);
    this.lastUsed = state.lastUsed;
    if (state.timer !== undefined) this.#timer.start(state.timer);
    if (state.acknowledgement === "later") this.#host.acknowledgeLater(this);
    // After that the service has no part in it any more.
    if (state.state !== "ESTABLISHED" && state.state !== "CLOSE-WAIT") return;
    try {
      if (state.handler !== undefined) this.#handler = this.#service.restore?.(this, state.handler);
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
    }
    if (this.#handler === undefined) this.abort();
  }

  /** Nothing is to be kept of it. */
  get over(): boolean {
    return this.#state === "CLOSED";
  }

  /** Bytes that wait for the guest. */
  get queued(): number {
    return this.#send.buffer.length;
  }

  /** Whether it may be forgotten to make room: half open, or over but for the guest's agreement. */
  get evictable(): boolean {
    return this.#state !== "ESTABLISHED" && this.#state !== "CLOSE-WAIT";
  }

  /**
   * Whether a SYN with this sequence number begins a new connection in place of this one: in TIME-WAIT a higher one
   * (RFC 9293 section 3.6.1, MAY-2), during the handshake any other one (section 3.10.7.4).
   */
  yieldsTo(sequence: number): boolean {
    if (this.#state === "TIME-WAIT") return distance(this.#receive.next, sequence) >= 0;
    return this.#state === "SYN-RECEIVED" && sequence !== this.#receiveInitial;
  }

  /** The next sequence number; a connection in place of this one must begin beyond it (RFC 9293 section 3.6.1). */
  get nextSequence(): number {
    return this.#send.highest;
  }

  // ---- The service's side ----

  write(bytes: Uint8Array): boolean {
    if (this.#state !== "ESTABLISHED" && this.#state !== "CLOSE-WAIT") return false;
    if (this.#send.buffer.length + bytes.length > MAX_QUEUED) {
      this.abort();
      return false;
    }
    this.#send.buffer.append(bytes);
    this.#flush();
    return true;
  }

  close(): void {
    if (this.#state === "ESTABLISHED") this.#state = "FIN-WAIT-1";
    else if (this.#state === "CLOSE-WAIT") this.#state = "LAST-ACK";
    else return;
    this.#handler = undefined;
    this.#send.close();
    this.#flush();
  }

  /** Ends the connection now: the guest gets a reset, and nothing is kept. */
  abort(): void {
    if (this.#state === "CLOSED") return;
    if (this.#open) this.#host.counters.abortedConnections++;
    this.#transmitReset(RST | ACK, this.#send.position);
    this.release();
  }

  /** Forgets the connection without a word to the guest, whose next segment will be answered with a reset. */
  release(): void {
    if (this.#state === "CLOSED") return;
    this.#state = "CLOSED";
    this.#over();
    this.#timer.dispose();
    this.#host.released(this);
  }

  // ---- Segments from the guest, RFC 9293 section 3.10.7.4 ----

  /** Takes a sound segment of this connection; `frame` is read during the call only. */
  receive(segment: TcpSegment, frame: Uint8Array): void {
    this.lastUsed = this.#segments.received;
    this.#processing = true;
    this.#process(segment, frame);
    this.#processing = false;
    this.#flush();
  }

  /** Sends the acknowledgement that was put off, if it has not gone with something else. */
  acknowledge(): void {
    if (this.#state !== "CLOSED" && this.#acknowledgement !== "none") this.#transmitAcknowledgement();
  }

  #process(segment: TcpSegment, frame: Uint8Array): void {
    const { flags } = segment;
    if (this.#state === "SYN-RECEIVED" && (flags & (SYN | ACK | RST)) === SYN) {
      // The same SYN again (for another one the listener begins anew): our answer was lost.
      this.#transmitSyn();
      return;
    }
    if (!this.#receive.accepts(segment)) {
      if ((flags & RST) === 0) this.#challenge();
      // The guest did not get our last acknowledgement: it has the full time again to ask once more.
      if (this.#state === "TIME-WAIT" && (flags & FIN) !== 0) this.#timer.start(TIME_WAIT);
      return;
    }
    if ((flags & RST) !== 0) {
      // RFC 5961 section 3.2: the very next number resets, another one in the window is asked about.
      if (segment.sequence !== this.#receive.next) {
        this.#challenge();
        return;
      }
      this.#segments.resetsReceived++;
      this.release();
      return;
    }
    if ((flags & SYN) !== 0) {
      // RFC 5961 section 4.2: a guest that really has begun anew answers the challenge with a reset.
      this.#challenge();
      return;
    }
    if ((flags & ACK) === 0 || !this.#processAcknowledgement(segment)) return;
    this.#processData(segment, frame);
  }

  /** Tells the guest where we stand: it seems to think otherwise. */
  #challenge(): void {
    this.#segments.unacceptable++;
    this.#acknowledgement = "now";
  }

  /** Whether the segment is to be looked at further. */
  #processAcknowledgement({ acknowledgement, sequence, window }: TcpSegment): boolean {
    const gain = this.#send.gain(acknowledgement);
    if (this.#state === "SYN-RECEIVED") {
      // Nothing but our SYN can be acknowledged.
      if (gain !== 1) {
        this.#transmitReset(RST, acknowledgement);
        return false;
      }
      this.#establish();
    } else if (this.#send.isBeyond(gain) || gain < -MAX_QUEUED) {
      // RFC 5961 section 5.2: what is too old to be the guest's is as bad as what was never sent.
      this.#challenge();
      return false;
    } else if (gain > 0) {
      this.#progress();
      if (this.#send.acknowledge(gain)) this.#finAcknowledged();
      else this.#drained();
    }
    if (this.#state === "CLOSED") return false;
    if (gain >= 0) {
      this.#send.updateWindow(sequence, acknowledgement, window);
      // RFC 9293 section 3.8.6.1 (MUST-37): not given up as long as probes of the window are answered.
      if (this.#send.windowClosed) this.#retries.answered();
    }
    return true;
  }

  #establish(): void {
    this.#state = "ESTABLISHED";
    this.#send.acknowledgeSyn();
    this.#progress();
    this.#open = true;
    this.#host.counters.openConnections++;
    this.#host.counters.acceptedConnections++;
    try {
      const handler = this.#service.open(this);
      if (this.#state === "ESTABLISHED") this.#handler = handler;
    } catch {
      // A service that fails costs its own connection. So below.
      this.abort();
    }
  }

  #drained(): void {
    if (this.#handler?.drain === undefined || this.queued >= MAX_QUEUED / 2) return;
    try {
      this.#handler.drain();
    } catch {
      this.abort();
    }
  }

  #finAcknowledged(): void {
    if (this.#state === "FIN-WAIT-1") {
      this.#state = "FIN-WAIT-2";
      this.#timer.start(FIN_WAIT_2);
    } else if (this.#state === "CLOSING") {
      this.#waitOutTime();
    } else {
      // LAST-ACK.
      this.release();
    }
  }

  #processData(segment: TcpSegment, frame: Uint8Array): void {
    if (sequenceLength(segment) === 0) return;
    // Behind the guest's FIN there is nothing.
    const state = this.#state;
    if (state !== "ESTABLISHED" && state !== "FIN-WAIT-1" && state !== "FIN-WAIT-2") return;
    const known = distance(segment.sequence, this.#receive.next);
    if (known < 0) {
      this.#challenge();
      return;
    }
    const start = segment.data + known;
    const end = Math.min(segment.end, start + this.#receive.room);
    if (end > start) this.#deliver(frame.subarray(start, end), (segment.flags & PSH) !== 0);
    if (end < segment.end) this.#acknowledgement = "now";
    else if ((segment.flags & FIN) !== 0) this.#finReceived();
  }

  #deliver(bytes: Uint8Array, pushed: boolean): void {
    this.#receive.advance(bytes.length);
    this.#unacknowledged += bytes.length;
    // RFC 9293 section 3.8.6.3 (SHLD-18, MUST-40): of full segments every second is acknowledged. After a shorter one, or
    // at the end of what was written, the guest may be waiting for our word: no delay there.
    const more = bytes.length >= MAX_SEGMENT && !pushed && this.#unacknowledged < 2 * MAX_SEGMENT;
    if (!more) this.#acknowledgement = "now";
    else if (this.#acknowledgement === "none") this.#acknowledgement = "later";
    try {
      // Once closed, we take what comes and throw it away: a reset could cost the guest our last bytes.
      this.#handler?.data(bytes);
    } catch {
      this.abort();
    }
  }

  #finReceived(): void {
    if (this.#state === "CLOSED") return;
    this.#receive.advance(1);
    this.#acknowledgement = "now";
    if (this.#state === "FIN-WAIT-1") {
      this.#state = "CLOSING";
    } else if (this.#state === "FIN-WAIT-2") {
      this.#waitOutTime();
    } else {
      this.#state = "CLOSE-WAIT";
      try {
        if (this.#handler?.end === undefined) this.close();
        else this.#handler.end();
      } catch {
        this.abort();
      }
    }
  }

  #waitOutTime(): void {
    this.#state = "TIME-WAIT";
    this.#over();
    this.#timer.start(TIME_WAIT);
  }

  /** Nothing is delivered and nothing sent from now on. */
  #over(): void {
    this.#handler = undefined;
    this.#send.buffer.release();
    if (this.#open) this.#host.counters.openConnections--;
    this.#open = false;
  }

  // ---- Segments to the guest ----

  /** Sends what may be sent and what has to be, and sees to the timer. */
  #flush(): void {
    if (this.#processing || this.#state === "CLOSED") return;
    if (this.#state !== "SYN-RECEIVED") {
      const send = this.#send;
      for (;;) {
        // Asked anew each time: with a segment the driver may go, and what it took with it.
        const length = send.next(this.#host.largestSegment);
        if (length === NOTHING) break;
        this.#transmitNext(length);
      }
      if (this.#receive.needsUpdate(this.queued)) this.#acknowledgement = "now";
    }
    if (this.#acknowledgement === "now") this.#transmitAcknowledgement();
    else if (this.#acknowledgement === "later") this.#host.acknowledgeLater(this);
    this.#settle();
  }

  #transmitNext(length: number): void {
    const send = this.#send;
    send.take(length);
    if (send.repeated) this.#segments.retransmitted++;
    this.#transmit(ACK | send.flags, send.sequence, send.offset, length);
  }

  #transmitAcknowledgement(): void {
    this.#segments.acknowledgements++;
    this.#transmit(ACK, this.#send.position, 0, 0);
  }

  #transmitSyn(): void {
    this.#transmit(SYN | ACK, this.#send.unacknowledged, 0, 0);
  }

  #transmitReset(flags: number, sequence: number): void {
    this.#segments.resetsSent++;
    this.#transmit(flags, sequence, 0, 0);
  }

  #transmit(flags: number, sequence: number, offset: number, length: number): void {
    const header = this.#header;
    header.flags = flags;
    header.sequence = sequence;
    header.acknowledgement = this.#receive.next;
    header.window = (flags & SYN) === 0 ? this.#receive.open(this.queued) : LARGEST_WINDOW_FIELD;
    this.#acknowledgement = "none";
    this.#unacknowledged = 0;
    this.#host.transmit(header, this.#send.buffer, offset, length, this.#send.segmentSize);
  }

  // ---- Time ----

  /** The guest has acknowledged something new: the timer begins anew (RFC 6298 section 5). */
  #progress(): void {
    this.#retries.progress();
    this.#timer.stop();
  }

  /** Sees that the retransmission timer runs while anything is not acknowledged, or waits for the window to open. */
  #settle(): void {
    // Their timers run already, for another purpose.
    if (this.#state === "FIN-WAIT-2" || this.#state === "TIME-WAIT") return;
    if (!this.#send.outstanding) this.#timer.stop();
    else if (!this.#timer.running) this.#timer.start(this.#retries.timeout);
  }

  #onTimer(): void {
    if (this.#state === "FIN-WAIT-2" || this.#state === "TIME-WAIT") {
      this.release();
      return;
    }
    const next = this.#retries.next(this.#segments.received);
    if (next === "give up") {
      this.abort();
      return;
    }
    if (next === "again") this.#sendAgain();
    this.#settle();
  }

  #sendAgain(): void {
    if (this.#state === "SYN-RECEIVED") {
      this.#segments.retransmitted++;
      this.#transmitSyn();
    } else {
      const probe = this.#send.unacknowledged === this.#send.highest;
      if (probe) this.#segments.retransmitted++;
      this.#transmitNext(this.#send.again());
    }
  }
}
