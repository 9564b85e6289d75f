/**
 * Checksums and segments left undone on the way between guest and peer, and how they are done in software when a frame
 * leaves for a wire: a capture, or a router that knows nothing of offloads.
 */
import {
  ETHERNET_HEADER,
  internetSum,
  PROTOCOL_TCP,
  pseudoHeaderSum,
  put16,
  put32,
  u16,
  u32,
} from "./packets.ts";
import { FIN, PSH } from "./tcp/segment.ts";

/** What is left to do with a frame before a real wire could carry it. One record serves for many frames. */
export interface FrameOffload {
  /** Where the bytes begin that its checksum covers, up to the frame's end; 0 when the checksum is complete. */
  checksumStart: number;
  /** Where the 16 bits of the checksum are, counted from `checksumStart`. They hold the sum of the pseudo header. */
  checksumOffset: number;
  /** Data bytes of each TCP segment that it is to be cut into; 0 for a frame that is one already. */
  segmentSize: number;
  /** To the guest: its checksums were computed, or checked, just now; the guest need not do it again. */
  verified?: boolean;
}

/** What the guest lets us leave undone. Segments imply checksums. */
export interface ReceiveOffloads {
  readonly checksum: boolean;
  /** TCP over IPv4, up to 65535 bytes of IPv4 packet. */
  readonly segmentation: boolean;
}

/** A frame as a wire carries it. */
export const NO_OFFLOAD: Readonly<FrameOffload> = { checksumStart: 0, checksumOffset: 0, segmentSize: 0 };

/** The same, with checksums that were computed just now. */
export const VERIFIED: Readonly<FrameOffload> = { ...NO_OFFLOAD, verified: true };

/** The end of a frame that has no second part. */
export const NO_TAIL: Uint8Array = new Uint8Array(0);

/** Offsets of checksums in their headers. */
export const TCP_CHECKSUM = 16;
export const UDP_CHECKSUM = 6;

const TCP_FLAGS = 13;
const CWR = 0x80;
const VLAN_TAG = 4;
/** The longest frame that a wire carries, a tag included. */
const LONGEST = ETHERNET_HEADER + VLAN_TAG + 65535;

/** Completes the checksum of a frame where it lies (virtio 1.2 section 5.1.6.2). Its range must lie in the frame. */
export function completeChecksum(
  frame: Uint8Array,
  { checksumStart, checksumOffset }: Readonly<FrameOffload>,
): void {
  const sum = ~internetSum(frame, checksumStart, frame.length) & 0xffff;
  // For UDP a computed 0 is sent as 0xffff (RFC 768); for TCP the two are the same number.
  put16(frame, checksumStart + checksumOffset, sum === 0 ? 0xffff : sum);
}

/**
 * Makes frames that a wire carries. What it gives to `emit` is valid during the call only: the frame itself where nothing
 * is left to do, else a buffer of its own, used again for each.
 */
export class WireFrames {
  /** Grows to the longest frame there was. */
  #buffer = new Uint8Array(2048);

  /** `frame` and `tail`, the two parts of a frame, as frames that a wire carries. */
  forEach(
    frame: Uint8Array,
    offload: Readonly<FrameOffload>,
    tail: Uint8Array,
    emit: (frame: Uint8Array) => void,
  ): void {
    if (offload.segmentSize > 0) this.#cut(frame, offload, tail, emit);
    else if (offload.checksumStart === 0 && tail.length === 0) emit(frame);
    else {
      const length = frame.length + tail.length;
      const whole = this.#reserve(length);
      whole.set(frame, 0);
      whole.set(tail, frame.length);
      if (offload.checksumStart !== 0) completeChecksum(whole, offload);
      emit(whole);
    }
  }

  /** As many as {@link forEach} would emit. */
  count(frame: Uint8Array, { checksumStart, segmentSize }: Readonly<FrameOffload>, tail: Uint8Array): number {
    if (segmentSize === 0) return 1;
    const headers = checksumStart + tcpHeaderLength(frame, checksumStart);
    return Math.max(1, Math.ceil((frame.length + tail.length - headers) / segmentSize));
  }

  /** TCP segmentation as a card does it: headers copied, lengths, numbers, flags and both checksums made anew. */
  #cut(
    frame: Uint8Array,
    { checksumStart: tcp, segmentSize }: Readonly<FrameOffload>,
    tail: Uint8Array,
    emit: (frame: Uint8Array) => void,
  ): void {
    const headers = tcp + tcpHeaderLength(frame, tcp);
    const ip = tcp - ipv4HeaderLength(frame, tcp);
    const end = ip + u16(frame, ip + 2);
    const identification = u16(frame, ip + 4);
    const sequence = u32(frame, tcp + 4);
    const flags = frame[tcp + TCP_FLAGS] as number;
    const source = u32(frame, ip + 12);
    const destination = u32(frame, ip + 16);
    for (let at = headers, index = 0; at < end || index === 0; at += segmentSize, index++) {
      const dataLength = Math.min(segmentSize, end - at);
      const length = headers + dataLength;
      const segment = this.#reserve(length);
      segment.set(frame.subarray(0, headers), 0);
      copyRange(frame, tail, at, dataLength, segment, headers);
      const last = at + dataLength >= end;
      // CWR belongs to the first segment only (RFC 3168 section 6.1.2), FIN and PSH to the last.
      const notHere = (index === 0 ? 0 : CWR) | (last ? 0 : FIN | PSH);
      segment[tcp + TCP_FLAGS] = flags & ~notHere;
      put16(segment, ip + 2, length - ip);
      put16(segment, ip + 4, identification + index);
      put16(segment, ip + 10, 0);
      put16(segment, ip + 10, ~internetSum(segment, ip, tcp));
      put32(segment, tcp + 4, sequence + (at - headers));
      put16(segment, tcp + TCP_CHECKSUM, 0);
      const pseudo = pseudoHeaderSum(source, destination, PROTOCOL_TCP, length - tcp);
      put16(segment, tcp + TCP_CHECKSUM, ~internetSum(segment, tcp, length, pseudo));
      emit(segment);
    }
  }

  #reserve(length: number): Uint8Array {
    if (length > this.#buffer.length) this.#buffer = new Uint8Array(LONGEST);
    return this.#buffer.subarray(0, length);
  }
}

function tcpHeaderLength(frame: Uint8Array, tcp: number): number {
  return ((frame[tcp + 12] as number) >> 4) * 4;
}

/** The IPv4 header ends where TCP begins, and begins behind the link's header with or without a tag. */
function ipv4HeaderLength(frame: Uint8Array, tcp: number): number {
  const untagged = u16(frame, ETHERNET_HEADER - 2) === 0x0800;
  return tcp - (untagged ? ETHERNET_HEADER : ETHERNET_HEADER + VLAN_TAG);
}

/** Copies `length` bytes from `at` on of two parts laid end to end. */
function copyRange(
  first: Uint8Array,
  second: Uint8Array,
  at: number,
  length: number,
  target: Uint8Array,
  to: number,
): void {
  const fromFirst = Math.max(0, Math.min(length, first.length - at));
  if (fromFirst > 0) target.set(first.subarray(at, at + fromFirst), to);
  if (fromFirst === length) return;
  const start = at + fromFirst - first.length;
  target.set(second.subarray(start, start + length - fromFirst), to + fromFirst);
}
