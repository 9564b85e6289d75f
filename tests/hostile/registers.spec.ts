/** Attacks on registers and on the order of things. */
import { expect } from "vitest";
import {
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_QUEUE_NOTIFY,
  VIRTIO_MMIO_QUEUE_SEL,
} from "../../src/virtio/defs.ts";
import { MmioRig } from "../../src/virtio/testing/mock-rig.ts";
import { requestQueue, submit } from "../conformance/suite.ts";
import { Random } from "../fuzz/random.ts";
import { type Attack, attack } from "./suite.ts";

const WIDTHS = [1, 2, 4] as const;

/** Bytes that a transport's registers, configuration and doorbells take. */
const extent = ({ rig }: Attack): number => (rig instanceof MmioRig ? 0x2000 : 0x4000);

attack("A27", "notifications before the queue is ready and before DRIVER_OK", (one) => {
  one.rig.driver.negotiate();
  one.rig.driver.kick(one.subject.queue);
  one.rig.driver.prepare();
  submit(one);
  one.rig.driver.kick(one.subject.queue);
  expect(one.subject.taken).toBe(0);
  return "well";
});

attack("A28", "notifications of queues that do not exist", (one) => {
  one.rig.driver.initialise();
  const { registers } = one.rig.driver;
  for (const index of [one.subject.device.queueSizes.length, 0x7fff, 0x8000_0000, 0xffff_ffff]) {
    if (one.rig instanceof MmioRig) registers.write(VIRTIO_MMIO_QUEUE_NOTIFY, 4, index);
    registers.write(0x1000 + 4 * (index % 0x400), 2, index & 0xffff);
    registers.write(0x1000 + 4 * (index % 0x400), 4, index);
  }
  return "well";
});

attack("A29", "a queue selected that does not exist", (one) => {
  const { driver } = one.rig;
  driver.negotiate();
  for (const index of [one.subject.device.queueSizes.length, 0xffff, 0x8000_0000, 0xffff_ffff]) {
    if (driver.queueMaximum(index) !== 0) continue; // a PCI register has 16 bits: it is another number there
    driver.writeQueue(index, { size: 16, descriptorTable: 0x1000, availableRing: 0x2000, usedRing: 0x3000 });
    expect(driver.queueReady(index)).toBe(0);
    if (one.rig instanceof MmioRig) driver.registers.write(VIRTIO_MMIO_QUEUE_SEL, 4, 0);
  }
  driver.driverOk();
  return "well";
});

attack("A30", "every register in every width at every offset, read and written", (one) => {
  one.rig.driver.initialise();
  const { registers } = one.rig.driver;
  for (let offset = 0; offset < extent(one); offset += offset < 0x200 ? 1 : 37) {
    for (const width of WIDTHS) {
      expect(registers.read(offset, width)).toBeGreaterThanOrEqual(0);
      // Anything but 0, which would reset in the one register and do nothing in the others.
      registers.write(offset, width, 0xffff_ffff);
    }
  }
  // FAILED was written to the status among other things.
  one.rig.driver.reset();
  return "well";
});

attack("A31", "read-only registers written, write-only ones read, undefined ones both", (one) => {
  one.rig.driver.initialise();
  const { registers } = one.rig.driver;
  const random = new Random(31);
  for (let i = 0; i < 2000; i++) {
    const offset = 4 * random.below(extent(one) / 4);
    registers.read(offset, 4);
    if (one.rig instanceof MmioRig && offset >= 0x0d0 && offset < 0x0fc)
      registers.write(offset, 4, random.word());
  }
  submit(one);
  expect(one.subject.taken).toBe(1);
  return "well";
});

for (const [id, what, write] of [
  ["A32", "configuration read beyond its end", false],
  ["A33", "configuration written beyond its end, and where it is read-only", true],
] as const) {
  attack(id, what, (one) => {
    one.rig.driver.initialise();
    const { configSize } = one.subject.device;
    const base = configSize === 0 && !(one.rig instanceof MmioRig) ? 0x200 : one.rig.driver.configOffset;
    for (const at of [0, 1, configSize - 1, configSize, configSize + 1, 0xd00]) {
      if (at < 0) continue;
      for (const width of WIDTHS) {
        const value = one.rig.driver.registers.read(base + at, width);
        if (at >= configSize) expect(value).toBe(0);
        if (write) one.rig.driver.registers.write(base + at, width, 0xffff_ffff);
      }
    }
    submit(one);
    expect(one.subject.taken).toBe(1);
    return "well";
  });
}

attack("A34", "features that were not offered", (one) => {
  const { driver } = one.rig;
  expect(() => driver.negotiate(0xffff_ffff_ffff_ffffn)).toThrow(/refused/);
  driver.driverOk();
  expect(driver.status & (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)).toBe(0);
  return "well";
});

attack("A35", "features changed after FEATURES_OK", (one) => {
  one.rig.driver.prepare();
  for (const word of [0, 1, 2, 0xffff_ffff]) one.rig.driver.writeFeatureWord(word, 0xffff_ffff);
  one.rig.driver.driverOk();
  submit(one);
  expect(one.subject.taken).toBe(1);
  return "well";
});

attack("A36", "DRIVER_OK with steps left out", (one) => {
  const { driver } = one.rig;
  for (const value of [4, 0xf, 0xff, 0x8c, 7, 0x7fff_ffff]) {
    driver.reset();
    driver.writeStatus(value);
    driver.kick(one.subject.queue);
    expect(one.rig.transport.ready).toBe(false);
  }
  return "well";
});

attack("A37", "status bits cleared without a reset", (one) => {
  const { driver } = one.rig;
  driver.initialise();
  for (const value of [0xb, 3, 1, 8, 4]) driver.writeStatus(value);
  submit(one);
  expect(one.subject.taken).toBe(1);
  return "well";
});

attack(
  "A38",
  "a reset with buffers of every queue with the device: what comes late touches nothing",
  (one) => {
    const { driver, memory } = one.rig;
    driver.initialise();
    for (const queue of driver.queues) {
      while (queue.free > 0) queue.addWritable(128);
      queue.publish();
    }
    driver.writeStatus(0);
    const before = memory.accesses;
    for (let kind = 0; kind < 16; kind++) one.oracle.step(() => one.subject.disturb(kind, 50 * kind));
    expect(memory.accesses).toBe(before);
    expect(one.rig.takeNotifications()).toEqual({ used: 0, config: 0 });
    return "well";
  },
);

attack("A39", "acknowledgements of what did not happen, and of bits that do not exist", (one) => {
  one.rig.driver.initialise({ msi: false });
  if (one.rig instanceof MmioRig) {
    for (const bits of [0xffff_ffff, 0xffff_fffc, 0]) one.rig.driver.write32(VIRTIO_MMIO_INTERRUPT_ACK, bits);
  } else {
    for (let i = 0; i < 3; i++) expect(one.rig.driver.acknowledgeInterrupt()).toBe(0);
  }
  requestQueue(one).rearm();
  submit(one);
  expect(one.rig.takeNotifications().used).toBe(1);
  return "well";
});
