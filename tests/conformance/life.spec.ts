/** Device status, features, reset and configuration space: virtio 1.2 sections 2.1 to 2.5 and 3. */
import { expect } from "vitest";
import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FAILED,
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_F_VERSION_1,
  VIRTIO_MMIO_SHM_BASE_HIGH,
  VIRTIO_MMIO_SHM_BASE_LOW,
  VIRTIO_MMIO_SHM_LEN_HIGH,
  VIRTIO_MMIO_SHM_LEN_LOW,
  VIRTIO_MMIO_SHM_SEL,
  VIRTIO_RING_F_EVENT_IDX,
  VIRTIO_RING_F_INDIRECT_DESC,
} from "../../src/virtio/defs.ts";
import { featureMask, hasFeature } from "../../src/virtio/device/feature-bits.ts";
import type { Bench } from "./suite.ts";
import { clause, expectStopped, mmio, needsReset, requestQueue, submit } from "./suite.ts";

const NONE = { used: 0, config: 0 };
const NEGOTIATED = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK;
const RUNNING = NEGOTIATED | VIRTIO_CONFIG_S_DRIVER_OK;

/** A driver that has set up everything and made a request available, but not set DRIVER_OK. */
function prepared(bench: Bench): void {
  bench.rig.driver.prepare({
    features: bench.rig.driver.readFeatures() & ~featureMask(VIRTIO_RING_F_EVENT_IDX),
  });
  submit(bench);
  bench.rig.driver.kick(bench.subject.queue);
}

/** A head that is no descriptor: what no device can recover from. */
function breakRing(bench: Bench): void {
  const queue = requestQueue(bench);
  queue.offer(queue.size);
  queue.publish();
  bench.rig.driver.kick(bench.subject.queue);
}

clause("STAT-01", ({ rig }) => {
  expect(rig.driver.status).toBe(0);
});

clause("STAT-02", (bench) => {
  prepared(bench);
  expect(bench.subject.taken).toBe(0);
  expect(requestQueue(bench).usedIdx).toBe(0);
});

clause("STAT-03", (bench) => {
  prepared(bench);
  expect(bench.rig.takeNotifications()).toEqual(NONE);
});

clause("STAT-04", (bench) => {
  bench.rig.driver.initialise();
  breakRing(bench);
  expectStopped(bench, "head index out of range");
});

clause("STAT-05", (bench) => {
  bench.rig.driver.initialise();
  breakRing(bench);
  expect(needsReset(bench)).toBe(true);
  expect(bench.rig.takeNotifications()).toEqual({ used: 0, config: 1 });
});

clause("STAT-06", ({ rig }) => {
  expect(() => rig.driver.negotiate(rig.driver.readFeatures() & ~featureMask(VIRTIO_F_VERSION_1))).toThrow(
    /refused/,
  );
  expect(rig.driver.status).toBe(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
});

clause("STAT-07", ({ rig }) => {
  rig.driver.negotiate();
  expect(rig.driver.status).toBe(NEGOTIATED);
  rig.driver.driverOk();
  expect(rig.driver.status).toBe(RUNNING);
});

clause("STAT-08", ({ rig }) => {
  rig.driver.initialise();
  rig.driver.writeStatus(0);
  expect(rig.driver.status).toBe(0);
  rig.driver.writeStatus(VIRTIO_CONFIG_S_ACKNOWLEDGE);
  expect(rig.driver.status).toBe(VIRTIO_CONFIG_S_ACKNOWLEDGE);
});

clause("STAT-09", (bench) => {
  const { rig } = bench;
  rig.driver.initialise();
  rig.driver.writeStatus(NEGOTIATED);
  rig.driver.writeStatus(VIRTIO_CONFIG_S_ACKNOWLEDGE);
  expect(rig.driver.status).toBe(RUNNING);
  submit(bench);
  expect(bench.subject.taken).toBe(1);
});

clause("STAT-10", (bench) => {
  const { driver } = bench.rig;
  driver.prepare();
  driver.reset();
  for (const skipped of [VIRTIO_CONFIG_S_DRIVER_OK, NEGOTIATED, RUNNING, VIRTIO_CONFIG_S_DRIVER]) {
    driver.writeStatus(skipped);
    expect(driver.status).toBe(0);
  }
  driver.acknowledge();
  driver.driver();
  driver.driverOk();
  expect(driver.status).toBe(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
  expect(bench.rig.transport.ready).toBe(false);
});

clause("STAT-11", (bench) => {
  const { driver } = bench.rig;
  driver.initialise();
  driver.addStatus(VIRTIO_CONFIG_S_FAILED);
  submit(bench);
  driver.kick(bench.subject.queue);
  driver.writeStatus(RUNNING);
  expect(driver.status).toBe(RUNNING | VIRTIO_CONFIG_S_FAILED);
  expect(bench.subject.taken).toBe(0);
  expect(bench.rig.takeNotifications()).toEqual(NONE);
  driver.initialise();
  submit(bench);
  expect(bench.subject.taken).toBe(1);
});

clause("STAT-12", (bench) => {
  prepared(bench);
  expect(bench.rig.transport.ignored["notification of a queue not live"]).toBeGreaterThan(0);
  expect(bench.subject.taken).toBe(0);
  // What was notified too early is found at DRIVER_OK: nothing is lost by it.
  bench.rig.driver.driverOk();
  expect(bench.subject.taken).toBe(1);
});

clause("FEAT-01", ({ rig }) => {
  expect(hasFeature(rig.driver.readFeatures(), VIRTIO_F_VERSION_1)).toBe(true);
});

/** By bit: of each list at least one has to be offered too (Network: Feature bit requirements). */
const NEEDS: readonly (readonly [bit: number, ...lists: readonly (readonly number[])[]])[] = [
  [7, [1]],
  [8, [1]],
  [9, [7, 8]],
  [10, [1]],
  [54, [1]],
  [55, [1]],
  [11, [0]],
  [12, [0]],
  [13, [11, 12]],
  [14, [0]],
  [56, [0]],
  ...[18, 19, 21, 22, 23, 53, 52, 60].map((bit) => [bit, [17]] as const),
  [61, [11, 12]],
  [51, [17], [57, 60]],
];

clause("FEAT-02", ({ rig, name }) => {
  const offered = rig.driver.readFeatures();
  const missing = (name === "net" ? NEEDS : []).filter(
    ([bit, ...lists]) =>
      hasFeature(offered, bit) && !lists.every((list) => list.some((other) => hasFeature(offered, other))),
  );
  expect(missing).toEqual([]);
});

/** What each device honours, by the number of the bit. */
const HONOURED = { net: [0, 1, 3, 5, 7, 11, 15, 16, 17, 22, 23, 53], console: [0, 1], rng: [] } as const;

clause("FEAT-03", ({ rig, name }) => {
  const ring = [VIRTIO_F_VERSION_1, VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX];
  expect(rig.driver.readFeatures()).toBe(featureMask(...HONOURED[name], ...ring));
});

clause("FEAT-04", ({ rig }) => {
  const offered = rig.driver.readFeatures();
  const version = featureMask(VIRTIO_F_VERSION_1);
  for (let bit = 0; bit < 64; bit++) {
    if (!hasFeature(offered, bit)) continue;
    rig.driver.initialise({ features: (offered & ~featureMask(bit)) | version });
    rig.driver.initialise({ features: featureMask(bit) | version });
    expect(rig.transport.ready).toBe(true);
  }
});

clause("FEAT-05", ({ rig }) => {
  const offered = rig.driver.readFeatures();
  for (let round = 0; round < 3; round++) {
    rig.driver.initialise({ features: offered });
    expect(rig.transport.ready).toBe(true);
    expect(rig.driver.readFeatures()).toBe(offered);
  }
});

clause("FEAT-06", ({ rig }) => {
  const offered = rig.driver.readFeatures();
  for (const bit of [2, 24, 30, 34, 38, 40, 41, 63]) {
    expect(() => rig.driver.negotiate(offered | featureMask(bit))).toThrow(/refused/);
    expect(rig.driver.status & VIRTIO_CONFIG_S_FEATURES_OK).toBe(0);
  }
});

clause("FEAT-07", (bench) => {
  const { driver } = bench.rig;
  driver.initialise({ features: driver.readFeatures() & ~featureMask(VIRTIO_RING_F_EVENT_IDX) });
  driver.writeFeatures(driver.readFeatures());
  // Without EVENT_IDX every used buffer is notified, whatever used_event would say.
  submit(bench);
  expect(bench.rig.takeNotifications().used).toBe(1);
});

clause("FEAT-08", ({ rig }) => {
  expect(rig.driver.readFeatureWord(1) & 1).toBe(1);
  for (const word of [2, 3, 4, 0x8000_0000, 0xffff_ffff]) expect(rig.driver.readFeatureWord(word)).toBe(0);
});

clause("FEAT-09", ({ rig }) => {
  const { driver } = rig;
  driver.reset();
  driver.acknowledge();
  driver.driver();
  driver.writeFeatureWord(1, 1);
  driver.writeFeatureWord(0, 0);
  expect(driver.featuresOk()).toBe(true);
  // A word that does not exist cannot be accepted.
  driver.reset();
  driver.acknowledge();
  driver.driver();
  driver.writeFeatureWord(1, 1);
  driver.writeFeatureWord(2, 1);
  expect(driver.featuresOk()).toBe(false);
});

clause("FEAT-14", ({ rig }) => {
  const legacy = Number((rig.driver.readFeatures() >> 24n) & 0xffn);
  expect(legacy & ~0b0011_0000).toBe(0);
});

clause("RST-01", (bench) => {
  bench.rig.driver.initialise();
  submit(bench);
  bench.rig.driver.reset();
  expect(bench.rig.driver.status).toBe(0);
});

clause("RST-02", ({ rig, subject }) => {
  rig.driver.initialise();
  rig.driver.writeStatus(0);
  rig.takeNotifications();
  for (let kind = 0; kind < 16; kind++) subject.disturb(kind, 100 + kind);
  expect(rig.takeNotifications()).toEqual(NONE);
  expect(rig.line.level).toBe(false);
});

clause("RST-03", (bench) => {
  const { rig, subject } = bench;
  rig.driver.initialise();
  for (const queue of rig.driver.queues) {
    if (queue.free > 1) queue.addWritable(64);
    queue.publish();
  }
  rig.driver.writeStatus(0);
  const rings = (): Uint8Array[] =>
    rig.driver.queues.map(({ layout, size }) => rig.memory.bytes(layout.usedRing, 6 + 8 * size));
  const before = rings();
  const accesses = rig.memory.accesses;
  for (let kind = 0; kind < 16; kind++) subject.disturb(kind, 100 + kind);
  rig.driver.kick(subject.queue);
  expect(rig.memory.accesses).toBe(accesses);
  expect(rings()).toEqual(before);
});

clause("RST-04", (bench) => {
  const { rig } = bench;
  rig.driver.initialise({ msi: false });
  requestQueue(bench).rearm();
  submit(bench);
  expect(rig.line.level).toBe(true);
  rig.driver.writeStatus(0);
  expect(rig.line.level).toBe(false);
  expect(rig.driver.acknowledgeInterrupt()).toBe(0);
});

clause("RST-05", ({ rig, subject }) => {
  rig.driver.initialise();
  rig.driver.writeStatus(0);
  for (const index of subject.device.queueSizes.keys()) expect(rig.driver.queueReady(index)).toBe(0);
});

clause("CFG-01", ({ rig, name, subject }) => {
  const bytes = rig.driver.config(0, subject.device.configSize);
  // net: the MAC address; console: columns and rows.
  expect([...bytes.subarray(0, 4)]).toEqual(name === "net" ? [0x52, 0x54, 0x00, 0x12] : [80, 0, 24, 0]);
});

clause("CFG-02", ({ rig, subject }) => {
  rig.driver.initialise();
  const before = rig.driver.generation;
  subject.change?.();
  expect(rig.driver.generation).not.toBe(before);
});

clause("CFG-03", ({ rig, subject }) => {
  rig.driver.initialise();
  const before = rig.driver.generation;
  rig.driver.config(0, subject.device.configSize);
  expect(rig.driver.generation).toBe(before);
});

clause("CFG-04", ({ rig, subject }) => {
  rig.driver.initialise();
  subject.change?.();
  expect(rig.takeNotifications()).toEqual({ used: 0, config: 1 });
});

clause("CFG-05", ({ rig, name }) => {
  rig.driver.initialise();
  const { registers, configOffset } = rig.driver;
  // net: mtu 1500 at 10; console: max_nr_ports 2 at 4.
  const [offset, value] = name === "net" ? [10, 1500] : [4, 2];
  expect(registers.read(configOffset + offset, 2)).toBe(value);
  const [low = 0, high = 0] = rig.driver.config(offset, 2);
  expect(low + 256 * high).toBe(value);
});

clause("CFG-06", ({ rig, subject }) => {
  rig.driver.initialise();
  const { configSize } = subject.device;
  const { registers } = rig.driver;
  // On PCI a device without configuration has no structure for it: what follows is the BAR's empty part.
  const base = configSize === 0 && "structures" in rig.driver ? 0x200 : rig.driver.configOffset;
  for (const size of [1, 2, 4] as const) {
    for (let at = 0; at < configSize + 8; at++) {
      const value = registers.read(base + at, size);
      expect(value).toBeGreaterThanOrEqual(0);
      if (at >= configSize) expect(value).toBe(0);
      registers.write(base + at, size, 0xffff_ffff);
    }
  }
  expect(rig.transport.ready).toBe(true);
});

clause("CFG-07", ({ rig, subject }) => {
  rig.driver.reset();
  rig.driver.acknowledge();
  const before = rig.driver.config(0, subject.device.configSize);
  for (let at = 0; at < subject.device.configSize; at++)
    rig.driver.registers.write(rig.driver.configOffset + at, 1, 0xff);
  expect(rig.driver.config(0, subject.device.configSize)).toEqual(before);
  expect(rig.transport.ignored["configuration written outside of FEATURES_OK"]).toBe(
    subject.device.configSize,
  );
});

clause("SHM-02", (bench) => {
  const driver = mmio(bench);
  for (const region of [0, 1, 0xff]) {
    driver.write32(VIRTIO_MMIO_SHM_SEL, region);
    for (const register of [
      VIRTIO_MMIO_SHM_LEN_LOW,
      VIRTIO_MMIO_SHM_LEN_HIGH,
      VIRTIO_MMIO_SHM_BASE_LOW,
      VIRTIO_MMIO_SHM_BASE_HIGH,
    ]) {
      expect(driver.read32(register)).toBe(0xffff_ffff);
    }
  }
});
