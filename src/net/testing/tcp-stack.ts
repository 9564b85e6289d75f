import { WireFrames } from "../offload.ts";
import { decodeIpv4, emptyIpv4 } from "../packets.ts";
import type { Stream, StreamHandler, StreamService } from "../service.ts";
import { emptyConnectionCounters } from "../tcp/counters.ts";
import { TcpListener } from "../tcp/listener.ts";
import { FakeClock } from "./clock.ts";
import { readTcp, type Tcp, tcpFrame } from "./fakes.ts";

/** A service that keeps what it gets and does what the spec tells it. */
export class ScriptedService implements StreamService {
  readonly name = "scripted";
  readonly port: number;
  streams: Stream[] = [];
  received: number[] = [];
  ends = 0;
  /** Called inside of the handler. */
  onOpen: (stream: Stream) => void = () => {};
  onData: (stream: Stream, bytes: Uint8Array) => void = () => {};
  /** Without one the stream is closed when the guest has ended. */
  onEnd: ((stream: Stream) => void) | undefined;

  constructor(port: number) {
    this.port = port;
  }

  open(stream: Stream): StreamHandler {
    this.streams.push(stream);
    this.onOpen(stream);
    const { onEnd } = this;
    return {
      data: (bytes) => {
        for (const byte of bytes) this.received.push(byte);
        this.onData(stream, bytes);
      },
      ...(onEnd && {
        end: () => {
          this.ends++;
          onEnd(stream);
        },
      }),
    };
  }

  get stream(): Stream {
    const stream = this.streams.at(-1);
    if (stream === undefined) throw new Error("no connection was opened");
    return stream;
  }
}

/** Options of {@link tcpStack}. */
export interface TcpStackOptions {
  /** Our initial sequence numbers. Without it they are random. */
  readonly initial?: number;
  /** Served besides the scripted one. */
  readonly services?: readonly StreamService[];
  /** Of the scripted service. Default 7. */
  readonly port?: number;
}

/** A listener at the guest's cable, with a clock that stands still. */
export function tcpStack({ initial, services = [], port = 7 }: TcpStackOptions = {}) {
  const clock = new FakeClock();
  const counters = emptyConnectionCounters();
  const service = new ScriptedService(port);
  /** What was sent and not yet looked at. */
  const sent: Tcp[] = [];
  const packet = emptyIpv4();
  const cable = {
    /** Gets frames as a wire would carry them. */
    transmit: (frame: Uint8Array): void => void sent.push(readTcp(frame)),
  };
  const wire = new WireFrames();
  const listener = new TcpListener({
    services: [service, ...services],
    clock,
    counters,
    mac: Uint8Array.of(0x52, 0x55, 0x0a, 0, 2, 2),
    transmit: (frame, offload, tail) => wire.forEach(frame, offload, tail, cable.transmit),
    ...(initial !== undefined && { random: () => initial }),
  });

  /** Gives the listener a frame; returns why it was not taken, if so. */
  const give = (frame: Uint8Array): string | undefined =>
    decodeIpv4(frame, packet) ?? listener.receive(frame, packet);
  /** Gives the listener a segment and returns what it sends within the call. */
  const feed = (segment: Partial<Tcp>, destination = port): Tcp[] => {
    sent.length = 0;
    give(tcpFrame(destination, segment));
    return sent.splice(0);
  };

  return {
    clock,
    counters,
    service,
    listener,
    /** Where frames for the guest go, if not into what the other functions return. */
    cable,
    give,
    feed,
    /** Lets time pass and returns what is sent meanwhile. */
    wait(milliseconds: number): Tcp[] {
      sent.length = 0;
      clock.advance(milliseconds);
      return sent.splice(0);
    },
    /** What `work` makes it send. */
    during(work: () => void): Tcp[] {
      sent.length = 0;
      work();
      return sent.splice(0);
    },
    /** Completes a handshake and returns a guest that counts for itself. */
    connect(options: Partial<Tcp> & { guestInitial?: number } = {}) {
      const { guestInitial = 100, ...syn } = options;
      const [answer] = feed({ sequence: guestInitial, flags: "S", options: [2, 4, 5, 180], ...syn });
      if (answer?.flags !== "SA") throw new Error("the connection was refused");
      const guest = new Guest(feed, syn.sourcePort ?? 4000, guestInitial + 1, answer.sequence + 1);
      guest.send({});
      return guest;
    },
  };
}

/** The other end of one connection: fills in the numbers that a spec does not care about. */
export class Guest {
  /** Next sequence number of its own, and the next that it expects. */
  sequence: number;
  expected: number;
  readonly #feed: (segment: Partial<Tcp>) => Tcp[];
  readonly #port: number;

  constructor(feed: (segment: Partial<Tcp>) => Tcp[], port: number, sequence: number, expected: number) {
    this.#feed = feed;
    this.#port = port;
    this.sequence = sequence >>> 0;
    this.expected = expected >>> 0;
  }

  /** Sends in order, acknowledging all that came in order, and takes what comes back. */
  send(segment: Partial<Tcp>): Tcp[] {
    const { data = [], flags = data.length > 0 ? "PA" : "A" } = segment;
    const answers = this.#feed({
      sourcePort: this.#port,
      sequence: this.sequence,
      acknowledgement: this.expected,
      ...segment,
      flags,
    });
    if (segment.sequence === undefined) {
      this.sequence = (this.sequence + data.length + (/[SF]/.test(flags) ? 1 : 0)) >>> 0;
    }
    this.take(answers);
    return answers;
  }

  /** Notes what came in order. */
  take(answers: readonly Tcp[]): void {
    for (const { sequence, data, flags } of answers) {
      if (sequence === this.expected && !flags.includes("R")) {
        this.expected = (this.expected + data.length + (flags.includes("F") ? 1 : 0)) >>> 0;
      }
    }
  }
}
