import { describe, expect, it } from "vitest";
import { VIRTIO_CONFIG_S_NEEDS_RESET } from "../defs.ts";
import { MOCK_VECTOR_BASE } from "../testing/mock-driver.ts";
import { MockPci } from "../testing/mock-transport.ts";
import {
  PCI_BAR_MSIX_PBA,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_MASKALL,
  VIRTIO_MSI_NO_VECTOR,
} from "./pci-defs.ts";

/** A device at work whose driver has mapped vector 0 to configuration and i + 1 to queue i. */
function running(): MockPci {
  const t = new MockPci("msi");
  t.driver.initialise();
  expect(t.transport.interruptsInUse).toBe("msi");
  return t;
}

describe("interrupts by MSI-X", () => {
  it("go out by the vector that the driver mapped, and the ISR status and the line stay out of it", () => {
    const t = running();
    t.event(0);
    t.event(1);
    t.device.context?.configChanged();
    expect(t.messages.take()).toEqual([MOCK_VECTOR_BASE + 1, MOCK_VECTOR_BASE + 2, MOCK_VECTOR_BASE]);
    expect(t.driver.acknowledgeInterrupt()).toBe(0);
    expect(t.line.edges).toBe(0);
    expect(t.driver.config16(6) & 8).toBe(0);
    expect(t.transport.counters).toMatchObject({ msi: 3, wired: 0, byVector: [1, 1, 1] });
  });

  it("may share one vector, or have none at all", () => {
    const t = running();
    t.driver.mapQueue(0, 2);
    t.driver.mapQueue(1, 2);
    t.driver.mapConfig(VIRTIO_MSI_NO_VECTOR);
    t.event(0);
    t.event(1);
    t.device.context?.configChanged();
    expect(t.messages.take()).toEqual([MOCK_VECTOR_BASE + 2, MOCK_VECTOR_BASE + 2]);
    t.driver.mapQueue(0, VIRTIO_MSI_NO_VECTOR);
    t.event(0);
    expect(t.messages.take()).toEqual([]);
    expect(t.line.edges).toBe(0);
  });

  it.each([3, 4, 63, 0x7fff, 0xfffe])(
    "are mapped to no vector when vector %i, which does not exist, is written",
    (vector) => {
      const t = running();
      expect(t.driver.mapQueue(0, vector)).toBe(VIRTIO_MSI_NO_VECTOR);
      expect(t.driver.mapConfig(vector)).toBe(VIRTIO_MSI_NO_VECTOR);
      t.event(0);
      t.device.context?.configChanged();
      expect(t.messages.take()).toEqual([]);
      expect(t.transport.ignored).toEqual({ "MSI-X vector out of range": 2 });
      // The table still ends where it ended.
      expect(t.driver.mapQueue(0, 2)).toBe(2);
    },
  );

  it("cannot be mapped when MSI-X is not offered", () => {
    const t = new MockPci("wired");
    t.driver.initialise();
    expect(t.driver.mapQueue(0, 0)).toBe(VIRTIO_MSI_NO_VECTOR);
    expect(t.driver.mapConfig(0)).toBe(VIRTIO_MSI_NO_VECTOR);
    t.echo();
    expect(t.driver.acknowledgeInterrupt()).toBe(1);
  });

  it("wait for their vector, and for the function, to be unmasked", () => {
    const t = running();
    t.driver.maskVector(1, true);
    t.event(0);
    expect(t.messages.take()).toEqual([]);
    expect(t.transport.read(PCI_BAR_MSIX_PBA, 4)).toBe(0b010);
    t.driver.controlMsix(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    t.event(1);
    t.driver.maskVector(1, false);
    expect(t.messages.take()).toEqual([]);
    expect(t.transport.read(PCI_BAR_MSIX_PBA, 4)).toBe(0b110);
    t.driver.controlMsix(PCI_MSIX_FLAGS_ENABLE);
    expect(t.messages.take()).toEqual([MOCK_VECTOR_BASE + 1, MOCK_VECTOR_BASE + 2]);
    expect(t.transport.read(PCI_BAR_MSIX_PBA, 4)).toBe(0);
  });

  it("go by the wire again while MSI-X is disabled, and stop when it is enabled", () => {
    const t = running();
    t.driver.controlMsix(0);
    expect(t.transport.interruptsInUse).toBe("wired");
    t.event(0);
    expect(t.messages.take()).toEqual([]);
    expect(t.line.level).toBe(true);
    t.driver.controlMsix(PCI_MSIX_FLAGS_ENABLE);
    expect(t.line.level).toBe(false);
  });

  it("that are owed when the driver resets the device are not sent later", () => {
    const t = running();
    t.driver.maskVector(1, true);
    t.event(0);
    t.driver.reset();
    t.driver.maskVector(1, false);
    expect(t.messages.take()).toEqual([]);
    t.driver.initialise();
    t.event(0);
    expect(t.messages.take()).toEqual([MOCK_VECTOR_BASE + 1]);
  });

  it("tell of DEVICE_NEEDS_RESET by the configuration vector", () => {
    const t = running();
    t.memory.writeU16(t.driver.queue(0).layout.availableRing + 2, 1000);
    t.driver.kick(0);
    expect(t.driver.status & VIRTIO_CONFIG_S_NEEDS_RESET).not.toBe(0);
    expect(t.messages.take()).toEqual([MOCK_VECTOR_BASE]);
    expect(Object.keys(t.transport.metrics().faults)).toHaveLength(1);
  });

  it("that are no legal message are refused and counted, and nothing is written anywhere", () => {
    const t = running();
    const ram = t.memory.bytes(0, 0x1000);
    t.driver.programVector(1, 0x100, 0x41);
    t.event(0);
    expect(t.messages.take()).toEqual([]);
    expect(t.transport.counters.refused).toBe(1);
    expect(t.memory.bytes(0, 0x1000)).toEqual(ram);
  });
});

describe("the pages of MSI-X", () => {
  it("take 32-bit accesses only, and pending bits none that writes", () => {
    const t = running();
    const entry = t.driver.entry(1);
    const before = t.transport.read(entry + 8, 4);
    t.transport.write(entry + 8, 2, 0xffff);
    t.transport.write(entry + 8, 1, 0xff);
    t.transport.write(entry + 6, 4, 0xffff_ffff);
    expect(t.transport.read(entry + 8, 2)).toBe(0);
    t.transport.write(PCI_BAR_MSIX_PBA, 4, 0xff);
    expect(t.transport.read(PCI_BAR_MSIX_PBA, 4)).toBe(0);
    expect(t.transport.read(entry + 8, 4)).toBe(before);
    expect(t.transport.ignored).toEqual({
      "register accessed in the wrong width": 4,
      "write to a read-only register": 1,
    });
  });

  it("end with the table", () => {
    const t = running();
    t.transport.write(t.driver.entry(3), 4, 0xdead_beef);
    expect(t.transport.read(t.driver.entry(3), 4)).toBe(0);
    expect(t.transport.ignored).toEqual({ "MSI-X table accessed past its end": 2 });
  });
});
