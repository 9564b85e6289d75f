import { describe, expect, it } from "vitest";
import { NO_ANSWER } from "../service.ts";
import { FakeStream } from "../testing/fakes.ts";
import { DiscardService } from "./discard.ts";

describe("DiscardService", () => {
  it("listens at port 9", () => {
    expect(new DiscardService().port).toBe(9);
  });

  it("takes a stream's bytes and says nothing", () => {
    const service = new DiscardService();
    const stream = new FakeStream();
    const handler = service.open(stream);
    handler.data(new Uint8Array(1000));
    handler.data(new Uint8Array(1));
    expect(stream.sent).toEqual([]);
    expect(stream.closed).toBe(false);
    expect(service.counters).toEqual({ connections: 1, datagrams: 0, bytes: 1001 });
  });

  it("takes datagrams and says nothing", () => {
    const service = new DiscardService();
    expect(service.answer(new Uint8Array(5), new Uint8Array(10))).toBe(NO_ANSWER);
    expect(service.counters).toEqual({ connections: 0, datagrams: 1, bytes: 5 });
  });
});
