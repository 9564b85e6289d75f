import { describe, expect, it } from "vitest";
import { MockDevice } from "../testing/mock-device.ts";
import { MOCK_VECTOR_BASE } from "../testing/mock-driver.ts";
import { MockTransport } from "../testing/mock-transport.ts";

const STATUS = 0x0c0;
const COMMAND = 0x0c2;
const UPDATE = 1;
const MASK = 2;
const UNMASK = 3;
const LOCAL_APIC = 0xfee0_0000;
const [CONFIG_VECTOR, QUEUE_0_VECTOR, QUEUE_1_VECTOR] = [0, 1, 2];

/** A device whose driver has enabled MSI and set DRIVER_OK. */
function running(): MockTransport {
  const t = new MockTransport("msi", "per-queue");
  t.driver.initialise();
  expect(t.transport.interruptsInUse).toBe("msi");
  return t;
}

/** One used buffer in queue 1, which the driver wants to hear of. */
function event(t: MockTransport): void {
  const queue = t.driver.queue(1);
  queue.rearm();
  queue.addWritable(4);
  queue.publish();
  t.driver.kick(1);
  queue.takeUsed();
}

describe("the wired line", () => {
  function wired(): MockTransport {
    const t = new MockTransport("wired", "shared");
    t.driver.initialise();
    return t;
  }

  it("goes up with an event and down when every bit is acknowledged", () => {
    const t = wired();
    expect(t.line.level).toBe(false);
    t.echo();
    expect(t.driver.interruptStatus).toBe(1);
    expect(t.line.level).toBe(true);
    t.device.context?.configChanged();
    expect(t.driver.interruptStatus).toBe(3);
    t.driver.write32(0x064, 1);
    expect(t.driver.interruptStatus).toBe(2);
    expect(t.line.level).toBe(true);
    t.driver.write32(0x064, 2);
    expect(t.driver.interruptStatus).toBe(0);
    expect(t.line.level).toBe(false);
  });

  it("counts each rise, and events that came while it was up as merged", () => {
    const t = wired();
    for (let i = 0; i < 3; i++) t.echo();
    expect(t.transport.counters).toMatchObject({ wired: 1, merged: 2, msi: 0 });
    t.driver.acknowledgeInterrupt();
    t.echo();
    expect(t.transport.counters).toMatchObject({ wired: 2, merged: 2 });
    expect(t.line.edges).toBe(2);
  });

  it("keeps a bit until it is acknowledged, and an acknowledgement of other bits changes nothing", () => {
    const t = wired();
    t.echo();
    t.driver.write32(0x064, 0xffff_fffe);
    t.driver.write32(0x064, 0);
    expect(t.driver.interruptStatus).toBe(1);
    t.driver.write32(0x064, 0xffff_ffff);
    expect(t.driver.interruptStatus).toBe(0);
    t.driver.write32(0x064, 0xffff_ffff);
    expect(t.driver.interruptStatus).toBe(0);
  });

  it("stays down for events that the driver does not want to hear of", () => {
    const t = wired();
    t.driver.queue(0).usedEvent = 1000;
    t.driver.queue(0).addReadable([1]);
    t.driver.queue(0).publish();
    t.driver.kick(0);
    expect(t.driver.queue(0).takeUsed()).toHaveLength(1);
    expect(t.line.level).toBe(false);
    expect(t.driver.interruptStatus).toBe(0);
  });

  it("is down after a reset, and every bit is clear", () => {
    const t = wired();
    t.echo();
    t.device.context?.configChanged();
    t.driver.reset();
    expect(t.driver.interruptStatus).toBe(0);
    expect(t.line.level).toBe(false);
    expect([t.driver.queueReady(0), t.driver.queueReady(1)]).toEqual([0, 0]);
  });

  it("is what a driver gets that leaves MSI alone though it is offered", () => {
    const t = new MockTransport("msi", "shared");
    t.driver.initialise({ msi: false });
    t.echo();
    expect(t.transport.interruptsInUse).toBe("wired");
    expect(t.line.level).toBe(true);
    expect(t.messages.sent).toEqual([]);
    expect(t.driver.acknowledgeInterrupt()).toBe(1);
  });
});

describe("MsiStatus", () => {
  it("says that MSI is offered, and the largest vector index, which is the number of queues", () => {
    expect(new MockTransport("msi", "shared").driver.read16(STATUS)).toBe(0x8002);
    const one = new MockDevice({ queueSizes: [8] });
    expect(new MockTransport("msi", "per-queue", one).driver.read16(STATUS)).toBe(0x8001);
    const many = new MockDevice({ queueSizes: Array<number>(300).fill(2) });
    expect(new MockTransport("msi", "per-queue", many).driver.read16(STATUS)).toBe(0x8000 | 300);
  });

  it("reads the same whole and byte by byte", () => {
    const { transport } = new MockTransport("msi", "shared");
    expect(transport.read(STATUS, 2)).toBe(0x8002);
    expect([transport.read(STATUS, 1), transport.read(STATUS + 1, 1)]).toEqual([0x02, 0x80]);
    expect(transport.ignored).toEqual({});
  });

  it("does not show whether MSI is enabled", () => {
    const t = running();
    expect(t.driver.read16(STATUS)).toBe(0x8002);
  });

  it("reads 0 in version 3 without MSI, without complaint, and cannot be written", () => {
    const t = new MockTransport("wired", "per-queue");
    expect(t.driver.read16(STATUS)).toBe(0);
    expect(t.transport.ignored).toEqual({});
    t.driver.write16(STATUS, 0x8000);
    t.driver.write16(COMMAND, 0x1000);
    t.driver.stageMessage(LOCAL_APIC, 0x41);
    expect(t.transport.interruptsInUse).toBe("wired");
    expect(t.transport.ignored).toEqual({ "MSI register written while MSI is not offered": 5 });
  });

  it("and its block are nothing in version 2: they read 0 and take no write", () => {
    const t = new MockTransport("wired", "shared");
    t.driver.prepare();
    for (const offset of [0x0c0, 0x0c4, 0x0c8, 0x0cc]) {
      expect(t.driver.read32(offset)).toBe(0);
      expect(t.driver.read16(offset)).toBe(0);
      t.driver.write32(offset, 0x8000);
    }
    t.driver.write16(STATUS, 0x8000);
    t.driver.driverOk();
    expect(t.transport.interruptsInUse).toBe("wired");
    t.echo();
    expect(t.line.level).toBe(true);
  });

  it("is accessed 16 bits wide: other writes do nothing", () => {
    const t = new MockTransport("msi", "shared");
    t.driver.prepare({ msi: false });
    t.transport.write(STATUS, 1, 0x80);
    t.transport.write(STATUS + 1, 1, 0x80);
    t.transport.write(STATUS, 4, 0x8000_8000);
    t.transport.write(STATUS + 1, 2, 0x8000);
    t.transport.write(COMMAND, 1, 0x10);
    t.transport.write(COMMAND + 1, 1, 0x10);
    t.transport.write(COMMAND, 4, 0x1000);
    expect(t.transport.read(STATUS, 4)).toBe(0);
    expect(t.transport.read(COMMAND, 2)).toBe(0);
    expect(t.transport.interruptsInUse).toBe("wired");
    expect(t.transport.ignored["register accessed in the wrong width"]).toBe(8);
  });
});

describe("with MSI enabled", () => {
  it("each queue has its own vector and the configuration has vector 0", () => {
    const t = running();
    t.echo();
    expect(t.messages.take()).toEqual([MOCK_VECTOR_BASE + QUEUE_0_VECTOR]);
    event(t);
    expect(t.messages.take()).toEqual([MOCK_VECTOR_BASE + QUEUE_1_VECTOR]);
    t.device.context?.configChanged();
    expect(t.messages.take()).toEqual([MOCK_VECTOR_BASE + CONFIG_VECTOR]);
    expect(t.transport.counters.byVector).toEqual([1, 1, 1]);
    expect(t.transport.counters).toMatchObject({ msi: 3, wired: 0, merged: 0, refused: 0 });
  });

  it("InterruptStatus stays 0, InterruptACK is ignored, and the line stays down", () => {
    const t = running();
    t.echo();
    t.device.context?.configChanged();
    expect(t.driver.interruptStatus).toBe(0);
    t.driver.write32(0x064, 3);
    expect(t.driver.interruptStatus).toBe(0);
    expect(t.line.edges).toBe(0);
    expect(t.transport.ignored).toEqual({ "InterruptACK written while MSI is enabled": 1 });
  });

  it("suppression by the driver holds as on the wire", () => {
    const t = running();
    t.driver.queue(0).usedEvent = 1000;
    t.driver.queue(0).addReadable([1]);
    t.driver.queue(0).publish();
    t.driver.kick(0);
    expect(t.messages.sent).toEqual([]);
  });

  it("DEVICE_NEEDS_RESET comes by vector 0", () => {
    const t = running();
    t.driver.queue(0).availIdx = 1000;
    t.driver.kick(0);
    expect(t.driver.status).toBe(15 | 64);
    expect(t.messages.take()).toEqual([MOCK_VECTOR_BASE + CONFIG_VECTOR]);
  });

  it("a message for a vector that is still pending merges and is counted so", () => {
    const t = running();
    t.messages.holdPending = true;
    for (let i = 0; i < 3; i++) t.echo();
    expect(t.transport.counters).toMatchObject({ msi: 1, merged: 2 });
    expect(t.transport.counters.byVector[QUEUE_0_VECTOR]).toBe(3);
  });

  it("an illegal message is refused by the port and counted: it is never a write to memory", () => {
    const t = running();
    const target = t.memory.alloc(16);
    for (const [low, data, high] of [
      [target, 0x41, 0],
      [0, 0x41, 0],
      [0xfec0_0000, 0x41, 0],
      [LOCAL_APIC, 0x41, 1],
      [LOCAL_APIC, 0x0f, 0],
      [LOCAL_APIC, 0xff, 0],
      [LOCAL_APIC, 0x441, 0],
      [LOCAL_APIC, 0x8041, 0],
    ] as const) {
      t.driver.programVector(QUEUE_0_VECTOR, low, data, high);
      t.echo();
    }
    expect(t.transport.counters).toMatchObject({ refused: 8, msi: 0 });
    expect(t.messages.sent).toEqual([]);
    expect([...t.memory.bytes(target, 16)].every((byte) => byte === 0)).toBe(true);
    t.driver.programVector(QUEUE_0_VECTOR, LOCAL_APIC, 0x41);
    t.echo();
    expect(t.messages.take()).toEqual([0x41]);
  });

  it("a vector that was never updated delivers nothing, and nothing counts as refused", () => {
    const t = new MockTransport("msi", "shared");
    t.driver.prepare({ msi: false });
    t.driver.programVector(QUEUE_1_VECTOR, LOCAL_APIC, 0x52);
    t.driver.write16(STATUS, 0x8000);
    t.driver.driverOk();
    t.echo();
    expect(t.transport.counters.refused).toBe(0);
    event(t);
    expect(t.messages.take()).toEqual([0x52]);
  });

  it("UPDATE while events go on changes the message as a whole", () => {
    const t = running();
    t.driver.write32(0x0c4, LOCAL_APIC + 0x1000);
    t.echo();
    t.driver.write32(0x0cc, 0x77);
    t.echo();
    expect(t.messages.sent.map((m) => m.data)).toEqual([0x42, 0x42]);
    expect(t.messages.sent.every((m) => m.addressLow === LOCAL_APIC)).toBe(true);
    t.driver.msiCommand(UPDATE, QUEUE_0_VECTOR);
    t.echo();
    expect(t.messages.sent[2]).toEqual({ addressHigh: 0, addressLow: LOCAL_APIC + 0x1000, data: 0x77 });
  });

  it("MASK holds the message of its vector back, UNMASK sends it once", () => {
    const t = running();
    t.driver.msiCommand(MASK, QUEUE_0_VECTOR);
    t.echo();
    t.echo();
    event(t);
    expect(t.messages.take()).toEqual([MOCK_VECTOR_BASE + QUEUE_1_VECTOR]);
    t.driver.msiCommand(UNMASK, QUEUE_0_VECTOR);
    t.driver.msiCommand(UNMASK, QUEUE_0_VECTOR);
    expect(t.messages.take()).toEqual([MOCK_VECTOR_BASE + QUEUE_0_VECTOR]);
  });

  it("commands that name no vector or no operation do nothing and are counted", () => {
    const t = running();
    t.driver.stageMessage(LOCAL_APIC, 0x99);
    for (const operation of [UPDATE, MASK, UNMASK]) {
      t.driver.msiCommand(operation, 3);
      t.driver.msiCommand(operation, 0xfff);
    }
    for (const operation of [0, 4, 15]) t.driver.msiCommand(operation, 1);
    expect(t.transport.ignored).toEqual({
      "MsiCommand: vector out of range": 6,
      "MsiCommand: unknown operation": 3,
    });
    t.echo();
    expect(t.messages.take()).toEqual([MOCK_VECTOR_BASE + QUEUE_0_VECTOR]);
  });
});

describe("enabling and disabling MSI", () => {
  it("is settled by DRIVER_OK: afterwards either is ignored and counted, however often", () => {
    const t = running();
    for (let i = 0; i < 3; i++) {
      t.driver.write16(STATUS, 0);
      t.driver.write16(STATUS, 0x8000);
    }
    expect(t.transport.interruptsInUse).toBe("msi");
    expect(t.transport.ignored).toEqual({ "MSI enabled or disabled after DRIVER_OK": 3 });
    const wired = new MockTransport("msi", "shared");
    wired.driver.initialise({ msi: false });
    wired.driver.enableMessages();
    expect(wired.transport.interruptsInUse).toBe("wired");
    wired.echo();
    expect(wired.line.level).toBe(true);
    expect(wired.messages.sent).toEqual([]);
  });

  it("can be taken back before DRIVER_OK by a driver that could not set up all its vectors", () => {
    const t = new MockTransport("msi", "per-queue");
    t.driver.prepare();
    t.driver.write16(STATUS, 0);
    t.driver.driverOk();
    t.echo();
    expect(t.transport.interruptsInUse).toBe("wired");
    expect(t.driver.acknowledgeInterrupt()).toBe(1);
    expect(t.messages.sent).toEqual([]);
  });

  it("looks at bit 15 only", () => {
    const t = new MockTransport("msi", "per-queue");
    t.driver.prepare({ msi: false });
    t.driver.write16(STATUS, 0x7fff);
    expect(t.transport.interruptsInUse).toBe("wired");
    t.driver.write16(STATUS, 0xffff);
    expect(t.transport.interruptsInUse).toBe("msi");
  });

  it("ends with a reset, which clears every message, mask and pending bit", () => {
    const t = running();
    t.driver.msiCommand(MASK, QUEUE_0_VECTOR);
    t.echo();
    t.driver.reset();
    expect(t.transport.interruptsInUse).toBe("wired");
    t.driver.msiCommand(UNMASK, QUEUE_0_VECTOR);
    expect(t.messages.take()).toEqual([]);
    t.driver.prepare({ msi: false });
    t.driver.write16(STATUS, 0x8000);
    t.driver.driverOk();
    t.echo();
    expect(t.messages.take()).toEqual([]);
  });
});
