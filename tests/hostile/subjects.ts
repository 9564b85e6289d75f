import { ConsoleDevice, VIRTIO_CONSOLE_F_MULTIPORT } from "../../src/virtio/device/console.ts";
import { hasFeature } from "../../src/virtio/device/feature-bits.ts";
import { NetDevice } from "../../src/virtio/device/net.ts";
import {
  NET_RECEIVE_QUEUE,
  NET_TRANSMIT_QUEUE,
  transmitQueue,
  VIRTIO_NET_F_MQ,
} from "../../src/virtio/device/net-defs.ts";
import { RNG_REQUEST_QUEUE, RngDevice } from "../../src/virtio/device/rng.ts";
import { PORTS } from "../../src/virtio/device/testing/console-fixture.ts";
import { ethernet, MAC, SpecLink } from "../../src/virtio/device/testing/net-fixture.ts";
import { MockClock } from "../../src/virtio/testing/mock-machine.ts";
import type { MockMemory } from "../../src/virtio/testing/mock-memory.ts";
import type { MockBuffer } from "../../src/virtio/testing/mock-queue.ts";
import type { Rig } from "../../src/virtio/testing/mock-rig.ts";
import type { VirtioDevice } from "../../src/virtio/types.ts";

/** A device under attack, the outside that it talks to, and how to ask whether it is well. */
export interface Subject {
  readonly device: VirtioDevice;
  /** Whether a queue carries something to the device, so that whatever is in it comes back within the notification. */
  outbound(queue: number, features: bigint): boolean;
  /** The queue that takes proper requests, and the one buffer of such a request. */
  readonly queue: number;
  request(memory: MockMemory): MockBuffer;
  /** Requests that had their effect outside. */
  readonly taken: number;
  /** Whether a request's buffer got what it asked for. */
  answered(memory: MockMemory, buffer: MockBuffer): boolean;
  /** The device changes its configuration by itself; absent where it has none. */
  change?(): void;
  /** Something happens outside: frames, keys, the size of the terminal. `kind` and `amount` are any numbers. */
  disturb(kind: number, amount: number): void;
  /** Whether a driver that has just initialised the device gets an answer to a proper request. */
  serves(rig: Rig): boolean;
}

/** Frames of any kind are cut from this. */
const NOISE = ethernet(0x1000);
/** An empty header and a frame of odd length. */
const TRANSMITTED = new Uint8Array(12 + 61);

/** Publishes what was added to a queue and kicks; how many chains came back. */
function exchange(rig: Rig, index: number): number {
  rig.driver.queue(index).publish();
  rig.driver.kick(index);
  return rig.driver.queue(index).takeUsed().length;
}

/** One proper request, and whether it was taken, answered and given back. */
function requests(subject: Omit<Subject, "serves">, rig: Rig): boolean {
  const before = subject.taken;
  const buffer = subject.request(rig.memory);
  rig.driver.queue(subject.queue).add([buffer]);
  return (
    exchange(rig, subject.queue) === 1 && subject.taken === before + 1 && subject.answered(rig.memory, buffer)
  );
}

const readable = (memory: MockMemory, bytes: Uint8Array): MockBuffer => ({
  address: memory.store(bytes),
  length: bytes.length,
  writable: false,
});

function net(): Subject {
  const link = new SpecLink();
  const clock = new MockClock();
  // As the machine has it when it is asked for everything.
  const device = new NetDevice({ mac: MAC, link, clock, queuePairs: 2 });
  // As the in-page peer does: some frames are answered within the call.
  link.answer = (frame) => {
    if (frame.length % 2 === 0) link.deliver(frame);
  };
  const subject: Omit<Subject, "serves"> = {
    device,
    queue: NET_TRANSMIT_QUEUE,
    request: (memory) => readable(memory, TRANSMITTED),
    get taken() {
      return link.sent.length;
    },
    answered: () => true,
    change: () => device.setLink(!device.linkUp),
    outbound: (queue, features) =>
      queue === NET_TRANSMIT_QUEUE || (queue === transmitQueue(1) && hasFeature(features, VIRTIO_NET_F_MQ)),
    disturb: (kind, amount) => {
      if (kind % 8 === 0) device.setLink(amount % 2 === 0);
      else if (kind % 8 === 2) clock.advance(amount % 100);
      else link.deliver(NOISE.subarray(kind & 0xff, (kind & 0xff) + (amount % 1600)));
    },
  };
  return Object.assign(subject, {
    serves: (rig: Rig) => {
      device.setLink(true);
      rig.driver.queue(NET_RECEIVE_QUEUE).addWritable(1526);
      rig.driver.queue(NET_RECEIVE_QUEUE).addWritable(1526);
      exchange(rig, NET_RECEIVE_QUEUE);
      if (!requests(subject, rig)) return false;
      const before = device.net.rxFrames;
      link.deliver(NOISE.subarray(0, 60));
      return device.net.rxFrames > before || device.waiting > 0;
    },
  });
}

function console_(): Subject {
  const device = new ConsoleDevice({ columns: 80, rows: 24, ports: PORTS });
  let taken = 0;
  device.port(0).onOutput((bytes) => {
    taken++;
    if (bytes.length % 2 === 0) device.port(0).write(bytes.subarray(0, 64));
  });
  device.port(1).onOutput((bytes) => device.resize(bytes.length & 0xff, 1));
  let columns = 80;
  const subject: Omit<Subject, "serves"> = {
    device,
    queue: 1,
    request: (memory) => readable(memory, Uint8Array.of(1, 2, 3)),
    get taken() {
      return taken;
    },
    answered: () => true,
    change: () => device.resize(++columns, 24),
    outbound: (queue, features) =>
      queue % 2 === 1 && (queue === 1 || hasFeature(features, VIRTIO_CONSOLE_F_MULTIPORT)),
    disturb: (kind, amount) => {
      if (kind % 4 === 0) device.resize(amount & 0xffff, kind & 0xffff);
      else device.port(kind % 2).write(new Uint8Array(amount % 512));
    },
  };
  return Object.assign(subject, { serves: (rig: Rig) => requests(subject, rig) });
}

const RANDOM = 0x5e;

function rng(): Subject {
  let taken = 0;
  const device = new RngDevice({
    random: (target) => {
      target.fill(RANDOM);
      taken++;
    },
  });
  const subject: Omit<Subject, "serves"> = {
    device,
    queue: RNG_REQUEST_QUEUE,
    request: (memory) => ({ address: memory.alloc(16), length: 16, writable: true }),
    get taken() {
      return taken;
    },
    answered: (memory, { address, length }) => memory.bytes(address, length).every((byte) => byte === RANDOM),
    outbound: () => true,
    disturb: () => {},
  };
  return Object.assign(subject, { serves: (rig: Rig) => requests(subject, rig) });
}

/** Every device that the machine has. */
export const SUBJECTS = { net, console: console_, rng } as const;
export type SubjectName = keyof typeof SUBJECTS;
export const SUBJECT_NAMES = Object.keys(SUBJECTS) as SubjectName[];
