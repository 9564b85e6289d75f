/**
 * Ethernet II, IPv4 and UDP, as much as the peer needs: decoding that trusts no byte of a frame, encoding into
 * a buffer that is used again and again. Nothing is allocated for a packet.
 *
 * Layouts: IEEE 802.3 clause 3 (Ethernet), RFC 791 (IPv4), RFC 768 (UDP), RFC 9293 (TCP), RFC 1071 (checksum).
 */

export const ETHERNET_HEADER = 14;
export const IPV4_HEADER = 20;
export const UDP_HEADER = 8;
export const TCP_HEADER = 20;
/** An ARP packet for Ethernet and IPv4, RFC 826. */
export const ARP_PACKET = 28;

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;

export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;

/** Every caller has checked the index against the length before; the cast says so to the compiler. */
function u8(bytes: Uint8Array, offset: number): number {
  return bytes[offset] as number;
}

/** Big-endian 16 bits at an offset the caller has checked. */
export function u16(bytes: Uint8Array, offset: number): number {
  return (u8(bytes, offset) << 8) | u8(bytes, offset + 1);
}

/** Big-endian, unsigned 32 bits at an offset the caller has checked. */
export function u32(bytes: Uint8Array, offset: number): number {
  return u16(bytes, offset) * 0x1_0000 + u16(bytes, offset + 2);
}

/** Writes the lower 16 bits of `value`, big-endian. */
export function put16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value;
}

/** Writes the lower 32 bits of `value`, big-endian. */
export function put32(bytes: Uint8Array, offset: number, value: number): void {
  put16(bytes, offset, value >>> 16);
  put16(bytes, offset + 2, value);
}

/** From so many bytes on, eight at a time through a view are quicker, the view's own making included. */
const WORTH_A_VIEW = 128;

/**
 * The ones' complement sum of RFC 1071 over [start, end), added to `initial` and folded to 16 bits. An odd last
 * byte counts as if a zero followed. The complement of the result goes into a header; over data that
 * contain their own checksum the result is 0xffff when they are intact. `end - start` up to 65535.
 */
export function internetSum(bytes: Uint8Array, start: number, end: number, initial = 0): number {
  let sum = initial;
  let rest = start;
  if (end - start >= WORTH_A_VIEW) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // Upper and lower halves of 32-bit words apart, so that neither overflows.
    let upper = 0;
    let lower = 0;
    for (const last = end - 7; rest < last; rest += 8) {
      const first = view.getInt32(rest);
      const second = view.getInt32(rest + 4);
      upper += (first >>> 16) + (second >>> 16);
      lower += (first & 0xffff) + (second & 0xffff);
    }
    sum += upper + lower;
  }
  // Upper and lower bytes apart: one shift for all words together instead of one for each.
  let upper = 0;
  let lower = 0;
  const even = end - ((end - rest) & 1);
  for (; rest < even; rest += 2) {
    upper += u8(bytes, rest);
    lower += u8(bytes, rest + 1);
  }
  if (even !== end) upper += u8(bytes, even);
  // 32768 words of 16 bits and the pseudo header stay below 2^32, but not below 2^31: unsigned shifts.
  return foldSum(sum + upper * 256 + lower);
}

/** A ones' complement sum of less than 2^32 in 16 bits. */
export function foldSum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return folded;
}

/** The sum of the pseudo header that UDP and TCP checksums cover (RFC 768). Addresses are unsigned 32-bit. */
export function pseudoHeaderSum(
  source: number,
  destination: number,
  protocol: number,
  length: number,
): number {
  return (
    (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + length
  );
}

/** What is known of an IPv4 packet after {@link decodeIpv4}; offsets are offsets in the frame. */
export interface Ipv4Packet {
  protocol: number;
  source: number;
  destination: number;
  /** First byte behind the IPv4 header. */
  payload: number;
  /** First byte behind the packet: frames may be padded. */
  end: number;
}

/** What is known of a UDP datagram after {@link decodeUdp}; offsets are offsets in the frame. */
export interface UdpDatagram {
  sourcePort: number;
  destinationPort: number;
  /** The data are [data, end). */
  data: number;
  end: number;
}

/** An {@link Ipv4Packet} to decode into. */
export function emptyIpv4(): Ipv4Packet {
  return { protocol: 0, source: 0, destination: 0, payload: 0, end: 0 };
}

/** A {@link UdpDatagram} to decode into. */
export function emptyUdp(): UdpDatagram {
  return { sourcePort: 0, destinationPort: 0, data: 0, end: 0 };
}

/**
 * Decodes the IPv4 header of an Ethernet frame that is at least {@link ETHERNET_HEADER} long.
 * Returns undefined when it is sound, else why it is not; then `into` is not to be used.
 */
export function decodeIpv4(frame: Uint8Array, into: Ipv4Packet): string | undefined {
  const start = ETHERNET_HEADER;
  if (frame.length < start + IPV4_HEADER) return "IPv4 packet too short";
  const versionAndLength = u8(frame, start);
  const headerLength = (versionAndLength & 0x0f) * 4;
  if (versionAndLength >>> 4 !== 4 || headerLength < IPV4_HEADER) return "bad IPv4 header";
  const totalLength = u16(frame, start + 2);
  if (totalLength < headerLength || start + totalLength > frame.length) return "bad IPv4 length";
  if (internetSum(frame, start, start + headerLength) !== 0xffff) return "bad IPv4 header checksum";
  // More-fragments flag or a fragment offset. Nobody here puts fragments together; the guest's MTU is ours.
  if ((u16(frame, start + 6) & 0x3fff) !== 0) return "IPv4 fragment";
  into.protocol = u8(frame, start + 9);
  into.source = u32(frame, start + 12);
  into.destination = u32(frame, start + 16);
  into.payload = start + headerLength;
  into.end = start + totalLength;
  return undefined;
}

/**
 * Decodes the UDP header of a packet that {@link decodeIpv4} found sound. Returns undefined when it is sound
 * too, else why it is not. A checksum of 0 means that the sender computed none (RFC 768).
 * @param verifyChecksum false when the checksum is left to be filled in by an offload.
 */
export function decodeUdp(
  frame: Uint8Array,
  packet: Ipv4Packet,
  into: UdpDatagram,
  verifyChecksum = true,
): string | undefined {
  const start = packet.payload;
  if (packet.end - start < UDP_HEADER) return "UDP datagram too short";
  const length = u16(frame, start + 4);
  if (length < UDP_HEADER || start + length > packet.end) return "bad UDP length";
  if (verifyChecksum && u16(frame, start + 6) !== 0) {
    const pseudo = pseudoHeaderSum(packet.source, packet.destination, PROTOCOL_UDP, length);
    if (internetSum(frame, start, start + length, pseudo) !== 0xffff) return "bad UDP checksum";
  }
  into.sourcePort = u16(frame, start);
  into.destinationPort = u16(frame, start + 2);
  into.data = start + UDP_HEADER;
  into.end = start + length;
  return undefined;
}

/**
 * Checks the lengths in the TCP header of a packet that {@link decodeIpv4} found sound. The checksum is left to
 * whoever ends the connection (decodeTcp in tcp/segment.ts).
 */
export function checkTcp(frame: Uint8Array, packet: Ipv4Packet): string | undefined {
  const length = packet.end - packet.payload;
  if (length < TCP_HEADER) return "TCP segment too short";
  const headerLength = (u8(frame, packet.payload + 12) >>> 4) * 4;
  if (headerLength < TCP_HEADER || headerLength > length) return "bad TCP header length";
  return undefined;
}

/** The ends of a packet to encode: MAC addresses of 6 bytes, IPv4 addresses as unsigned 32-bit numbers. */
export interface Ipv4Ends {
  sourceMac: Uint8Array;
  destinationMac: Uint8Array;
  source: number;
  destination: number;
}

/**
 * Writes the Ethernet and IPv4 headers (no options) of a packet with `payloadLength` bytes of UDP or TCP, which
 * begin at {@link IPV4_PAYLOAD}.
 */
export function encodeIpv4(frame: Uint8Array, ends: Ipv4Ends, protocol: number, payloadLength: number): void {
  frame.set(ends.destinationMac, 0);
  frame.set(ends.sourceMac, 6);
  put16(frame, 12, ETHERTYPE_IPV4);
  const ip = ETHERNET_HEADER;
  put16(frame, ip, 0x4500);
  put16(frame, ip + 2, IPV4_HEADER + payloadLength);
  // Don't-fragment set, so the identification has no meaning and stays 0 (RFC 6864 section 4.1).
  put32(frame, ip + 4, 0x0000_4000);
  put16(frame, ip + 8, (64 << 8) | protocol);
  put16(frame, ip + 10, 0);
  put32(frame, ip + 12, ends.source);
  put32(frame, ip + 16, ends.destination);
  put16(frame, ip + 10, ~internetSum(frame, ip, ip + IPV4_HEADER));
}

/** Where the UDP or TCP header begins in a frame that {@link encodeIpv4} writes. */
export const IPV4_PAYLOAD = ETHERNET_HEADER + IPV4_HEADER;

/** Where the data of a UDP datagram begin in a frame that {@link encodeUdp} writes. */
export const UDP_DATA = IPV4_PAYLOAD + UDP_HEADER;

/** The ends of a UDP datagram to encode. */
export interface UdpEnds extends Ipv4Ends {
  sourcePort: number;
  destinationPort: number;
}

/**
 * Writes the headers of a frame whose UDP data already lie at [{@link UDP_DATA}, UDP_DATA + dataLength) and
 * returns the length of the frame. `frame` must be that long.
 */
export function encodeUdp(frame: Uint8Array, ends: UdpEnds, dataLength: number): number {
  const udpLength = UDP_HEADER + dataLength;
  encodeIpv4(frame, ends, PROTOCOL_UDP, udpLength);
  const udp = IPV4_PAYLOAD;
  put16(frame, udp, ends.sourcePort);
  put16(frame, udp + 2, ends.destinationPort);
  put16(frame, udp + 4, udpLength);
  put16(frame, udp + 6, 0);
  const pseudo = pseudoHeaderSum(ends.source, ends.destination, PROTOCOL_UDP, udpLength);
  const checksum = ~internetSum(frame, udp, udp + udpLength, pseudo) & 0xffff;
  // A computed 0 is sent as 0xffff, because 0 says "no checksum" (RFC 768).
  put16(frame, udp + 6, checksum === 0 ? 0xffff : checksum);
  return UDP_DATA + dataLength;
}
