/** struct virtio_net_hdr, both ways (virtio 1.2 section 5.1.6), and what it says of a frame. Little-endian. */
import {
  linkHeaderLength,
  VIRTIO_NET_HDR_F_DATA_VALID,
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_GSO_NONE,
  VIRTIO_NET_HDR_GSO_TCPV4,
} from "./net-defs.ts";
import type { FrameOffload } from "./net-link.ts";

const HDR_FLAGS = 0;
const HDR_GSO_TYPE = 1;
const HDR_HDR_LEN = 2;
const HDR_GSO_SIZE = 4;
const HDR_CSUM_START = 6;
const HDR_CSUM_OFFSET = 8;
const HDR_NUM_BUFFERS = 10;

const ETH_P_IP = 0x0800;
const IPPROTO_TCP = 6;
const IPV4_HEADER = 20;
const IPV4_LENGTH = 2;
const IPV4_FRAGMENT = 6;
const IPV4_PROTOCOL = 9;
const TCP_HEADER = 20;
const TCP_DATA_OFFSET = 12;
const TCP_CHECKSUM = 16;

/**
 * The smallest segment that a frame may be cut into, so that one frame makes at most 2048 of them. Linux sends no TCP
 * segment with fewer bytes than that, with the smallest MTU there is for IPv4 too (68: 48 bytes less 12 of options).
 */
const SEGMENT_LEAST = 32;

/** What a driver may leave to the device, by the features that it has negotiated. */
export interface TransmitOffloads {
  /** VIRTIO_NET_F_CSUM. */
  readonly checksum: boolean;
  /** VIRTIO_NET_F_HOST_TSO4. */
  readonly segmentation: boolean;
}

function be16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number); // every caller has checked the length
}

function le16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] as number) | ((bytes[offset + 1] as number) << 8);
}

function put16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value;
  bytes[offset + 1] = value >> 8;
}

/**
 * Reads the header of a transmitted frame. Nothing in it is believed: what a sound driver cannot have written is the
 * reason returned, and the frame is to be dropped then. `frame` has at least an Ethernet header.
 *
 * Unknown bits of `flags` are ignored, and without NEEDS_CSUM the checksum fields are not looked at (5.1.6.2.2).
 * hdr_len is a hint that is not used; one beyond the frame is refused all the same, no driver writes it.
 */
export function readTransmitHeader(
  header: Uint8Array,
  frame: Uint8Array,
  allowed: TransmitOffloads,
  mtu: number,
  into: FrameOffload,
): string | undefined {
  into.checksumStart = 0;
  into.checksumOffset = 0;
  into.segmentSize = 0;
  if (!allowed.checksum) return undefined;
  if (((header[HDR_FLAGS] as number) & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0) {
    const start = le16(header, HDR_CSUM_START);
    const offset = le16(header, HDR_CSUM_OFFSET);
    if (start < linkHeaderLength(frame) || start + offset + 2 > frame.length) {
      return "transmit checksum outside the frame";
    }
    into.checksumStart = start;
    into.checksumOffset = offset;
  }
  const type = header[HDR_GSO_TYPE] as number;
  if (type === VIRTIO_NET_HDR_GSO_NONE) return undefined;
  // With ECN's bit too: VIRTIO_NET_F_HOST_ECN is not offered.
  if (type !== VIRTIO_NET_HDR_GSO_TCPV4 || !allowed.segmentation)
    return "transmit segmentation of an unknown type";
  if (le16(header, HDR_HDR_LEN) > frame.length) return "transmit header length beyond the frame";
  const size = le16(header, HDR_GSO_SIZE);
  const headers = tcpHeaders(frame, into);
  if (headers === 0) return "transmit segmentation of what is not TCP over IPv4";
  if (size < SEGMENT_LEAST) return "transmit segments too small";
  if (headers + size > linkHeaderLength(frame) + mtu) return "transmit segments too long";
  into.segmentSize = size;
  return undefined;
}

/**
 * Bytes of all headers of a frame of TCP over IPv4 whose checksum field is where `offload` says (virtio 1.2 section
 * 5.1.6.2.1 wants it there with segmentation); 0 when it is no such frame.
 */
function tcpHeaders(frame: Uint8Array, offload: FrameOffload): number {
  const ip = linkHeaderLength(frame);
  const tcp = offload.checksumStart;
  if (frame.length < ip + IPV4_HEADER || tcp + TCP_HEADER > frame.length) return 0;
  const versionAndLength = frame[ip] as number;
  const length = be16(frame, ip + IPV4_LENGTH);
  const headers = tcp + ((frame[tcp + TCP_DATA_OFFSET] as number) >> 4) * 4;
  const sound =
    be16(frame, ip - 2) === ETH_P_IP &&
    versionAndLength >> 4 === 4 &&
    ip + (versionAndLength & 15) * 4 === tcp &&
    tcp >= ip + IPV4_HEADER &&
    frame[ip + IPV4_PROTOCOL] === IPPROTO_TCP &&
    (be16(frame, ip + IPV4_FRAGMENT) & 0x3fff) === 0 &&
    offload.checksumOffset === TCP_CHECKSUM &&
    headers >= tcp + TCP_HEADER &&
    ip + length <= frame.length &&
    headers <= ip + length;
  return sound ? headers : 0;
}

/** Writes the header of a received frame; num_buffers is 1 for the time being. */
export function writeReceiveHeader(
  header: Uint8Array,
  frame: Uint8Array,
  offload: Readonly<FrameOffload>,
): void {
  const { checksumStart, segmentSize } = offload;
  const valid = offload.verified === true ? VIRTIO_NET_HDR_F_DATA_VALID : 0;
  header[HDR_FLAGS] = checksumStart === 0 ? valid : VIRTIO_NET_HDR_F_NEEDS_CSUM;
  header[HDR_GSO_TYPE] = segmentSize === 0 ? VIRTIO_NET_HDR_GSO_NONE : VIRTIO_NET_HDR_GSO_TCPV4;
  put16(
    header,
    HDR_HDR_LEN,
    segmentSize === 0 ? 0 : checksumStart + ((frame[checksumStart + TCP_DATA_OFFSET] as number) >> 4) * 4,
  );
  put16(header, HDR_GSO_SIZE, segmentSize);
  put16(header, HDR_CSUM_START, checksumStart);
  put16(header, HDR_CSUM_OFFSET, offload.checksumOffset);
  putBuffers(header, 1);
}

/** num_buffers is 1 without VIRTIO_NET_F_MRG_RXBUF too (5.1.6.4.1). */
export function putBuffers(header: Uint8Array, buffers: number): void {
  put16(header, HDR_NUM_BUFFERS, buffers);
}

/** Takes back that checksums are known to be right: a driver without VIRTIO_NET_F_GUEST_CSUM gets no flags (5.1.6.4.1). */
export function clearVerified(header: Uint8Array): void {
  header[HDR_FLAGS] = (header[HDR_FLAGS] as number) & ~VIRTIO_NET_HDR_F_DATA_VALID;
}

/** Whether a kept header leaves a checksum, or segments, to the driver. */
export const leavesChecksum = (header: Uint8Array): boolean =>
  ((header[HDR_FLAGS] as number) & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0;
export const leavesSegmentation = (header: Uint8Array): boolean =>
  header[HDR_GSO_TYPE] !== VIRTIO_NET_HDR_GSO_NONE;
