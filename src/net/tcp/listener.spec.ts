import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeIpv4, emptyIpv4 } from "../packets.ts";
import { DiscardService } from "../services/discard.ts";
import { EchoService } from "../services/echo.ts";
import { RequestResponseService } from "../services/request-response.ts";
import { ipv4, tcp, tcpFrame } from "../testing/fakes.ts";
import { TcpClient } from "../testing/tcp-client.ts";
import { tcpStack } from "../testing/tcp-stack.ts";
import { MAX_CONNECTIONS } from "./listener.ts";
import { RETRANSMIT_FIRST } from "./retries.ts";

describe("TcpListener", () => {
  it("tells connections apart by the guest's address and port and by the service's", () => {
    const { connect, feed, listener } = tcpStack({ services: [new DiscardService()] });
    const first = connect();
    expect(feed({ sequence: 1, flags: "S" }, 9)).toMatchObject([{ flags: "SA", sourcePort: 9 }]);
    expect(feed({ sourcePort: 4001, sequence: 1, flags: "S" })).toMatchObject([{ flags: "SA" }]);
    expect(listener.size).toBe(3);
    expect(first.send({ data: [1] })).toMatchObject([{ flags: "A", acknowledgement: first.sequence }]);
  });

  it("answers a segment of no connection with the reset that its sender believes (RFC 9293 section 3.10.7.1)", () => {
    const { feed, counters } = tcpStack();
    expect(feed({ sequence: 5, acknowledgement: 0xffffffff, flags: "PA", data: [1] })).toMatchObject([
      { flags: "R", sequence: 0xffffffff, acknowledgement: 0, data: [] },
    ]);
    expect(feed({ sequence: 0xffffffff, flags: "F", data: [1] })).toMatchObject([
      { flags: "RA", sequence: 0, acknowledgement: 1 },
    ]);
    expect(feed({ flags: "SA", acknowledgement: 77 })).toMatchObject([{ flags: "R", sequence: 77 }]);
    expect(counters.segments.resetsSent).toBe(3);
    // Nothing of that wanted to begin a connection.
    expect(counters.refusedConnections).toBe(0);
  });

  it("never answers a reset", () => {
    const { feed } = tcpStack();
    for (const flags of ["R", "RA", "SR", "FSRPA"]) expect(feed({ flags })).toEqual([]);
    expect(feed({ flags: "R" }, 999)).toEqual([]);
  });

  it("refuses ports that nobody serves", () => {
    const { feed, counters } = tcpStack();
    expect(feed({ sequence: 0xffffffff, flags: "S" }, 999)).toMatchObject([
      { sourcePort: 999, flags: "RA", acknowledgement: 0 },
    ]);
    expect(feed({ acknowledgement: 9, flags: "A" }, 999)).toMatchObject([{ flags: "R", sequence: 9 }]);
    expect(counters).toMatchObject({
      refusedConnections: 1,
      refusalReasons: { "no service at that port": 1 },
    });
  });

  it("says why it does not take a packet, and sends nothing", () => {
    const { listener, counters, during } = tcpStack();
    const packet = { protocol: 6, source: 0x0a00020f, destination: 0x0a000202, payload: 34, end: 54 };
    const broken = tcpFrame(7);
    broken[38] = 1;
    expect(during(() => expect(listener.receive(broken, packet)).toBe("bad TCP checksum"))).toEqual([]);
    expect(during(() => expect(listener.refuse(broken, packet, "why")).toBe("bad TCP checksum"))).toEqual([]);
    const short = { ...packet, end: 53 };
    expect(listener.receive(tcpFrame(7), short)).toBe("TCP segment too short");
    expect(counters).toMatchObject({ refusedConnections: 0, segments: { received: 0, sent: 0 } });
  });

  it("takes any checksum when the guest has left it to us", () => {
    const frame = ipv4(6, [...tcp(7).slice(0, 16), 0, 0, 0, 0]);
    const { give, listener } = tcpStack();
    expect(give(frame)).toBe("bad TCP checksum");
    const packet = emptyIpv4();
    decodeIpv4(frame, packet);
    expect(listener.receive(frame, packet, false)).toBeUndefined();
    expect(listener.size).toBe(1);
  });

  it("draws initial sequence numbers from the platform when it is given no generator", () => {
    const numbers = new Set<number>();
    for (let i = 0; i < 20; i++) {
      const [answer] = tcpStack().feed({ flags: "S" });
      numbers.add(answer?.sequence ?? 0);
    }
    expect(numbers.size).toBe(20);
  });
});

describe("TcpListener: floods", () => {
  it("holds no more than its bound of half open connections, and a new one still gets through", () => {
    const { feed, connect, listener, counters } = tcpStack();
    for (let i = 0; i < 5000; i++) feed({ sourcePort: 10_000 + i, flags: "S" });
    expect(listener.size).toBe(MAX_CONNECTIONS);
    expect(counters).toMatchObject({ evictedConnections: 5000 - MAX_CONNECTIONS, acceptedConnections: 0 });
    expect(connect().send({ data: [1] })).toMatchObject([{ flags: "A" }]);
    expect(counters).toMatchObject({ openConnections: 1, refusedConnections: 0 });
  });

  it("never lets a new connection take the place of one that is open", () => {
    const { feed, connect, listener, counters } = tcpStack();
    const guests = Array.from({ length: MAX_CONNECTIONS }, (_, i) => connect({ sourcePort: 10_000 + i }));
    expect(feed({ flags: "S" })).toMatchObject([{ flags: "RA" }]);
    expect(counters).toMatchObject({
      openConnections: MAX_CONNECTIONS,
      evictedConnections: 0,
      refusalReasons: { "too many connections": 1 },
    });
    // One is gone: there is room again.
    guests[5]?.send({ flags: "R" });
    expect(feed({ flags: "S" })).toMatchObject([{ flags: "SA" }]);
    expect(listener.size).toBe(MAX_CONNECTIONS);
  });

  it("makes room by forgetting the least recently used of those half open, closing or waiting out their time", () => {
    const { feed, connect, during, service, listener, counters } = tcpStack({ initial: 0x1000 });
    for (let i = 0; i < MAX_CONNECTIONS - 2; i++) connect({ sourcePort: 10_000 + i });
    feed({ sourcePort: 1, sequence: 100, flags: "S" });
    const guest = connect({ sourcePort: 2 });
    during(() => service.stream.close());
    // Heard from again: now the other one is older.
    feed({ sourcePort: 1, sequence: 100, flags: "S" });
    expect(feed({ sourcePort: 3, flags: "S" })).toMatchObject([{ flags: "SA" }]);
    expect(counters).toMatchObject({ evictedConnections: 1, openConnections: MAX_CONNECTIONS - 2 });
    expect(guest.send({})).toMatchObject([{ flags: "R" }]);
    expect(feed({ sourcePort: 1, sequence: 101, acknowledgement: 0x1001, flags: "A" })).toEqual([]);
    expect(listener.size).toBe(MAX_CONNECTIONS);
  });

  it("leaves nothing with the clock when it is closed, with acknowledgements waiting too", () => {
    const { connect, feed, clock, listener, counters, wait } = tcpStack();
    const full = Array.from({ length: 1460 }, () => 1);
    connect().send({ data: full, flags: "A" });
    feed({ sourcePort: 1, flags: "S" });
    listener.close();
    expect(clock.waiting).toBe(0);
    expect(listener.size).toBe(0);
    expect(counters.openConnections).toBe(0);
    expect(wait(RETRANSMIT_FIRST)).toEqual([]);
  });
});

describe("TcpListener: streams over a bad cable", () => {
  /** A small generator of its own for each run: fast-check shrinks its seed and what is done with it. */
  function random(seed: number): () => number {
    let state = seed | 1;
    return () => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) / 2 ** 32;
    };
  }

  const cable = fc.record({
    seed: fc.integer(),
    /** In percent. */
    loss: fc.nat(40),
    duplication: fc.nat(30),
    /** Most milliseconds that a frame is under way: frames overtake each other. */
    delay: fc.constantFrom(0, 0, 1, 20),
  });
  const guest = fc.record({
    initialSequence: fc.oneof(fc.nat(0xffffffff), fc.integer({ min: 0xffff0000, max: 0xffffffff })),
    // The smallest capacity is more than the unit of the largest shift.
    windowShift: fc.constantFrom(undefined, 0, 2, 7),
    mss: fc.constantFrom(0, 200, 536, 1000, 1460, 9000),
    capacity: fc.constantFrom(600, 3000, 20_000, 65_536, 300_000),
    reads: fc.boolean(),
    segments: fc.constantFrom<number>(1, 40, 1460, 8000),
  });

  /** Runs a client to its end over a cable that goes on behaving badly for a while; returns the client. */
  function run(
    port: number,
    data: Uint8Array,
    { seed, loss, duplication, delay }: Parameters<Parameters<typeof cable.map>[0]>[0],
    { segments, ...options }: Parameters<Parameters<typeof guest.map>[0]>[0],
    initial: number,
  ) {
    const chance = random(seed);
    const services = { echo: new EchoService(), requestResponse: new RequestResponseService() };
    const stack = tcpStack({ initial, services: Object.values(services), port: 1 });
    const { clock } = stack;
    // A stream that must arrive needs a cable that lets something through: four of sixteen frames, and all at the end.
    let good = false;
    let frames = 0;
    const through = (deliver: (frame: Uint8Array) => void) => {
      return (frame: Uint8Array) => {
        const spared = good || frames++ % 16 < 4;
        const loses = !spared && 100 * chance() < loss;
        const copies = loses ? 0 : !spared && 100 * chance() < duplication ? 2 : 1;
        for (let i = 0; i < copies; i++) {
          const copy = frame.slice();
          const wait = delay * chance();
          if (wait === 0) deliver(copy);
          else clock.after(wait, () => deliver(copy));
        }
      };
    };
    let client: TcpClient | undefined;
    const toPeer = through((frame) => {
      expect(stack.give(frame)).toBeUndefined();
    });
    const queue: Uint8Array[] = [];
    stack.cable.transmit = through((frame) => queue.push(frame));
    // The guest runs when the page lets it: not inside of the peer's own sending.
    const drain = () => {
      for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) client?.receive(frame);
    };
    client = new TcpClient({
      clock,
      send: toPeer,
      port,
      data,
      segmentLength: () => 1 + Math.floor(chance() * segments),
      ...options,
    });
    client.connect();
    for (let i = 0; i < 20_000 && !client.done && !client.reset; i++) {
      drain();
      if (!options.reads) client.read(1 + Math.floor(chance() * 3000));
      clock.advance(queue.length > 0 ? 0 : 10);
    }
    // Late copies, and times waited out.
    good = true;
    for (let i = 0; i < 20; i++) {
      drain();
      clock.advance(500);
    }
    return { client, stack, services };
  }

  it("echoes every byte once and in order, and ends, whatever is lost, doubled or late", () => {
    fc.assert(
      fc.property(cable, guest, fc.nat(20_000), fc.nat(0xffffffff), (wire, options, most, initial) => {
        // Who takes only what comes in order needs many turns: few segments are enough.
        const length = Math.min(most, options.segments * 60);
        const data = Uint8Array.from({ length }, (_, k) => (k * 7 + (k >> 8)) & 0xff);
        const { client, stack, services } = run(7, data, wire, options, initial);
        expect(client.reset).toBe(false);
        expect(client.received).toEqual([...data]);
        expect(client.done).toBe(true);
        expect(services.echo.counters.bytes).toBe(length);
        expect(stack.counters).toMatchObject({ openConnections: 0, abortedConnections: 0 });
        expect(stack.listener.size).toBe(0);
        expect(stack.clock.waiting).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it("answers every request of tcp_rr exactly, whatever is lost, doubled or late", () => {
    fc.assert(
      fc.property(
        cable,
        guest,
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 1, max: 12 }),
        fc.nat(0xffffffff),
        (wire, options, request, response, count, initial) => {
          const header = [0x44, 0x42, 0x52, 0x52, 1, 0, 0, 0, request & 255, request >> 8, 0, 0];
          const content = Array.from({ length: request * count }, (_, k) => k % 251);
          const data = Uint8Array.from([...header, response & 255, response >> 8, 0, 0, ...content]);
          const { client, services } = run(12865, data, wire, { ...options, segments: 200 }, initial);
          expect(client.received).toEqual(Array.from({ length: response * count }, (_, k) => k % 251));
          expect(client.done).toBe(true);
          expect(services.requestResponse.counters).toMatchObject({ transactions: count, mismatches: 0 });
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("TcpListener: hostile guests", () => {
  const near = fc.oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.integer({ min: -70_000, max: 300_000 }),
    fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  );
  const step = fc.record({
    sourcePort: fc.nat(6),
    port: fc.constantFrom(7, 7, 12865, 12865, 1),
    sequence: near,
    acknowledgement: near,
    flags: fc.constantFrom<string>(
      "S",
      "S",
      "A",
      "A",
      "PA",
      "FA",
      "FPA",
      "R",
      "RA",
      "SA",
      "",
      "FSRPAUEC",
      "F",
    ),
    window: fc.constantFrom(0, 1, 1000, 65535),
    options: fc.constantFrom<number[]>(
      [],
      [2, 4, 0, 0],
      [3, 3, 14, 0],
      [2, 4, 5, 180, 3, 3, 7, 0],
      [2, 0, 0, 0],
    ),
    length: fc.constantFrom(0, 0, 1, 16, 1460),
    wait: fc.constantFrom(0, 0, 0, 1, 250, 6000, 70_000),
  });

  it("never make it throw, send what is no segment, or hold more than its bounds", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(0xffffffff), (steps, initial) => {
        const services = [new EchoService(), new RequestResponseService()];
        const { feed, wait, listener, counters } = tcpStack({ initial, services, port: 1 });
        const ends = new Map<string, { sequence: number; expected: number }>();
        for (const { port, length, wait: pause, ...segment } of steps) {
          const name = `${segment.sourcePort} ${port}`;
          const end = ends.get(name) ?? { sequence: 0, expected: 0 };
          ends.set(name, end);
          const header = [0x44, 0x42, 0x52, 0x52, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0];
          const data = length === 16 ? header : Array.from({ length }, (_, k) => k % 251);
          const answers = feed(
            {
              ...segment,
              sequence: (end.sequence + segment.sequence) >>> 0,
              acknowledgement: (end.expected + segment.acknowledgement) >>> 0,
              data,
            },
            port,
          );
          for (const answer of [...answers, ...wait(pause)]) {
            if (answer.sourcePort !== port || answer.destinationPort !== segment.sourcePort) continue;
            // What the peer says lets the guest aim well.
            end.sequence = answer.acknowledgement;
            const { flags, sequence } = answer;
            end.expected = sequence + answer.data.length + (/[SF]/.test(flags) ? 1 : 0);
          }
          expect(listener.size).toBeLessThanOrEqual(MAX_CONNECTIONS);
          expect(counters.openConnections).toBeLessThanOrEqual(listener.size);
          expect(counters.openConnections).toBeGreaterThanOrEqual(0);
        }
        listener.close();
        expect(counters.openConnections).toBe(0);
        expect(wait(100_000)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
