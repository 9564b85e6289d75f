import { describe, expect, it } from "vitest";
import { VIRTIO_CONFIG_S_NEEDS_RESET } from "../defs.ts";
import { MockMmioDriver } from "../testing/mock-mmio-driver.ts";
import type { MockQueue } from "../testing/mock-queue.ts";
import type { VirtioDevice } from "../types.ts";
import { ConsoleDevice } from "./console.ts";
import { NetDevice } from "./net.ts";
import { RngDevice } from "./rng.ts";
import { PORTS } from "./testing/console-fixture.ts";
import { ethernet, MAC, SpecLink } from "./testing/net-fixture.ts";
import { specMachine } from "./testing/spec-machine.ts";

const ROUNDS = 300;
const RAM = 0x8_0000;

/** A small generator of pseudo-random numbers: every run is the same. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
}

/** What the outside does meanwhile: frames, keys, answers. */
interface Outside {
  readonly device: VirtioDevice;
  disturb(random: (below: number) => number): void;
}

const DEVICES: Record<string, () => Outside> = {
  net: () => {
    const link = new SpecLink();
    const device = new NetDevice({ mac: MAC, link });
    link.answer = (frame) => link.deliver(frame);
    return { device, disturb: (random) => link.deliver(ethernet(random(1600), random(256))) };
  },
  console: () => {
    const device = new ConsoleDevice({ columns: 80, rows: 24, ports: PORTS });
    device.port(0).onOutput((bytes) => device.port(0).write(bytes.subarray(0, 64)));
    device.port(1).onOutput(() => device.resize(1, 1));
    return {
      device,
      disturb: (random) => {
        device.port(random(2)).write(new Uint8Array(random(300)));
        device.resize(random(200), random(100));
      },
    };
  },
  rng: () => ({ device: new RngDevice({ random: (target) => target.fill(0x5e) }), disturb: () => {} }),
};

/** A chain of anything: legal and illegal lengths, places, flags and links. */
function scribble(queue: MockQueue, random: (below: number) => number): void {
  for (let i = 0; i < queue.size; i++) {
    queue.writeDescriptor(i, {
      address: random(12) === 0 ? random(0xffff_ffff) : random(RAM),
      length: [0, 1, 8, 12, 26, 60, 112, 1526, 70_000, 0xffff_ffff][random(random(6) === 0 ? 10 : 8)] ?? 0,
      // Mostly a plain chain forwards, now and then a loop, an indirect table or an undefined flag.
      flags: random(10) === 0 ? random(0x1_0000) : random(4),
      next: random(8) === 0 ? random(0x1_0000) : Math.min(i + 1, queue.size - 1),
      ...(random(30) === 0 ? { addressHigh: random(0xffff_ffff) } : {}),
    });
  }
  for (let k = random(queue.size + 1); k > 0; k--) {
    queue.offer(random(20) === 0 ? random(0x1_0000) : random(queue.size));
  }
  if (random(15) === 0) queue.availIdx = random(0x1_0000);
  else queue.publish();
  queue.availFlags = random(2);
  queue.usedEvent = random(4) === 0 ? random(0x1_0000) : queue.usedIdx;
}

describe.each(Object.entries(DEVICES))("a hostile driver of the %s device", (_name, make) => {
  it("gets its buffers back or DEVICE_NEEDS_RESET, reaches nothing outside RAM, and a reset always helps", () => {
    const { device, disturb } = make();
    const random = generator(0x0d00_12be);
    let faults = 0;
    for (let round = 0; round < ROUNDS; round++) {
      // The same device over all rounds, on a fresh machine each time.
      const { memory, transport, driver } = specMachine(device, RAM);
      driver.initialise({ sizes: device.queueSizes.map(() => 2 ** random(5)) });
      expect(transport.ready).toBe(true);
      for (let step = random(6); step >= 0; step--) {
        for (const queue of driver.queues) if (random(2) === 0) scribble(queue, random);
        for (let kicks = random(8); kicks > 0; kicks--) {
          if (random(3) === 0) disturb(random);
          driver.kick(random(device.queueSizes.length + 1));
        }
        if (random(4) === 0) transport.quiesce();
        if (random(8) === 0) transport.withdraw();
      }
      expect(memory.guardsIntact()).toBe(true);
      const stopped = (driver.status & VIRTIO_CONFIG_S_NEEDS_RESET) !== 0;
      const counted = Object.values(transport.counters.faults).reduce((sum, count) => sum + count, 0);
      expect(counted).toBe(stopped ? 1 : 0);
      faults += counted;
      driver.reset();
      // RAM is full of whatever the rounds left: a new driver with rings of its own.
      const again = new MockMmioDriver(memory, transport);
      again.initialise({ sizes: device.queueSizes.map(() => 2) });
      expect(transport.ready).toBe(true);
      again.reset();
    }
    expect(faults).toBeGreaterThan(ROUNDS / 4);
  });

  it("A14: rings that overlap each other and a buffer never keep the device busy for ever", () => {
    const { device, disturb } = make();
    const random = generator(0x1234_5678);
    for (let round = 0; round < ROUNDS; round++) {
      const { memory, driver, transport } = specMachine(device, RAM);
      driver.prepare({ sizes: device.queueSizes.map(() => 0) });
      // All parts of all queues within a few hundred bytes.
      for (const index of device.queueSizes.keys()) {
        driver.writeQueue(index, {
          size: 2 ** random(6),
          descriptorTable: 0x2000 + 16 * random(16),
          availableRing: 0x2000 + 2 * random(128),
          usedRing: 0x2000 + 4 * random(64),
        });
      }
      for (let at = 0x2000; at < 0x3000; at += 4) {
        if (random(3) > 0) memory.writeU32(at, random(2) === 0 ? random(64) : random(0xffff_ffff));
      }
      driver.driverOk();
      for (let kicks = 0; kicks < 20; kicks++) {
        if (random(3) === 0) memory.writeU16(0x2000 + 2 * random(128), random(8));
        if (random(4) === 0) disturb(random);
        driver.kick(random(device.queueSizes.length));
      }
      expect(memory.guardsIntact()).toBe(true);
      driver.reset();
      expect(transport.ready).toBe(false);
    }
  });
});
