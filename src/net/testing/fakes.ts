/** Stand-ins for specs: a stream, a router, and frames built and read byte by byte (not with the code that they test). */
import type { RouterPort } from "../router.ts";
import type { Stream } from "../service.ts";

/** A stream that remembers what was written, whole. */
export class FakeStream implements Stream {
  queued = 0;
  sent: number[] = [];
  writes = 0;
  closed = false;
  /** What write() returns: false plays a connection that was cut off. */
  open = true;

  write(bytes: Uint8Array): boolean {
    this.writes++;
    for (const byte of bytes) this.sent.push(byte);
    return this.open;
  }

  close(): void {
    this.closed = true;
  }

  get text(): string {
    return new TextDecoder().decode(Uint8Array.from(this.sent));
  }
}

/** A router that keeps what it got and says what the spec makes it say. */
export class FakeRouter implements RouterPort {
  /** The very arrays that came, not copies. */
  frames: Uint8Array[] = [];
  toGuest: (frame: Uint8Array) => void = () => {};
  /** What send() throws, if anything. */
  error: Error | undefined;

  send(frame: Uint8Array): void {
    this.frames.push(frame);
    if (this.error !== undefined) throw this.error;
  }

  onFrame(callback: (frame: Uint8Array) => void): void {
    this.toGuest = callback;
  }
}

const PEER_MAC = [0x52, 0x55, 0x0a, 0, 2, 2];
const GUEST_MAC = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const PEER_IP = [10, 0, 2, 2];
const GUEST_IP = [10, 0, 2, 15];

function two(value: number): number[] {
  return [(value >> 8) & 0xff, value & 0xff];
}

/** RFC 1071 by the book, on a list of bytes. */
export function checksum(bytes: readonly number[]): number {
  let sum = 0;
  bytes.forEach((byte, i) => {
    sum += i % 2 === 0 ? byte * 256 : byte;
  });
  return 0xffff - (sum === 0 ? 0 : sum % 0xffff || 0xffff);
}

/** An Ethernet frame from the guest to the peer. */
export function ethernet(etherType: number, payload: readonly number[], destination = PEER_MAC): Uint8Array {
  return Uint8Array.from([...destination, ...GUEST_MAC, ...two(etherType), ...payload]);
}

/** An IPv4 packet from the guest in a frame. `options` are whole 32-bit words; `destination` four octets. */
export function ipv4(
  protocol: number,
  payload: readonly number[],
  { options = [] as readonly number[], destination = PEER_IP as readonly number[], fragment = 0x4000 } = {},
): Uint8Array {
  const header = [
    0x45 + options.length / 4,
    0,
    ...two(20 + options.length + payload.length),
    ...two(0x1234),
    ...two(fragment),
    64,
    protocol,
    0,
    0,
    ...GUEST_IP,
    ...destination,
    ...options,
  ];
  const sum = checksum(header);
  header[10] = sum >> 8;
  header[11] = sum & 0xff;
  return ethernet(0x0800, [...header, ...payload]);
}

/** A UDP segment, checksum included, from the guest to the peer (or `destination`). */
export function udp(
  destinationPort: number,
  data: readonly number[],
  { sourcePort = 4000, destination = PEER_IP as readonly number[], withChecksum = true } = {},
): number[] {
  const length = 8 + data.length;
  const header = [...two(sourcePort), ...two(destinationPort), ...two(length), 0, 0];
  const pseudo = [...GUEST_IP, ...destination, 0, 17, ...two(length)];
  const sum = withChecksum ? checksum([...pseudo, ...header, ...data]) || 0xffff : 0;
  return [...header.slice(0, 6), ...two(sum), ...data];
}

function four(value: number): number[] {
  return [...two(value >>> 16), ...two(value)];
}

/** Letters of TCP's control bits, lowest bit first. */
const FLAG_LETTERS = "FSRPAUEC";

/** What a TCP segment says, but for its checksum. */
export interface Tcp {
  sourcePort: number;
  destinationPort: number;
  sequence: number;
  acknowledgement: number;
  /** Letters of FSRPAUEC: "S", "SA", "PA", "FA", "R". */
  flags: string;
  window: number;
  /** Whole 32-bit words. */
  options: number[];
  data: number[];
}

/** A TCP segment, checksum included, from the guest to the peer (or `destination`). */
export function tcp(
  destinationPort: number,
  segment: Partial<Tcp> = {},
  destination: readonly number[] = PEER_IP,
): number[] {
  const { sourcePort = 4000, sequence = 1, acknowledgement = 0, flags = "S" } = segment;
  const { window = 64240, options = [], data = [] } = segment;
  const bits = [...flags].reduce((sum, letter) => sum | (1 << FLAG_LETTERS.indexOf(letter)), 0);
  const start = [
    ...two(sourcePort),
    ...two(destinationPort),
    ...four(sequence),
    ...four(acknowledgement),
    0x50 + options.length * 4,
    bits,
    ...two(window),
  ];
  const end = [0, 0, ...options, ...data];
  const length = start.length + 2 + end.length;
  const pseudo = [...GUEST_IP, ...destination, 0, 6, ...two(length)];
  return [...start, ...two(checksum([...pseudo, ...start, 0, 0, ...end])), ...end];
}

/** {@link tcp} in a frame. */
export function tcpFrame(destinationPort: number, segment: Partial<Tcp> = {}): Uint8Array {
  return ipv4(6, tcp(destinationPort, segment));
}

/** What a TCP frame to the guest says, checksums checked by the book; throws when it is none or they are wrong. */
export function readTcp(frame: Uint8Array): Tcp {
  const { bytes, word } = readIpv4(frame, 6);
  const length = frame.length - 34;
  const pseudo = [...bytes.slice(26, 34), 0, 6, ...two(length)];
  if (checksum([...pseudo, ...bytes.slice(34)]) !== 0) throw new Error("wrong TCP checksum");
  const dataAt = 34 + ((bytes[46] ?? 0) >> 4) * 4;
  if (dataAt < 54 || dataAt > frame.length) throw new Error("wrong TCP header length");
  return {
    sourcePort: word(34),
    destinationPort: word(36),
    sequence: word(38) * 0x1_0000 + word(40),
    acknowledgement: word(42) * 0x1_0000 + word(44),
    flags: [...FLAG_LETTERS].filter((_, bit) => ((bytes[47] ?? 0) >> bit) & 1).join(""),
    window: word(48),
    options: bytes.slice(54, dataAt),
    data: bytes.slice(dataAt),
  };
}

/** Checks a frame to the guest down to its IPv4 header. */
function readIpv4(frame: Uint8Array, protocol: number) {
  const bytes = [...frame];
  const word = (offset: number) => (bytes[offset] ?? 0) * 256 + (bytes[offset + 1] ?? 0);
  const expectBytes = (offset: number, expected: readonly number[], what: string) => {
    if (expected.some((byte, i) => bytes[offset + i] !== byte)) throw new Error(`wrong ${what}`);
  };
  expectBytes(0, GUEST_MAC, "destination MAC");
  expectBytes(6, PEER_MAC, "source MAC");
  expectBytes(12, [8, 0, 0x45], "EtherType or IPv4 version");
  if (word(16) !== frame.length - 14) throw new Error("wrong IPv4 length");
  if (checksum(bytes.slice(14, 34)) !== 0) throw new Error("wrong IPv4 checksum");
  expectBytes(23, [protocol], "protocol");
  expectBytes(30, GUEST_IP, "IPv4 destination");
  return { bytes, word, expectBytes };
}

/** What a UDP frame to the guest says, checksums checked by the book; throws when it is none or they are wrong. */
export function readUdp(frame: Uint8Array): { sourcePort: number; destinationPort: number; data: number[] } {
  const { bytes, word, expectBytes } = readIpv4(frame, 17);
  expectBytes(26, PEER_IP, "IPv4 source");
  if (word(38) !== frame.length - 34) throw new Error("wrong UDP length");
  if (word(40) === 0) throw new Error("no UDP checksum");
  const pseudo = [...PEER_IP, ...GUEST_IP, 0, 17, ...two(word(38))];
  if (checksum([...pseudo, ...bytes.slice(34)]) !== 0) throw new Error("wrong UDP checksum");
  return { sourcePort: word(34), destinationPort: word(36), data: bytes.slice(42) };
}
