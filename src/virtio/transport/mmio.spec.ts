import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DeviceCounters } from "../../metrics/counters.ts";
import { MockDevice } from "../testing/mock-device.ts";
import { MockTransport } from "../testing/mock-transport.ts";
import { MmioTransport } from "./mmio.ts";
import { MMIO_REGISTER_NAMES } from "./registers.ts";

/** Registers of virtio 1.2 section 4.2.2 by access; those of the extension are tested in mmio-msi.spec.ts. */
const READ_ONLY = [0x000, 0x004, 0x008, 0x00c, 0x010, 0x034, 0x060, 0x0b0, 0x0b4, 0x0b8, 0x0bc, 0x0fc];
const WRITE_ONLY = [
  0x014, 0x020, 0x024, 0x030, 0x038, 0x064, 0x080, 0x084, 0x090, 0x094, 0x0a0, 0x0a4, 0x0ac,
];
const READ_WRITE = [0x044, 0x070];
const QUEUE_NOTIFY = 0x050;

/** Everything that can be read, with queue 0 selected, as one value to compare. */
function registers(t: MockTransport): number[] {
  const { driver } = t;
  driver.write32(0x030, 0);
  const values = [...READ_ONLY, ...READ_WRITE].map((offset) => driver.read32(offset));
  for (const index of [0, 1]) {
    values.push(driver.queueReady(index), driver.queueMaximum(index));
  }
  return [...values, ...driver.config(0, 8)];
}

describe("the identifying registers", () => {
  it("are magic, version, device type and vendor", () => {
    const { driver } = new MockTransport();
    expect(driver.read32(0x000)).toBe(0x74726976);
    expect(driver.read32(0x004)).toBe(2);
    expect(driver.read32(0x008)).toBe(42);
    expect(driver.read32(0x00c)).toBe(0x4c454244);
  });

  it("say version 2 for the standard's interface and 3 for anything beyond it", () => {
    expect(new MockTransport("wired", "shared").driver.version).toBe(2);
    expect(new MockTransport("wired", "per-queue").driver.version).toBe(3);
    expect(new MockTransport("msi", "shared").driver.version).toBe(3);
    expect(new MockTransport("msi", "per-queue").driver.version).toBe(3);
  });
});

describe("the feature registers", () => {
  it("give and take 32 bits of the word selected", () => {
    const { driver, device } = new MockTransport();
    driver.reset();
    driver.acknowledge();
    driver.driver();
    expect(driver.readFeatures()).toBe((1n << 32n) | (3n << 28n) | 0b101n);
    driver.writeFeatures((1n << 32n) | (1n << 28n) | 1n);
    expect(driver.featuresOk()).toBe(true);
    driver.driverOk();
    expect(device.context?.features).toBe((1n << 32n) | (1n << 28n) | 1n);
  });

  it("read 0 for words that do not exist", () => {
    const { driver } = new MockTransport();
    for (const word of [2, 3, 4, 0x8000_0000, 0xffff_ffff]) {
      driver.write32(0x014, word);
      expect(driver.read32(0x010)).toBe(0);
    }
  });

  it("never offer RING_RESET or NOTIF_CONFIG_DATA, in any mode", () => {
    for (const interrupts of ["wired", "msi"] as const) {
      for (const doorbell of ["shared", "per-queue"] as const) {
        const features = new MockTransport(interrupts, doorbell).driver.readFeatures();
        expect(features & ((1n << 39n) | (1n << 40n))).toBe(0n);
      }
    }
  });
});

describe("initialisation in Linux's order", () => {
  for (const interrupts of ["wired", "msi"] as const) {
    for (const doorbell of ["shared", "per-queue"] as const) {
      it(`leads to traffic: ${interrupts} interrupts, ${doorbell} doorbell`, () => {
        const t = new MockTransport(interrupts, doorbell);
        t.driver.initialise();
        expect(t.driver.status).toBe(15);
        expect(t.transport.ready).toBe(true);
        expect(t.transport.interruptsInUse).toBe(interrupts);
        for (let i = 0; i < 100; i++) expect(t.echo()).toBe(1);
        expect(t.transport.ignored).toEqual({});
        expect(t.log).toEqual([]);
        expect(t.memory.gapsIntact()).toBe(true);
      });
    }
  }

  it("finds QueueReady 0 at each queue, and the end of the queues by QueueNumMax 0", () => {
    const { driver } = new MockTransport();
    driver.reset();
    for (const index of [0, 1]) expect(driver.queueReady(index)).toBe(0);
    expect([0, 1, 2, 3, 0xffff_ffff].map((index) => driver.queueMaximum(index))).toEqual([64, 16, 0, 0, 0]);
  });

  it("reads QueueReady as written, each queue for itself", () => {
    const t = new MockTransport();
    t.driver.prepare({ sizes: [0, 16] });
    expect([t.driver.queueReady(0), t.driver.queueReady(1)]).toEqual([0, 1]);
  });

  it("may delete queues after a reset: QueueReady is written 0 and reads 0", () => {
    const t = new MockTransport();
    t.driver.initialise();
    t.driver.reset();
    for (const index of [0, 1]) {
      expect(t.driver.queueReady(index)).toBe(0);
      t.driver.write32(0x044, 0);
      expect(t.driver.queueReady(index)).toBe(0);
    }
    expect(t.transport.ignored).toEqual({});
  });

  it("may give addresses in any order of their halves", () => {
    const t = new MockTransport();
    t.driver.prepare({ sizes: [0, 0] });
    const queue = t.driver.setupQueue(0, 8);
    t.driver.write32(0x044, 0);
    const { layout } = queue;
    for (const [offset, value] of [
      [0x0a4, 0],
      [0x0a0, layout.usedRing],
      [0x084, 0],
      [0x080, layout.descriptorTable],
      [0x094, 0],
      [0x090, layout.availableRing],
    ] as const) {
      t.driver.write32(offset, value);
    }
    t.driver.write32(0x044, 1);
    t.driver.driverOk();
    expect(t.echo()).toBe(1);
  });

  it("takes the upper half of an address seriously", () => {
    const t = new MockTransport();
    t.driver.prepare({ sizes: [0, 0] });
    t.driver.setupQueue(0, 8);
    t.driver.write32(0x044, 0);
    t.driver.write32(0x084, 1);
    t.driver.write32(0x044, 1);
    t.driver.driverOk();
    expect(t.driver.status).toBe(15 | 64);
    expect(t.transport.counters.faults).toEqual({ "descriptor table outside RAM": 1 });
  });
});

describe("an access that is none", () => {
  const undefinedOffsets = Array.from({ length: 0x40 }, (_, k) => 4 * k).filter(
    (offset) => ![...READ_ONLY, ...WRITE_ONLY, ...READ_WRITE, QUEUE_NOTIFY].includes(offset),
  );

  it("reading a write-only register gives 0 and is counted", () => {
    const t = new MockTransport();
    for (const offset of [...WRITE_ONLY, QUEUE_NOTIFY]) expect(t.driver.read32(offset)).toBe(0);
    expect(t.transport.ignored).toEqual({ "read of a write-only register": WRITE_ONLY.length + 1 });
  });

  it("writing a read-only register changes nothing and is counted", () => {
    const t = new MockTransport();
    t.driver.initialise();
    const before = registers(t);
    for (const offset of READ_ONLY) t.driver.write32(offset, 0xffff_ffff);
    expect(registers(t)).toEqual(before);
    expect(t.transport.ignored).toEqual({ "write to a read-only register": READ_ONLY.length });
  });

  it("at an offset of no register reads 0, changes nothing and is counted; the legacy interface is none", () => {
    const t = new MockTransport();
    t.driver.initialise();
    const before = registers(t);
    expect(undefinedOffsets).toEqual(expect.arrayContaining([0x028, 0x03c, 0x040, 0x0c0, 0x0c4, 0x0cc]));
    for (const offset of undefinedOffsets) {
      expect(t.driver.read32(offset)).toBe(0);
      t.driver.write32(offset, 0xffff_ffff);
    }
    expect(registers(t)).toEqual(before);
    const ignored = Object.values(t.transport.ignored).reduce((sum, count) => sum + count, 0);
    expect(ignored).toBe(2 * undefinedOffsets.length);
  });

  it("in another width than 32 bits, or unaligned, reads 0, changes nothing and is counted", () => {
    const t = new MockTransport();
    t.driver.initialise();
    const before = registers(t);
    let accesses = 0;
    for (let offset = 0; offset < 0x100; offset++) {
      for (const size of [1, 2, 4] as const) {
        if (size === 4 && offset % 4 === 0) continue;
        expect(t.transport.read(offset, size)).toBe(0);
        t.transport.write(offset, size, 0);
        t.transport.write(offset, size, 0xffff_ffff);
        accesses += 3;
      }
    }
    expect(registers(t)).toEqual(before);
    const ignored = Object.values(t.transport.ignored).reduce((sum, count) => sum + count, 0);
    expect(ignored).toBe(accesses);
    expect(t.echo()).toBe(1);
  });

  it("is logged once for each reason, however often it happens", () => {
    const t = new MockTransport();
    for (let i = 0; i < 1000; i++) t.driver.read32(0x014);
    expect(t.log).toHaveLength(1);
  });
});

describe("the queue registers", () => {
  it("do nothing with QueueSel out of range", () => {
    const t = new MockTransport();
    t.driver.prepare();
    t.driver.write32(0x030, 2);
    for (const offset of [0x038, 0x044, 0x080, 0x0a4]) t.driver.write32(offset, 1);
    expect(t.driver.read32(0x034)).toBe(0);
    expect(t.driver.read32(0x044)).toBe(0);
    expect(t.transport.ignored).toEqual({ "queue does not exist": 4 });
  });

  it("are shut after DRIVER_OK: a queue keeps its size and place, whatever is written", () => {
    const t = new MockTransport();
    t.driver.initialise();
    t.driver.write32(0x030, 0);
    for (const offset of [0x038, 0x080, 0x084, 0x090, 0x094, 0x0a0, 0x0a4]) t.driver.write32(offset, 0xfff0);
    for (let i = 0; i < 40; i++) expect(t.echo()).toBe(1);
    expect(t.transport.ignored).toEqual({ "queue configured outside of FEATURES_OK to DRIVER_OK": 7 });
  });

  it("make no rings of illegal sizes: DEVICE_NEEDS_RESET at DRIVER_OK", () => {
    for (const size of [0, 3, 128, 0x1_0000, 0xffff_ffff]) {
      const t = new MockTransport();
      t.driver.prepare({ sizes: [0, 0] });
      t.driver.setupQueue(0, 8);
      t.driver.write32(0x044, 0);
      t.driver.write32(0x038, size);
      t.driver.write32(0x044, 1);
      t.driver.driverOk();
      expect(t.driver.status).toBe(15 | 64);
      expect(t.transport.counters.faults).toEqual({ "queue size": 1 });
      expect(t.driver.acknowledgeInterrupt()).toBe(2);
    }
  });
});

describe("QueueNotify", () => {
  it("notifies the queue whose index is written, in version 3 too", () => {
    for (const doorbell of ["shared", "per-queue"] as const) {
      const t = new MockTransport("msi", doorbell);
      t.driver.initialise();
      t.device.calls.length = 0;
      t.driver.write32(QUEUE_NOTIFY, 1);
      t.driver.write32(QUEUE_NOTIFY, 0);
      expect(t.device.calls).toEqual(["notify 1", "notify 0"]);
      expect(t.transport.counters.doorbells).toBe(2);
    }
  });

  it("does nothing for an index of no queue, of a queue not ready, and before DRIVER_OK", () => {
    const t = new MockTransport();
    t.driver.prepare({ sizes: [8, 0] });
    t.driver.write32(QUEUE_NOTIFY, 0);
    t.driver.driverOk();
    t.device.calls.length = 0;
    for (const index of [1, 2, 0xffff, 0x8000_0000, 0xffff_ffff]) t.driver.write32(QUEUE_NOTIFY, index);
    expect(t.device.calls).toEqual([]);
    expect(t.driver.status).toBe(15);
    expect(t.transport.ignored).toEqual({ "notification of a queue not live": 6 });
  });
});

describe("doorbells", () => {
  it("are found by reading QueueNotify: offset in the lower half, stride in the upper", () => {
    const { driver } = new MockTransport("wired", "per-queue");
    expect(driver.read32(QUEUE_NOTIFY)).toBe(0x0004_1000);
  });

  it("are not there in version 3 with the shared register: QueueNotify reads 0, without complaint", () => {
    const t = new MockTransport("msi", "shared");
    expect(t.driver.read32(QUEUE_NOTIFY)).toBe(0);
    expect(t.transport.ignored).toEqual({});
  });

  it("notify one queue each, whatever value is written", () => {
    const t = new MockTransport("wired", "per-queue");
    t.driver.initialise();
    t.device.calls.length = 0;
    t.driver.write32(0x1004, 1);
    t.driver.write32(0x1000, 0);
    t.driver.write32(0x1000, 1);
    expect(t.device.calls).toEqual(["notify 1", "notify 0", "notify 0"]);
    expect(t.transport.metrics().exits.byRegister.Doorbell).toBe(3);
    expect(t.transport.counters.doorbells).toBe(3);
  });

  it("of queues that do not exist do nothing, up to the window's end", () => {
    const t = new MockTransport("wired", "per-queue");
    t.driver.initialise();
    t.device.calls.length = 0;
    t.driver.write32(0x1008, 2);
    t.driver.write32(0x1ffc, 0);
    expect(t.device.calls).toEqual([]);
    expect(t.transport.ignored).toEqual({ "notification of a queue not live": 2 });
  });

  it("take 32-bit aligned writes only, and read 0", () => {
    const t = new MockTransport("wired", "per-queue");
    t.driver.initialise();
    t.device.calls.length = 0;
    t.transport.write(0x1000, 1, 0);
    t.transport.write(0x1000, 2, 0);
    t.transport.write(0x1002, 4, 0);
    expect(t.transport.read(0x1000, 4)).toBe(0);
    expect(t.device.calls).toEqual([]);
    expect(t.transport.ignored).toEqual({
      "register accessed in the wrong width": 3,
      "read of a doorbell": 1,
    });
  });

  it("do nothing when they are not offered", () => {
    const t = new MockTransport("wired", "shared");
    t.driver.initialise();
    t.device.calls.length = 0;
    t.driver.write32(0x1000, 0);
    expect(t.device.calls).toEqual([]);
    expect(t.transport.ignored).toEqual({ "doorbell rung while not offered": 1 });
  });
});

describe("configuration space", () => {
  it("starts at 0x100 and is read in 8, 16 and 32 bits", () => {
    const { transport } = new MockTransport();
    expect(transport.read(0x100, 1)).toBe(1);
    expect(transport.read(0x102, 2)).toBe(0x0403);
    expect(transport.read(0x104, 4)).toBe(0x08070605);
    expect(transport.read(0x108, 4)).toBe(0);
    expect(transport.read(0xffc, 4)).toBe(0);
  });

  it("is written in 8, 16 and 32 bits, where the device lets it be", () => {
    const t = new MockTransport();
    t.driver.prepare();
    t.transport.write(0x100, 4, 0xffff_ffff);
    t.transport.write(0x104, 1, 0x11);
    t.transport.write(0x105, 2, 0x3322);
    expect([...t.driver.config(0, 8)]).toEqual([1, 2, 3, 4, 0x11, 0x22, 0x33, 8]);
    t.transport.write(0x104, 4, 0x89abcdef);
    expect([...t.driver.config(4, 4)]).toEqual([0xef, 0xcd, 0xab, 0x89]);
  });

  it("tells by ConfigGeneration that it changed between two reads", () => {
    const t = new MockTransport();
    const before = t.driver.read32(0x0fc);
    expect(t.driver.read32(0x0fc)).toBe(before);
    t.device.configBytes[2] = 77;
    expect(t.driver.read32(0x0fc)).not.toBe(before);
  });
});

describe("shared memory regions", () => {
  it("do not exist: length and base of any read all ones", () => {
    const { driver } = new MockTransport();
    for (const id of [0, 1, 0xffff_ffff]) {
      driver.write32(0x0ac, id);
      for (const offset of [0x0b0, 0x0b4, 0x0b8, 0x0bc]) expect(driver.read32(offset)).toBe(0xffff_ffff);
    }
  });
});

describe("exits", () => {
  it("are counted by the standard's names, reads and writes of one register together", () => {
    const t = new MockTransport("msi", "per-queue");
    t.driver.read32(0x060);
    t.driver.read32(0x060);
    t.driver.write32(0x064, 1);
    t.driver.write32(0x050, 0);
    t.driver.read32(0x050);
    t.driver.read16(0x0c0);
    t.driver.write16(0x0c2, 0x3000);
    t.driver.config(0, 3);
    t.driver.write32(0x1000, 0);
    t.driver.read32(0x028);
    t.driver.read32(0x0d0);
    const { exits } = t.transport.metrics();
    expect(exits.byRegister).toEqual({
      InterruptStatus: 2,
      InterruptACK: 1,
      QueueNotify: 2,
      MsiStatus: 2,
      MsiCommand: 1,
      Config: 3,
      Doorbell: 1,
      Other: 2,
    });
    expect(exits.total).toBe(14);
  });

  it("have a name for every register, and one for all others", () => {
    expect(new Set(MMIO_REGISTER_NAMES).size).toBe(MMIO_REGISTER_NAMES.length);
    expect(MMIO_REGISTER_NAMES).toEqual(expect.arrayContaining(["Status", "QueueSel", "Other", "Config"]));
    const t = new MockTransport();
    for (let offset = 0; offset < 0x2000; offset += 4) t.transport.read(offset, 4);
    expect(t.transport.metrics().exits.total).toBe(0x800);
  });

  it("go to the counters given, when they are made for these names", () => {
    const t = new MockTransport();
    const options = {
      device: new MockDevice(),
      memory: t.memory,
      line: t.line,
      messages: t.messages,
      log: () => {},
      interrupts: "wired",
      doorbell: "shared",
    } as const;
    const counters = new DeviceCounters(MMIO_REGISTER_NAMES, 3);
    new MmioTransport({ ...options, counters }).read(0, 4);
    expect(counters.exits[0]).toBe(1);
    expect(() => new MmioTransport({ ...options, counters: new DeviceCounters(["Status"], 3) })).toThrow(
      RangeError,
    );
  });
});

describe("metrics", () => {
  it("show version, status and what the driver uses, and are a copy", () => {
    const t = new MockTransport("msi", "per-queue");
    t.driver.initialise();
    t.echo();
    const metrics = t.transport.metrics();
    expect(metrics).toMatchObject({
      type: "mock",
      version: 3,
      status: 15,
      interrupts: { mode: "msi", wired: 0, msi: 1, merged: 0, refused: 0, byVector: [0, 1, 0] },
      doorbells: 1,
      faults: {},
    });
    expect(metrics).not.toHaveProperty("net");
    t.echo();
    expect(metrics.interrupts.msi).toBe(1);
    expect(metrics.interrupts.byVector).toEqual([0, 1, 0]);
    expect(JSON.parse(JSON.stringify(metrics))).toEqual(metrics);
  });

  it("have the network counters where the device has them", () => {
    const t = new MockTransport();
    t.transport.counters.net = {
      txFrames: 1,
      rxFrames: 2,
      txBytes: 3,
      rxBytes: 4,
      dropped: 1,
      dropReasons: { "receive queue full": 1 },
    };
    const { net } = t.transport.metrics();
    expect(net).toEqual(t.transport.counters.net);
    expect(net?.dropReasons).not.toBe(t.transport.counters.net.dropReasons);
  });
});

describe("random register accesses", () => {
  const access = fc.record({
    write: fc.boolean(),
    offset: fc.oneof(
      fc.integer({ min: 0, max: 0x3f }).map((k) => 4 * k),
      fc.integer({ min: 0, max: 0x2010 }),
      fc.constantFrom(0x30, 0x38, 0x44, 0x50, 0x70, 0x80, 0x90, 0xa0, 0xc0, 0xc2, 0x1000, 0x1004),
    ),
    size: fc.constantFrom(1 as const, 2 as const, 4 as const),
    value: fc.oneof(
      fc.integer({ min: 0, max: 16 }),
      fc.integer({ min: 0, max: 0xffff_ffff }),
      fc.constantFrom(11, 15, 0x1000, 0x2000, 0x3000, 0x8000),
    ),
  });

  it("never throw, never touch anything outside of RAM, and leave the device able to start after a reset", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("wired" as const, "msi" as const),
        fc.constantFrom("shared" as const, "per-queue" as const),
        fc.integer({ min: 0, max: 3 }),
        fc.array(access, { maxLength: 60 }),
        (interrupts, doorbell, start, accesses) => {
          const t = new MockTransport(interrupts, doorbell);
          if (start === 1) t.driver.prepare({ sizes: [0, 0] });
          if (start === 2) t.driver.prepare();
          if (start === 3) t.driver.initialise();
          for (const { write, offset, size, value } of accesses) {
            if (write) t.transport.write(offset, size, value);
            else {
              const read = t.transport.read(offset, size);
              expect(read).toBeGreaterThanOrEqual(0);
              expect(read).toBeLessThan(256 ** size);
            }
          }
          expect(t.memory.guardsIntact()).toBe(true);
          t.driver.initialise();
          expect(t.echo()).toBe(1);
        },
      ),
      { numRuns: 500 },
    );
  });
});
