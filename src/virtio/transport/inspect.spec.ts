import { describe, expect, it } from "vitest";
import { MockDevice } from "../testing/mock-device.ts";
import { rigFor, TRANSPORT_NAMES } from "../testing/mock-rig.ts";

describe.each(TRANSPORT_NAMES)("the inspection of a device on %s", (transport) => {
  it("shows what an access would, counts nothing and changes nothing", () => {
    const rig = rigFor(new MockDevice(), transport);
    rig.driver.initialise();
    const before = rig.transport.metrics();
    const view = rig.transport.inspect();
    expect(rig.transport.metrics()).toEqual(before);
    expect(rig.transport.inspect()).toEqual(view);
    expect(JSON.parse(JSON.stringify(view))).toEqual(view);

    // The registers that a read leaves alone, against reads.
    for (const { name, offset, width, value, access } of view.registers) {
      if (access === "W" || name === "isr") continue;
      const size = width === 8 ? 4 : (width as 1 | 2 | 4);
      expect(rig.transport.read(offset, size), name).toBe(width === 8 ? value % 2 ** 32 : value);
    }
    const features = BigInt(view.features.accepted);
    expect(features).toBe(rig.device.context?.features);
    expect(BigInt(view.features.offered) & features).toBe(features);
    expect(view.interrupts).toBe(rig.transport.interruptsInUse);
  });

  it("shows each queue's rings as they lie in memory, with what is in flight", () => {
    const rig = rigFor(new MockDevice(), transport);
    rig.driver.initialise();
    rig.device.idle = true;
    const queue = rig.driver.queue(0);
    const { head, address } = queue.addWritable(24);
    queue.publish();
    rig.driver.kick(0);
    const chain = rig.device.queue(0).pop();
    const rings = rig.transport.inspect().queues[0]?.rings;
    expect(rings).toMatchObject({ nextAvailable: 1, nextUsed: 0, inFlight: [head] });
    expect(rings?.available).toMatchObject({ index: 1 });
    expect(rings?.available.ring[0]).toBe(head);
    expect(rings?.descriptors[head]).toMatchObject({ address, length: 24, flags: 2 });
    expect(rings?.used.index).toBe(0);
    if (chain !== undefined) rig.device.queue(0).push(chain, 0);
    expect(rig.transport.inspect().queues[0]?.rings).toMatchObject({ nextUsed: 1, inFlight: [] });
    expect(rig.transport.inspect().queues[0]?.rings?.used.ring[0]?.id).toBe(head);
  });

  it("has no rings before DRIVER_OK and after a reset", () => {
    const rig = rigFor(new MockDevice(), transport);
    expect(rig.transport.inspect().queues.every(({ rings }) => rings === undefined)).toBe(true);
    rig.driver.initialise();
    expect(rig.transport.inspect().queues.some(({ rings }) => rings !== undefined)).toBe(true);
    rig.driver.reset();
    expect(rig.transport.inspect().queues.every(({ rings }) => rings === undefined)).toBe(true);
  });
});

describe.each(["mmio 3 msi", "pci msi-x"] as const)("the message table on %s", (transport) => {
  it("shows messages, masks and what is owed, and what each vector tells of", () => {
    const rig = rigFor(new MockDevice(), transport);
    rig.driver.initialise();
    rig.driver.maskVector(1, true);
    rig.echo();
    const { vectors, vectorUse } = rig.transport.inspect();
    expect(vectors[1]).toMatchObject({ masked: true, pending: true, empty: false });
    expect(vectors[0]).toMatchObject({ masked: false, pending: false });
    expect(vectors[1]?.addressLow).toBeGreaterThanOrEqual(0xfee0_0000);
    expect(vectorUse.slice(0, 2)).toEqual(["configuration", "queue 0"]);
  });
});

describe("a device without messages", () => {
  it("has no message table to show, nor the MSI block in version 2", () => {
    const { vectors, registers } = rigFor(new MockDevice(), "mmio 2").transport.inspect();
    expect(vectors).toEqual([]);
    expect(registers.map(({ name }) => name)).not.toContain("MsiStatus");
    const extended = rigFor(new MockDevice(), "mmio 3 wired").transport.inspect();
    expect(extended.registers.map(({ name }) => name)).toContain("MsiStatus");
  });
});
