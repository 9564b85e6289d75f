import { bool, checked, count, decode, encode, record, u8 } from "../../state/codec.ts";
import { PORTS } from "../addresses.ts";
import type { Stream, StreamHandler, StreamService } from "../service.ts";

/** Most digits of a request: up to a terabyte less one. */
const MAX_DIGITS = 12;
const DIGIT_0 = 0x30;
const LINE_FEED = 0x0a;
/** Written at a time. */
const CHUNK = Uint8Array.from({ length: 32 * 1024 }, (_, k) => k & 0xff);
/** Written ahead of the guest: enough to keep its window full, half of what the peer allows to wait. */
const AHEAD = 256 * 1024;

/** What one connection remembers. */
const STREAM_STATE = record({
  digits: checked(u8, "number of digits", (value) => value <= MAX_DIGITS),
  remaining: count,
  asked: bool,
});

/**
 * Source, by TCP: the client says how many bytes it wants, a decimal number and a line feed; they come, byte k
 * being k % 256, and the connection is closed. The port is that of the character generator (RFC 864), which has no end.
 */
export class SourceService implements StreamService {
  readonly name = "source";
  readonly port = PORTS.source;
  readonly counters = { connections: 0, bytes: 0, badRequests: 0 };

  open(stream: Stream): StreamHandler {
    this.counters.connections++;
    return new SourceStream(stream, this.counters);
  }

  restore(stream: Stream, state: Uint8Array): StreamHandler {
    return new SourceStream(stream, this.counters, state);
  }
}

class SourceStream implements StreamHandler {
  readonly #stream: Stream;
  readonly #counters: SourceService["counters"];
  #digits = 0;
  #remaining = 0;
  #asked = false;

  constructor(stream: Stream, counters: SourceService["counters"], saved?: Uint8Array) {
    this.#stream = stream;
    this.#counters = counters;
    if (saved === undefined) return;
    const state = decode(STREAM_STATE, saved);
    this.#digits = state.digits;
    this.#remaining = state.remaining;
    this.#asked = state.asked;
  }

  save(): Uint8Array {
    return encode(STREAM_STATE, {
      digits: this.#digits,
      remaining: this.#remaining,
      asked: this.#asked,
    });
  }

  data(bytes: Uint8Array): void {
    for (const byte of bytes) {
      // What follows a request means nothing.
      if (this.#asked) return;
      if (byte === LINE_FEED && this.#digits > 0) {
        this.#asked = true;
        this.drain();
      } else if (byte >= DIGIT_0 && byte < DIGIT_0 + 10 && this.#digits < MAX_DIGITS) {
        this.#remaining = this.#remaining * 10 + byte - DIGIT_0;
        this.#digits++;
      } else {
        this.#counters.badRequests++;
        this.#asked = true;
        this.#stream.close();
      }
    }
  }

  drain(): void {
    if (!this.#asked) return;
    while (this.#remaining > 0) {
      if (this.#stream.queued >= AHEAD) return;
      const length = Math.min(this.#remaining, CHUNK.length);
      if (!this.#stream.write(CHUNK.subarray(0, length))) return;
      this.#remaining -= length;
      this.#counters.bytes += length;
    }
    this.#stream.close();
  }

  /** The guest has nothing more to say; it still wants what it has asked for. */
  end(): void {
    if (!this.#asked) this.#stream.close();
  }
}
