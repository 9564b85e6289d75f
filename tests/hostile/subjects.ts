import { ConsoleDevice, VIRTIO_CONSOLE_F_MULTIPORT } from "../../src/virtio/device/console.ts";
import { hasFeature } from "../../src/virtio/device/feature-bits.ts";
import { NetDevice } from "../../src/virtio/device/net.ts";
import { NET_RECEIVE_QUEUE, NET_TRANSMIT_QUEUE } from "../../src/virtio/device/net-defs.ts";
import { RNG_REQUEST_QUEUE, RngDevice } from "../../src/virtio/device/rng.ts";
import { PORTS } from "../../src/virtio/device/testing/console-fixture.ts";
import { ethernet, MAC, SpecLink } from "../../src/virtio/device/testing/net-fixture.ts";
import type { Rig } from "../../src/virtio/testing/mock-rig.ts";
import type { VirtioDevice } from "../../src/virtio/types.ts";

/** A device under attack, the outside that it talks to, and how to ask whether it is well. */
export interface Subject {
  readonly device: VirtioDevice;
  /** Whether a queue carries something to the device, so that whatever is in it comes back within the notification. */
  outbound(queue: number, features: bigint): boolean;
  /** Something happens outside: frames, keys, the size of the terminal. `kind` and `amount` are any numbers. */
  disturb(kind: number, amount: number): void;
  /** Whether a driver that has just initialised the device gets an answer to a proper request. */
  serves(rig: Rig): boolean;
}

/** Frames of any kind are cut from this. */
const NOISE = ethernet(0x1000);
/** What is transmitted to see whether the network device is well: an empty header and a frame. */
const SENT = 61;
const TRANSMITTED = new Uint8Array(12 + SENT);

/** Publishes what was added to a queue and kicks; the chains that came back. */
function exchange(rig: Rig, index: number): number {
  rig.driver.queue(index).publish();
  rig.driver.kick(index);
  return rig.driver.queue(index).takeUsed().length;
}

function net(): Subject {
  const link = new SpecLink();
  const device = new NetDevice({ mac: MAC, link });
  // As the in-page peer does: some frames are answered within the call.
  link.answer = (frame) => {
    if (frame.length % 2 === 0) link.deliver(frame);
  };
  return {
    device,
    outbound: (queue) => queue === NET_TRANSMIT_QUEUE,
    disturb: (kind, amount) => {
      if (kind % 8 === 0) device.setLink(amount % 2 === 0);
      else link.deliver(NOISE.subarray(kind & 0xff, (kind & 0xff) + (amount % 1600)));
    },
    serves: (rig) => {
      device.setLink(true);
      rig.driver.queue(NET_RECEIVE_QUEUE).addWritable(1526);
      rig.driver.queue(NET_RECEIVE_QUEUE).addWritable(1526);
      exchange(rig, NET_RECEIVE_QUEUE);
      link.sent.length = 0;
      rig.driver.queue(NET_TRANSMIT_QUEUE).addReadable(TRANSMITTED);
      if (exchange(rig, NET_TRANSMIT_QUEUE) !== 1 || link.sent[0]?.length !== SENT) return false;
      const before = device.net.rxFrames;
      link.deliver(NOISE.subarray(0, 60));
      return device.net.rxFrames > before || device.waiting > 0;
    },
  };
}

function console_(): Subject {
  const device = new ConsoleDevice({ columns: 80, rows: 24, ports: PORTS });
  let output = 0;
  device.port(0).onOutput((bytes) => {
    output += bytes.length;
    if (bytes.length % 2 === 0) device.port(0).write(bytes.subarray(0, 64));
  });
  device.port(1).onOutput((bytes) => device.resize(bytes.length & 0xff, 1));
  return {
    device,
    outbound: (queue, features) =>
      queue % 2 === 1 && (queue === 1 || hasFeature(features, VIRTIO_CONSOLE_F_MULTIPORT)),
    disturb: (kind, amount) => {
      if (kind % 4 === 0) device.resize(amount & 0xffff, kind & 0xffff);
      else device.port(kind % 2).write(new Uint8Array(amount % 512));
    },
    serves: (rig) => {
      output = 0;
      rig.driver.queue(1).addReadable([1, 2, 3]);
      return exchange(rig, 1) === 1 && output === 3;
    },
  };
}

function rng(): Subject {
  const device = new RngDevice({ random: (target) => target.fill(0x5e) });
  return {
    device,
    outbound: () => true,
    disturb: () => {},
    serves: (rig) => {
      const { address } = rig.driver.queue(RNG_REQUEST_QUEUE).addWritable(16);
      return exchange(rig, RNG_REQUEST_QUEUE) === 1 && rig.memory.readU8(address) === 0x5e;
    },
  };
}

/** Every device that the machine has. */
export const SUBJECTS = { net, console: console_, rng } as const;
export type SubjectName = keyof typeof SUBJECTS;
export const SUBJECT_NAMES = Object.keys(SUBJECTS) as SubjectName[];
