/** What a trace says of a frame: enough to tell a request from its acknowledgement. Trusts no byte. */
import {
  ETHERNET_HEADER,
  ETHERTYPE_IPV4,
  IPV4_HEADER,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  TCP_HEADER,
  UDP_HEADER,
  u16,
} from "./packets.ts";

/** Fields are 0 where the frame has none of the kind. */
export interface FrameSummary {
  bytes: number;
  etherType: number;
  protocol: number;
  sourcePort: number;
  destinationPort: number;
  tcpFlags: number;
  payload: number;
}

/** Offsets in the IPv4 and TCP headers (RFC 791, RFC 9293). */
const IPV4_TOTAL_LENGTH = 2;
const IPV4_FRAGMENT = 6;
const IPV4_PROTOCOL = 9;
const TCP_DATA_OFFSET = 12;
const TCP_FLAGS = 13;
const FRAGMENT_OFFSET_MASK = 0x1fff;

export function emptySummary(): FrameSummary {
  return {
    bytes: 0,
    etherType: 0,
    protocol: 0,
    sourcePort: 0,
    destinationPort: 0,
    tcpFlags: 0,
    payload: 0,
  };
}

/** Summarises `frame` into an object that is used again, so that a frame costs no allocation. */
export function summarizeFrame(frame: Uint8Array, into: FrameSummary): FrameSummary {
  into.bytes = frame.length;
  into.etherType = into.protocol = into.sourcePort = into.destinationPort = into.tcpFlags = into.payload = 0;
  if (frame.length < ETHERNET_HEADER) return into;
  into.etherType = u16(frame, ETHERNET_HEADER - 2);
  if (into.etherType !== ETHERTYPE_IPV4 || frame.length < ETHERNET_HEADER + IPV4_HEADER) return into;
  const header = ((frame[ETHERNET_HEADER] ?? 0) & 0xf) * 4;
  const end = Math.min(frame.length, ETHERNET_HEADER + u16(frame, ETHERNET_HEADER + IPV4_TOTAL_LENGTH));
  const at = ETHERNET_HEADER + header;
  into.protocol = frame[ETHERNET_HEADER + IPV4_PROTOCOL] ?? 0;
  const first = (u16(frame, ETHERNET_HEADER + IPV4_FRAGMENT) & FRAGMENT_OFFSET_MASK) === 0;
  const tcp = into.protocol === PROTOCOL_TCP;
  if ((!tcp && into.protocol !== PROTOCOL_UDP) || !first) return into;
  if (end < at + (tcp ? TCP_HEADER : UDP_HEADER)) return into;
  into.sourcePort = u16(frame, at);
  into.destinationPort = u16(frame, at + 2);
  const transportHeader = tcp ? ((frame[at + TCP_DATA_OFFSET] ?? 0) >>> 4) * 4 : UDP_HEADER;
  if (tcp) into.tcpFlags = frame[at + TCP_FLAGS] ?? 0;
  into.payload = Math.max(0, end - at - transportHeader);
  return into;
}
