import { afterEach, describe, expect, it } from "vitest";
import type { DoorbellMode, InterruptMode } from "../../src/index.ts";
import { bootGuest, type Guest } from "./guest.ts";

let guest: Guest | undefined;

afterEach(async () => {
  await guest?.vm.destroy();
  guest = undefined;
});

const COMBINATIONS: readonly [InterruptMode, DoorbellMode, number][] = [
  ["wired", "shared", 2],
  ["wired", "per-queue", 3],
  ["msi", "shared", 3],
  ["msi", "per-queue", 3],
];

describe.each(COMBINATIONS)("a guest with %s interrupts and %s doorbell", (interrupts, doorbell, version) => {
  it("boots, has its devices on the right interrupts, and does no exit that its mode does not need", async () => {
    guest = await bootGuest({ interrupts, doorbell });
    expect((await guest.run("ping -c 2 10.0.2.2")).status).toBe(0);

    const before = guest.vm.metrics();
    const { status, stdout } = await guest.run("tcp_rr -H 10.0.2.2 -l 2 -r 32,1024 --verify --json");
    expect(status).toBe(0);
    const after = guest.vm.metrics();
    const transactions = after.peer.transactions - before.peer.transactions;
    expect(JSON.parse(stdout).transactions).toBe(transactions);
    expect(transactions).toBeGreaterThan(10);

    const table = (await guest.run("cat /proc/interrupts")).stdout;
    const lines = table.split("\n").filter((line) => /virtio\d/.test(line));
    const counting = lines.filter((line) => Number(line.split(/\s+/)[2]) > 0);
    if (interrupts === "msi") {
      expect(lines.length).toBeGreaterThanOrEqual(5);
      expect(lines.every((line) => line.includes("VMMIO-MSI"))).toBe(true);
      expect(table).toMatch(/VMMIO-MSI.*virtio1-input\.0/);
      expect(table).toMatch(/VMMIO-MSI.*virtio1-config/);
      expect(counting.length).toBeGreaterThanOrEqual(3);
    } else {
      expect(table).not.toContain("VMMIO-MSI");
      expect(lines).toHaveLength(3);
      expect(lines.every((line) => line.includes("IO-APIC") && line.includes("fasteoi"))).toBe(true);
      expect(counting).toHaveLength(3);
    }

    for (const device of Object.values(after.devices)) {
      expect(device.version).toBe(version);
      expect(device.interrupts.mode).toBe(interrupts);
      expect(device.interrupts.refused).toBe(0);
      expect(device.faults).toEqual({});
    }
    const net = after.devices.net0;
    const exits = (register: string): number =>
      (net?.exits.byRegister[register] ?? 0) - (before.devices.net0?.exits.byRegister[register] ?? 0);
    const total = (net?.exits.total ?? 0) - (before.devices.net0?.exits.total ?? 0);
    expect(net?.net?.dropped).toBe(0);
    if (interrupts === "msi") {
      expect(net?.exits.byRegister.InterruptStatus ?? 0).toBe(0);
      expect(net?.exits.byRegister.InterruptACK ?? 0).toBe(0);
      expect(net?.interrupts.wired).toBe(0);
      // A doorbell each, and what little the rest of the traffic needs.
      expect(total / transactions).toBeLessThanOrEqual(1.2);
    } else {
      expect(net?.interrupts.msi).toBe(0);
      expect(total / transactions).toBeGreaterThanOrEqual(3);
      expect(exits("InterruptStatus")).toBeGreaterThanOrEqual(transactions);
      expect(exits("InterruptACK")).toBeGreaterThanOrEqual(transactions);
    }
    // The guest looks at MsiStatus and probes with QueueNotify; notifications go by the offered way.
    const rings = exits(doorbell === "per-queue" ? "Doorbell" : "QueueNotify");
    expect(rings).toBeGreaterThanOrEqual(transactions);
    expect(exits(doorbell === "per-queue" ? "QueueNotify" : "Doorbell")).toBe(0);
  });
});
