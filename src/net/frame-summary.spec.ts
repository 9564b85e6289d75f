import { describe, expect, it } from "vitest";
import { emptySummary, summarizeFrame } from "./frame-summary.ts";

/** An Ethernet frame with IPv4 and what follows, without checksums: nothing here looks at them. */
function ipv4(protocol: number, transport: readonly number[], fragment = 0): Uint8Array {
  const total = 20 + transport.length;
  return Uint8Array.from([
    ...new Array<number>(12).fill(2),
    ...[0x08, 0x00, 0x45, 0, total >> 8, total & 0xff, 0, 0, fragment >> 8, fragment & 0xff, 64, protocol],
    ...[0, 0, 10, 0, 2, 15, 10, 0, 2, 2],
    ...transport,
  ]);
}

const TCP = [0x9c, 0x40, 0x32, 0x41, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0, 0, 0, 0];

describe("a frame's summary", () => {
  it("has ports, flags and the length of TCP's payload, padding not counted", () => {
    const frame = ipv4(6, [...TCP, 1, 2, 3]);
    const padded = new Uint8Array(100);
    padded.set(frame);
    expect(summarizeFrame(padded, emptySummary())).toEqual({
      bytes: 100,
      etherType: 0x800,
      protocol: 6,
      sourcePort: 40000,
      destinationPort: 12865,
      tcpFlags: 0x18,
      payload: 3,
    });
  });

  it("forgets what the frame before had", () => {
    const into = summarizeFrame(ipv4(6, TCP), emptySummary());
    expect(summarizeFrame(new Uint8Array(5), into)).toEqual({ ...emptySummary(), bytes: 5 });
    expect(summarizeFrame(ipv4(17, [0, 53, 0, 54, 0, 12, 0, 0, 1, 2, 3, 4]), into)).toMatchObject({
      protocol: 17,
      sourcePort: 53,
      destinationPort: 54,
      tcpFlags: 0,
      payload: 4,
    });
  });

  it("reads no ports out of a later fragment or a header that is cut short", () => {
    expect(summarizeFrame(ipv4(6, TCP, 100), emptySummary())).toMatchObject({ protocol: 6, sourcePort: 0 });
    for (let length = 0; length < 54; length++) {
      const cut = ipv4(6, TCP).subarray(0, length);
      expect(summarizeFrame(cut, emptySummary())).toMatchObject({ bytes: length, sourcePort: 0, payload: 0 });
    }
  });
});
