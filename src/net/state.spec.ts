/** The peer saved and restored in the middle of connections: the guest at the other end does not notice. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decode, encode, StateError } from "../state/codec.ts";
import { InPagePeer, PEER_STATE } from "./peer.ts";
import { FakeClock } from "./testing/clock.ts";
import { readTcp, tcpFrame } from "./testing/fakes.ts";
import { TcpClient } from "./testing/tcp-client.ts";

/** One peer after another at the same cable. */
class Cable {
  readonly clock = new FakeClock();
  readonly toGuest: Uint8Array[] = [];
  readonly toPeer: Uint8Array[] = [];
  peer = this.#made();

  #made(): InPagePeer {
    const peer = new InPagePeer({ clock: this.clock, status: () => "counters\n" });
    peer.receive = (frame) => this.toGuest.push(frame.slice());
    return peer;
  }

  save(): Uint8Array {
    return encode(PEER_STATE, this.peer.save());
  }

  /** The peer goes, and another one takes its place. */
  replace(bytes = this.save()): void {
    const state = decode(PEER_STATE, bytes);
    this.peer.close();
    this.peer = this.#made();
    this.peer.restore(state);
  }

  client(port: number, data: Uint8Array, more: Partial<ConstructorParameters<typeof TcpClient>[0]> = {}) {
    return new TcpClient({
      clock: this.clock,
      port,
      data,
      send: (frame) => this.toPeer.push(frame.slice()),
      ...more,
    });
  }

  /** Moves frames both ways until nothing is left, or so many were moved; a lost one is moved nowhere. */
  run(client: TcpClient, frames: number, lost: () => boolean): void {
    for (let moved = 0; moved < frames; moved++) {
      const out = this.toPeer.shift();
      if (out !== undefined) {
        if (!lost()) this.peer.send(out);
        continue;
      }
      const back = this.toGuest.shift();
      if (back === undefined) this.clock.advance(50);
      else if (!lost()) client.receive(back);
    }
  }
}

const ECHO = 7;
const SOURCE = 19;
const REQUEST_RESPONSE = 12865;
const STATUS = 8080;

const bytesOf = (length: number, period: number): Uint8Array =>
  Uint8Array.from({ length }, (_, k) => k % period);

function requests(count: number, size: number, answer: number): Uint8Array {
  const bytes = new Uint8Array(16 + count * size);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("DBRR"));
  view.setUint32(4, 1, true);
  view.setUint32(8, size, true);
  view.setUint32(12, answer, true);
  bytes.set(bytesOf(count * size, 251), 16);
  return bytes;
}

const CONVERSATIONS = {
  echo: { port: ECHO, data: bytesOf(6000, 241), answer: bytesOf(6000, 241) },
  "request/response": { port: REQUEST_RESPONSE, data: requests(8, 700, 900), answer: bytesOf(7200, 251) },
  source: { port: SOURCE, data: new TextEncoder().encode("9000\n"), answer: bytesOf(9000, 256) },
} as const;

describe("a connection of the peer", () => {
  it.each(Object.entries(CONVERSATIONS))(
    "to %s loses and repeats no byte when the peer is saved and restored anywhere in it",
    (_name, { port, data, answer }) => {
      fc.assert(
        fc.property(
          fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
          fc.boolean(),
          fc.infiniteStream(fc.nat(19)),
          (pauses, scaled, dice) => {
            const cable = new Cable();
            const client = cable.client(port, data, { windowShift: scaled ? 3 : undefined });
            const lost = (): boolean => dice.next().value === 0;
            client.connect();
            for (const frames of pauses) {
              cable.run(client, frames, lost);
              cable.replace();
            }
            for (let round = 0; round < 300 && !client.done && !client.reset; round++)
              cable.run(client, 40, lost);
            expect(client.reset).toBe(false);
            expect(Uint8Array.from(client.received)).toEqual(answer);
            expect(cable.peer.counters.acceptedConnections).toBe(1);
          },
        ),
        { numRuns: 20 },
      );
    },
    30_000,
  );

  it("to the status page is answered though the request came in two halves, one before and one after", () => {
    const cable = new Cable();
    const request = new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n");
    const client = cable.client(STATUS, request, { segmentLength: () => 9 });
    client.connect();
    cable.run(client, 4, () => false);
    cable.replace();
    cable.run(client, 200, () => false);
    expect(new TextDecoder().decode(Uint8Array.from(client.received))).toMatch(/200 OK[\s\S]*counters\n$/);
  });

  it("whose service cannot go on is reset, and the guest hears of it at once", () => {
    const cable = new Cable();
    const client = cable.client(SOURCE, new TextEncoder().encode("5000000\n"));
    client.connect();
    cable.run(client, 10, () => false);
    const state = cable.peer.save();
    cable.toGuest.length = 0;
    const broken = state.connections.map((connection) => ({ ...connection, handler: undefined }));
    cable.replace(encode(PEER_STATE, { ...state, connections: broken }));
    expect(cable.toGuest.map((frame) => readTcp(frame).flags)).toEqual(["RA"]);
    expect(cable.peer.counters.openConnections).toBe(0);
  });

  it("leaves nothing with the clock of the peer that was saved", () => {
    const cable = new Cable();
    const client = cable.client(SOURCE, new TextEncoder().encode("100000\n"));
    client.connect();
    cable.run(client, 10, () => false);
    const before = cable.peer;
    cable.replace();
    before.close();
    cable.toGuest.length = 0;
    cable.clock.advance(300);
    // Sent again, by one of them and not by both.
    const again = cable.toGuest.map((frame) => readTcp(frame)).filter(({ data }) => data.length > 0);
    expect(new Set(again.map(({ sequence }) => sequence)).size).toBe(again.length);
    expect(again.length).toBeGreaterThan(0);
  });
});

describe("a saved peer that somebody has changed", () => {
  it("is refused, or takes frames and time as any other", () => {
    const cable = new Cable();
    const client = cable.client(SOURCE, new TextEncoder().encode("50000\n"));
    client.connect();
    cable.run(client, 10, () => false);
    const bytes = cable.save();
    let taken = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const altered = bytes.slice();
          for (const [place, value] of changes) altered[place] = value;
          const other = new Cable();
          try {
            other.replace(altered);
          } catch (error) {
            expect(error).toBeInstanceOf(StateError);
            return;
          }
          taken++;
          for (const flags of ["A", "PA", "FA", "S", "R"]) {
            other.peer.send(tcpFrame(SOURCE, { sequence: 1001, acknowledgement: 5, flags, data: [1] }));
          }
          other.clock.advance(20_000);
          other.peer.close();
          expect(other.clock.waiting).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
    expect(taken).toBeGreaterThan(10);
  });
});
