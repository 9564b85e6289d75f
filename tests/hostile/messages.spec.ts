/** Attacks by message-signalled interrupts. cpu.spec.ts has them on a real local APIC. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_MSI_COMMAND,
  VIRTIO_MMIO_MSI_COMMAND_MASK,
  VIRTIO_MMIO_MSI_COMMAND_UNMASK,
  VIRTIO_MMIO_MSI_STATUS,
  VIRTIO_MMIO_MSI_STATUS_ENABLE,
} from "../../src/virtio/defs.ts";
import { MockDevice } from "../../src/virtio/testing/mock-device.ts";
import { MOCK_LOCAL_APIC, MOCK_VECTOR_BASE } from "../../src/virtio/testing/mock-driver.ts";
import { MmioRig, PciRig } from "../../src/virtio/testing/mock-rig.ts";
import { VIRTIO_MSI_NO_VECTOR } from "../../src/virtio/transport/pci-defs.ts";
import { benchFor, requestQueue, submit } from "../conformance/suite.ts";
import { type Attack, attack } from "./suite.ts";

const MESSAGES = { transports: ["mmio 3 msi", "pci msi-x"] } as const;
const MMIO = { transports: ["mmio 3 msi"] } as const;

/** A driver that takes messages, in operation. */
function start(one: Attack): void {
  one.rig.driver.initialise();
  one.rig.messages.take();
}

/** One request of which the driver wants to hear. */
function event(one: Attack): void {
  requestQueue(one).takeUsed();
  requestQueue(one).rearm();
  submit(one);
}

const vector = ({ subject }: Attack): number => subject.queue + 1;

function mmio({ rig }: Attack): MmioRig["driver"] {
  if (!(rig instanceof MmioRig)) throw new Error("this attack is on virtio-mmio");
  return rig.driver;
}

for (const [id, what, address, data, high] of [
  ["M01", "a message that is a write to RAM", 0x2_0000, 0x41, 0],
  ["M02", "a message to a register of the local APIC, with no vector", MOCK_LOCAL_APIC + 0xb0, 0, 0],
  ["M03", "a message above 4 GiB", MOCK_LOCAL_APIC, 0x41, 1],
  ["M04", "a message with a vector below 16", MOCK_LOCAL_APIC, 0x0f, 0],
  ["M05", "a message with vector 255", MOCK_LOCAL_APIC, 0xff, 0],
  ["M06", "a message that is an NMI", MOCK_LOCAL_APIC, 0x441, 0],
  ["M07", "a message with level trigger", MOCK_LOCAL_APIC, 0xc041, 0],
] as const) {
  attack(
    id,
    what,
    (one) => {
      start(one);
      const before = one.rig.memory.bytes(0x2_0000, 64);
      one.rig.driver.programVector(vector(one), address, data, high);
      event(one);
      expect(one.subject.taken).toBe(1);
      expect(one.rig.messages.sent).toEqual([]);
      expect(one.rig.transport.counters.refused).toBe(1);
      expect(one.rig.memory.bytes(0x2_0000, 64)).toEqual(before);
      return "well";
    },
    MESSAGES,
  );
}

attack(
  "M08",
  "vectors that do not exist",
  (one) => {
    start(one);
    const count = one.subject.device.queueSizes.length + 1;
    for (const index of [count, count + 31, 0x7ff, 0xfff]) {
      one.rig.driver.maskVector(index, true);
      one.rig.driver.programVector(index, MOCK_LOCAL_APIC, 0x99);
    }
    if (one.rig instanceof PciRig) {
      for (const index of [count, 0x7ff, 0xfffe]) {
        expect(one.rig.driver.mapQueue(one.subject.queue, index)).toBe(VIRTIO_MSI_NO_VECTOR);
      }
      one.rig.driver.mapQueue(one.subject.queue, vector(one));
    }
    event(one);
    expect(one.rig.messages.take()).toEqual([MOCK_VECTOR_BASE + vector(one)]);
    return "well";
  },
  MESSAGES,
);

attack(
  "M09",
  "no vector at all, masked and programmed all the same",
  (one) => {
    start(one);
    if (one.rig instanceof PciRig) {
      one.rig.driver.mapQueue(one.subject.queue, VIRTIO_MSI_NO_VECTOR);
      one.rig.driver.mapConfig(VIRTIO_MSI_NO_VECTOR);
    } else {
      for (const operation of [VIRTIO_MMIO_MSI_COMMAND_MASK, VIRTIO_MMIO_MSI_COMMAND_UNMASK])
        mmio(one).msiCommand(operation, 0xfff);
    }
    event(one);
    expect(one.rig.messages.take()).toHaveLength(one.rig instanceof PciRig ? 0 : 1);
    return "well";
  },
  MESSAGES,
);

describe("M10: a device of more than 32 vectors", () => {
  const device = (): MockDevice => new MockDevice({ queueSizes: new Array(40).fill(4) });
  it.each([
    ["mmio", () => new MmioRig(device(), { interrupts: "msi", doorbell: "per-queue" })],
    ["pci", () => new PciRig(device(), "msi")],
  ] as const)("has a mask and a pending bit for each of them on %s", (_name, make) => {
    const rig = make();
    rig.driver.initialise({ sizes: new Array(40).fill(4) });
    rig.driver.maskVector(34, true);
    for (const queue of [1, 33]) rig.event(queue);
    expect(rig.messages.take()).toEqual([MOCK_VECTOR_BASE + 2]);
    rig.driver.maskVector(34, false);
    expect(rig.messages.take()).toEqual([MOCK_VECTOR_BASE + 34]);
  });
});

attack(
  "M11",
  "a vector in use that was never programmed",
  (one) => {
    const driver = mmio(one);
    driver.prepare({ msi: false });
    driver.write16(VIRTIO_MMIO_MSI_STATUS, VIRTIO_MMIO_MSI_STATUS_ENABLE);
    driver.driverOk();
    event(one);
    expect(one.subject.taken).toBe(1);
    expect(one.rig.messages.sent).toEqual([]);
    expect(one.rig.line.level).toBe(false);
    return "well";
  },
  MMIO,
);

attack(
  "M12",
  "an event between two halves of a new message",
  (one) => {
    start(one);
    mmio(one).stageMessage(MOCK_LOCAL_APIC + 0x5000, 0x77);
    event(one);
    expect(one.rig.messages.sent).toEqual([
      { addressHigh: 0, addressLow: MOCK_LOCAL_APIC, data: MOCK_VECTOR_BASE + vector(one) },
    ]);
    return "well";
  },
  MMIO,
);

attack(
  "M13",
  "masking with an event, unmasking twice, and a reset with one owed",
  (one) => {
    start(one);
    const { driver, messages } = one.rig;
    driver.maskVector(vector(one), true);
    event(one);
    event(one);
    driver.maskVector(vector(one), false);
    driver.maskVector(vector(one), false);
    expect(messages.take()).toHaveLength(1);
    driver.maskVector(vector(one), true);
    event(one);
    driver.initialise();
    driver.maskVector(vector(one), false);
    expect(messages.take()).toEqual([]);
    return "well";
  },
  MESSAGES,
);

attack(
  "M14",
  "messages switched on and off, again and again, after DRIVER_OK",
  (one) => {
    start(one);
    for (let i = 0; i < 100; i++) {
      if (one.rig instanceof PciRig) one.rig.driver.controlMsix(i % 2 ? 0x8000 : 0);
      else mmio(one).write16(VIRTIO_MMIO_MSI_STATUS, i % 2 ? VIRTIO_MMIO_MSI_STATUS_ENABLE : 0);
    }
    event(one);
    expect(one.rig.messages.take()).toEqual([MOCK_VECTOR_BASE + vector(one)]);
    return "well";
  },
  MESSAGES,
);

attack(
  "M15",
  "commands that do not exist",
  (one) => {
    start(one);
    for (let operation = 0; operation < 16; operation++) {
      if (operation < 1 || operation > 3) mmio(one).msiCommand(operation, vector(one));
    }
    event(one);
    expect(one.rig.messages.take()).toHaveLength(1);
    return "well";
  },
  MMIO,
);

attack(
  "M16",
  "a command in two halves, in either order",
  (one) => {
    start(one);
    const { registers } = one.rig.driver;
    mmio(one).stageMessage(MOCK_LOCAL_APIC, 0x99);
    for (const [offset, value] of [
      [1, 0x10],
      [0, vector(one)],
      [0, vector(one)],
      [1, 0x10],
    ] as const) {
      registers.write(VIRTIO_MMIO_MSI_COMMAND + offset, 1, value);
    }
    event(one);
    expect(one.rig.messages.take()).toEqual([MOCK_VECTOR_BASE + vector(one)]);
    return "well";
  },
  MMIO,
);

attack(
  "M17",
  "the wire's registers while messages are in use",
  (one) => {
    start(one);
    event(one);
    const { driver, line } = one.rig;
    if (one.rig instanceof MmioRig) one.rig.driver.write32(VIRTIO_MMIO_INTERRUPT_ACK, 0xffff_ffff);
    expect(driver.acknowledgeInterrupt()).toBe(0);
    expect(line.edges).toBe(0);
    event(one);
    expect(one.rig.messages.take()).toHaveLength(2);
    return "well";
  },
  MESSAGES,
);

attack(
  "M19",
  "an event whose interrupt is still pending: merged, not lost",
  (one) => {
    start(one);
    one.rig.messages.holdPending = true;
    for (let i = 0; i < 3; i++) event(one);
    expect(one.rig.transport.counters).toMatchObject({ msi: 1, merged: 2, refused: 0 });
    one.rig.messages.acknowledge(MOCK_VECTOR_BASE + vector(one));
    event(one);
    expect(one.rig.transport.counters.msi).toBe(2);
    one.rig.messages.holdPending = false;
    one.rig.messages.pending.clear();
    return "well";
  },
  MESSAGES,
);

attack(
  "M20",
  "a snapshot with a masked and a pending vector: neither is lost",
  (one) => {
    start(one);
    one.rig.driver.maskVector(vector(one), true);
    event(one);
    const restored = benchFor(one.name, one.transport, one.rig.memory);
    if (one.rig instanceof MmioRig && restored.rig instanceof MmioRig) {
      restored.rig.transport.restore(one.rig.transport.save(), () => {});
    } else if (one.rig instanceof PciRig && restored.rig instanceof PciRig) {
      restored.rig.transport.restore(one.rig.transport.save(), () => {});
    }
    expect(restored.rig.messages.take()).toEqual([]);
    restored.rig.driver.maskVector(vector(one), false);
    expect(restored.rig.messages.take()).toEqual([MOCK_VECTOR_BASE + vector(one)]);
    return "well";
  },
  MESSAGES,
);

describe("the list of attacks", () => {
  it("has a test for each of A01 to A50 and M01 to M20", () => {
    const here = new URL(".", import.meta.url);
    const texts = readdirSync(here)
      .filter((file) => file.endsWith(".spec.ts"))
      .map((file) => readFileSync(new URL(file, here), "utf8"));
    const tested = new Set(
      texts.flatMap((text) => [...text.matchAll(/["(\s]([AM]\d\d)[":,]/g)].map(([, id]) => id)),
    );
    const wanted = [
      ...Array.from({ length: 50 }, (_, i) => `A${String(i + 1).padStart(2, "0")}`),
      ...Array.from({ length: 20 }, (_, i) => `M${String(i + 1).padStart(2, "0")}`),
    ];
    expect(wanted.filter((id) => !tested.has(id))).toEqual([]);
  });
});
