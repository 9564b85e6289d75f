/**
 * TCP segments, RFC 9293 section 3.1: decoding that trusts no byte, encoding into a buffer that is used again and
 * again, and the arithmetic of sequence numbers. Nothing is allocated for a segment.
 */
import { NETWORK } from "../addresses.ts";
import {
  checkTcp,
  encodeIpv4,
  foldSum,
  IPV4_HEADER,
  IPV4_PAYLOAD,
  type Ipv4Ends,
  type Ipv4Packet,
  internetSum,
  PROTOCOL_TCP,
  pseudoHeaderSum,
  put16,
  put32,
  TCP_HEADER,
  u16,
  u32,
} from "../packets.ts";

/** Control bits. */
export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;

/** Largest shift of a window, RFC 7323 section 2.3. */
export const MAX_WINDOW_SHIFT = 14;
/** What {@link TcpSegment.windowShift} says when the option was not there. */
export const NO_WINDOW_SHIFT = -1;

/** Maximum segment size that we announce and, at most, send: Ethernet's MTU less both headers. */
export const MAX_SEGMENT = NETWORK.mtu - IPV4_HEADER - TCP_HEADER;
/**
 * The maximum segment size when the guest names none (RFC 9293 section 3.7.1), and the smallest one that is heeded:
 * every host takes packets of 576 bytes (RFC 791), and one segment of the guest must not make us send a queue byte by byte.
 */
export const DEFAULT_SEGMENT = 536;

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;
const OPTION_WINDOW_SCALE = 3;
/** Maximum segment size (4 bytes), NOP and window scale (3 bytes). */
const SYN_OPTIONS = 8;

/** How far `to` lies behind `from`, -2^31 to 2^31 - 1: sequence numbers wrap at 2^32 (RFC 9293 section 3.4). */
export function distance(from: number, to: number): number {
  return (to - from) | 0;
}

/** The sequence number `by` behind `sequence`, unsigned. */
export function advance(sequence: number, by: number): number {
  return (sequence + by) >>> 0;
}

/** What is known of a segment after {@link decodeTcp}; offsets are offsets in the frame. */
export interface TcpSegment {
  sourcePort: number;
  destinationPort: number;
  sequence: number;
  /** Has a meaning only when {@link ACK} is set. */
  acknowledgement: number;
  /** Sum of {@link FIN}, {@link SYN}, {@link RST}, {@link PSH}, {@link ACK} and bits that nobody here looks at. */
  flags: number;
  /** As it stands in the header, not shifted. */
  window: number;
  /** The data are [data, end). */
  data: number;
  end: number;
  /** Maximum segment size, 0 when the option is not there. Read from a SYN only. */
  mss: number;
  /** Shift of the window scale option, 0 to 14, or {@link NO_WINDOW_SHIFT}. Read from a SYN only. */
  windowShift: number;
}

/** A {@link TcpSegment} to decode into. */
export function emptyTcp(): TcpSegment {
  return {
    sourcePort: 0,
    destinationPort: 0,
    sequence: 0,
    acknowledgement: 0,
    flags: 0,
    window: 0,
    data: 0,
    end: 0,
    mss: 0,
    windowShift: NO_WINDOW_SHIFT,
  };
}

/** How many sequence numbers a segment takes: its data, and one each for SYN and FIN. */
export function sequenceLength(segment: TcpSegment): number {
  const { flags } = segment;
  return segment.end - segment.data + ((flags & SYN) === 0 ? 0 : 1) + (flags & FIN);
}

/**
 * Decodes the TCP segment of a packet that decodeIpv4 found sound. Returns undefined when it is sound too, else
 * why it is not.
 * @param verifyChecksum false when the checksum is known to be right, or left to be filled in by an offload.
 */
export function decodeTcp(
  frame: Uint8Array,
  packet: Ipv4Packet,
  into: TcpSegment,
  verifyChecksum: boolean,
): string | undefined {
  const problem = checkTcp(frame, packet);
  if (problem !== undefined) return problem;
  const start = packet.payload;
  const { end } = packet;
  if (verifyChecksum) {
    const pseudo = pseudoHeaderSum(packet.source, packet.destination, PROTOCOL_TCP, end - start);
    if (internetSum(frame, start, end, pseudo) !== 0xffff) return "bad TCP checksum";
  }
  const offsetAndFlags = u16(frame, start + 12);
  into.sourcePort = u16(frame, start);
  into.destinationPort = u16(frame, start + 2);
  into.sequence = u32(frame, start + 4);
  into.acknowledgement = u32(frame, start + 8);
  into.flags = offsetAndFlags & 0xff;
  into.window = u16(frame, start + 14);
  into.data = start + (offsetAndFlags >>> 12) * 4;
  into.end = end;
  into.mss = 0;
  into.windowShift = NO_WINDOW_SHIFT;
  if ((into.flags & SYN) !== 0) decodeOptions(frame, start + TCP_HEADER, into);
  return undefined;
}

/** RFC 9293 section 3.2. An option whose length cannot be ends the list: what follows has no meaning. */
function decodeOptions(frame: Uint8Array, start: number, into: TcpSegment): void {
  const end = into.data;
  for (let at = start; at < end; ) {
    const kind = frame[at];
    if (kind === OPTION_END) return;
    if (kind === OPTION_NOP) {
      at++;
      continue;
    }
    const length = at + 1 < end ? (frame[at + 1] as number) : 0;
    if (length < 2 || at + length > end) return;
    if (kind === OPTION_MSS && length === 4) into.mss = u16(frame, at + 2);
    if (kind === OPTION_WINDOW_SCALE && length === 3) {
      // RFC 7323 section 2.3: a larger shift is used as 14.
      into.windowShift = Math.min(frame[at + 2] as number, MAX_WINDOW_SHIFT);
    }
    at += length;
  }
}

/** The ends of a connection, seen from one of them. */
export interface TcpEnds extends Ipv4Ends {
  sourcePort: number;
  destinationPort: number;
}

/** A segment to send, but for its data. Its options are written with {@link SYN} only, its acknowledgement with {@link ACK}. */
export interface TcpHeader extends TcpEnds {
  sequence: number;
  acknowledgement: number;
  flags: number;
  window: number;
  mss: number;
  /** {@link NO_WINDOW_SHIFT} leaves the option out. */
  windowShift: number;
}

/** Where the data begin in a frame that {@link encodeTcp} writes. A SYN carries none: its options are there. */
export const TCP_DATA = IPV4_PAYLOAD + TCP_HEADER;

/**
 * Writes the headers of a frame whose data already lie at [{@link TCP_DATA}, TCP_DATA + dataLength) and returns the
 * length of the frame. `frame` must be that long, and {@link TCP_DATA} + 8 for a SYN.
 * @param computeChecksum false when that is left to the receiver: the field then holds the pseudo header's sum.
 */
export function encodeTcp(
  frame: Uint8Array,
  header: TcpHeader,
  dataLength: number,
  computeChecksum: boolean,
): number {
  const { flags } = header;
  const optionsLength = (flags & SYN) === 0 ? 0 : encodeOptions(frame, header);
  const length = TCP_HEADER + optionsLength + dataLength;
  encodeIpv4(frame, header, PROTOCOL_TCP, length);
  const tcp = IPV4_PAYLOAD;
  put16(frame, tcp, header.sourcePort);
  put16(frame, tcp + 2, header.destinationPort);
  put32(frame, tcp + 4, header.sequence);
  put32(frame, tcp + 8, (flags & ACK) === 0 ? 0 : header.acknowledgement);
  put16(frame, tcp + 12, ((TCP_HEADER + optionsLength) << 10) | flags);
  put16(frame, tcp + 14, header.window);
  // Checksum and urgent pointer.
  put32(frame, tcp + 16, 0);
  const pseudo = pseudoHeaderSum(header.source, header.destination, PROTOCOL_TCP, length);
  put16(frame, tcp + 16, computeChecksum ? ~internetSum(frame, tcp, tcp + length, pseudo) : foldSum(pseudo));
  return TCP_DATA + optionsLength + dataLength;
}

/** Returns their length, a multiple of 4. */
function encodeOptions(frame: Uint8Array, header: TcpHeader): number {
  put16(frame, TCP_DATA, (OPTION_MSS << 8) | 4);
  put16(frame, TCP_DATA + 2, header.mss);
  if (header.windowShift === NO_WINDOW_SHIFT) return SYN_OPTIONS / 2;
  put16(frame, TCP_DATA + 4, (OPTION_NOP << 8) | OPTION_WINDOW_SCALE);
  put16(frame, TCP_DATA + 6, (3 << 8) | header.windowShift);
  return SYN_OPTIONS;
}
