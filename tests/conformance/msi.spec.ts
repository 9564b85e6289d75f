/** Message-signalled interrupts on mmio: docs/virtio-mmio-v3.md. The rows about messages in general hold for MSI-X too. */
import { expect } from "vitest";
import {
  VIRTIO_MMIO_INTERRUPT_ACK,
  VIRTIO_MMIO_MSI_STATUS,
  VIRTIO_MMIO_MSI_STATUS_ENABLE,
  VIRTIO_MMIO_QUEUE_NOTIFY,
} from "../../src/virtio/defs.ts";
import { MOCK_LOCAL_APIC, MOCK_VECTOR_BASE } from "../../src/virtio/testing/mock-driver.ts";
import { MmioTransport } from "../../src/virtio/transport/mmio.ts";
import type { Bench } from "./suite.ts";
import { benchFor, clause, mmio, requestQueue, submit } from "./suite.ts";

/** A driver in operation that wants to hear of the next used buffer of the request queue. */
function start(bench: Bench, msi = true): void {
  bench.rig.driver.initialise({ msi });
  requestQueue(bench).rearm();
}

/** One more request that the driver wants to hear of. */
function event(bench: Bench): void {
  requestQueue(bench).takeUsed();
  requestQueue(bench).rearm();
  submit(bench);
}

const vector = ({ subject }: Bench): number => subject.queue + 1;

clause("MSI-01", (bench) => {
  start(bench, false);
  submit(bench);
  expect(bench.rig.line.level).toBe(true);
  expect(mmio(bench).acknowledgeInterrupt()).toBe(1);
  expect(bench.rig.line.level).toBe(false);
  expect(bench.rig.messages.sent).toEqual([]);
});

clause("MSI-02", (bench) => {
  start(bench);
  submit(bench);
  bench.subject.change?.();
  expect(mmio(bench).interruptStatus).toBe(0);
  expect(bench.rig.line.level).toBe(false);
});

clause("MSI-03", (bench) => {
  start(bench);
  submit(bench);
  mmio(bench).write32(VIRTIO_MMIO_INTERRUPT_ACK, 3);
  expect(mmio(bench).interruptStatus).toBe(0);
  event(bench);
  expect(bench.rig.takeNotifications().used).toBe(2);
});

clause("MSI-04", (bench) => {
  start(bench);
  expect(bench.rig.transport.interruptsInUse).toBe("msi");
  bench.rig.driver.reset();
  expect(bench.rig.transport.interruptsInUse).toBe("wired");
  start(bench, false);
  submit(bench);
  expect(bench.rig.messages.sent).toEqual([]);
  expect(bench.rig.line.level).toBe(true);
});

clause("MSI-05", (bench) => {
  expect(mmio(bench).msiVectors()).toBe(bench.subject.device.queueSizes.length);
});

clause("MSI-06", (bench) => {
  start(bench);
  submit(bench);
  expect(bench.rig.messages.take()).toEqual([MOCK_VECTOR_BASE + vector(bench)]);
  bench.subject.change?.();
  expect(bench.rig.messages.take()).toEqual(bench.subject.change ? [MOCK_VECTOR_BASE] : []);
});

clause("MSI-07", (bench) => {
  const driver = mmio(bench);
  driver.prepare({ msi: false });
  driver.write16(VIRTIO_MMIO_MSI_STATUS, VIRTIO_MMIO_MSI_STATUS_ENABLE);
  driver.driverOk();
  event(bench);
  expect(bench.rig.messages.sent).toEqual([]);
  expect(bench.rig.line.level).toBe(false);
  expect(bench.rig.transport.counters.refused).toBe(0);
});

clause("MSI-09", (bench) => {
  const driver = mmio(bench);
  driver.initialise();
  const { doorbell } = driver;
  if (doorbell === undefined) throw new Error("there is no doorbell");
  requestQueue(bench).add([bench.subject.request(bench.rig.memory)]);
  requestQueue(bench).publish();
  driver.write32(doorbell.base + doorbell.stride * bench.subject.queue, 0xdead_beef);
  expect(bench.subject.taken).toBe(1);
  // The classic register goes on working.
  requestQueue(bench).add([bench.subject.request(bench.rig.memory)]);
  requestQueue(bench).publish();
  driver.write32(VIRTIO_MMIO_QUEUE_NOTIFY, bench.subject.queue);
  expect(bench.subject.taken).toBe(2);
});

clause("MSI-10", (bench) => {
  start(bench);
  mmio(bench).stageMessage(MOCK_LOCAL_APIC + 0x1000, 0x99);
  event(bench);
  expect(bench.rig.messages.sent.at(-1)).toEqual({
    addressHigh: 0,
    addressLow: MOCK_LOCAL_APIC,
    data: MOCK_VECTOR_BASE + vector(bench),
  });
  mmio(bench).programVector(vector(bench), MOCK_LOCAL_APIC + 0x1000, 0x99);
  event(bench);
  expect(bench.rig.messages.sent.at(-1)).toEqual({
    addressHigh: 0,
    addressLow: MOCK_LOCAL_APIC + 0x1000,
    data: 0x99,
  });
});

clause("MSI-11", (bench) => {
  const { driver, messages } = bench.rig;
  start(bench);
  driver.maskVector(vector(bench), true);
  for (let i = 0; i < 3; i++) event(bench);
  expect(messages.take()).toEqual([]);
  driver.maskVector(vector(bench), false);
  driver.maskVector(vector(bench), false);
  expect(messages.take()).toEqual([MOCK_VECTOR_BASE + vector(bench)]);
});

clause("MSI-12", (bench) => {
  start(bench, false);
  mmio(bench).enableMessages();
  event(bench);
  expect(bench.rig.line.level).toBe(true);
  expect(bench.rig.messages.sent).toEqual([]);
  bench.rig.driver.acknowledgeInterrupt();
  start(bench);
  mmio(bench).write16(VIRTIO_MMIO_MSI_STATUS, 0);
  event(bench);
  expect(bench.rig.messages.take()).toHaveLength(1);
});

clause("MSI-13", (bench) => {
  const driver = mmio(bench);
  driver.prepare();
  // A vector could not be had: the driver goes back to the wire before DRIVER_OK.
  driver.write16(VIRTIO_MMIO_MSI_STATUS, 0);
  driver.msi = false;
  driver.driverOk();
  event(bench);
  expect(bench.rig.takeNotifications()).toEqual({ used: 1, config: 0 });
  expect(bench.rig.messages.sent).toEqual([]);
});

clause("MSI-14", (bench) => {
  const { driver, messages, transport } = bench.rig;
  start(bench);
  const index = vector(bench);
  const illegal: readonly (readonly [address: number, data: number, high?: number])[] = [
    [0xfed0_0000, 0x41],
    [0x1000, 0x41],
    [MOCK_LOCAL_APIC, 0x41, 1],
    [MOCK_LOCAL_APIC, 0x0f],
    [MOCK_LOCAL_APIC, 0xff],
    [MOCK_LOCAL_APIC, 0x441],
    [MOCK_LOCAL_APIC, 0xc041],
  ];
  for (const [address, data, high] of illegal) {
    driver.programVector(index, address, data, high);
    event(bench);
  }
  expect(messages.sent).toEqual([]);
  expect(transport.counters.refused).toBe(illegal.length);
  driver.programVector(index, MOCK_LOCAL_APIC + 0xff00c, 0x1fe);
  event(bench);
  expect(messages.sent).toEqual([{ addressHigh: 0, addressLow: MOCK_LOCAL_APIC + 0xff00c, data: 0x1fe }]);
});

clause("MSI-15", (bench) => {
  const { rig } = bench;
  start(bench);
  rig.driver.maskVector(vector(bench), true);
  event(bench);
  expect(rig.messages.sent).toEqual([]);
  const restored = benchFor(bench.name, bench.transport);
  const [from, to] = [rig.transport, restored.rig.transport];
  if (!(from instanceof MmioTransport && to instanceof MmioTransport)) throw new Error("not on mmio");
  to.restore(from.save(), () => {});
  expect(restored.rig.transport.interruptsInUse).toBe("msi");
  restored.rig.driver.maskVector(vector(bench), false);
  expect(restored.rig.messages.take()).toEqual([MOCK_VECTOR_BASE + vector(bench)]);
});

clause("MSI-16", (bench) => {
  start(bench);
  submit(bench);
  expect(bench.rig.takeNotifications().used).toBe(1);
  bench.rig.driver.kick(bench.subject.queue);
  bench.rig.driver.maskVector(vector(bench), true);
  bench.rig.driver.maskVector(vector(bench), false);
  expect(bench.rig.takeNotifications().used).toBe(0);
  event(bench);
  expect(bench.rig.takeNotifications().used).toBe(1);
});
