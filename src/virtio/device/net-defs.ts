/** Names and numbers of the network device, virtio 1.2 section 5.1. */

/** Feature bits by number, virtio 1.2 section 5.1.3. */
export const VIRTIO_NET_F_CSUM = 0;
export const VIRTIO_NET_F_GUEST_CSUM = 1;
export const VIRTIO_NET_F_MTU = 3;
export const VIRTIO_NET_F_MAC = 5;
export const VIRTIO_NET_F_GUEST_TSO4 = 7;
export const VIRTIO_NET_F_HOST_TSO4 = 11;
export const VIRTIO_NET_F_MRG_RXBUF = 15;
export const VIRTIO_NET_F_STATUS = 16;
export const VIRTIO_NET_F_CTRL_VQ = 17;
export const VIRTIO_NET_F_MQ = 22;
export const VIRTIO_NET_F_CTRL_MAC_ADDR = 23;
export const VIRTIO_NET_F_NOTF_COAL = 53;

/** Bit of the configuration field `status`, virtio 1.2 section 5.1.4. */
export const VIRTIO_NET_S_LINK_UP = 1;

/** Control commands, virtio 1.2 section 5.1.6.5. */
export const VIRTIO_NET_CTRL_MAC = 1;
export const VIRTIO_NET_CTRL_MAC_ADDR_SET = 1;
export const VIRTIO_NET_CTRL_MQ = 4;
export const VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET = 0;
export const VIRTIO_NET_CTRL_NOTF_COAL = 6;
export const VIRTIO_NET_CTRL_NOTF_COAL_TX_SET = 0;
export const VIRTIO_NET_CTRL_NOTF_COAL_RX_SET = 1;
export const VIRTIO_NET_OK = 0;
export const VIRTIO_NET_ERR = 1;

/**
 * Virtqueues, virtio 1.2 section 5.1.2: receiveq1, transmitq1, receiveq2 and so on, and the control queue behind those that
 * there are. Without VIRTIO_NET_F_MQ that is one pair, however many the device could have.
 */
export const NET_RECEIVE_QUEUE = 0;
export const NET_TRANSMIT_QUEUE = 1;
export const NET_CONTROL_QUEUE = 2;
/** Index of the receive queue of a pair, counted from 0. */
export const receiveQueue = (pair: number): number => 2 * pair + NET_RECEIVE_QUEUE;
/** Index of the transmit queue of a pair. */
export const transmitQueue = (pair: number): number => 2 * pair + NET_TRANSMIT_QUEUE;
/** Pairs of queues that our device can have. */
export const PAIRS_MOST = 8;

/** struct virtio_net_hdr with VIRTIO_F_VERSION_1, num_buffers included, virtio 1.2 section 5.1.6. */
export const VIRTIO_NET_HDR_SIZE = 12;
export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
export const VIRTIO_NET_HDR_F_DATA_VALID = 2;
export const VIRTIO_NET_HDR_GSO_NONE = 0;
export const VIRTIO_NET_HDR_GSO_TCPV4 = 1;

export const ETH_ALEN = 6;
export const ETH_HLEN = 14;
export const VLAN_HLEN = 4;
const ETH_P_8021Q = 0x8100;
const ETH_P_8021AD = 0x88a8;

/** Bytes of the link-layer header of a frame of at least {@link ETH_HLEN} bytes: a VLAN tag comes on top. */
export function linkHeaderLength(frame: Uint8Array): number {
  const etherType = ((frame[12] as number) << 8) | (frame[13] as number); // at least ETH_HLEN bytes
  return etherType === ETH_P_8021Q || etherType === ETH_P_8021AD ? ETH_HLEN + VLAN_HLEN : ETH_HLEN;
}

/** Most bytes of an IPv4 packet (RFC 791): what a frame with segmentation left to do can hold. */
export const IPV4_MAX = 65535;
