import { describe, expect, it } from "vitest";
import type { Stream } from "../service.ts";
import { SourceService } from "./source.ts";

/** A stream whose guest reads only when told to. */
class SlowStream implements Stream {
  queued = 0;
  closed = false;
  readonly bytes: number[] = [];

  write(bytes: Uint8Array): boolean {
    this.queued += bytes.length;
    this.bytes.push(...bytes);
    return !this.closed;
  }

  close(): void {
    this.closed = true;
  }
}

const text = (characters: string): Uint8Array => new TextEncoder().encode(characters);

describe("SourceService", () => {
  it("sends as many bytes as were asked for, counts on from 0 to 255, and closes", () => {
    const service = new SourceService();
    expect(service.port).toBe(19);
    const stream = new SlowStream();
    const handler = service.open(stream);
    handler.data(text("30"));
    expect(stream.bytes).toEqual([]);
    handler.data(text("0\nignored"));
    expect(stream.bytes).toHaveLength(300);
    expect(stream.bytes.every((byte, k) => byte === k % 256)).toBe(true);
    expect(stream.closed).toBe(true);
    expect(service.counters).toEqual({ connections: 1, bytes: 300, badRequests: 0 });
  });

  it("waits for a guest that does not read, and goes on when it does", () => {
    const stream = new SlowStream();
    const handler = new SourceService().open(stream);
    handler.data(text("1000000\n"));
    const ahead = stream.queued;
    expect(ahead).toBeLessThan(512 * 1024);
    expect(stream.closed).toBe(false);
    handler.drain?.();
    expect(stream.queued).toBe(ahead);
    while (!stream.closed) {
      stream.queued = 0;
      handler.drain?.();
    }
    expect(stream.bytes).toHaveLength(1_000_000);
    expect(stream.bytes[999_999]).toBe(999_999 % 256);
  });

  it("sends what was asked for to a client that has closed its side", () => {
    const stream = new SlowStream();
    const handler = new SourceService().open(stream);
    handler.data(text("5\n"));
    handler.end?.();
    expect(stream.bytes).toHaveLength(5);
  });

  it("closes when the client has gone without a request", () => {
    const stream = new SlowStream();
    new SourceService().open(stream).end?.();
    expect(stream.closed).toBe(true);
  });

  it.each(["\n", "12x\n", "-1\n", "1234567890123\n"])(
    "closes and counts at the bad request %j",
    (request) => {
      const service = new SourceService();
      const stream = new SlowStream();
      service.open(stream).data(text(request));
      expect(stream.closed).toBe(true);
      expect(stream.bytes).toEqual([]);
      expect(service.counters.badRequests).toBe(1);
    },
  );
});
