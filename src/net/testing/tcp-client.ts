import type { FakeClock } from "./clock.ts";
import { readTcp, type Tcp, tcpFrame } from "./fakes.ts";

/** Options of {@link TcpClient}. */
export interface TcpClientOptions {
  readonly clock: FakeClock;
  /** Takes a frame for the peer. */
  readonly send: (frame: Uint8Array) => void;
  readonly port: number;
  readonly localPort?: number;
  readonly initialSequence?: number;
  /** What it sends, then FIN. */
  readonly data: Uint8Array;
  /** How long the segments are in which it sends; asked for each. */
  readonly segmentLength?: () => number;
  /** Shift of its windows; undefined for no scaling. */
  readonly windowShift?: number | undefined;
  readonly mss?: number | undefined;
  /** Bytes that it takes before it is read from. Default: 64 KiB. */
  readonly capacity?: number;
  /** Read at once whatever comes. Default true; else {@link TcpClient.read} must be called. */
  readonly reads?: boolean;
}

const RETRANSMIT = 150;

/**
 * The guest's half of a connection, simple and by the book: it sends what it has as the window lets it, again when
 * nothing is acknowledged for a while, takes only what comes in order, and acknowledges everything at once.
 */
export class TcpClient {
  readonly received: number[] = [];
  /** Of the peer: its FIN has come, it has reset the connection, and it has acknowledged our FIN. */
  ended = false;
  reset = false;
  endAcknowledged = false;
  established = false;
  /** Segments that came. */
  segments: Tcp[] = [];

  readonly #options: TcpClientOptions;
  readonly #first: number;
  #unacknowledged: number;
  #next: number;
  #highest: number;
  #window = 0;
  #peerShift = 0;
  #expected = 0;
  #unread = 0;
  #timerRuns = false;

  constructor(options: TcpClientOptions) {
    this.#options = options;
    this.#first = (options.initialSequence ?? 1000) >>> 0;
    this.#unacknowledged = this.#first;
    this.#next = this.#first;
    this.#highest = this.#first;
  }

  connect(): void {
    this.#sendSyn();
    this.#next = this.#highest = (this.#first + 1) >>> 0;
    this.#watch();
  }

  /** The program behind the client takes up to `count` bytes. */
  read(count: number): void {
    const taken = Math.min(count, this.#unread);
    this.#unread -= taken;
    if (taken > 0 && this.established && !this.ended && !this.reset)
      this.#sendSegment("A", this.#highest, []);
  }

  /** Whether all is over, and was well. */
  get done(): boolean {
    return this.ended && this.endAcknowledged && !this.reset;
  }

  receive(frame: Uint8Array): void {
    const segment = readTcp(frame);
    this.segments.push(segment);
    if (this.reset) return;
    const { flags, sequence, acknowledgement, options, data } = segment;
    if (flags.includes("R")) {
      // When all is over for both, a late copy may be answered so.
      if (!this.done) this.reset = true;
      return;
    }
    if (flags.includes("S")) {
      if (!this.established) {
        this.established = true;
        this.#expected = (sequence + 1) >>> 0;
        const scale = options.indexOf(3, 4);
        if (scale >= 0 && this.#options.windowShift !== undefined) this.#peerShift = options[scale + 2] ?? 0;
        this.#window = segment.window;
        this.#unacknowledged = acknowledgement;
      }
      this.#sendSegment("A", this.#highest, []);
      this.#sendData();
      return;
    }
    if (!this.established) return;
    const gain = (acknowledgement - this.#unacknowledged) | 0;
    if (gain > ((this.#highest - this.#unacknowledged) | 0))
      throw new Error("acknowledged what was not sent");
    if (gain >= 0) {
      this.#unacknowledged = acknowledgement;
      if (((this.#unacknowledged - this.#next) | 0) > 0) this.#next = this.#unacknowledged;
      this.#window = segment.window << this.#peerShift;
      if (this.#acknowledgedLength > this.#options.data.length) this.endAcknowledged = true;
    }
    this.#take(sequence, data, flags.includes("F"));
    this.#sendData();
  }

  #take(sequence: number, data: readonly number[], fin: boolean): void {
    if (data.length === 0 && !fin) return;
    const known = (this.#expected - sequence) | 0;
    if (known >= 0 && !this.ended) {
      const room = (this.#options.capacity ?? 65536) - this.#unread;
      const taken = data.slice(known, known + Math.max(0, room));
      for (const byte of taken) this.received.push(byte);
      if (this.#options.reads === false) this.#unread += taken.length;
      this.#expected = (this.#expected + taken.length) >>> 0;
      if (fin && known + taken.length === data.length) {
        this.ended = true;
        this.#expected = (this.#expected + 1) >>> 0;
      }
    }
    this.#sendSegment("A", this.#highest, []);
  }

  /** Sequence numbers behind the SYN that the peer has acknowledged. */
  get #acknowledgedLength(): number {
    return (this.#unacknowledged - this.#first - 1) | 0;
  }

  #sendData(): void {
    const { data, segmentLength = () => 1460 } = this.#options;
    for (;;) {
      const offset = (this.#next - this.#first - 1) | 0;
      const inFlight = (this.#next - this.#unacknowledged) | 0;
      const room = Math.max(0, this.#window - inFlight);
      const length = Math.max(0, Math.min(room, segmentLength(), data.length - offset));
      const fin = offset + length === data.length;
      if (offset > data.length || (length === 0 && !fin)) break;
      this.#sendSegment(fin ? "FPA" : "A", this.#next, [...data.subarray(offset, offset + length)]);
      this.#next = (this.#next + length + (fin ? 1 : 0)) >>> 0;
      if (((this.#next - this.#highest) | 0) > 0) this.#highest = this.#next;
    }
    this.#watch();
  }

  #sendSyn(): void {
    const { windowShift, mss = 1460 } = this.#options;
    const options = [2, 4, mss >> 8, mss & 0xff];
    if (windowShift !== undefined) options.push(3, 3, windowShift, 1);
    this.#options.send(
      tcpFrame(this.#options.port, {
        sourcePort: this.#options.localPort ?? 4000,
        sequence: this.#first,
        flags: "S",
        window: Math.min(65535, this.#options.capacity ?? 65536),
        options,
      }),
    );
  }

  #sendSegment(flags: string, sequence: number, data: number[]): void {
    const { capacity = 65536, windowShift = 0 } = this.#options;
    const window = Math.min(65535, Math.max(0, capacity - this.#unread) >> windowShift);
    const { port, localPort: sourcePort = 4000 } = this.#options;
    const acknowledgement = this.#expected;
    this.#options.send(tcpFrame(port, { sourcePort, sequence, acknowledgement, flags, window, data }));
  }

  /** While anything is outstanding: look again later whether it still is, and send it again then. */
  #watch(): void {
    if (this.#timerRuns || this.reset || this.endAcknowledged) return;
    const { data } = this.#options;
    const outstanding = this.#unacknowledged !== this.#highest || this.#acknowledgedLength < data.length;
    if (!outstanding) return;
    this.#timerRuns = true;
    const before = this.#unacknowledged;
    this.#options.clock.after(RETRANSMIT, () => {
      this.#timerRuns = false;
      if (this.reset) return;
      if (this.#unacknowledged === before) this.#again();
      this.#watch();
    });
  }

  #again(): void {
    if (!this.established) {
      this.#sendSyn();
      return;
    }
    this.#next = this.#unacknowledged;
    // A closed window is probed with a byte (RFC 9293 section 3.8.6.1).
    this.#window = Math.max(1, this.#window);
    this.#sendData();
  }
}
