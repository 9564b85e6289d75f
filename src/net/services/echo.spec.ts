import { describe, expect, it } from "vitest";
import { NO_ANSWER } from "../service.ts";
import { FakeStream } from "../testing/fakes.ts";
import { EchoService } from "./echo.ts";

describe("EchoService", () => {
  it("listens at port 7", () => {
    expect(new EchoService().port).toBe(7);
  });

  it("sends back what a stream brings, in order", () => {
    const service = new EchoService();
    const stream = new FakeStream();
    const handler = service.open(stream);
    handler.data(Uint8Array.of(1, 2, 3));
    handler.data(Uint8Array.of(4));
    expect(stream.sent).toEqual([1, 2, 3, 4]);
    expect(stream.closed).toBe(false);
    expect(service.counters).toEqual({ connections: 1, datagrams: 0, bytes: 4 });
  });

  it("answers a datagram with the same bytes, an empty one too", () => {
    const service = new EchoService();
    const response = new Uint8Array(10).fill(9);
    expect(service.answer(Uint8Array.of(1, 2, 3), response)).toBe(3);
    expect([...response.subarray(0, 4)]).toEqual([1, 2, 3, 9]);
    expect(service.answer(new Uint8Array(0), response)).toBe(0);
    expect(service.counters.datagrams).toBe(2);
  });

  it("does not answer a datagram whose echo would not fit a frame", () => {
    expect(new EchoService().answer(new Uint8Array(11), new Uint8Array(10))).toBe(NO_ANSWER);
  });
});
