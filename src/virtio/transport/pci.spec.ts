import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DeviceCounters } from "../../metrics/counters.ts";
import { MockDevice } from "../testing/mock-device.ts";
import { MOCK_BAR, MOCK_LINE } from "../testing/mock-rig.ts";
import { MockPci } from "../testing/mock-transport.ts";
import { PciTransport } from "./pci.ts";
import {
  PCI_BAR_SIZE,
  PCI_COMMAND_MASTER,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_CAP_PCI_CFG,
  VIRTIO_PCI_COMMON_CFGGENERATION,
  VIRTIO_PCI_COMMON_DF,
  VIRTIO_PCI_COMMON_DFSELECT,
  VIRTIO_PCI_COMMON_GF,
  VIRTIO_PCI_COMMON_GFSELECT,
  VIRTIO_PCI_COMMON_NUMQ,
  VIRTIO_PCI_COMMON_Q_DESCHI,
  VIRTIO_PCI_COMMON_Q_DESCLO,
  VIRTIO_PCI_COMMON_Q_ENABLE,
  VIRTIO_PCI_COMMON_Q_MSIX,
  VIRTIO_PCI_COMMON_Q_NOFF,
  VIRTIO_PCI_COMMON_Q_SELECT,
  VIRTIO_PCI_COMMON_Q_SIZE,
  VIRTIO_PCI_COMMON_STATUS,
} from "./pci-defs.ts";
import { PCI_REGISTER_NAMES } from "./pci-registers.ts";

/** A device with memory decoding on and FEATURES_OK set. */
function negotiated(interrupts: "wired" | "msi" = "wired", device?: MockDevice): MockPci {
  const t = new MockPci(interrupts, device);
  t.driver.prepare({ sizes: [0, 0], msi: false });
  return t;
}

/** A device at work. */
function running(interrupts: "wired" | "msi" = "wired"): MockPci {
  const t = new MockPci(interrupts);
  t.driver.initialise();
  return t;
}

describe("what a virtio function shows of itself", () => {
  it("are the IDs of a device without legacy interface", () => {
    const { driver } = new MockPci();
    expect(driver.config16(0)).toBe(0x1af4);
    expect(driver.config16(2)).toBe(0x1040 + 42);
    expect(driver.config8(8)).toBe(1);
    expect(driver.config16(0x2e)).toBeGreaterThanOrEqual(0x40);
    expect(driver.config8(0x3c)).toBe(MOCK_LINE);
    expect(driver.config32(0x10)).toBe(MOCK_BAR);
  });

  it("are its structures, all within the BAR and none over another", () => {
    const { driver } = new MockPci("msi");
    const types = [
      VIRTIO_PCI_CAP_COMMON_CFG,
      VIRTIO_PCI_CAP_NOTIFY_CFG,
      VIRTIO_PCI_CAP_ISR_CFG,
      VIRTIO_PCI_CAP_DEVICE_CFG,
    ];
    const ranges = types.map((type) => driver.structure(type));
    for (const { offset, length } of ranges) {
      expect(length).toBeGreaterThan(0);
      expect(offset + length).toBeLessThanOrEqual(PCI_BAR_SIZE);
    }
    const sorted = [...ranges].sort((a, b) => a.offset - b.offset);
    for (const [index, { offset }] of sorted.entries()) {
      const before = sorted[index - 1];
      if (before) expect(offset).toBeGreaterThanOrEqual(before.offset + before.length);
    }
    expect(driver.structure(VIRTIO_PCI_CAP_NOTIFY_CFG).length).toBe(2 * 4);
    expect(driver.structures.has(VIRTIO_PCI_CAP_PCI_CFG)).toBe(true);
    expect(driver.msix).toMatchObject({ vectors: 3 });
  });

  it("has no MSI-X capability when interrupts are wired, and none for a configuration space that is not there", () => {
    const { driver } = new MockPci("wired", new MockDevice({ configSize: 0 }));
    expect(driver.msix).toBeUndefined();
    expect(driver.structures.has(VIRTIO_PCI_CAP_DEVICE_CFG)).toBe(false);
  });

  it.each([
    [1, 0x0200],
    [2, 0x0100],
    [3, 0x0780],
    [4, 0xff00],
  ])("is a class of device that fits: virtio type %i is 0x%s", (type, deviceClass) => {
    expect(new MockPci("wired", new MockDevice({ type })).driver.config16(0x0a)).toBe(deviceClass);
  });
});

describe("the common configuration structure", () => {
  it("brings a device up with chains going through and back", () => {
    const t = running();
    expect(t.driver.status).toBe(15);
    expect(t.echo()).toBe(1);
    expect(t.transport.ready).toBe(true);
    expect(t.transport.ignored).toEqual({});
    expect(t.memory.gapsIntact()).toBe(true);
  });

  it("reads back what is the driver's to write", () => {
    const t = negotiated();
    const { driver } = t;
    driver.write32(VIRTIO_PCI_COMMON_DFSELECT, 1);
    expect(driver.read32(VIRTIO_PCI_COMMON_DFSELECT)).toBe(1);
    expect(driver.read32(VIRTIO_PCI_COMMON_DF)).toBe(1); // VERSION_1
    driver.write32(VIRTIO_PCI_COMMON_GFSELECT, 0);
    expect(BigInt(driver.read32(VIRTIO_PCI_COMMON_GF))).toBe(driver.features & 0xffff_ffffn);
    driver.select(1);
    expect(driver.read16(VIRTIO_PCI_COMMON_Q_SELECT)).toBe(1);
    driver.write16(VIRTIO_PCI_COMMON_Q_SIZE, 8);
    expect(driver.read16(VIRTIO_PCI_COMMON_Q_SIZE)).toBe(8);
    driver.write32(VIRTIO_PCI_COMMON_Q_DESCLO, 0x1234_5670);
    driver.write32(VIRTIO_PCI_COMMON_Q_DESCHI, 0xffff_ffff);
    expect(driver.read32(VIRTIO_PCI_COMMON_Q_DESCLO)).toBe(0x1234_5670);
    expect(driver.read32(VIRTIO_PCI_COMMON_Q_DESCHI)).toBe(0xffff_ffff);
    expect(driver.read16(VIRTIO_PCI_COMMON_Q_ENABLE)).toBe(0);
    driver.write16(VIRTIO_PCI_COMMON_Q_ENABLE, 1);
    expect(driver.read16(VIRTIO_PCI_COMMON_Q_ENABLE)).toBe(1);
  });

  it("says how many queues there are, how large each can be, and where its doorbell is", () => {
    const { driver } = negotiated();
    expect(driver.read16(VIRTIO_PCI_COMMON_NUMQ)).toBe(2);
    expect([0, 1].map((index) => driver.queueMaximum(index))).toEqual([64, 16]);
    driver.select(1);
    expect(driver.read16(VIRTIO_PCI_COMMON_Q_NOFF)).toBe(1);
  });

  it.each([2, 100, 0xffff])("has nothing behind queue_select %i, which is no queue", (index) => {
    const t = negotiated("msi");
    const { driver } = t;
    expect(driver.queueMaximum(index)).toBe(0);
    for (const field of [VIRTIO_PCI_COMMON_Q_SIZE, VIRTIO_PCI_COMMON_Q_MSIX, VIRTIO_PCI_COMMON_Q_ENABLE]) {
      driver.write16(field, 1);
    }
    driver.write32(VIRTIO_PCI_COMMON_Q_DESCLO, 0x1000);
    expect(driver.read16(VIRTIO_PCI_COMMON_Q_ENABLE)).toBe(0);
    expect(driver.read16(VIRTIO_PCI_COMMON_Q_MSIX)).toBe(0xffff);
    expect(driver.read16(VIRTIO_PCI_COMMON_Q_NOFF)).toBe(0);
    expect(driver.read32(VIRTIO_PCI_COMMON_Q_DESCLO)).toBe(0);
    expect(Object.keys(t.transport.ignored)).not.toEqual([]);
  });

  it("has nothing behind a feature word that does not exist", () => {
    const { driver } = new MockPci();
    driver.enable();
    for (const word of [2, 31, 0xffff_ffff]) {
      driver.write32(VIRTIO_PCI_COMMON_DFSELECT, word);
      driver.write32(VIRTIO_PCI_COMMON_GFSELECT, word);
      expect(driver.read32(VIRTIO_PCI_COMMON_DF)).toBe(0);
      expect(driver.read32(VIRTIO_PCI_COMMON_GF)).toBe(0);
    }
  });

  it.each([0, 3, 6, 65, 128, 0xffff])(
    "keeps the queue's size when %i is written, which is no power of two up to the maximum",
    (size) => {
      const t = negotiated();
      t.driver.select(0);
      t.driver.write16(VIRTIO_PCI_COMMON_Q_SIZE, size);
      expect(t.driver.read16(VIRTIO_PCI_COMMON_Q_SIZE)).toBe(64);
      expect(t.transport.ignored).toEqual({ "queue_size: not a power of two up to the maximum": 1 });
    },
  );

  it("changes nothing of a queue after DRIVER_OK, its size least of all (CVE-2026-5747)", () => {
    const t = running();
    t.driver.select(0);
    const address = t.driver.read32(VIRTIO_PCI_COMMON_Q_DESCLO);
    for (const size of [0, 1, 3, 4, 64, 0xffff]) t.driver.write16(VIRTIO_PCI_COMMON_Q_SIZE, size);
    t.driver.write32(VIRTIO_PCI_COMMON_Q_DESCLO, 0);
    expect(t.driver.read16(VIRTIO_PCI_COMMON_Q_SIZE)).toBe(16);
    expect(t.driver.read32(VIRTIO_PCI_COMMON_Q_DESCLO)).toBe(address);
    for (let k = 0; k < 40; k++) expect(t.echo()).toBe(1);
  });

  it("does not take a queue back: queue_enable is written 1 and nothing else", () => {
    const t = running();
    t.driver.select(0);
    t.driver.write16(VIRTIO_PCI_COMMON_Q_ENABLE, 0);
    t.driver.write16(VIRTIO_PCI_COMMON_Q_ENABLE, 2);
    expect(t.driver.read16(VIRTIO_PCI_COMMON_Q_ENABLE)).toBe(1);
    expect(t.transport.ignored["queue_enable: written other than 1"]).toBe(2);
    expect(t.echo()).toBe(1);
  });

  it("lets only what is offered be accepted", () => {
    const { driver } = new MockPci();
    driver.enable();
    driver.reset();
    driver.acknowledge();
    driver.driver();
    driver.writeFeatures(driver.readFeatures() | 2n);
    expect(driver.featuresOk()).toBe(false);
  });

  it("starts again from the beginning when 0 is written to device_status", () => {
    const t = running("msi");
    t.driver.write8(VIRTIO_PCI_COMMON_STATUS, 0);
    expect(t.driver.status).toBe(0);
    expect(t.transport.ready).toBe(false);
    expect(t.driver.mapConfig(0xffff)).toBe(0xffff);
    t.driver.select(0);
    expect(t.driver.read16(VIRTIO_PCI_COMMON_Q_MSIX)).toBe(0xffff);
    expect(t.driver.read16(VIRTIO_PCI_COMMON_Q_SIZE)).toBe(64);
    t.driver.initialise();
    expect(t.echo()).toBe(1);
  });

  it("has a generation of 8 bits that goes on with each change of the configuration", () => {
    const t = running();
    const before = t.driver.read8(VIRTIO_PCI_COMMON_CFGGENERATION);
    t.device.context?.configChanged();
    expect(t.driver.read8(VIRTIO_PCI_COMMON_CFGGENERATION)).toBe((before + 1) & 0xff);
    for (let k = 0; k < 256; k++) t.device.context?.configChanged();
    expect(t.driver.read8(VIRTIO_PCI_COMMON_CFGGENERATION)).toBe((before + 1) & 0xff);
  });

  it.each([
    ["a 32-bit field, 8 bits wide", 0, 1],
    ["a 32-bit field, 16 bits wide", 4, 2],
    ["two 16-bit fields at once", 16, 4],
    ["device_status and more", 20, 2],
    ["device_status and much more", 20, 4],
    ["the end of one field and the start of the next", 0x13, 2],
    ["an address, 16 bits wide", 32, 2],
    ["an address, off its halves", 34, 4],
    ["past the end", 54, 4],
  ] as const)("takes no access in another width than the field's own: %s", (_what, offset, size) => {
    const t = negotiated();
    const status = t.driver.status;
    expect(t.transport.read(offset, size)).toBe(0);
    t.transport.write(offset, size, 0);
    expect(Object.values(t.transport.ignored).reduce((a, b) => a + b, 0)).toBe(2);
    expect(t.driver.status).toBe(status);
  });

  it("gives the bytes of a 16-bit field one by one, but takes them together only", () => {
    const t = negotiated();
    t.transport.write(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0x0201);
    expect(t.transport.read(VIRTIO_PCI_COMMON_Q_SELECT, 1)).toBe(1);
    expect(t.transport.read(VIRTIO_PCI_COMMON_Q_SELECT + 1, 1)).toBe(2);
    expect(t.transport.read(VIRTIO_PCI_COMMON_Q_SELECT, 2)).toBe(0x0201);
    t.transport.write(VIRTIO_PCI_COMMON_Q_SELECT, 1, 0);
    expect(t.driver.read16(VIRTIO_PCI_COMMON_Q_SELECT)).toBe(0x0201);
  });

  it("counts a write to what can only be read", () => {
    const t = negotiated();
    for (const field of [VIRTIO_PCI_COMMON_NUMQ, VIRTIO_PCI_COMMON_Q_NOFF]) t.driver.write16(field, 7);
    t.driver.write32(VIRTIO_PCI_COMMON_DF, 7);
    t.transport.write(t.driver.structure(VIRTIO_PCI_CAP_ISR_CFG).offset, 1, 1);
    expect(t.transport.ignored).toEqual({ "write to a read-only register": 4 });
    expect(t.driver.read16(VIRTIO_PCI_COMMON_NUMQ)).toBe(2);
  });
});

describe("doorbells", () => {
  it("are one for each queue; the address names it and the value is not looked at", () => {
    const t = running();
    const { offset } = t.driver.structure(VIRTIO_PCI_CAP_NOTIFY_CFG);
    t.device.calls.length = 0;
    t.transport.write(offset + 4, 2, 0);
    t.transport.write(offset, 2, 0xffff);
    expect(t.device.calls).toEqual(["notify 1", "notify 0"]);
    expect(t.transport.counters.doorbells).toBe(2);
  });

  it("are 16 bits wide, and there is none for a queue that does not exist", () => {
    const t = running();
    const { offset } = t.driver.structure(VIRTIO_PCI_CAP_NOTIFY_CFG);
    t.device.calls.length = 0;
    t.transport.write(offset, 4, 0);
    t.transport.write(offset, 1, 0);
    t.transport.write(offset + 2, 2, 0);
    t.transport.write(offset + 8, 2, 2);
    t.transport.write(offset + 0xffc, 2, 2);
    expect(t.transport.read(offset, 2)).toBe(0);
    expect(t.device.calls).toEqual([]);
    expect(t.transport.ignored).toEqual({
      "register accessed in the wrong width": 3,
      "notification of a queue not live": 2,
      "read of a doorbell": 1,
    });
  });
});

describe("the device's configuration structure", () => {
  it("is the device's own, in any width", () => {
    const t = running();
    expect([...t.driver.config(0, 8)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const { offset } = t.driver.structure(VIRTIO_PCI_CAP_DEVICE_CFG);
    expect(t.transport.read(offset + 4, 4)).toBe(0x0807_0605);
    t.transport.write(offset + 4, 2, 0xbeef);
    expect([...t.driver.config(4, 2)]).toEqual([0xef, 0xbe]);
    expect(t.transport.read(offset + 8, 4)).toBe(0);
  });
});

describe("INTx", () => {
  it("goes up with an event and down when the ISR status is read", () => {
    const t = running();
    expect(t.line.level).toBe(false);
    t.echo();
    expect(t.line.level).toBe(true);
    expect(t.driver.config16(6) & 8).toBe(8);
    expect(t.driver.acknowledgeInterrupt()).toBe(1);
    expect(t.line.level).toBe(false);
    expect(t.driver.config16(6) & 8).toBe(0);
    expect(t.driver.acknowledgeInterrupt()).toBe(0);
  });

  it("tells a configuration change from a used buffer, and both from either", () => {
    const t = running();
    t.device.context?.configChanged();
    expect(t.driver.acknowledgeInterrupt()).toBe(2);
    t.echo();
    t.device.context?.configChanged();
    expect(t.driver.acknowledgeInterrupt()).toBe(3);
    expect(t.transport.counters).toMatchObject({ wired: 2, merged: 1, msi: 0 });
  });

  it("is held back by INTx Disable, which Interrupt Status does not mind", () => {
    const t = running();
    t.driver.enable(0x0400);
    t.echo();
    expect(t.line.level).toBe(false);
    expect(t.driver.config16(6) & 8).toBe(8);
    t.driver.writeConfig(4, 2, 0x0006);
    expect(t.line.level).toBe(true);
    expect(t.transport.counters.wired).toBe(1);
  });

  it("goes down with a reset", () => {
    const t = running();
    t.echo();
    t.driver.reset();
    expect(t.line.level).toBe(false);
    expect(t.driver.acknowledgeInterrupt()).toBe(0);
  });

  it("is cleared by no other access to the ISR status than one of a byte", () => {
    const t = running();
    t.echo();
    const { offset } = t.driver.structure(VIRTIO_PCI_CAP_ISR_CFG);
    expect(t.transport.read(offset, 4)).toBe(0);
    expect(t.transport.read(offset, 2)).toBe(0);
    t.transport.write(offset, 1, 0xff);
    expect(t.line.level).toBe(true);
    expect(t.driver.acknowledgeInterrupt()).toBe(1);
  });
});

describe("random accesses", () => {
  const size = fc.constantFrom(1 as const, 2 as const, 4 as const);
  const value = fc.oneof(
    fc.integer({ min: 0, max: 16 }),
    fc.integer({ min: 0, max: 0xffff_ffff }),
    fc.constantFrom(11, 15, 0x1000, 0x8000, 0xc000, 0xffff, 0xfee0_0000),
  );
  const offset = fc.oneof(
    fc.integer({ min: 0, max: 56 }),
    fc.integer({ min: 0, max: PCI_BAR_SIZE + 16 }),
    fc.constantFrom(0x100, 0x200, 0x204, 0x1000, 0x1004, 0x2000, 0x2008, 0x200c, 0x201c, 0x3000),
  );
  const access = fc.record({
    where: fc.constantFrom("bar", "bar", "configuration"),
    write: fc.boolean(),
    offset,
    size,
    value,
  });

  it("never throw, never touch anything outside of RAM, and leave the device able to start after a reset", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("wired" as const, "msi" as const),
        fc.integer({ min: 0, max: 3 }),
        fc.array(access, { maxLength: 60 }),
        (interrupts, start, accesses) => {
          const t = new MockPci(interrupts);
          t.driver.enable();
          if (start === 1) t.driver.prepare({ sizes: [0, 0] });
          if (start === 2) t.driver.prepare();
          if (start === 3) t.driver.initialise();
          for (const { where, write, offset, size, value } of accesses) {
            if (where === "configuration") {
              const at = (offset & 0xff) - ((offset & 0xff) % size);
              if (write) t.driver.writeConfig(at, size, value % 256 ** size);
              else expect(t.driver.config32(at & 0xfc)).toBeGreaterThanOrEqual(0);
            } else if (write) {
              t.transport.write(offset, size, value % 256 ** size);
            } else {
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

describe("memory decoding", () => {
  it("is off until the driver enables it: reads give all ones and writes are lost", () => {
    const t = new MockPci();
    t.driver.enable(PCI_COMMAND_MASTER);
    expect(t.transport.read(0, 4)).toBe(0xffff_ffff);
    expect(t.transport.read(0x16, 2)).toBe(0xffff);
    expect(t.transport.read(0x14, 1)).toBe(0xff);
    t.transport.write(0x14, 1, 1);
    t.driver.enable();
    expect(t.driver.status).toBe(0);
    expect(t.transport.metrics().exits.byRegister.Other).toBeUndefined();
  });
});

describe("access through configuration space", () => {
  function window(t: MockPci, offset: number, length: number, bar = 0): number {
    const { capability } = t.driver.structure(VIRTIO_PCI_CAP_PCI_CFG);
    t.driver.writeConfig(capability + 4, 1, bar);
    t.driver.writeConfig(capability + 8, 4, offset);
    t.driver.writeConfig(capability + 12, 4, length);
    return capability + 16;
  }

  it("reads and writes the BAR without memory decoding", () => {
    const t = new MockPci();
    let data = window(t, VIRTIO_PCI_COMMON_NUMQ, 2);
    expect(t.driver.config16(data)).toBe(2);
    data = window(t, VIRTIO_PCI_COMMON_STATUS, 1);
    t.driver.writeConfig(data, 4, 0xffff_ff01);
    expect(t.driver.config8(data)).toBe(1);
    data = window(t, VIRTIO_PCI_COMMON_DFSELECT, 4);
    t.driver.writeConfig(data, 4, 1);
    window(t, VIRTIO_PCI_COMMON_DF, 4);
    expect(t.driver.config32(data)).toBe(1);
    t.driver.enable();
    expect(t.driver.status).toBe(1);
  });

  it("clears the ISR status as any other read of it does, at each access once", () => {
    const t = running();
    t.echo();
    const data = window(t, t.driver.structure(VIRTIO_PCI_CAP_ISR_CFG).offset, 1);
    expect(t.line.level).toBe(true);
    expect(t.driver.config32(data) & 0xff).toBe(1);
    expect(t.line.level).toBe(false);
    expect(t.driver.config32(data) & 0xff).toBe(0);
  });

  it("does nothing unless pci_cfg_data is accessed", () => {
    const t = running();
    t.echo();
    window(t, t.driver.structure(VIRTIO_PCI_CAP_ISR_CFG).offset, 1);
    for (let at = 0; at < 0x40; at += 4) t.driver.config32(at);
    expect(t.driver.acknowledgeInterrupt()).toBe(1);
  });

  it.each([
    ["another BAR", 0x14, 1, 1],
    ["a length of 0", 0x14, 0, 0],
    ["a length of 3", 0x14, 3, 0],
    ["a length of 8", 0x14, 8, 0],
    ["an offset that is no multiple of the length", 0x15, 2, 0],
    ["an offset past the BAR", PCI_BAR_SIZE, 1, 0],
    ["an offset far past the BAR", 0xffff_fffc, 4, 0],
  ])("does nothing with %s", (_what, offset, length, bar) => {
    const t = new MockPci();
    const data = window(t, offset, length, bar);
    t.driver.writeConfig(data, 4, 0xdead_beef);
    expect(t.driver.config32(data)).toBe(0xdead_beef);
    expect(t.transport.ignored).toEqual({ "pci_cfg_data accessed with an illegal window": 2 });
  });
});

describe("counters", () => {
  it("name each access as the standard does, and what mmio has too as mmio does", () => {
    const t = running("msi");
    const before = t.transport.metrics().exits.byRegister;
    t.echo();
    const after = t.transport.metrics().exits.byRegister;
    expect((after.Doorbell ?? 0) - (before.Doorbell ?? 0)).toBe(1);
    expect(before.MsixTable).toBe(3 * 4);
    expect(before.queue_enable).toBe(2);
    expect(before.PciConfig).toBeGreaterThan(0);
    expect(before.Other).toBeUndefined();
    expect(t.driver.acknowledgeInterrupt()).toBe(0);
    expect(t.transport.metrics().exits.byRegister.isr).toBe(1);
    expect(new Set(PCI_REGISTER_NAMES).size).toBe(PCI_REGISTER_NAMES.length);
  });

  it("show transport, revision and what the driver uses", () => {
    const t = running("msi");
    expect(t.transport.metrics()).toMatchObject({
      type: "mock",
      transport: "pci",
      version: 1,
      status: 15,
      interrupts: { mode: "msi", byVector: [0, 0, 0] },
      ignored: {},
    });
  });

  it("may be given, made for the registers", () => {
    const { device, memory, line, messages } = new MockPci();
    const options = {
      ...{ device, memory, line, messages, lineNumber: MOCK_LINE, bar: MOCK_BAR },
      log: () => {},
      interrupts: "wired",
    } as const;
    const counters = new DeviceCounters(PCI_REGISTER_NAMES, 3);
    new PciTransport({ ...options, counters }).configuration.read32(0);
    expect(counters.exits[PCI_REGISTER_NAMES.indexOf("PciConfig")]).toBe(1);
    expect(() => new PciTransport({ ...options, counters: new DeviceCounters(["isr"], 3) })).toThrow(
      RangeError,
    );
  });

  it("count an access to the BAR where nothing is", () => {
    const t = running();
    expect(t.transport.read(0x80, 4)).toBe(0);
    t.transport.write(0x180, 4, 0);
    expect(t.transport.read(0x2000, 4)).toBe(0);
    t.transport.write(0x3000, 4, 1);
    expect(t.transport.ignored).toEqual({ "access to the BAR where nothing is": 4 });
    expect(t.transport.metrics().exits.byRegister.Other).toBe(2);
  });
});

describe("listeners", () => {
  it("hear of DRIVER_OK and of every reset until they stop listening", () => {
    const t = new MockPci();
    let calls = 0;
    const stop = t.transport.onReady(() => calls++);
    t.driver.initialise();
    expect(calls).toBe(2); // the reset that begins it, and DRIVER_OK
    t.driver.reset();
    expect(calls).toBe(3);
    stop();
    t.driver.initialise();
    expect(calls).toBe(3);
  });
});
