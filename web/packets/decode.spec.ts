import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeFrame } from "./decode.ts";

const bytes = (...parts: readonly (string | number[])[]) =>
  Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "string"
        ? (part.match(/[0-9a-f]{2}/g) ?? []).map((byte) => Number.parseInt(byte, 16))
        : part,
    ),
  );
const ETHERNET = "52550a000202 525400123456";
const text = (value: string) => [...new TextEncoder().encode(value)];

/** An IPv4 packet from 10.0.2.15 to 10.0.2.2. */
function ipv4(protocol: number, payload: Uint8Array): Uint8Array {
  const total = 20 + payload.length;
  return bytes(
    `${ETHERNET} 0800 4500`,
    [total >> 8, total & 0xff],
    "0001 4000 40",
    [protocol],
    "beef 0a00020f 0a000202",
    [...payload],
  );
}

function udp(from: number, to: number, payload: Uint8Array): Uint8Array {
  const length = 8 + payload.length;
  return ipv4(
    17,
    bytes([from >> 8, from & 0xff, to >> 8, to & 0xff, length >> 8, length & 0xff], "0000", [...payload]),
  );
}

describe("a frame in words", () => {
  it.each([
    [
      "an ARP request",
      bytes(`ffffffffffff 525400123456 0806 0001080006040001 525400123456 0a00020f 000000000000 0a000202`),
      ["525400123456", "ARP", "Who has 10.0.2.2? Tell 10.0.2.15"],
    ],
    [
      "an ARP reply",
      bytes(`525400123456 52550a000202 0806 0001080006040002 52550a000202 0a000202 525400123456 0a00020f`),
      ["52550a000202", "ARP", "10.0.2.2 is at 52:55:0a:00:02:02"],
    ],
    [
      "a ping",
      ipv4(1, bytes("0800 1234 0007 0003", new Array<number>(56).fill(0x61))),
      ["10.0.2.15", "ICMP", "Echo (ping) request id=0x0007 seq=3 len=56"],
    ],
    [
      "a TCP segment",
      ipv4(6, bytes("8000 3241 00000001 00000002 5018 fa00 0000 0000", text("hello"))),
      ["10.0.2.15", "TCP", "32768 \u2192 12865 (request/response) [PSH, ACK] seq=1 ack=2 win=64000 len=5"],
    ],
    ["a UDP datagram", udp(40000, 7, bytes(text("hi"))), ["10.0.2.15", "UDP", "40000 \u2192 7 (echo) len=2"]],
    [
      "a DNS query",
      udp(
        40000,
        53,
        bytes("1234 0100 0001 0000 0000 0000 07", text("example"), "03", text("org"), "00 0001 0001"),
      ),
      ["10.0.2.15", "DNS", "Query 0x1234: A example.org"],
    ],
    [
      "a DNS answer with a compressed name",
      udp(
        40000,
        53,
        bytes(
          "1234 8180 0001 0001 0000 0000 07",
          text("example"),
          "03",
          text("org"),
          "00 0001 0001 c00c 0001 0001 0000003c 0004 5db8d822",
        ),
      ),
      ["10.0.2.15", "DNS", "Answer 0x1234 to A example.org: example.org A 93.184.216.34"],
    ],
    [
      "a DHCP offer",
      udp(
        67,
        68,
        bytes(
          "0201 0600 3903f326 0000 0000 00000000 0a00020f 0a000202 00000000 525400123456",
          new Array<number>(10 + 192).fill(0),
          "63825363 350102 3604 0a000202 ff",
        ),
      ),
      ["10.0.2.15", "DHCP", "Offer, transaction 0x3903f326, address 10.0.2.15"],
    ],
  ])("is right for %s", (_, frame, [source, protocol, summary]) => {
    const decoded = decodeFrame(frame);
    expect([decoded.source.replaceAll(":", ""), decoded.protocol, decoded.summary]).toEqual([
      source,
      protocol,
      summary,
    ]);
  });

  it("names each layer with its fields, from the outside to the inside", () => {
    const { layers } = decodeFrame(udp(40000, 53, bytes("1234 0100 0000 0000 0000 0000")));
    expect(layers.map(({ name }) => name)).toEqual(["Ethernet II", "IPv4", "UDP", "DNS"]);
    expect(layers[1]?.fields).toContainEqual(["Time to live", "64"]);
  });

  it("says where a frame is cut short, or a header lies about its length", () => {
    const whole = ipv4(6, bytes("8000 3241 00000001 00000002 5018 fa00 0000 0000"));
    expect(decodeFrame(whole.subarray(0, 40)).summary).toBe("TCP, cut short");
    expect(decodeFrame(new Uint8Array(3)).summary).toBe("cut short");
    const lying = whole.slice();
    lying[14] = 0x41;
    expect(decodeFrame(lying).summary).toBe("malformed IPv4 header");
  });

  it("ends for names that point in circles", () => {
    const { summary } = decodeFrame(udp(1, 53, bytes("1234 0100 0001 0000 0000 0000 01 61 c00c 0001 0001")));
    expect(summary).toMatch(/^Query 0x1234: A (a\.)+\.\.$/);
  });

  it("comes out for any bytes at all", () => {
    const headers = fc.constantFrom(`${ETHERNET} 0800 4500 00ff 0001 0000 40`, `${ETHERNET} 0806`, "");
    fc.assert(
      fc.property(
        headers,
        fc.constantFrom("11", "06", "01"),
        fc.uint8Array({ maxLength: 400 }),
        (head, next, rest) => {
          const { summary, layers } = decodeFrame(bytes(head, next, [...rest]));
          expect(typeof summary).toBe("string");
          expect(layers.length).toBeLessThan(6);
        },
      ),
      { numRuns: 500 },
    );
    const dns = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(dns, (rest) => decodeFrame(udp(53, 53, rest)).protocol !== ""),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(dns, (rest) => decodeFrame(udp(68, 67, rest)).protocol !== ""),
      { numRuns: 200 },
    );
  });
});
