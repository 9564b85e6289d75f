import { VIRTIO_F_VERSION_1, VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC } from "../../defs.ts";
import type { MockUsed } from "../../testing/mock-queue.ts";
import type { Rig } from "../../testing/mock-rig.ts";
import { featureMask } from "../feature-bits.ts";
import { NetDevice, type NetDeviceOptions } from "../net.ts";
import { NET_RECEIVE_QUEUE, NET_TRANSMIT_QUEUE, VIRTIO_NET_HDR_SIZE } from "../net-defs.ts";
import type { EthernetLink, FrameOffload, ReceiveOffloads } from "../net-link.ts";
import { type SpecMachine, specMachine } from "./spec-machine.ts";

export const MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);

/** Data words of the messages that MockDriver programs: the device's vectors by what they tell. */
export const RX_MESSAGE = 0x42;
export const TX_MESSAGE = 0x43;
export const CONFIG_MESSAGE = 0x41;

/** VERSION_1 and the given bits, no ring features: every used buffer is told, and every buffer is kicked. */
export const plain = (...bits: readonly number[]): bigint => featureMask(VIRTIO_F_VERSION_1, ...bits);
/** VERSION_1, both ring features and the given bits. */
export const rings = (...bits: readonly number[]): bigint =>
  featureMask(VIRTIO_F_VERSION_1, VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC, ...bits);

/** A link that keeps what the guest sent, and may answer within the call. */
export class SpecLink implements EthernetLink {
  readonly sent: Uint8Array[] = [];
  /** What was left to do with each of {@link sent}. */
  readonly offloads: FrameOffload[] = [];
  /** What the device has said that the driver takes, in order. */
  readonly takes: ReceiveOffloads[] = [];
  answer: ((frame: Uint8Array) => void) | undefined;
  receive?: NonNullable<EthernetLink["receive"]>;

  setReceiveOffloads(offloads: ReceiveOffloads): void {
    this.takes.push(offloads);
  }
  send(frame: Uint8Array, offload: Readonly<FrameOffload>): void {
    const copy = frame.slice();
    this.offloads.push({ ...offload });
    this.sent.push(copy);
    this.answer?.(copy);
  }
  /** A frame comes in. */
  deliver(frame: Uint8Array, offload?: FrameOffload, tail?: Uint8Array): void {
    this.receive?.(frame, offload, tail);
  }
}

/** An untagged frame of `length` bytes; `mark` makes it different from others. */
export function ethernet(length: number, mark = 1): Uint8Array {
  const frame = Uint8Array.from({ length }, (_, i) => (i * 7 + mark * 31) & 0xff);
  if (length >= 14) frame.set([0x08, 0x00], 12);
  return frame;
}

/** The same with a VLAN tag's EtherType. */
export function tagged(length: number, etherType = 0x8100): Uint8Array {
  const frame = ethernet(length);
  frame.set([etherType >> 8, etherType & 0xff], 12);
  return frame;
}

export interface NetParts {
  readonly device: NetDevice;
  readonly link: SpecLink;
  /** Gives the device a receive buffer of these descriptor lengths; returns where they are. */
  addReceive(...lengths: readonly number[]): number[];
  /** Publishes receive buffers and kicks if the device asked for it; whether it did. */
  publishReceive(): boolean;
  /** The used receive buffers since the last call, with the bytes written, in order. */
  takeReceived(): { used: MockUsed; bytes: Uint8Array }[];
  /** Puts a header and frame, cut at `cuts`, into the transmit queue. */
  addTransmit(frame: Uint8Array, options?: { header?: Uint8Array; cuts?: readonly number[] }): void;
  /** Publishes the transmit queue and kicks if the device asked for it. */
  publishTransmit(): boolean;
}

export type NetMachine<R extends Rig = SpecMachine> = R & NetParts;

/** A network device with its driver, not initialised yet; on virtio-mmio with messages unless something else is asked for. */
export function netMachine(options?: Partial<NetDeviceOptions>): NetMachine;
export function netMachine<R extends Rig>(
  options: Partial<NetDeviceOptions>,
  on: (device: NetDevice) => R,
): NetMachine<R>;
export function netMachine(
  options: Partial<NetDeviceOptions> = {},
  on: (device: NetDevice) => Rig = specMachine,
): NetMachine<Rig> {
  const link = new SpecLink();
  const device = new NetDevice({ mac: MAC, link, ...options });
  const machine = on(device);
  const { driver, memory } = machine;
  const places = new Map<number, { address: number; length: number }[]>();

  const publish = (index: number): boolean => {
    const wanted = driver.queue(index).publish();
    if (wanted) driver.kick(index);
    return wanted;
  };
  return Object.assign(machine, {
    device,
    link,
    addReceive(...lengths) {
      const buffers = lengths.map((length) => ({ address: memory.alloc(length), length, writable: true }));
      places.set(driver.queue(NET_RECEIVE_QUEUE).add(buffers), buffers);
      return buffers.map(({ address }) => address);
    },
    publishReceive: () => publish(NET_RECEIVE_QUEUE),
    takeReceived() {
      return driver
        .queue(NET_RECEIVE_QUEUE)
        .takeUsed()
        .map((used) => {
          const all = (places.get(used.id) ?? []).flatMap(({ address, length }) => [
            ...memory.bytes(address, length),
          ]);
          return { used, bytes: Uint8Array.from(all.slice(0, used.length)) };
        });
    },
    addTransmit(frame, { header = new Uint8Array(VIRTIO_NET_HDR_SIZE), cuts = [] } = {}) {
      const whole = Uint8Array.from([...header, ...frame]);
      const edges = [0, ...cuts, whole.length];
      const buffers = edges.slice(1).map((end, i) => {
        const part = whole.subarray(edges[i], end);
        return { address: memory.store(part), length: part.length, writable: false };
      });
      driver.queue(NET_TRANSMIT_QUEUE).add(buffers);
    },
    publishTransmit: () => publish(NET_TRANSMIT_QUEUE),
  } satisfies NetParts);
}

/** Header and frame of one used receive buffer. */
export function split(bytes: Uint8Array): { header: number[]; frame: Uint8Array } {
  return { header: [...bytes.subarray(0, VIRTIO_NET_HDR_SIZE)], frame: bytes.slice(VIRTIO_NET_HDR_SIZE) };
}

/** A header as the device writes it: all zero but num_buffers. */
export const receiveHeader = (buffers: number): number[] => [
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  buffers & 255,
  buffers >> 8,
];

const low = (value: number): number => value & 0xff;
const high = (value: number): number => value >> 8;

/** struct virtio_net_hdr, field by field. */
export function header({
  flags = 0,
  type = 0,
  headers = 0,
  size = 0,
  start = 0,
  offset = 0,
  buffers = 0,
}): number[] {
  return [
    flags,
    type,
    ...[headers, size, start, offset, buffers].flatMap((value) => [low(value), high(value)]),
  ];
}

/** A frame of TCP over IPv4 with `data` bytes, as a driver hands it over for segmentation. */
export function tcpFrame(data: number): Uint8Array {
  const frame = ethernet(54 + data);
  frame.set([0x08, 0x00, 0x45, 0, high(40 + data), low(40 + data), 0, 0, 0x40, 0, 64, 6], 12);
  frame[46] = 0x50;
  return frame;
}

/** A UDP frame between two ports of two hosts, from the guest or to it. */
export function packet(port: number, fromGuest: boolean, mark = 0): Uint8Array {
  const frame = ethernet(60, mark);
  const [guest, peer] = [
    [10, 0, 2, 15],
    [10, 0, 2, 2],
  ];
  const ports = [port >> 8, port & 255, 0x32, 0x41];
  frame.set([8, 0, 0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0], 12);
  frame.set(fromGuest ? [...guest, ...peer] : [...peer, ...guest], 26);
  frame.set(fromGuest ? ports : [...ports.slice(2), ...ports.slice(0, 2)], 34);
  return frame;
}
