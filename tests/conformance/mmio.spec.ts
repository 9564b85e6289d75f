/** virtio over MMIO: virtio 1.2 section 4.2. */
import { expect } from "vitest";
import {
  VIRTIO_MMIO_CONFIG,
  VIRTIO_MMIO_DEVICE_ID,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_INTERRUPT_STATUS,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_QUEUE_DESC_HIGH,
  VIRTIO_MMIO_QUEUE_DESC_LOW,
  VIRTIO_MMIO_QUEUE_DEVICE_HIGH,
  VIRTIO_MMIO_QUEUE_DEVICE_LOW,
  VIRTIO_MMIO_QUEUE_DRIVER_HIGH,
  VIRTIO_MMIO_QUEUE_DRIVER_LOW,
  VIRTIO_MMIO_QUEUE_NOTIFY,
  VIRTIO_MMIO_QUEUE_NUM,
  VIRTIO_MMIO_QUEUE_NUM_MAX,
  VIRTIO_MMIO_QUEUE_READY,
  VIRTIO_MMIO_QUEUE_SEL,
  VIRTIO_MMIO_STATUS,
  VIRTIO_MMIO_VERSION,
} from "../../src/virtio/defs.ts";
import { MockQueue } from "../../src/virtio/testing/mock-queue.ts";
import type { Bench } from "./suite.ts";
import { clause, mmio, requestQueue, submit } from "./suite.ts";

const USED = 1;
const CONFIG = 2;

/** A driver in operation, by the wire, that wants to hear of the next used buffer. */
function wired(bench: Bench): void {
  bench.rig.driver.initialise({ msi: false });
  requestQueue(bench).rearm();
}

/** An event of each kind that the device has: used buffers, and where there is a configuration its change. */
function bothEvents(bench: Bench): number {
  submit(bench);
  bench.subject.change?.();
  return bench.subject.change ? USED | CONFIG : USED;
}

clause("MMIO-D-01", (bench) => {
  expect(mmio(bench).read32(VIRTIO_MMIO_MAGIC_VALUE)).toBe(0x7472_6976);
});

clause("MMIO-D-02", (bench) => {
  expect(mmio(bench).read32(VIRTIO_MMIO_VERSION)).toBe(bench.transport === "mmio 2" ? 2 : 3);
});

clause("MMIO-D-03", (bench) => {
  expect(mmio(bench).read32(VIRTIO_MMIO_DEVICE_ID)).toBe({ net: 1, console: 3, rng: 4 }[bench.name]);
});

clause("MMIO-D-04", (bench) => {
  wired(bench);
  const happened = bothEvents(bench);
  for (let look = 0; look < 3; look++) expect(mmio(bench).interruptStatus).toBe(happened);
});

clause("MMIO-D-05", (bench) => {
  wired(bench);
  expect(mmio(bench).interruptStatus).toBe(0);
  submit(bench);
  expect(mmio(bench).interruptStatus).toBe(USED);
});

clause("MMIO-D-06", (bench) => {
  wired(bench);
  const happened = bothEvents(bench);
  const driver = mmio(bench);
  driver.write32(VIRTIO_MMIO_INTERRUPT_ACK, CONFIG);
  expect(driver.interruptStatus).toBe(USED);
  expect(bench.rig.line.level).toBe(true);
  driver.write32(VIRTIO_MMIO_INTERRUPT_ACK, happened);
  expect(driver.interruptStatus).toBe(0);
  expect(bench.rig.line.level).toBe(false);
});

clause("MMIO-D-07", (bench) => {
  wired(bench);
  bothEvents(bench);
  const driver = mmio(bench);
  driver.write32(VIRTIO_MMIO_STATUS, 0);
  expect(driver.interruptStatus).toBe(0);
  for (const index of bench.subject.device.queueSizes.keys()) expect(driver.queueReady(index)).toBe(0);
});

clause("MMIO-D-08", (bench) => {
  const driver = mmio(bench);
  driver.initialise();
  const read = (): [number, string, number] => [
    driver.generation,
    driver.config(0, bench.subject.device.configSize).join(),
    driver.generation,
  ];
  const [before, first, same] = read();
  expect(same).toBe(before);
  bench.subject.change?.();
  const [after, second] = read();
  expect(after).not.toBe(before);
  expect(second).not.toBe(first);
});

clause("MMIO-D-09", (bench) => {
  const { driver } = bench.rig;
  driver.prepare();
  submit(bench);
  mmio(bench).write32(VIRTIO_MMIO_QUEUE_SEL, bench.subject.queue);
  mmio(bench).write32(VIRTIO_MMIO_QUEUE_READY, 0);
  driver.driverOk();
  const before = bench.rig.memory.accesses;
  driver.kick(bench.subject.queue);
  expect(bench.rig.memory.accesses).toBe(before);
  expect(bench.subject.taken).toBe(0);
});

clause("MMIO-D-15", (bench) => {
  const driver = mmio(bench);
  const queues = bench.subject.device.queueSizes.length;
  for (const index of [queues, queues + 1, 0xffff, 0xffff_ffff]) expect(driver.queueMaximum(index)).toBe(0);
  expect(driver.queueMaximum(queues - 1)).toBeGreaterThan(0);
});

clause("MMIO-D-16", (bench) => {
  const driver = mmio(bench);
  driver.prepare();
  for (const index of bench.subject.device.queueSizes.keys()) expect(driver.queueReady(index)).toBe(1);
  driver.write32(VIRTIO_MMIO_QUEUE_SEL, 0);
  driver.write32(VIRTIO_MMIO_QUEUE_READY, 0);
  expect(driver.queueReady(0)).toBe(0);
});

clause("MMIO-D-17", (bench) => {
  const driver = mmio(bench);
  const { queueSizes } = bench.subject.device;
  driver.prepare({ sizes: queueSizes.map((_, index) => (index === bench.subject.queue ? 8 : 0)) });
  for (const index of queueSizes.keys()) {
    expect(driver.queueReady(index)).toBe(index === bench.subject.queue ? 1 : 0);
    expect(driver.queueMaximum(index)).toBe(queueSizes[index]);
  }
  driver.driverOk();
  submit(bench);
  expect(bench.subject.taken).toBe(1);
});

clause("MMIO-D-18", (bench) => {
  const driver = mmio(bench);
  driver.negotiate();
  const queue = new MockQueue(bench.rig.memory, 8, { eventIndex: true });
  driver.queues[bench.subject.queue] = queue;
  const { descriptorTable, availableRing, usedRing } = queue.layout;
  driver.write32(VIRTIO_MMIO_QUEUE_SEL, bench.subject.queue);
  driver.write32(VIRTIO_MMIO_QUEUE_DEVICE_HIGH, 0);
  driver.write32(VIRTIO_MMIO_QUEUE_DRIVER_LOW, availableRing);
  driver.write32(VIRTIO_MMIO_QUEUE_DESC_HIGH, 0);
  driver.write32(VIRTIO_MMIO_QUEUE_DEVICE_LOW, usedRing);
  driver.write32(VIRTIO_MMIO_QUEUE_NUM, 8);
  driver.write32(VIRTIO_MMIO_QUEUE_DESC_LOW, descriptorTable);
  driver.write32(VIRTIO_MMIO_QUEUE_DRIVER_HIGH, 0);
  driver.write32(VIRTIO_MMIO_QUEUE_READY, 1);
  driver.driverOk();
  submit(bench);
  expect(bench.subject.taken).toBe(1);
  // An upper half is not lost: there is no RAM there.
  driver.negotiate();
  driver.writeQueue(bench.subject.queue, { ...queue.layout, usedRing: usedRing + 2 ** 32 });
  driver.driverOk();
  expect(bench.rig.transport.counters.faults).toEqual({ "used ring outside RAM": 1 });
});

clause("MMIO-D-19", (bench) => {
  // "virt", its first letter at the lowest address.
  const magic = mmio(bench).read32(VIRTIO_MMIO_MAGIC_VALUE);
  expect([magic & 0xff, (magic >>> 8) & 0xff, (magic >>> 16) & 0xff, magic >>> 24]).toEqual(
    [..."virt"].map((letter) => letter.charCodeAt(0)),
  );
});

clause("MMIO-D-20", (bench) => {
  const { registers } = bench.rig.driver;
  bench.rig.driver.negotiate();
  const before = bench.rig.driver.status;
  for (const [offset, size] of [
    [VIRTIO_MMIO_MAGIC_VALUE, 1],
    [VIRTIO_MMIO_MAGIC_VALUE, 2],
    [VIRTIO_MMIO_MAGIC_VALUE + 2, 4],
    [VIRTIO_MMIO_STATUS, 1],
    [VIRTIO_MMIO_STATUS, 2],
    [VIRTIO_MMIO_STATUS + 1, 4],
  ] as const) {
    expect(registers.read(offset, size)).toBe(0);
    registers.write(offset, size, 0);
  }
  expect(bench.rig.driver.status).toBe(before);
  expect(bench.rig.transport.ignored["register accessed in the wrong width"]).toBe(12);
});

clause("MMIO-D-21", (bench) => {
  const driver = mmio(bench);
  driver.initialise();
  const writeOnly = [VIRTIO_MMIO_QUEUE_SEL, VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_INTERRUPT_ACK];
  for (const offset of writeOnly) expect(driver.read32(offset)).toBe(0);
  for (const offset of [VIRTIO_MMIO_MAGIC_VALUE, VIRTIO_MMIO_QUEUE_NUM_MAX, VIRTIO_MMIO_INTERRUPT_STATUS]) {
    const before = driver.read32(offset);
    driver.write32(offset, 0xffff_ffff);
    expect(driver.read32(offset)).toBe(before);
  }
  for (const offset of [0x018, 0x028, 0x048, 0x0d0, VIRTIO_MMIO_CONFIG - 8]) {
    driver.write32(offset, 0xffff_ffff);
    expect(driver.read32(offset)).toBe(0);
  }
  submit(bench);
  expect(bench.subject.taken).toBe(1);
});

clause("MMIO-D-22", (bench) => {
  const driver = mmio(bench);
  const maximum = bench.subject.device.queueSizes[bench.subject.queue] ?? 0;
  for (const size of [0, 3, maximum + 1, maximum * 2, 0x8000_0000]) {
    driver.prepare({ sizes: bench.subject.device.queueSizes.map(() => 0) });
    const { layout } = new MockQueue(bench.rig.memory, 16);
    driver.writeQueue(bench.subject.queue, { ...layout, size });
    driver.driverOk();
    expect(bench.rig.transport.ready).toBe(false);
  }
  expect(bench.rig.transport.counters.faults).toEqual({ "queue size": 5 });
});

clause("MMIO-D-23", (bench) => {
  const driver = mmio(bench);
  driver.prepare();
  const { layout } = requestQueue(bench);
  const change = (): void =>
    driver.writeQueue(bench.subject.queue, { ...layout, size: 0x8000, usedRing: 0xffff_fff0 });
  change();
  driver.driverOk();
  change();
  submit(bench);
  expect(bench.subject.taken).toBe(1);
  expect(bench.rig.transport.counters.faults).toEqual({});
});

clause("MMIO-D-24", (bench) => {
  wired(bench);
  submit(bench);
  mmio(bench).write32(VIRTIO_MMIO_INTERRUPT_ACK, 0xffff_fffc);
  expect(mmio(bench).interruptStatus).toBe(USED);
  expect(bench.rig.line.level).toBe(true);
});

clause("MMIO-D-25", (bench) => {
  const driver = mmio(bench);
  driver.initialise();
  driver.write32(VIRTIO_MMIO_QUEUE_SEL, bench.subject.queue);
  driver.write32(VIRTIO_MMIO_QUEUE_READY, 0);
  expect(driver.read32(VIRTIO_MMIO_QUEUE_READY)).toBe(0);
  submit(bench);
  driver.kick(bench.subject.queue);
  expect(bench.subject.taken).toBe(0);
  expect(requestQueue(bench).usedIdx).toBe(0);
});

clause("MMIO-D-26", (bench) => {
  const driver = mmio(bench);
  driver.initialise();
  const before = bench.rig.memory.accesses;
  for (const index of [bench.subject.device.queueSizes.length, 0xffff, 0x8000_0000, 0xffff_ffff])
    driver.write32(VIRTIO_MMIO_QUEUE_NOTIFY, index);
  expect(bench.rig.memory.accesses).toBe(before);
  expect(bench.rig.transport.ready).toBe(true);
});
