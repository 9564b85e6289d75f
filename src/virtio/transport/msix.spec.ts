import { describe, expect, it } from "vitest";
import { DeviceCounters } from "../../metrics/counters.ts";
import { MockMessagePort } from "../testing/mock-machine.ts";
import { MsixTable } from "./msix.ts";
import { PCI_MSIX_FLAGS_ENABLE, PCI_MSIX_FLAGS_MASKALL } from "./pci-defs.ts";

const LOCAL_APIC = 0xfee0_0000;
const ENTRY = 16;
const UPPER = 4;
const DATA = 8;
const CONTROL = 12;

function table(vectors = 3) {
  const port = new MockMessagePort();
  const counters = new DeviceCounters([], vectors);
  const msix = new MsixTable(vectors, port, counters);
  const program = (vector: number, data: number): void => {
    msix.write(vector * ENTRY, LOCAL_APIC);
    msix.write(vector * ENTRY + UPPER, 0);
    msix.write(vector * ENTRY + DATA, data);
    msix.write(vector * ENTRY + CONTROL, 0);
  };
  return { port, counters, msix, program };
}

describe("the MSI-X table", () => {
  it("starts with every vector masked, no message and MSI-X off", () => {
    const { msix } = table();
    for (let vector = 0; vector < 3; vector++) {
      expect([0, UPPER, DATA, CONTROL].map((at) => msix.read(vector * ENTRY + at))).toEqual([0, 0, 0, 1]);
    }
    expect(msix.enabled).toBe(false);
    expect(msix.size).toBe(3);
  });

  it("reads back what was written, of Vector Control the mask bit only", () => {
    const { msix } = table();
    msix.write(ENTRY, 0xffff_ffff);
    msix.write(ENTRY + UPPER, 0xdead_beef);
    msix.write(ENTRY + DATA, 0x8000_0041);
    msix.write(ENTRY + CONTROL, 0xffff_fffe);
    expect([0, UPPER, DATA, CONTROL].map((at) => msix.read(ENTRY + at))).toEqual([
      0xffff_ffff, 0xdead_beef, 0x8000_0041, 0,
    ]);
  });

  it("is as long as it says: past its end nothing is read or written", () => {
    const { msix } = table();
    expect(msix.contains(3 * ENTRY - 4)).toBe(true);
    expect(msix.contains(3 * ENTRY)).toBe(false);
    msix.write(3 * ENTRY, 1);
    msix.write(0x3000, 1);
    expect(msix.read(3 * ENTRY)).toBe(0);
    expect(msix.read(0x3000)).toBe(0);
  });
});

describe("a vector of MSI-X", () => {
  it("sends its message for each event when it is unmasked and MSI-X enabled", () => {
    const { msix, port, counters, program } = table();
    program(1, 0x41);
    msix.setControl(PCI_MSIX_FLAGS_ENABLE);
    msix.fire(1);
    msix.fire(1);
    expect(port.sent).toEqual(new Array(2).fill({ addressHigh: 0, addressLow: LOCAL_APIC, data: 0x41 }));
    expect(counters).toMatchObject({ msi: 2, merged: 0, byVector: [0, 2, 0] });
  });

  it("remembers an event while it is masked, and sends one message when it is unmasked", () => {
    const { msix, port, counters, program } = table();
    program(0, 0x41);
    msix.setControl(PCI_MSIX_FLAGS_ENABLE);
    msix.write(CONTROL, 1);
    msix.fire(0);
    msix.fire(0);
    expect(port.take()).toEqual([]);
    expect(msix.readPending(0)).toBe(1);
    msix.write(CONTROL, 0);
    expect(port.take()).toEqual([0x41]);
    expect(msix.readPending(0)).toBe(0);
    msix.write(CONTROL, 0);
    expect(port.take()).toEqual([]);
    expect(counters.merged).toBe(1);
  });

  it("is masked by the function mask whatever its own mask, and keeps what is owed until both are clear", () => {
    const { msix, port, program } = table();
    program(0, 0x41);
    program(1, 0x42);
    msix.setControl(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    msix.fire(0);
    msix.fire(1);
    msix.write(ENTRY + CONTROL, 1);
    msix.write(CONTROL, 1);
    msix.write(CONTROL, 0);
    expect(port.take()).toEqual([]);
    expect(msix.readPending(0)).toBe(3);
    msix.setControl(PCI_MSIX_FLAGS_ENABLE);
    expect(port.take()).toEqual([0x41]);
    expect(msix.readPending(0)).toBe(2);
    msix.write(ENTRY + CONTROL, 0);
    expect(port.take()).toEqual([0x42]);
  });

  it("sends nothing while MSI-X is disabled", () => {
    const { msix, port, program } = table();
    program(0, 0x41);
    msix.fire(0);
    expect(port.take()).toEqual([]);
    msix.setControl(PCI_MSIX_FLAGS_ENABLE);
    expect(port.take()).toEqual([0x41]);
  });

  it("goes out with the message of its unmasking, not with that of its event", () => {
    const { msix, port, program } = table();
    program(0, 0x41);
    msix.setControl(PCI_MSIX_FLAGS_ENABLE);
    msix.write(CONTROL, 1);
    msix.fire(0);
    msix.write(DATA, 0x55);
    msix.write(CONTROL, 0);
    expect(port.take()).toEqual([0x55]);
  });

  it("is forgotten when a reset of the device clears what is owed", () => {
    const { msix, port, program } = table();
    program(0, 0x41);
    msix.fire(0);
    msix.clearPending();
    msix.setControl(PCI_MSIX_FLAGS_ENABLE);
    expect(port.take()).toEqual([]);
  });

  it.each([
    ["an address that is not the local APIC's", 0, 0x1000, 0x41],
    ["an address above 4 GiB", 1, LOCAL_APIC, 0x41],
    ["a level-triggered message", 0, LOCAL_APIC, 0x8041],
    ["an NMI", 0, LOCAL_APIC, 0x0441],
    ["a reserved vector", 0, LOCAL_APIC, 0x0f],
  ])("is refused and counted with %s", (_what, high, low, data) => {
    const { msix, port, counters, program } = table();
    program(0, 0);
    msix.write(0, low);
    msix.write(UPPER, high);
    msix.write(DATA, data);
    msix.setControl(PCI_MSIX_FLAGS_ENABLE);
    msix.fire(0);
    expect(port.sent).toEqual([]);
    expect(counters).toMatchObject({ refused: 1, msi: 0, byVector: [0, 0, 0] });
  });
});

describe("pending bits", () => {
  it("are one for each vector, 32 to a word, also beyond the first word", () => {
    const { msix } = table(70);
    for (const vector of [0, 31, 32, 69]) msix.fire(vector);
    expect(msix.readPending(0)).toBe(0x8000_0001);
    expect(msix.readPending(4)).toBe(1);
    expect(msix.readPending(8)).toBe(1 << 5);
    expect(msix.readPending(12)).toBe(0);
    expect(msix.readPending(0xffc)).toBe(0);
  });
});
