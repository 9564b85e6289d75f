import { checked, decode, encode, fixedBytes, record, StateError, u32 } from "../../state/codec.ts";
import { PORTS } from "../addresses.ts";
import {
  type DatagramService,
  NO_ANSWER,
  type Stream,
  type StreamHandler,
  type StreamService,
} from "../service.ts";

/** First bytes of a TCP connection: "DBRR". */
const STREAM_MAGIC = 0x52524244;
/** First bytes of a datagram, both ways: "DBRU". */
const DATAGRAM_MAGIC = 0x55524244;
const VERSION = 1;
const STREAM_HEADER = 16;
const DATAGRAM_REQUEST_HEADER = 12;
const DATAGRAM_RESPONSE_HEADER = 8;
const MAX_SIZE = 65536;

/** Byte k of a direction's stream is k modulo this. A prime, so that it never falls into step with a power of two. */
const PERIOD = 251;
/** Long enough that a whole response is one subarray of it, wherever in the period the stream stands. */
const PATTERN = Uint8Array.from({ length: PERIOD - 1 + MAX_SIZE }, (_, k) => k % PERIOD);

/** A place in the period. */
const place = checked(u32, "place in the stream", (value) => value < PERIOD);

/** What one connection remembers. */
const STREAM_STATE = record({
  header: fixedBytes(STREAM_HEADER),
  headerLength: checked(u32, "length of a header", (value) => value <= STREAM_HEADER),
  missing: checked(u32, "rest of a request", (value) => value <= MAX_SIZE),
  received: place,
  sent: place,
});

/**
 * Request/response, the partner of the guest's `tcp_rr` and `udp_rr`. All numbers are u32, little-endian.
 *
 * TCP: the client sends a header, "DBRR", version 1, request size, response size (1 to 65536 each); from then on
 * every `request size` bytes from it are answered with `response size` bytes. Byte k of either direction, the header not
 * counted, is k % 251. What comes is verified; a bad header or a wrong byte is counted and ends the connection.
 *
 * UDP: a request is "DBRU", a sequence number, the response size (8 at least), then padding; the response
 * is "DBRU", the same sequence number, then padding. A bad request is counted and not answered.
 */
export class RequestResponseService implements StreamService, DatagramService {
  readonly name = "request-response";
  readonly port = PORTS.requestResponse;
  readonly counters = {
    connections: 0,
    transactions: 0,
    datagrams: 0,
    bytes: 0,
    badHeaders: 0,
    mismatches: 0,
    badDatagrams: 0,
  };

  open(stream: Stream): StreamHandler {
    this.counters.connections++;
    return new RequestResponseStream(stream, this.counters);
  }

  restore(stream: Stream, state: Uint8Array): StreamHandler {
    return new RequestResponseStream(stream, this.counters, state);
  }

  answer(request: Uint8Array, response: Uint8Array): number {
    if (request.length < DATAGRAM_REQUEST_HEADER) return this.#bad();
    const view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    const size = view.getUint32(8, true);
    if (view.getUint32(0, true) !== DATAGRAM_MAGIC) return this.#bad();
    if (size < DATAGRAM_RESPONSE_HEADER || size > response.length) return this.#bad();
    response.set(request.subarray(0, DATAGRAM_RESPONSE_HEADER));
    // The response buffer is used again and again: padding must not show an older answer.
    response.fill(0, DATAGRAM_RESPONSE_HEADER, size);
    this.counters.transactions++;
    this.counters.datagrams++;
    this.counters.bytes += request.length;
    return size;
  }

  #bad(): number {
    this.counters.badDatagrams++;
    return NO_ANSWER;
  }
}

/** One TCP connection: 16 bytes of header and four numbers are all it remembers. */
class RequestResponseStream implements StreamHandler {
  readonly #stream: Stream;
  readonly #counters: RequestResponseService["counters"];
  readonly #header = new Uint8Array(STREAM_HEADER);
  #headerLength = 0;
  #requestSize = 0;
  #responseSize = 0;
  /** Bytes of the current request still to come. */
  #missing = 0;
  /** Where in the period the next byte from the client stands, and the next byte to it. */
  #received = 0;
  #sent = 0;

  constructor(stream: Stream, counters: RequestResponseService["counters"], saved?: Uint8Array) {
    this.#stream = stream;
    this.#counters = counters;
    if (saved === undefined) return;
    const state = decode(STREAM_STATE, saved);
    this.#header.set(state.header);
    this.#headerLength = state.headerLength;
    if (this.#headerLength === STREAM_HEADER && !this.#readHeader())
      throw new StateError("a connection has a header that is none");
    this.#missing = Math.min(state.missing, this.#requestSize);
    this.#received = state.received;
    this.#sent = state.sent;
  }

  save(): Uint8Array {
    return encode(STREAM_STATE, {
      header: this.#header,
      headerLength: this.#headerLength,
      missing: this.#missing,
      received: this.#received,
      sent: this.#sent,
    });
  }

  data(bytes: Uint8Array): void {
    let offset = 0;
    if (this.#headerLength < STREAM_HEADER) {
      offset = Math.min(bytes.length, STREAM_HEADER - this.#headerLength);
      this.#header.set(bytes.subarray(0, offset), this.#headerLength);
      this.#headerLength += offset;
      if (this.#headerLength < STREAM_HEADER) return;
      if (!this.#readHeader()) {
        this.#counters.badHeaders++;
        this.#stream.close();
        return;
      }
    }
    while (offset < bytes.length) {
      const length = Math.min(this.#missing, bytes.length - offset);
      if (!this.#verify(bytes, offset, length)) {
        this.#counters.mismatches++;
        this.#stream.close();
        return;
      }
      offset += length;
      this.#counters.bytes += length;
      this.#missing -= length;
      // The peer bounds what may wait for the client: a client that asks and never reads is cut off there.
      if (this.#missing === 0 && !this.#respond()) return;
    }
  }

  #readHeader(): boolean {
    const view = new DataView(this.#header.buffer);
    this.#requestSize = view.getUint32(8, true);
    this.#responseSize = view.getUint32(12, true);
    this.#missing = this.#requestSize;
    return (
      view.getUint32(0, true) === STREAM_MAGIC &&
      view.getUint32(4, true) === VERSION &&
      this.#requestSize >= 1 &&
      this.#requestSize <= MAX_SIZE &&
      this.#responseSize >= 1 &&
      this.#responseSize <= MAX_SIZE
    );
  }

  #verify(bytes: Uint8Array, offset: number, length: number): boolean {
    const expected = this.#received;
    for (let i = 0; i < length; i++) {
      if (bytes[offset + i] !== PATTERN[expected + i]) return false;
    }
    this.#received = (expected + length) % PERIOD;
    return true;
  }

  #respond(): boolean {
    const response = PATTERN.subarray(this.#sent, this.#sent + this.#responseSize);
    this.#sent = (this.#sent + this.#responseSize) % PERIOD;
    this.#missing = this.#requestSize;
    this.#counters.transactions++;
    return this.#stream.write(response);
  }
}
