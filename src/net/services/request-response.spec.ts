import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NO_ANSWER } from "../service.ts";
import { FakeStream } from "../testing/fakes.ts";
import { RequestResponseService } from "./request-response.ts";

function words(...values: number[]): number[] {
  return values.flatMap((value) => [
    value & 0xff,
    (value >> 8) & 0xff,
    (value >> 16) & 0xff,
    (value >>> 24) & 0xff,
  ]);
}

function header(request: number, response: number, magic = "DBRR", version = 1): number[] {
  return [...new TextEncoder().encode(magic), ...words(version, request, response)];
}

/** Bytes 0 to `length` of either direction's stream. */
function content(length: number): number[] {
  return Array.from({ length }, (_, k) => k % 251);
}

function connect(service = new RequestResponseService()) {
  const stream = new FakeStream();
  const handler = service.open(stream);
  return { service, stream, data: (bytes: readonly number[]) => handler.data(Uint8Array.from(bytes)) };
}

describe("RequestResponseService by TCP", () => {
  it("listens at port 12865 and says nothing before a whole request has come", () => {
    const { service, stream, data } = connect();
    expect(service.port).toBe(12865);
    data([...header(32, 1024), ...content(31)]);
    expect(stream.writes).toBe(0);
    data([31]);
    expect(stream.writes).toBe(1);
    expect(stream.sent).toEqual(content(1024));
    expect(service.counters.transactions).toBe(1);
  });

  it("answers every request, however the stream is cut, and both contents run on", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 600 }),
        fc.integer({ min: 1, max: 600 }),
        fc.integer({ min: 0, max: 12 }),
        fc.array(fc.integer({ min: 1, max: 900 })),
        (request, response, count, cuts) => {
          const { service, stream, data } = connect();
          const all = [...header(request, response), ...content(request * count)];
          let offset = 0;
          for (const cut of cuts) {
            data(all.slice(offset, offset + cut));
            offset = Math.min(all.length, offset + cut);
          }
          data(all.slice(offset));
          expect(stream.sent).toEqual(content(response * count));
          expect(stream.closed).toBe(false);
          expect(service.counters).toMatchObject({
            transactions: count,
            bytes: request * count,
            mismatches: 0,
          });
        },
      ),
    );
  });

  it("serves the largest sizes, each response in one write", () => {
    const { stream, data } = connect();
    const all = [...header(65536, 65536), ...content(65536 * 3)];
    for (let offset = 0; offset < all.length; offset += 1460) data(all.slice(offset, offset + 1460));
    expect(stream.writes).toBe(3);
    expect(stream.sent.length).toBe(65536 * 3);
    expect(stream.sent.findIndex((byte, k) => byte !== k % 251)).toBe(-1);
  });

  it("serves many connections at once, each with its own place in the contents", () => {
    const service = new RequestResponseService();
    const connections = Array.from({ length: 50 }, () => connect(service));
    connections.forEach(({ data }, i) => {
      data(header(10, i + 1));
    });
    for (let round = 0; round < 3; round++) {
      for (const { data } of connections) data(content(30).slice(round * 10, round * 10 + 10));
    }
    connections.forEach(({ stream }, i) => {
      expect(stream.sent).toEqual(content((i + 1) * 3));
    });
    expect(service.counters).toMatchObject({ connections: 50, transactions: 150 });
  });

  it("closes a connection whose header is bad", () => {
    const bad = [
      header(1, 1, "DBRU"),
      header(1, 1, "DBRR", 2),
      header(0, 1),
      header(1, 0),
      header(65537, 1),
      header(1, 65537),
      header(-1, 1),
    ];
    for (const bytes of bad) {
      const { service, stream, data } = connect();
      data([...bytes, 0, 1, 2]);
      expect(stream.closed).toBe(true);
      expect(stream.sent).toEqual([]);
      expect(service.counters).toMatchObject({ badHeaders: 1, bytes: 0 });
    }
  });

  it("closes a connection at the first wrong byte and does not answer that request", () => {
    for (const wrong of [0, 9, 10, 19]) {
      const { service, stream, data } = connect();
      const requests = content(20);
      requests[wrong] = 255;
      data([...header(10, 5), ...requests]);
      expect(stream.closed).toBe(true);
      expect(stream.sent).toEqual(content(wrong < 10 ? 0 : 5));
      expect(service.counters.mismatches).toBe(1);
    }
  });

  it("stops when its answers are not taken any more", () => {
    const { service, stream, data } = connect();
    stream.open = false;
    data([...header(1, 65536), ...content(1000)]);
    expect(stream.writes).toBe(1);
    expect(service.counters.transactions).toBe(1);
  });
});

describe("RequestResponseService by UDP", () => {
  function request(length: number, size: number, magic = "DBRU"): Uint8Array {
    const bytes = new Uint8Array(length).fill(0xee);
    bytes.set([...new TextEncoder().encode(magic), ...words(0x12345678, size)].slice(0, length));
    return bytes;
  }

  it("answers with the magic, the sequence number and padding up to the size asked for", () => {
    const service = new RequestResponseService();
    const response = new Uint8Array(1472).fill(0xdd);
    expect(service.answer(request(32, 100), response)).toBe(100);
    expect([...response.subarray(0, 8)]).toEqual([...request(8, 0)]);
    expect([...response.subarray(8, 100)]).toEqual(Array.from({ length: 92 }, () => 0));
    expect(service.answer(request(12, 8), response)).toBe(8);
    expect(service.answer(request(1472, 1472), response)).toBe(1472);
    expect(service.counters).toMatchObject({ datagrams: 3, badDatagrams: 0 });
  });

  it("does not answer what is no request", () => {
    const service = new RequestResponseService();
    const response = new Uint8Array(1472);
    for (const bad of [
      request(0, 8),
      request(11, 8),
      request(12, 7),
      request(12, 1473),
      request(12, 8, "DBRR"),
    ]) {
      expect(service.answer(bad, response)).toBe(NO_ANSWER);
    }
    expect(service.counters).toMatchObject({ datagrams: 0, badDatagrams: 5 });
  });
});
