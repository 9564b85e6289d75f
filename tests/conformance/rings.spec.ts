/** Split virtqueues: virtio 1.2 sections 2.6 and 2.7. */
import { expect } from "vitest";
import {
  VIRTIO_RING_F_EVENT_IDX,
  VIRTIO_RING_F_INDIRECT_DESC,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_MAX_SIZE,
} from "../../src/virtio/defs.ts";
import type { MockBuffer } from "../../src/virtio/testing/mock-queue.ts";
import type { Bench } from "./suite.ts";
import {
  bytewise,
  clause,
  expectStopped,
  offeredWithout,
  pieces,
  requestQueue,
  submit,
  submitRaw,
} from "./suite.ts";

/** One request whose buffer is cut as `cut` says; what came back. */
function request(
  bench: Bench,
  cut: (buffer: MockBuffer) => MockBuffer[] = (buffer) => [buffer],
  options: { indirect?: boolean | number } = {},
) {
  const { rig, subject } = bench;
  const queue = requestQueue(bench);
  const buffer = subject.request(rig.memory);
  const head = queue.add(cut(buffer), options);
  queue.publish();
  rig.driver.kick(subject.queue);
  return { buffer, head, used: queue.takeUsed() };
}

/** That a request had its effect and came back, once. */
function expectTaken(bench: Bench, { buffer, head, used }: ReturnType<typeof request>): void {
  expect(bench.subject.taken).toBe(1);
  expect(bench.subject.answered(bench.rig.memory, buffer)).toBe(true);
  expect(used).toEqual([{ id: head, length: buffer.writable ? buffer.length : 0 }]);
}

const withoutEvents = (bench: Bench): void =>
  bench.rig.driver.initialise({ features: offeredWithout(bench, VIRTIO_RING_F_EVENT_IDX) });

clause("SVQ-01", ({ rig, subject }) => {
  rig.driver.negotiate();
  for (const index of subject.device.queueSizes.keys()) {
    const size = rig.driver.queueMaximum(index);
    expect(size & (size - 1)).toBe(0);
    expect(size).toBeGreaterThan(0);
    expect(size).toBeLessThanOrEqual(VIRTQ_MAX_SIZE);
  }
});

clause("SVQ-02", (bench) => {
  const { driver, transport } = bench.rig;
  driver.initialise();
  const { layout } = requestQueue(bench);
  const wrong = [
    { ...layout, descriptorTable: layout.descriptorTable + 8 },
    { ...layout, availableRing: layout.availableRing + 1 },
    { ...layout, usedRing: layout.usedRing + 2 },
  ];
  for (const placed of wrong) {
    driver.negotiate();
    driver.writeQueue(bench.subject.queue, placed);
    driver.driverOk();
    expect(transport.ready).toBe(false);
  }
  expect(Object.keys(transport.counters.faults).sort()).toEqual([
    "available ring misaligned",
    "descriptor table misaligned",
    "used ring misaligned",
  ]);
});

clause("SVQ-03", (bench) => {
  bench.rig.driver.initialise();
  const length = bench.subject.request(bench.rig.memory).length;
  expectTaken(
    bench,
    request(bench, (buffer) => pieces(buffer, 1, length - 2, 1)),
  );
});

clause("SVQ-04", (bench) => {
  const { length } = bench.subject.request(bench.rig.memory);
  // The queues are as long as the request, or as long as they can be.
  const size = 2 ** Math.ceil(Math.log2(length));
  bench.rig.driver.initialise({
    sizes: bench.subject.device.queueSizes.map((maximum) => Math.min(size, maximum)),
  });
  expectTaken(bench, request(bench, bytewise));
});

clause("SVQ-05", (bench) => {
  bench.rig.driver.initialise();
  const { memory } = bench.rig;
  const bytes = Uint8Array.from({ length: 90 }, (_, i) => i);
  const address = memory.store(bytes);
  requestQueue(bench).add([{ address, length: 90, writable: false }]);
  requestQueue(bench).publish();
  bench.rig.driver.kick(bench.subject.queue);
  expect(requestQueue(bench).takeUsed()).toHaveLength(1);
  expect(memory.bytes(address, 90)).toEqual(bytes);
});

clause("SVQ-06", (bench) => {
  // The same request with other bytes where the device writes: it makes no difference to what comes of it.
  bench.rig.driver.initialise();
  const { buffer, used } = request(bench, (whole) => {
    if (whole.writable) bench.rig.memory.view(whole.address, whole.length).fill(0xee);
    return [whole];
  });
  expect(bench.subject.answered(bench.rig.memory, buffer)).toBe(true);
  expect(used).toHaveLength(1);
});

clause("SVQ-07", (bench) => {
  bench.rig.driver.initialise();
  const { layout, size } = requestQueue(bench);
  const before = (): Uint8Array => bench.rig.memory.bytes(layout.descriptorTable, 16 * size);
  const buffer = bench.subject.request(bench.rig.memory);
  requestQueue(bench).add(pieces(buffer, 2, buffer.length - 2));
  const table = before();
  requestQueue(bench).publish();
  bench.rig.driver.kick(bench.subject.queue);
  expect(requestQueue(bench).usedIdx).toBe(1);
  expect(before()).toEqual(table);
});

/** Writes to memory in their order while `work` runs. */
function writes(bench: Bench, work: () => void): { address: number; bytes: number }[] {
  const { memory } = bench.rig;
  const seen: { address: number; bytes: number }[] = [];
  const { writeU16, writeU32, written } = memory;
  memory.writeU16 = (address, value) => {
    seen.push({ address, bytes: 2 });
    writeU16.call(memory, address, value);
  };
  memory.writeU32 = (address, value) => {
    seen.push({ address, bytes: 4 });
    writeU32.call(memory, address, value);
  };
  memory.written = (address, length) => {
    seen.push({ address, bytes: length });
    written.call(memory, address, length);
  };
  work();
  Object.assign(memory, { writeU16, writeU32, written });
  return seen;
}

clause("SVQ-08", (bench) => {
  bench.rig.driver.initialise();
  const { layout } = requestQueue(bench);
  requestQueue(bench).add([bench.subject.request(bench.rig.memory)]);
  requestQueue(bench).publish();
  const order = writes(bench, () => bench.rig.driver.kick(bench.subject.queue)).map(({ address }) => address);
  const index = order.indexOf(layout.usedRing + 2);
  expect(order.indexOf(layout.usedRing + 4)).toBeLessThan(index);
  expect(order.indexOf(layout.usedRing + 8)).toBeLessThan(index);
  expect(order.indexOf(layout.usedRing + 4)).toBeGreaterThanOrEqual(0);
});

clause("SVQ-09", (bench) => {
  bench.rig.driver.initialise();
  const { layout } = requestQueue(bench);
  const buffer = bench.subject.request(bench.rig.memory);
  requestQueue(bench).add([buffer]);
  requestQueue(bench).publish();
  const order = writes(bench, () => bench.rig.driver.kick(bench.subject.queue));
  const index = order.findIndex(({ address }) => address === layout.usedRing + 2);
  const filled = order
    .slice(0, index)
    .filter(({ address }) => address >= buffer.address && address < buffer.address + buffer.length)
    .reduce((sum, { bytes }) => sum + bytes, 0);
  expect(filled).toBe(requestQueue(bench).usedElement(0).length);
});

clause("SVQ-10", (bench) => {
  bench.rig.driver.initialise();
  const queue = requestQueue(bench);
  // Heads in an order of their own: the used elements name them.
  const first = submit(bench)[0];
  const used = queue.takeUsed();
  expect(used).toEqual([{ id: used[0]?.id, length: first?.writable ? first.length : 0 }]);
  queue.nextAvail = 1;
  queue.writeDescriptor(5, {
    address: first?.address ?? 0,
    length: 3,
    flags: first?.writable ? VIRTQ_DESC_F_WRITE : 0,
  });
  queue.offer(5);
  queue.publish();
  bench.rig.driver.kick(bench.subject.queue);
  expect(queue.usedElement(1)).toEqual({ id: 5, length: first?.writable ? 3 : 0 });
});

clause("SVQ-11", (bench) => {
  bench.rig.driver.initialise({ sizes: bench.subject.device.queueSizes.map(() => 2) });
  const queue = requestQueue(bench);
  const buffer = bench.subject.request(bench.rig.memory);
  expect([queue.availIdx, queue.usedIdx]).toEqual([0, 0]);
  queue.writeDescriptor(1, {
    address: buffer.address,
    length: buffer.length,
    flags: buffer.writable ? VIRTQ_DESC_F_WRITE : 0,
  });
  for (let i = 0; i < 0x1_0002; i++) {
    queue.offer(1);
    queue.publish();
    bench.rig.driver.kick(bench.subject.queue);
  }
  expect([queue.availIdx, queue.usedIdx]).toEqual([2, 2]);
  expect(bench.subject.taken).toBe(0x1_0002);
});

clause("SVQ-12", (bench) => {
  const flags = VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE;
  bench.rig.driver.initialise();
  const address = bench.rig.memory.alloc(64);
  submitRaw(bench, [
    { address, length: 8, flags, next: 1 },
    { address, length: 8, flags, next: 0 },
  ]);
  expectStopped(bench, "descriptor loop");
  bench.rig.driver.initialise();
  submitRaw(bench, [
    { address, length: 0xffff_ffff, flags, next: 1 },
    { address, length: 0xffff_ffff, flags: VIRTQ_DESC_F_WRITE },
  ]);
  expectStopped(bench, /buffer outside RAM|longer than/);
});

clause("SVQ-13", (bench) => {
  bench.rig.driver.initialise();
  const address = bench.rig.memory.alloc(64);
  submitRaw(bench, [
    { address, length: 8, flags: VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, next: 1 },
    { address, length: 8 },
  ]);
  expectStopped(bench, "readable descriptor after a writable one");
});

clause("SVQ-14", (bench) => {
  for (const jump of [-1, 17]) {
    bench.rig.driver.initialise({ sizes: bench.subject.device.queueSizes.map(() => 16) });
    submit(bench);
    const queue = requestQueue(bench);
    queue.availIdx = (queue.availIdx + jump) & 0xffff;
    bench.rig.driver.kick(bench.subject.queue);
    expectStopped(bench, "available index jump");
  }
  expect(bench.rig.transport.counters.faults["available index jump"]).toBe(2);
});

clause("IND-01", (bench) => {
  bench.rig.driver.initialise();
  const { memory } = bench.rig;
  const buffer = bench.subject.request(memory);
  const table = memory.alloc(16);
  const flags = buffer.writable ? VIRTQ_DESC_F_WRITE : 0;
  requestQueue(bench).writeDescriptor(0, { address: buffer.address, length: buffer.length, flags }, table);
  submitRaw(bench, [{ address: table, length: 16, flags: VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_WRITE }]);
  expectTaken(bench, { buffer, head: 0, used: requestQueue(bench).takeUsed() });
});

clause("IND-02", (bench) => {
  bench.rig.driver.initialise();
  expectTaken(
    bench,
    request(bench, ({ length, ...rest }) => pieces({ length, ...rest }, 1, 1, length - 2), { indirect: 1 }),
  );
});

clause("IND-03", (bench) => {
  bench.rig.driver.initialise();
  const { memory } = bench.rig;
  const buffer = bench.subject.request(memory);
  const table = memory.alloc(16 * 4);
  const queue = requestQueue(bench);
  const flags = buffer.writable ? VIRTQ_DESC_F_WRITE : 0;
  // Entry 0, then 3, then 1; entry 2 is not in the list.
  queue.writeDescriptor(
    0,
    { address: buffer.address, length: 1, flags: flags | VIRTQ_DESC_F_NEXT, next: 3 },
    table,
  );
  queue.writeDescriptor(
    3,
    { address: buffer.address + 1, length: 1, flags: flags | VIRTQ_DESC_F_NEXT, next: 1 },
    table,
  );
  queue.writeDescriptor(1, { address: buffer.address + 2, length: buffer.length - 2, flags }, table);
  queue.writeDescriptor(2, { address: 0xffff_0000, length: 0xffff, flags }, table);
  submitRaw(bench, [{ address: table, length: 16 * 4, flags: VIRTQ_DESC_F_INDIRECT }]);
  expectTaken(bench, { buffer, head: 0, used: queue.takeUsed() });
});

clause("IND-04", (bench) => {
  bench.rig.driver.initialise({ features: offeredWithout(bench, VIRTIO_RING_F_INDIRECT_DESC) });
  submitRaw(bench, [{ address: bench.rig.memory.alloc(16), length: 16, flags: VIRTQ_DESC_F_INDIRECT }]);
  expectStopped(bench, "indirect descriptor not negotiated");
});

clause("IND-05", (bench) => {
  bench.rig.driver.initialise();
  const table = bench.rig.memory.alloc(16);
  requestQueue(bench).writeDescriptor(0, { address: table, length: 16, flags: VIRTQ_DESC_F_INDIRECT }, table);
  submitRaw(bench, [{ address: table, length: 16, flags: VIRTQ_DESC_F_INDIRECT }]);
  expectStopped(bench, "nested indirect descriptor");
});

clause("IND-06", (bench) => {
  bench.rig.driver.initialise();
  const table = bench.rig.memory.alloc(16);
  submitRaw(bench, [
    { address: table, length: 16, flags: VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_NEXT, next: 1 },
    { address: table, length: 16 },
  ]);
  expectStopped(bench, "indirect descriptor with NEXT");
});

clause("IND-07", (bench) => {
  const { memory, driver } = bench.rig;
  const cases = [
    [16 * 17, "descriptor chain too long"],
    [17, "indirect table length"],
    [0, "indirect table length"],
  ] as const;
  for (const [length, reason] of cases) {
    driver.initialise({ sizes: bench.subject.device.queueSizes.map(() => 16) });
    const table = memory.alloc(16 * 17);
    const address = memory.alloc(32);
    for (let i = 0; i < 17; i++) {
      const more = i < 16 ? VIRTQ_DESC_F_NEXT : 0;
      requestQueue(bench).writeDescriptor(i, { address, length: 1, flags: more, next: i + 1 }, table);
    }
    submitRaw(bench, [{ address: table, length, flags: VIRTQ_DESC_F_INDIRECT }]);
    expectStopped(bench, reason);
  }
});

clause("UNS-01", (bench) => {
  withoutEvents(bench);
  requestQueue(bench).usedEvent = 77;
  submit(bench);
  expect(bench.rig.takeNotifications().used).toBe(1);
});

clause("UNS-02", (bench) => {
  withoutEvents(bench);
  for (let i = 0; i < 5; i++) {
    submit(bench);
    expect(bench.rig.takeNotifications()).toEqual({ used: 1, config: 0 });
  }
});

clause("UNS-03", (bench) => {
  withoutEvents(bench);
  requestQueue(bench).availFlags = 1;
  submit(bench, 3);
  expect(requestQueue(bench).usedIdx).toBe(3);
  expect(bench.rig.takeNotifications()).toEqual({ used: 0, config: 0 });
});

clause("UNS-04", (bench) => {
  bench.rig.driver.initialise();
  requestQueue(bench).availFlags = 1;
  requestQueue(bench).usedEvent = 0;
  submit(bench);
  expect(bench.rig.takeNotifications().used).toBe(1);
});

clause("UNS-05", (bench) => {
  bench.rig.driver.initialise();
  requestQueue(bench).usedEvent = 2;
  submit(bench, 5);
  expect(requestQueue(bench).usedIdx).toBe(5);
  expect(bench.rig.takeNotifications().used).toBe(1);
});

clause("UNS-06", (bench) => {
  bench.rig.driver.initialise();
  requestQueue(bench).usedEvent = 9;
  submit(bench, 5);
  expect(requestQueue(bench).usedIdx).toBe(5);
  expect(bench.rig.takeNotifications().used).toBe(0);
});

clause("UNS-07", (bench) => {
  bench.rig.driver.initialise({ sizes: bench.subject.device.queueSizes.map(() => 2) });
  const queue = requestQueue(bench);
  const { address, length, writable } = bench.subject.request(bench.rig.memory);
  queue.writeDescriptor(0, { address, length, flags: writable ? VIRTQ_DESC_F_WRITE : 0 });
  queue.usedEvent = 0;
  const told: number[] = [];
  for (let i = 1; i <= 0x1_0001; i++) {
    queue.offer(0);
    queue.publish();
    bench.rig.driver.kick(bench.subject.queue);
    if (bench.rig.takeNotifications().used > 0) told.push(i);
  }
  expect(told).toEqual([1, 0x1_0001]);
});

clause("ANS-01", (bench) => {
  withoutEvents(bench);
  for (const queue of bench.rig.driver.queues) expect([0, 1]).toContain(queue.usedFlags);
  submit(bench, 4);
  bench.subject.disturb(1, 100);
  for (const queue of bench.rig.driver.queues) expect([0, 1]).toContain(queue.usedFlags);
});

clause("ANS-02", (bench) => {
  bench.rig.driver.initialise();
  submit(bench, 4);
  bench.subject.disturb(1, 100);
  for (const queue of bench.rig.driver.queues) expect(queue.usedFlags).toBe(0);
});

clause("ANS-03", (bench) => {
  bench.rig.driver.initialise({ sizes: bench.subject.device.queueSizes.map(() => 4) });
  const queue = requestQueue(bench);
  for (const count of [1, 4, 2, 3, 1]) {
    // submit kicks only when the device has asked for it: nothing is left behind.
    submit(bench, count);
    expect(queue.takeUsed()).toHaveLength(count);
    expect(queue.availEvent).toBe(queue.availIdx);
  }
});

clause("ANS-04", (bench) => {
  bench.rig.driver.initialise();
  for (const index of bench.subject.device.queueSizes.keys()) bench.rig.driver.kick(index);
  expect(bench.rig.takeNotifications()).toEqual({ used: 0, config: 0 });
  expect(bench.rig.transport.counters.faults).toEqual({});
  submit(bench);
  expect(bench.subject.taken).toBe(1);
});
