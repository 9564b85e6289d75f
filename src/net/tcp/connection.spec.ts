import { describe, expect, it } from "vitest";
import { type Guest, tcpStack as stack, type TcpStackOptions } from "../testing/tcp-stack.ts";
import { FIN_WAIT_2, MAX_QUEUED, TIME_WAIT } from "./connection-state.ts";
import { RECEIVE_WINDOW } from "./receive-window.ts";
import { MAX_TRIES, RETRANSMIT_FIRST } from "./retries.ts";
import { MAX_SEGMENT } from "./segment.ts";

const FULL = Array.from({ length: MAX_SEGMENT }, (_, k) => k & 0xff);
function tcpStack(options: TcpStackOptions = {}) {
  return stack({ initial: 0x1000, ...options });
}

/** The option a guest offers to scale its own windows by 2^7. */
const SCALE = [2, 4, 5, 180, 1, 3, 3, 7];

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, k) => k % 251);
}

describe("Connection: the handshake", () => {
  it("answers SYN with maximum segment size and, if the guest offers it, window scale", () => {
    const { feed, service } = tcpStack({ initial: 0xabcdef01 });
    expect(feed({ sequence: 0xffffffff, flags: "S", options: SCALE })).toEqual([
      {
        sourcePort: 7,
        destinationPort: 4000,
        sequence: 0xabcdef01,
        acknowledgement: 0,
        flags: "SA",
        window: 65535,
        options: [2, 4, 5, 180, 1, 3, 3, 3],
        data: [],
      },
    ]);
    expect(feed({ sourcePort: 4001, flags: "S", options: [2, 4, 5, 180] })[0]?.options).toEqual([
      2, 4, 5, 180,
    ]);
    // Nothing is opened before the guest has shown that it hears us.
    expect(service.streams).toEqual([]);
  });

  it("opens the service when the handshake is complete, and says nothing more", () => {
    const { feed, service, counters } = tcpStack();
    feed({ sequence: 100, flags: "S", options: SCALE });
    expect(feed({ sequence: 101, acknowledgement: 0x1001, flags: "A" })).toEqual([]);
    expect(service.streams.length).toBe(1);
    expect(counters).toMatchObject({ acceptedConnections: 1, openConnections: 1 });
  });

  it("answers the same SYN again with the same numbers", () => {
    const { feed } = tcpStack();
    const first = feed({ sequence: 100, flags: "S" });
    expect(feed({ sequence: 100, flags: "S" })).toEqual(first);
  });

  it("begins anew when the guest does so before the handshake is complete", () => {
    const { feed, listener } = tcpStack();
    feed({ sequence: 100, flags: "S" });
    const [answer] = feed({ sequence: 5000, flags: "S" });
    expect(answer).toMatchObject({ flags: "SA", acknowledgement: 5001 });
    expect(listener.size).toBe(1);
  });

  it("resets when what is acknowledged is not our SYN (RFC 9293 section 3.10.7.4), and waits on", () => {
    const { feed, service } = tcpStack();
    feed({ sequence: 100, flags: "S" });
    expect(feed({ sequence: 101, acknowledgement: 0x1002, flags: "A" })).toMatchObject([
      { flags: "R", sequence: 0x1002, acknowledgement: 0 },
    ]);
    expect(service.streams).toEqual([]);
    feed({ sequence: 101, acknowledgement: 0x1001, flags: "A" });
    expect(service.streams.length).toBe(1);
  });

  it("takes data and FIN that come with the last step of the handshake", () => {
    const { feed, service } = tcpStack();
    feed({ sequence: 100, flags: "S" });
    const answers = feed({ sequence: 101, acknowledgement: 0x1001, flags: "FPA", data: [1, 2] });
    expect(service.received).toEqual([1, 2]);
    expect(answers).toMatchObject([{ flags: "FA", acknowledgement: 104 }]);
  });

  it("sends what the service writes as soon as it is opened", () => {
    const { feed, service } = tcpStack();
    service.onOpen = (stream) => stream.write(Uint8Array.of(5));
    feed({ sequence: 100, flags: "S" });
    expect(feed({ sequence: 101, acknowledgement: 0x1001, flags: "A" })).toMatchObject([{ data: [5] }]);
  });

  it("ignores data that come with SYN: the guest sends them again", () => {
    const { feed, service } = tcpStack();
    expect(feed({ sequence: 100, flags: "S", data: [1] })[0]?.acknowledgement).toBe(101);
    expect(service.received).toEqual([]);
  });
});

describe("Connection: receiving", () => {
  it("answers a request with exactly one segment that acknowledges it", () => {
    const { connect, service } = tcpStack();
    service.onData = (stream) => stream.write(bytes(1024));
    const guest = connect();
    for (let i = 0; i < 5; i++) {
      expect(guest.send({ data: [1, 2, 3] })).toMatchObject([
        { flags: "PA", acknowledgement: guest.sequence, data: [...bytes(1024)] },
      ]);
    }
  });

  it("acknowledges at once what gets no answer", () => {
    const { connect } = tcpStack();
    const guest = connect();
    expect(guest.send({ data: [1] })).toMatchObject([{ flags: "A", acknowledgement: 102, data: [] }]);
    expect(guest.send({ data: [2], flags: "A" })).toMatchObject([{ flags: "A", acknowledgement: 103 }]);
    expect(guest.send({ data: FULL, flags: "PA" })).toMatchObject([{ flags: "A" }]);
  });

  it("acknowledges every second full segment, and the odd one within a millisecond (RFC 9293 MUST-40)", () => {
    const { connect, wait } = tcpStack();
    const guest = connect();
    for (let i = 0; i < 4; i++) {
      expect(guest.send({ data: FULL, flags: "A" })).toEqual([]);
      expect(guest.send({ data: FULL, flags: "A" })).toMatchObject([{ acknowledgement: guest.sequence }]);
    }
    expect(guest.send({ data: FULL, flags: "A" })).toEqual([]);
    expect(wait(1)).toMatchObject([{ flags: "A", acknowledgement: guest.sequence }]);
    expect(wait(10)).toEqual([]);
  });

  it("does not put an acknowledgement off that has gone with data since", () => {
    const { connect, service, wait, during } = tcpStack();
    const guest = connect();
    guest.send({ data: FULL, flags: "A" });
    expect(during(() => service.stream.write(Uint8Array.of(1)))).toMatchObject([
      { acknowledgement: guest.sequence, data: [1] },
    ]);
    expect(wait(100)).toEqual([]);
  });

  it("counts on across the wrap of sequence numbers", () => {
    const { connect, service } = tcpStack({ initial: 0xfffffffe });
    service.onData = (stream, data) => stream.write(data);
    const guest = connect({ guestInitial: 0xfffffff0 });
    for (let i = 0; i < 40; i++) {
      const [answer] = guest.send({ data: [i, i + 1, i + 2] });
      expect(answer).toMatchObject({ acknowledgement: guest.sequence, data: [i, i + 1, i + 2] });
    }
    expect(guest.sequence).toBeLessThan(1000);
    expect(service.received.length).toBe(120);
  });

  it("drops what comes ahead of what is expected, and says where it stands", () => {
    const { connect, service, counters } = tcpStack();
    const guest = connect();
    const { sequence } = guest;
    for (let i = 0; i < 3; i++) {
      expect(guest.send({ sequence: sequence + 2, data: [3, 4] })).toMatchObject([
        { flags: "A", acknowledgement: sequence },
      ]);
    }
    // A FIN ahead of its time is no FIN.
    guest.send({ sequence: sequence + 2, flags: "FA" });
    expect(guest.send({ data: [1, 2] })).toMatchObject([{ acknowledgement: sequence + 2 }]);
    expect(guest.send({ data: [3, 4] })).toMatchObject([{ acknowledgement: sequence + 4 }]);
    expect(service.received).toEqual([1, 2, 3, 4]);
    expect(counters.segments.unacceptable).toBe(4);
  });

  it("acknowledges again what came before, and takes only what is new of it", () => {
    const { connect, service } = tcpStack();
    const guest = connect();
    const { sequence } = guest;
    guest.send({ data: [1, 2, 3] });
    expect(guest.send({ sequence, data: [1, 2, 3] })).toMatchObject([{ acknowledgement: sequence + 3 }]);
    expect(guest.send({ sequence: sequence + 1, data: [2, 3, 4] })).toMatchObject([
      { acknowledgement: sequence + 4 },
    ]);
    expect(service.received).toEqual([1, 2, 3, 4]);
  });

  it("answers a keep-alive probe (RFC 9293 section 3.8.4 MUST), and no plain acknowledgement", () => {
    const { connect } = tcpStack();
    const guest = connect();
    expect(guest.send({ sequence: guest.sequence - 1 })).toMatchObject([{ flags: "A" }]);
    expect(guest.send({})).toEqual([]);
  });

  it("takes no more than it has offered", () => {
    const { connect, service } = tcpStack();
    const guest = connect();
    const { sequence } = guest;
    guest.send({ window: 0 });
    // As much waits for the guest as the window is large.
    service.stream.write(bytes(65535));
    const before = service.received.length;
    let room = 65535;
    for (; room >= FULL.length; room -= FULL.length) guest.send({ data: FULL, window: 0 });
    const [answer] = guest.send({ data: FULL, window: 0 });
    expect(answer).toMatchObject({ acknowledgement: sequence + 65535, window: 0 });
    expect(service.received.length - before).toBe(65535);
    // A probe of our closed window is answered, and an acknowledgement at its very edge heeded.
    guest.sequence = sequence + 65535;
    expect(guest.send({ sequence: guest.sequence, data: [1], window: 0 })).toMatchObject([
      { flags: "A", acknowledgement: guest.sequence, window: 0 },
    ]);
    expect(guest.send({ window: 65535 }).flatMap(({ data }) => data)).toEqual([...bytes(65535)]);
  });
});

describe("Connection: sending", () => {
  it("keeps many segments under way, up to the guest's window", () => {
    const { connect, service, during } = tcpStack();
    const guest = connect({ window: 5 * MAX_SEGMENT });
    guest.send({ window: 5 * MAX_SEGMENT });
    const answers = during(() => service.stream.write(bytes(20_000)));
    expect(answers.map(({ data }) => data.length)).toEqual(Array.from({ length: 5 }, () => MAX_SEGMENT));
    expect(answers.every(({ flags }) => flags === "A")).toBe(true);
    guest.take(answers);
    const rest = guest.send({ window: 65535 });
    expect([...answers, ...rest].flatMap(({ data }) => data)).toEqual([...bytes(20_000)]);
    // What is pushed is the end.
    expect(rest.map(({ flags }) => flags)).toEqual([...rest.slice(1).map(() => "A"), "PA"]);
  });

  it("shifts the guest's windows as it asked, but not that of its SYN (RFC 7323 section 2.2)", () => {
    const { connect, service, during } = tcpStack();
    const guest = connect({ options: SCALE, window: 500 });
    // 12,800 bytes: eight full segments, and a rest that waits for a larger window.
    guest.send({ window: 100 });
    const answers = during(() => service.stream.write(bytes(100_000)));
    expect(answers.reduce((sum, { data }) => sum + data.length, 0)).toBe(8 * MAX_SEGMENT);
  });

  it("heeds the maximum segment size of the guest, 536 when it names none or less", () => {
    for (const [options, expected] of [
      [[2, 4, 2, 88], 600],
      [[2, 4, 0xff, 0xff], MAX_SEGMENT],
      [[2, 4, 0, 1], 536],
      [[], 536],
    ] as const) {
      const { connect, service, during } = tcpStack();
      connect({ options: [...options] });
      expect(during(() => service.stream.write(bytes(2000)))[0]?.data.length).toBe(expected);
    }
  });

  it("sends nothing small into a window that is about to grow (RFC 9293 MUST-38)", () => {
    const { connect, service, during, wait } = tcpStack();
    const guest = connect({ window: 10_000 });
    guest.send({ window: 10_000 });
    guest.send({ window: 100 });
    expect(during(() => service.stream.write(bytes(1000)))).toEqual([]);
    // But not for ever.
    expect(wait(RETRANSMIT_FIRST)[0]?.data.length).toBe(100);
  });

  it("does not let an old segment set the window", () => {
    const { connect, service, during } = tcpStack();
    const guest = connect();
    guest.send({ data: [1], window: 10_000 });
    guest.send({ data: [2], window: 10_000 });
    guest.send({ sequence: guest.sequence - 2, data: [1, 2, 3], window: 0 });
    guest.sequence++;
    // Nor one with an old acknowledgement.
    guest.send({ data: [4], acknowledgement: guest.expected - 1, window: 0 });
    expect(during(() => service.stream.write(bytes(1000))).length).toBe(1);
  });

  it("copies what is written", () => {
    const { connect, service, wait } = tcpStack();
    connect();
    const scratch = Uint8Array.of(1, 2, 3);
    service.stream.write(scratch);
    scratch.fill(9);
    expect(wait(RETRANSMIT_FIRST)[0]?.data).toEqual([1, 2, 3]);
  });

  it("challenges an acknowledgement of what was not sent, and one too old to be (RFC 5961 section 5.2)", () => {
    const { connect, service, counters } = tcpStack();
    const guest = connect();
    for (const acknowledgement of [guest.expected + 1, guest.expected - MAX_QUEUED - 1]) {
      expect(
        guest.send({ sequence: guest.sequence, acknowledgement: acknowledgement >>> 0, data: [1] }),
      ).toMatchObject([{ flags: "A", acknowledgement: guest.sequence }]);
    }
    expect(service.received).toEqual([]);
    expect(counters.segments.unacceptable).toBe(2);
  });

  it("ignores a segment without ACK", () => {
    const { connect, service } = tcpStack();
    const guest = connect();
    expect(guest.send({ sequence: guest.sequence, flags: "P", data: [1] })).toEqual([]);
    expect(service.received).toEqual([]);
  });
});

describe("Connection: what gets lost", () => {
  it("sends the oldest segment again, later and later, and the rest when the guest answers", () => {
    const { connect, service, during, wait, counters, clock } = tcpStack();
    const guest = connect();
    during(() => service.stream.write(bytes(3 * MAX_SEGMENT)));
    expect(wait(RETRANSMIT_FIRST - 1)).toEqual([]);
    for (const pause of [1, 400, 800, 1600, 3200, 5000, 5000]) {
      const again = wait(pause);
      expect(again).toMatchObject([{ sequence: guest.expected, data: [...bytes(MAX_SEGMENT)] }]);
      expect(again[0]?.data.length).toBe(MAX_SEGMENT);
    }
    expect(counters.segments.retransmitted).toBe(7);
    // Acknowledged alone: the other two go again at once.
    guest.expected += MAX_SEGMENT;
    expect(guest.send({}).map(({ sequence }) => sequence - guest.expected)).toEqual([
      -2 * MAX_SEGMENT,
      -MAX_SEGMENT,
    ]);
    expect(guest.send({})).toEqual([]);
    wait(60_000);
    expect(clock.waiting).toBe(0);
  });

  it("sends nothing again that the guest turns out to have", () => {
    const { connect, service, during, wait } = tcpStack();
    const guest = connect();
    during(() => service.stream.write(bytes(3 * MAX_SEGMENT)));
    wait(RETRANSMIT_FIRST);
    guest.expected += 3 * MAX_SEGMENT;
    expect(guest.send({})).toEqual([]);
    expect(wait(60_000)).toEqual([]);
  });

  it("begins with the first pause again after progress", () => {
    const { connect, service, during, wait } = tcpStack();
    const guest = connect();
    guest.take(during(() => service.stream.write(bytes(10))));
    wait(RETRANSMIT_FIRST + 400);
    guest.send({});
    during(() => service.stream.write(bytes(10)));
    expect(wait(RETRANSMIT_FIRST).length).toBe(1);
  });

  it("sends SYN and FIN again", () => {
    const { feed, connect, service, during, wait } = tcpStack();
    feed({ sourcePort: 4001, flags: "S" });
    expect(wait(RETRANSMIT_FIRST)).toMatchObject([{ flags: "SA" }]);
    const guest = connect();
    const [fin] = during(() => service.stream.close());
    expect(fin).toMatchObject({ flags: "FA", sequence: guest.expected });
    expect(wait(RETRANSMIT_FIRST)).toContainEqual(fin);
  });

  it("gives up a guest that speaks but does not acknowledge, and counts it", () => {
    const { connect, service, feed, during, wait, counters, listener } = tcpStack();
    connect();
    during(() => service.stream.write(bytes(10)));
    let answers: unknown[] = [];
    for (let i = 0; i <= MAX_TRIES; i++) {
      // A sign of life from elsewhere.
      feed({ sourcePort: 5000, flags: "R" });
      answers = wait(5000);
    }
    expect(answers).toMatchObject([{ flags: "RA" }]);
    expect(counters).toMatchObject({ abortedConnections: 1, openConnections: 0 });
    expect(listener.size).toBe(0);
    expect(service.stream.write(bytes(1))).toBe(false);
  });

  it("neither gives up nor floods a guest that is silent altogether: it may be paused", () => {
    const { connect, service, during, wait, counters } = tcpStack();
    const guest = connect();
    during(() => service.stream.write(bytes(10)));
    const count = wait(3_600_000).length;
    expect(count).toBeGreaterThanOrEqual(MAX_TRIES);
    expect(count).toBeLessThanOrEqual(2 * MAX_TRIES);
    // Back again, and still without those bytes.
    guest.send({ data: [1] });
    expect(wait(5000)).toMatchObject([{ data: [...bytes(10)] }]);
    guest.expected += 10;
    guest.send({});
    expect(counters).toMatchObject({ abortedConnections: 0, openConnections: 1 });
  });

  it("probes a closed window with one byte, for as long as the guest answers (RFC 9293 MUST-37)", () => {
    const { connect, service, during, wait, counters } = tcpStack();
    const guest = connect();
    guest.send({ window: 0 });
    expect(during(() => service.stream.write(bytes(1000)))).toEqual([]);
    for (let i = 0; i < 5 * MAX_TRIES; i++) {
      for (const probe of wait(5000)) {
        expect(probe).toMatchObject({ sequence: guest.expected, data: [0] });
        guest.send({ window: 0 });
      }
    }
    expect(counters.abortedConnections).toBe(0);
    // The probes were thrown away: the byte goes again.
    expect(guest.send({ window: 65535 })).toMatchObject([
      { sequence: guest.expected - 1000, data: [...bytes(1000)] },
    ]);
  });

  it("acknowledges within a closed window, so that the guest heeds it", () => {
    const { connect, service, during, wait } = tcpStack();
    const guest = connect();
    guest.send({ window: 0 });
    during(() => service.stream.write(bytes(1000)));
    wait(RETRANSMIT_FIRST);
    expect(guest.send({ window: 0, data: [1] })).toMatchObject([
      { flags: "A", sequence: guest.expected, acknowledgement: guest.sequence, data: [] },
    ]);
  });
});

describe("Connection: back-pressure", () => {
  /** An echo whose guest sends all it may and takes nothing. */
  function stuckEcho(scaled: boolean) {
    const machine = tcpStack();
    const { service } = machine;
    service.onData = (stream, data) => stream.write(data);
    const guest = machine.connect({ options: scaled ? SCALE : [], window: 4000 });
    const { expected } = guest;
    const shift = scaled ? 3 : 0;
    let window = 65535 >> shift;
    for (let i = 0; i < 1000 && window << shift >= FULL.length; i++) {
      const answer = guest.send({ data: FULL, acknowledgement: expected, window: 0 }).at(-1);
      window = answer?.window ?? window - (FULL.length >> shift);
    }
    return { ...machine, guest, expected, window };
  }

  it("closes the window when an echo's guest does not read, at its bound and without an abort", () => {
    for (const [scaled, bound] of [
      [true, RECEIVE_WINDOW],
      [false, 65535],
    ] as const) {
      const { service, counters, window } = stuckEcho(scaled);
      expect(window).toBeLessThan(FULL.length);
      expect(service.received.length).toBeLessThanOrEqual(bound);
      expect(service.received.length).toBeGreaterThan(bound - 2 * FULL.length);
      expect(counters.abortedConnections).toBe(0);
    }
  });

  it("tells the guest when it has taken enough that it may send again, also when there is nothing else to say", () => {
    const { guest, service, expected, window } = stuckEcho(true);
    // All that is queued gets out and is taken piece by piece; then there is nothing left to carry the news.
    guest.expected = expected;
    let last = window;
    for (let i = 0; i < 1000; i++) {
      const answers = guest.send({ window: 0x7fff });
      last = answers.at(-1)?.window ?? last;
      if ((guest.expected - expected) >>> 0 === service.received.length && answers.length === 0) break;
    }
    expect(last << 3).toBeGreaterThan(RECEIVE_WINDOW / 2);
  });

  it("aborts when a service writes more than its bound, whatever the guest's window", () => {
    const { connect, service, during, counters, listener } = tcpStack();
    connect({ window: 0 });
    const piece = bytes(65536);
    let answers = during(() => {
      for (let i = 0; i < MAX_QUEUED / piece.length; i++) expect(service.stream.write(piece)).toBe(true);
    });
    expect(counters.abortedConnections).toBe(0);
    answers = during(() => expect(service.stream.write(Uint8Array.of(1))).toBe(false));
    expect(answers).toMatchObject([{ flags: "RA" }]);
    expect(counters).toMatchObject({ abortedConnections: 1, openConnections: 0 });
    expect(listener.size).toBe(0);
  });
});

describe("Connection: the end", () => {
  it("delivers data that come with FIN, and closes when the service has nothing to say", () => {
    const { connect, service, listener, counters } = tcpStack();
    const guest = connect();
    expect(guest.send({ data: [1, 2], flags: "FPA" })).toMatchObject([{ flags: "FA", acknowledgement: 104 }]);
    expect(service.received).toEqual([1, 2]);
    expect(listener.size).toBe(1);
    expect(guest.send({})).toEqual([]);
    expect(listener.size).toBe(0);
    expect(counters).toMatchObject({ openConnections: 0, abortedConnections: 0 });
  });

  it("lets a service answer after the guest has ended, and ends then", () => {
    const { connect, service, during, listener } = tcpStack();
    service.onEnd = () => {};
    const guest = connect();
    expect(guest.send({ flags: "FA" })).toMatchObject([{ flags: "A" }]);
    expect(service.ends).toBe(1);
    guest.take(during(() => service.stream.write(bytes(10))));
    guest.send({});
    guest.take(during(() => service.stream.close()));
    expect(service.stream.write(bytes(1))).toBe(false);
    guest.send({});
    expect(listener.size).toBe(0);
  });

  it("sends FIN behind all that was written, with the last of it", () => {
    const { connect, service, during } = tcpStack();
    connect();
    const answers = during(() => {
      service.onData = (stream) => {
        stream.write(bytes(2000));
        stream.close();
        stream.close();
      };
    });
    expect(answers).toEqual([]);
    const guest = connect({ sourcePort: 4001 });
    expect(guest.send({ data: [1] }).map(({ flags, data }) => [flags, data.length])).toEqual([
      ["A", MAX_SEGMENT],
      ["FPA", 2000 - MAX_SEGMENT],
    ]);
  });

  it("waits out the time when it has closed first, and answers FIN again meanwhile", () => {
    const { connect, service, during, wait, listener, counters, clock } = tcpStack();
    const guest = connect();
    guest.take(during(() => service.stream.close()));
    guest.send({});
    // Half closed: what still comes is acknowledged, and nobody gets it.
    expect(guest.send({ data: [1] })).toMatchObject([{ flags: "A", acknowledgement: guest.sequence }]);
    expect(service.received).toEqual([]);
    const { sequence } = guest;
    expect(guest.send({ flags: "FA" })).toMatchObject([{ flags: "A", acknowledgement: sequence + 1 }]);
    expect(counters.openConnections).toBe(0);
    wait(TIME_WAIT - 100);
    expect(guest.send({ sequence, flags: "FA" })).toMatchObject([
      { flags: "A", acknowledgement: sequence + 1 },
    ]);
    wait(TIME_WAIT - 100);
    expect(listener.size).toBe(1);
    wait(100);
    expect(listener.size).toBe(0);
    expect(clock.waiting).toBe(0);
  });

  it("closes at the same time as the guest, in either order of the acknowledgements", () => {
    for (const together of [true, false]) {
      const { connect, service, during, wait, listener } = tcpStack();
      const guest = connect();
      const { expected } = guest;
      guest.take(during(() => service.stream.close()));
      const acknowledgement = together ? guest.expected : expected;
      expect(guest.send({ flags: "FA", acknowledgement })).toMatchObject([{ flags: "A" }]);
      if (!together) guest.send({});
      wait(TIME_WAIT);
      expect(listener.size).toBe(0);
    }
  });

  it("does not wait for ever for a guest that keeps its half open", () => {
    const { connect, service, during, wait, listener, counters } = tcpStack();
    const guest = connect();
    guest.take(during(() => service.stream.close()));
    guest.send({});
    wait(FIN_WAIT_2 - 1);
    expect(listener.size).toBe(1);
    wait(1);
    expect(listener.size).toBe(0);
    expect(counters).toMatchObject({ openConnections: 0, abortedConnections: 0 });
  });

  it("takes a new connection from the same port in TIME-WAIT, beyond the numbers of the old one", () => {
    const { connect, service, during, feed, listener, counters } = tcpStack();
    const guest = connect();
    guest.take(during(() => service.stream.close()));
    guest.send({ flags: "FA" });
    expect(feed({ sequence: guest.sequence - 1, flags: "S" })).toMatchObject([{ flags: "A" }]);
    const [answer] = feed({ sequence: guest.sequence, flags: "S" });
    expect(answer).toMatchObject({ flags: "SA", acknowledgement: guest.sequence + 1 });
    expect(((answer?.sequence ?? 0) - guest.expected) | 0).toBeGreaterThan(0);
    expect(listener.size).toBe(1);
    expect(counters.openConnections).toBe(0);
  });

  it("costs its own connection, and nothing else, when a service fails", () => {
    const { connect, service, counters, listener } = tcpStack();
    const fail = () => {
      throw new Error("broken");
    };
    service.onData = fail;
    service.onEnd = fail;
    expect(connect({ sourcePort: 1 }).send({ data: [1] })).toMatchObject([{ flags: "RA" }]);
    expect(connect({ sourcePort: 2 }).send({ flags: "FA" })).toMatchObject([{ flags: "RA" }]);
    expect(connect({ sourcePort: 2 }).send({ data: [1], flags: "FPA" })).toMatchObject([{ flags: "RA" }]);
    service.onOpen = fail;
    connect({ sourcePort: 3 });
    expect(counters).toMatchObject({ abortedConnections: 4, openConnections: 0, acceptedConnections: 4 });
    expect(listener.size).toBe(0);
  });
});

describe("Connection: resets and challenges (RFC 5961)", () => {
  function reset(guest: Guest, offset: number) {
    return guest.send({ sequence: (guest.sequence + offset) >>> 0, flags: "R" });
  }

  it("ends at a reset with exactly the next sequence number", () => {
    const { connect, service, listener, counters } = tcpStack();
    const guest = connect();
    expect(reset(guest, 0)).toEqual([]);
    expect(listener.size).toBe(0);
    expect(counters).toMatchObject({ openConnections: 0, abortedConnections: 0 });
    expect(counters.segments.resetsReceived).toBe(1);
    expect(service.stream.write(bytes(1))).toBe(false);
  });

  it("challenges a reset elsewhere in the window and ignores one outside (section 3.2 MUST)", () => {
    const { connect, listener } = tcpStack();
    const guest = connect();
    expect(reset(guest, 1)).toMatchObject([{ flags: "A", acknowledgement: guest.sequence }]);
    expect(reset(guest, -1)).toEqual([]);
    expect(reset(guest, RECEIVE_WINDOW + 1)).toEqual([]);
    expect(listener.size).toBe(1);
  });

  it("challenges SYN in an open connection, whatever its number (section 4.2 MUST)", () => {
    const { connect, listener } = tcpStack();
    const guest = connect();
    for (const offset of [-1, 0, 1, 0x40000000]) {
      expect(guest.send({ sequence: (guest.sequence + offset) >>> 0, flags: "S" })).toMatchObject([
        { flags: "A", acknowledgement: guest.sequence, sequence: guest.expected },
      ]);
    }
    expect(listener.size).toBe(1);
  });

  it("forgets a half open connection at its reset, without a word", () => {
    const { feed, listener } = tcpStack();
    feed({ sequence: 100, flags: "S" });
    expect(feed({ sequence: 101, flags: "R" })).toEqual([]);
    expect(listener.size).toBe(0);
  });
});
