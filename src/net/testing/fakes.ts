/** Stand-ins for specs: a stream, a router, and frames built byte by byte (not with the code that they test). */
import type { RouterConnection, RouterPort } from "../router.ts";
import type { Stream } from "../service.ts";

/** A stream that remembers what was written, whole. */
export class FakeStream implements Stream {
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

/** A connection whose guest end the spec plays. */
export class FakeConnection implements RouterConnection {
  readonly port: number;
  queued = 0;
  accepted = false;
  closed = false;
  aborted = false;
  sent: number[] = [];
  /** Whether the guest acknowledges at once what is written. */
  guestReads = true;
  fromGuest: (bytes: Uint8Array) => void = () => {};
  guestEnds: () => void = () => {};
  gone: () => void = () => {};

  constructor(port: number) {
    this.port = port;
  }

  accept(): void {
    this.accepted = true;
  }

  write(bytes: Uint8Array): void {
    for (const byte of bytes) this.sent.push(byte);
    if (!this.guestReads) this.queued += bytes.length;
  }

  close(): void {
    this.closed = true;
  }

  abort(): void {
    this.aborted = true;
    this.queued = 0;
    this.gone();
  }

  onData(callback: (bytes: Uint8Array) => void): void {
    this.fromGuest = callback;
  }

  onEnd(callback: () => void): void {
    this.guestEnds = callback;
  }

  onClose(callback: () => void): void {
    this.gone = callback;
  }
}

/** A router that keeps what it got and says what the spec makes it say. */
export class FakeRouter implements RouterPort {
  /** The very arrays that came, not copies. */
  frames: Uint8Array[] = [];
  toGuest: (frame: Uint8Array) => void = () => {};
  #offer: (connection: RouterConnection) => void = () => {};
  /** What send() throws, if anything. */
  error: Error | undefined;

  send(frame: Uint8Array): void {
    this.frames.push(frame);
    if (this.error !== undefined) throw this.error;
  }

  onFrame(callback: (frame: Uint8Array) => void): void {
    this.toGuest = callback;
  }

  onConnection(callback: (connection: RouterConnection) => void): void {
    this.#offer = callback;
  }

  connect(port: number): FakeConnection {
    const connection = new FakeConnection(port);
    this.#offer(connection);
    return connection;
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

/** A TCP segment without options and without a checksum. */
export function tcp(destinationPort: number, data: readonly number[] = []): number[] {
  return [
    ...two(4000),
    ...two(destinationPort),
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    1,
    0x50,
    0x18,
    ...two(64240),
    0,
    0,
    0,
    0,
    ...data,
  ];
}

/** What a UDP frame to the guest says, checksums checked by the book; throws when it is none or they are wrong. */
export function readUdp(frame: Uint8Array): { sourcePort: number; destinationPort: number; data: number[] } {
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
  expectBytes(23, [17], "protocol");
  expectBytes(26, [...PEER_IP, ...GUEST_IP], "IPv4 addresses");
  if (word(38) !== frame.length - 34) throw new Error("wrong UDP length");
  if (word(40) === 0) throw new Error("no UDP checksum");
  const pseudo = [...PEER_IP, ...GUEST_IP, 0, 17, ...two(word(38))];
  if (checksum([...pseudo, ...bytes.slice(34)]) !== 0) throw new Error("wrong UDP checksum");
  return { sourcePort: word(34), destinationPort: word(36), data: bytes.slice(42) };
}
