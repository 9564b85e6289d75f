/** Attacks by requests that are wrong inside of sound rings: refused, counted, and given back. */
import { describe, expect, it } from "vitest";
import {
  VIRTQ_DESC_F_NEXT as NEXT,
  VIRTIO_ID_BLOCK,
  VIRTQ_DESC_F_WRITE as WRITE,
} from "../../src/virtio/defs.ts";
import {
  VIRTIO_CONSOLE_DEVICE_READY,
  VIRTIO_CONSOLE_PORT_OPEN,
  VIRTIO_CONSOLE_PORT_READY,
} from "../../src/virtio/device/console.ts";
import { NET_RECEIVE_QUEUE } from "../../src/virtio/device/net-defs.ts";
import { RNG_REQUEST_MAX } from "../../src/virtio/device/rng.ts";
import { header, tcpFrame } from "../../src/virtio/device/testing/net-fixture.ts";
import type { MockDescriptor } from "../../src/virtio/testing/mock-queue.ts";
import { SUBJECTS } from "./subjects.ts";
import { type Attack, attack } from "./suite.ts";

/** A chain of these buffers in queue `index`, kicked; the lengths of what came back. */
function send({ rig }: Attack, index: number, ...buffers: readonly Omit<MockDescriptor, "next">[]): number[] {
  const queue = rig.driver.queue(index);
  buffers.forEach((buffer, i) => {
    const more = i + 1 < buffers.length ? NEXT : 0;
    queue.writeDescriptor(i, { ...buffer, flags: (buffer.flags ?? 0) | more, next: i + 1 });
  });
  queue.offer(0);
  queue.publish();
  rig.driver.kick(index);
  return queue.takeUsed().map(({ length }) => length);
}

const bytes = ({ rig }: Attack, content: readonly number[]): { address: number; length: number } => ({
  address: rig.memory.store(content),
  length: content.length,
});
const room = ({ rig }: Attack, length: number) => ({
  address: rig.memory.alloc(length),
  length,
  flags: WRITE,
});

attack(
  "A20",
  "a device-writable buffer where the device reads: not read, not written, given back",
  (one) => {
    one.rig.driver.initialise();
    for (const index of one.name === "net" ? [1] : [1, 3]) {
      const buffer = room(one, 100);
      expect(send(one, index, buffer)).toEqual([0]);
      expect(one.rig.memory.bytes(buffer.address, 100).every((byte) => byte === 0)).toBe(true);
    }
    expect(one.subject.taken).toBe(0);
    return "well";
  },
  { devices: ["net", "console"] },
);

attack("A21", "a readable buffer where the device writes: not written, given back empty", (one) => {
  one.rig.driver.initialise();
  const content = new Array<number>(100).fill(0x33);
  const buffer = bytes(one, content);
  const index = one.name === "net" ? NET_RECEIVE_QUEUE : one.name === "console" ? 2 : 0;
  const queue = one.rig.driver.queue(index);
  queue.add([{ ...buffer, writable: false }]);
  queue.publish();
  one.rig.driver.kick(index);
  // What comes for it: a frame, a message of the control protocol.
  if (one.name === "net") one.oracle.step(() => one.subject.disturb(1, 100));
  if (one.name === "console")
    send(one, 3, bytes(one, [0xff, 0xff, 0xff, 0xff, VIRTIO_CONSOLE_DEVICE_READY, 0, 1, 0]));
  expect(queue.takeUsed().map(({ length }) => length)).toEqual([0]);
  expect([...one.rig.memory.bytes(buffer.address, 100)]).toEqual(content);
  return "well";
});

describe.each(["A42", "A43"])("%s: requests of a block device", (_id) => {
  it("cannot be made: no device of ours is one", () => {
    const types = Object.values(SUBJECTS).map((make) => make().device.type);
    expect(types).not.toContain(VIRTIO_ID_BLOCK);
  });
});

attack(
  "A44",
  "a transmitted chain shorter than the header, or with nothing behind it",
  (one) => {
    one.rig.driver.initialise();
    for (const length of [0, 1, 11, 12, 13, 25])
      expect(send(one, 1, bytes(one, new Array(length).fill(0)))).toEqual([0]);
    expect(one.subject.taken).toBe(0);
    return "well";
  },
  { devices: ["net"] },
);

attack(
  "A45",
  "a checksum outside of the packet",
  (one) => {
    one.rig.driver.initialise();
    for (const [start, offset] of [
      [0xffff, 0],
      [0, 0],
      [34, 0xffff],
      [63, 0],
      [64, 0],
      [13, 2],
    ] as const) {
      const frame = [...header({ flags: 1, start, offset }), ...tcpFrame(10)];
      expect(send(one, 1, bytes(one, frame))).toEqual([0]);
    }
    expect(one.subject.taken).toBe(0);
    return "well";
  },
  { devices: ["net"] },
);

attack(
  "A46",
  "segmentation of a kind that does not exist, of segments of no bytes, and of what is no TCP",
  (one) => {
    one.rig.driver.initialise();
    const good = { flags: 1, type: 1, headers: 54, size: 1460, start: 34, offset: 16 };
    const udp = tcpFrame(4000);
    udp[23] = 17;
    for (const [fields, frame] of [
      [{ ...good, type: 2 }, tcpFrame(4000)],
      [{ ...good, type: 0xff }, tcpFrame(4000)],
      [{ ...good, size: 0 }, tcpFrame(4000)],
      [{ ...good, flags: 0 }, tcpFrame(4000)],
      [{ ...good, type: 4 }, tcpFrame(4000)],
      [good, udp],
    ] as const) {
      expect(send(one, 1, bytes(one, [...header(fields), ...frame]))).toEqual([0]);
    }
    expect(one.subject.taken).toBe(0);
    // The same as it should be.
    expect(send(one, 1, bytes(one, [...header(good), ...tcpFrame(4000)]))).toEqual([0]);
    expect(one.subject.taken).toBe(1);
    return "well";
  },
  { devices: ["net"] },
);

attack(
  "A47",
  "receive buffers too small for a header, or all together for a frame, with many frames waiting",
  (one) => {
    for (let k = 0; k < 64; k++) one.oracle.step(() => one.subject.disturb(1, 1500));
    one.rig.driver.initialise();
    const queue = one.rig.driver.queue(NET_RECEIVE_QUEUE);
    for (const length of [1, 11, 12, 13]) {
      while (queue.free > 0) queue.addWritable(length);
      queue.publish();
      one.rig.driver.kick(NET_RECEIVE_QUEUE);
      queue.takeUsed();
      one.oracle.step(() => one.subject.disturb(1, 1500));
    }
    return "well";
  },
  { devices: ["net"] },
);

attack(
  "A48",
  "commands of no class, too short, too long, and without a place for the answer",
  (one) => {
    one.rig.driver.initialise();
    const control = one.subject.device.queueSizes.length - 1;
    for (const command of [
      [],
      [1],
      [1, 1],
      [1, 1, 2],
      [9, 9, 9],
      [4, 0, 0, 0],
      [4, 0, 0xff, 0xff],
      [0xff, 0xff],
    ]) {
      const answer = room(one, 1);
      one.rig.memory.writeU8(answer.address, 0xee);
      const lengths =
        command.length === 0 ? send(one, control, answer) : send(one, control, bytes(one, command), answer);
      expect(lengths).toEqual([1]);
      expect(one.rig.memory.readU8(answer.address)).toBe(1);
    }
    expect(send(one, control, bytes(one, [1, 1, 2, 0, 0, 0, 0, 9]))).toEqual([0]);
    expect(send(one, control, { address: 0x20_0000, length: 0x10_0000 }, room(one, 1))).toEqual([1]);
    return "well";
  },
  { devices: ["net"] },
);

attack(
  "A49",
  "control messages for unknown ports, of unknown events, too short and enormous",
  (one) => {
    one.rig.driver.initialise();
    for (const event of [...Array(12).keys(), 0xff]) {
      for (const id of [0, 1, 2, 0x7f, 0xff]) {
        for (const value of [0, 1, 0xff]) {
          expect(send(one, 3, bytes(one, [id, 0, 0, id === 0xff ? 0xff : 0, event, 0, value, 0]))).toEqual([
            0,
          ]);
        }
      }
    }
    for (const length of [0, 1, 7]) expect(send(one, 3, bytes(one, new Array(length).fill(0)))).toEqual([0]);
    expect(send(one, 3, { address: 0x20_0000, length: 0x10_0000 })).toEqual([0]);
    // Over and over, with nowhere to put the answers.
    for (let i = 0; i < 500; i++) {
      send(
        one,
        3,
        bytes(one, [0, 0, 0, 0, i % 2 ? VIRTIO_CONSOLE_PORT_READY : VIRTIO_CONSOLE_PORT_OPEN, 0, 1, 0]),
      );
    }
    return "well";
  },
  { devices: ["console"] },
);

attack(
  "A50",
  "a request of no bytes, and an enormous one",
  (one) => {
    one.rig.driver.initialise();
    expect(send(one, 0, { ...room(one, 1), length: 0 })).toEqual([0]);
    expect(send(one, 0, { address: 0x10_0000, length: 0x20_0000, flags: WRITE })).toEqual([RNG_REQUEST_MAX]);
    return "well";
  },
  { devices: ["rng"] },
);
