/** Attacks on rings: descriptors, tables and indices that no driver should write. */
import { expect } from "vitest";
import {
  VIRTQ_DESC_F_INDIRECT as INDIRECT,
  VIRTQ_DESC_F_NEXT as NEXT,
  VIRTIO_RING_F_EVENT_IDX,
  VIRTIO_RING_F_INDIRECT_DESC,
  VIRTQ_DESC_F_WRITE as WRITE,
} from "../../src/virtio/defs.ts";
import { MmioRig } from "../../src/virtio/testing/mock-rig.ts";
import { offeredWithout, requestQueue, submit, submitRaw } from "../conformance/suite.ts";
import { Random } from "../fuzz/random.ts";
import { type Attack, attack } from "./suite.ts";

/** A driver in operation, its queues of 16. */
function start({ rig, subject }: Attack, features?: bigint): void {
  rig.driver.initialise({
    sizes: subject.device.queueSizes.map(() => 16),
    ...(features === undefined ? {} : { features }),
  });
}

/** The flag that a request's buffer has on this device. */
const flag = ({ name }: Attack): number => (name === "rng" ? WRITE : 0);
const stopped = (reason: string | RegExp): { stopped: string | RegExp } => ({ stopped: reason });

/** One request of these descriptors in a driver in operation. */
function chain(one: Attack, ...descriptors: Parameters<typeof submitRaw>[1]): void {
  start(one);
  submitRaw(one, descriptors);
}

attack("A01", "a chain that loops", (one) => {
  const address = one.rig.memory.alloc(64);
  chain(
    one,
    { address, length: 8, flags: flag(one) | NEXT, next: 1 },
    { address, length: 8, flags: flag(one) | NEXT, next: 0 },
  );
  return stopped("descriptor loop");
});

attack("A02", "a head that is no descriptor", (one) => {
  start(one);
  requestQueue(one).offer(0xffff);
  requestQueue(one).publish();
  one.rig.driver.kick(one.subject.queue);
  return stopped("head index out of range");
});

attack("A03", "a next that is no descriptor", (one) => {
  chain(one, { address: one.rig.memory.alloc(64), length: 8, flags: flag(one) | NEXT, next: 16 });
  return stopped("descriptor index out of range");
});

attack(
  "A04",
  "a buffer outside of RAM, on registers, or across RAM's end; one that ends with RAM is good",
  (one) => {
    const { size } = one.rig.memory;
    for (const [address, length] of [
      [size, 1],
      [size - 4, 8],
      [0xd000_0000, 64],
      [0xfee0_00b0, 4],
    ] as const) {
      chain(one, { address, length, flags: flag(one) });
      expect(one.oracle.stopped).toBe(true);
    }
    chain(one, { address: size - 90, length: 90, flags: flag(one) });
    expect(one.oracle.stopped).toBe(false);
    chain(one, { address: size, length: 1, flags: flag(one) });
    return stopped("buffer outside RAM");
  },
);

attack("A05", "an address and length that wrap around 64 bits", (one) => {
  chain(one, { address: 0xffff_f000, addressHigh: 0xffff_ffff, length: 0x2000, flags: flag(one) });
  return stopped("buffer outside RAM");
});

attack("A06", "lengths of more than 2^32 together", (one) => {
  const address = one.rig.memory.alloc(64);
  const huge = { address, length: 0xffff_ffff };
  chain(one, { ...huge, flags: flag(one) | NEXT, next: 1 }, { ...huge, flags: flag(one) });
  return stopped(/buffer outside RAM|longer than/);
});

attack("A07", "a huge length: no more is copied than the device's longest request", (one) => {
  const length = 0x30_0000;
  const before = one.rig.memory.writtenBytes;
  chain(one, { address: 0x10_0000, length, flags: flag(one) });
  expect(requestQueue(one).takeUsed()).toHaveLength(1);
  expect(one.rig.memory.writtenBytes - before).toBeLessThanOrEqual(0x1_0000);
  return "well";
});

attack("A08", "buffers of no bytes, wherever they point", (one) => {
  const nowhere = { address: 0xffff_fff0, length: 0 };
  chain(one, { ...nowhere, flags: flag(one) | NEXT, next: 1 }, { ...nowhere, flags: flag(one) });
  expect(requestQueue(one).takeUsed()).toEqual([{ id: 0, length: 0 }]);
  return "well";
});

/** A queue placed badly: found at DRIVER_OK on mmio; on PCI a wrong size never becomes the queue's. */
function placed(
  one: Attack,
  change: Partial<{ size: number; descriptorTable: number; availableRing: number; usedRing: number }>,
): void {
  start(one);
  const { layout } = requestQueue(one);
  one.rig.driver.negotiate();
  one.rig.driver.writeQueue(one.subject.queue, { ...layout, ...change });
  one.rig.driver.driverOk();
  one.rig.driver.kick(one.subject.queue);
}

for (const [id, what, sizes] of [
  ["A09", "a queue of no descriptors", [0]],
  ["A10", "a queue whose size is no power of two or above the maximum", [3, 0x200, 0x8000, 0x1_0000]],
] as const) {
  attack(id, what, (one) => {
    for (const size of sizes) {
      placed(one, { size });
      const refused = one.rig.transport.ignored["queue_size: not a power of two up to the maximum"] ?? 0;
      expect(one.oracle.stopped || refused > 0).toBe(true);
    }
    return one.rig instanceof MmioRig ? stopped("queue size") : "well";
  });
}

attack("A11", "queue registers written after DRIVER_OK", (one) => {
  start(one);
  const { layout } = requestQueue(one);
  one.rig.driver.writeQueue(one.subject.queue, {
    size: 0x8000,
    descriptorTable: 0xffff_0000,
    availableRing: layout.usedRing,
    usedRing: 0xfee0_0000,
  });
  submit(one);
  expect(one.subject.taken).toBe(1);
  return "well";
});

attack("A12", "rings that are not aligned", (one) => {
  start(one);
  const { layout } = requestQueue(one);
  placed(one, { descriptorTable: layout.descriptorTable + 8 });
  placed(one, { availableRing: layout.availableRing + 1 });
  placed(one, { usedRing: layout.usedRing + 2 });
  expect(Object.keys(one.oracle.faults)).toHaveLength(3);
  return stopped("misaligned");
});

attack("A13", "rings outside of RAM, in part or wholly", (one) => {
  const { size } = one.rig.memory;
  placed(one, { descriptorTable: size - 16 });
  placed(one, { availableRing: 0xfff0_0000 });
  placed(one, { usedRing: size - 4 });
  expect(Object.keys(one.oracle.faults)).toHaveLength(3);
  return stopped("outside RAM");
});

attack("A14", "rings on each other, on other queues' rings and on buffers", (one) => {
  const random = new Random(0x1234);
  const { driver, memory } = one.rig;
  for (let round = 0; round < 30; round++) {
    driver.negotiate();
    for (const index of one.subject.device.queueSizes.keys()) {
      driver.writeQueue(index, {
        size: 2 ** random.below(5),
        descriptorTable: 0x20_0000 + 16 * random.below(16),
        availableRing: 0x20_0000 + 2 * random.below(128),
        usedRing: 0x20_0000 + 4 * random.below(64),
      });
    }
    for (let at = 0x20_0000; at < 0x20_0400; at += 4) {
      if (!random.once(3))
        memory.writeU32(at, random.once(2) ? random.below(64) : 0x20_0000 + random.below(0x400));
    }
    driver.driverOk();
    for (let kicks = 0; kicks < 10; kicks++) {
      if (random.once(3)) memory.writeU16(0x20_0000 + 2 * random.below(128), random.below(8));
      if (random.once(4)) one.oracle.step(() => one.subject.disturb(random.below(8), random.below(2000)));
      driver.kick(random.below(one.subject.device.queueSizes.length));
    }
  }
  driver.reset();
  return "well";
});

for (const [id, what, jump] of [
  ["A15", "an available index that jumps by more than the queue's size", 17],
  ["A16", "an available index that goes back", -1],
] as const) {
  attack(id, what, (one) => {
    start(one);
    submit(one, 2);
    const queue = requestQueue(one);
    queue.availIdx = (queue.availIdx + jump) & 0xffff;
    one.rig.driver.kick(one.subject.queue);
    return stopped("available index jump");
  });
}

attack("A17", "the same head twice: each time it is done, and never while it is in flight", (one) => {
  start(one);
  const queue = requestQueue(one);
  const { address, length, writable } = one.subject.request(one.rig.memory);
  queue.writeDescriptor(0, { address, length, flags: writable ? WRITE : 0 });
  queue.offer(0);
  queue.offer(0);
  queue.publish();
  one.rig.driver.kick(one.subject.queue);
  expect(queue.takeUsed().map(({ id }) => id)).toEqual([0, 0]);
  if (one.name !== "net") return "well";
  // A frame that takes several buffers has them all in flight.
  const receive = one.rig.driver.queue(0);
  receive.writeDescriptor(0, { address: one.rig.memory.alloc(50), length: 50, flags: WRITE });
  receive.offer(0);
  receive.offer(0);
  receive.publish();
  one.rig.driver.kick(0);
  one.oracle.step(() => one.subject.disturb(1, 200));
  return stopped("head already in flight");
});

attack("A18", "many more requests than the ring has entries: as many come back", (one) => {
  start(one);
  for (let round = 0; round < 50; round++) {
    submit(one, 16);
    expect(requestQueue(one).takeUsed()).toHaveLength(16);
  }
  return "well";
});

attack("A19", "a readable descriptor after a writable one", (one) => {
  const address = one.rig.memory.alloc(64);
  chain(one, { address, length: 8, flags: WRITE | NEXT, next: 1 }, { address, length: 8 });
  return stopped("readable descriptor after a writable one");
});

attack("A22", "an indirect table that was not negotiated", (one) => {
  start(one, offeredWithout(one, VIRTIO_RING_F_INDIRECT_DESC));
  submitRaw(one, [{ address: one.rig.memory.alloc(16), length: 16, flags: INDIRECT }]);
  return stopped("indirect descriptor not negotiated");
});

attack("A23", "a table in a table, and a table that names itself", (one) => {
  start(one);
  const table = one.rig.memory.alloc(16);
  requestQueue(one).writeDescriptor(0, { address: table, length: 16, flags: INDIRECT }, table);
  submitRaw(one, [{ address: table, length: 16, flags: INDIRECT }]);
  return stopped("nested indirect descriptor");
});

attack("A24", "INDIRECT with NEXT", (one) => {
  const table = one.rig.memory.alloc(16);
  chain(one, { address: table, length: 16, flags: INDIRECT | NEXT, next: 1 }, { address: table, length: 16 });
  return stopped("indirect descriptor with NEXT");
});

attack("A25", "a table of odd length, of none, and of more entries than a descriptor can name", (one) => {
  const address = one.rig.memory.alloc(64);
  for (const length of [17, 0]) {
    chain(one, { address, length, flags: INDIRECT });
    expect(one.oracle.stopped).toBe(true);
  }
  // 131072 entries in RAM, each leading to the next: as long as the queue, and no longer.
  start(one);
  const table = 0x20_0000;
  for (let i = 0; i < 64; i++) {
    requestQueue(one).writeDescriptor(i, { address, length: 1, flags: flag(one) | NEXT, next: i + 1 }, table);
  }
  submitRaw(one, [{ address: table, length: 0x20_0000, flags: INDIRECT }]);
  expect(one.oracle.faults["indirect table length"]).toBe(2);
  return stopped("descriptor chain too long");
});

attack("A26", "a table outside of RAM, and one on the descriptor table itself", (one) => {
  chain(one, { address: 0xffff_0000, length: 0x100, flags: INDIRECT });
  expect(one.oracle.faults["indirect table outside RAM"]).toBe(1);
  start(one);
  const { descriptorTable } = requestQueue(one).layout;
  submitRaw(one, [{ address: descriptorTable, length: 16 * 16, flags: INDIRECT }]);
  return stopped("nested indirect descriptor");
});

attack(
  "A40",
  "used_event and flags that change all the time: never more notifications than used buffers",
  (one) => {
    for (const features of [undefined, offeredWithout(one, VIRTIO_RING_F_EVENT_IDX)]) {
      start(one, features);
      const random = new Random(7);
      const queue = requestQueue(one);
      let told = 0;
      for (let i = 0; i < 400; i++) {
        queue.availFlags = random.below(0x1_0000);
        queue.usedEvent = random.once(2) ? random.below(0x1_0000) : queue.usedIdx;
        submit(one);
        queue.takeUsed();
        told += one.rig.takeNotifications().used;
      }
      expect(told).toBeGreaterThan(0);
      expect(told).toBeLessThanOrEqual(400);
    }
    return "well";
  },
);

attack("A41", "a descriptor that changes while it is read: each field is read once", (one) => {
  start(one);
  const { memory } = one.rig;
  const { descriptorTable } = requestQueue(one).layout;
  const reads = new Map<number, number>();
  const { readU32 } = memory;
  memory.readU32 = (address) => {
    const value = readU32.call(memory, address);
    if (address >= descriptorTable && address < descriptorTable + 16) {
      reads.set(address, (reads.get(address) ?? 0) + 1);
      // Whatever is read a second time is something else.
      memory.writeU32(address, 0xffff_ffff);
    }
    return value;
  };
  submitRaw(one, [{ ...one.subject.request(memory), flags: flag(one) }]);
  memory.readU32 = readU32;
  expect([...reads.values()]).toEqual([1, 1, 1, 1]);
  expect(one.subject.taken).toBe(1);
  expect(requestQueue(one).takeUsed()).toHaveLength(1);
  return "well";
});
