import { afterEach, describe, expect, it } from "vitest";
import { MicroVm, SwitchError } from "../../src/index.ts";
import { bootGuest, type Guest, imageOptions } from "./guest.ts";

let guest: Guest | undefined;

afterEach(async () => {
  await guest?.vm.destroy();
  guest = undefined;
});

/** Lines of /proc/interrupts whose name matches, as [count, line]. */
async function interruptLines(of: Guest, pattern: RegExp): Promise<[number, string][]> {
  const { stdout } = await of.run("cat /proc/interrupts");
  return stdout
    .split("\n")
    .filter((line) => pattern.test(line))
    .map((line) => [Number(line.trim().split(/\s+/)[1]), line]);
}

/** Transactions, and what they cost: differences of counters over a verified run. */
async function transact(of: Guest) {
  expect((await of.run("ping -c 2 10.0.2.2")).status).toBe(0);
  const before = of.vm.metrics();
  const { status, stdout, stderr } = await of.run("tcp_rr -H 10.0.2.2 -l 3 -r 32,1024 --verify --json");
  expect(status, stderr).toBe(0);
  const after = of.vm.metrics();
  const transactions = after.peer.transactions - before.peer.transactions;
  expect(JSON.parse(stdout).transactions).toBe(transactions);
  expect(transactions).toBeGreaterThan(50);
  const [a, b] = [before.devices.net0, after.devices.net0];
  const register = (name: string): number =>
    (b?.exits.byRegister[name] ?? 0) - (a?.exits.byRegister[name] ?? 0);
  return {
    transactions,
    exits: (b?.exits.total ?? 0) - (a?.exits.total ?? 0),
    doorbells: register("Doorbell"),
    isr: register("isr"),
    wired: (b?.interrupts.wired ?? 0) - (a?.interrupts.wired ?? 0),
    messages: (b?.interrupts.msi ?? 0) - (a?.interrupts.msi ?? 0),
    eois: after.ioapicEois - before.ioapicEois,
    dropped: b?.net?.dropped,
  };
}

describe("a guest whose devices are on PCI, with MSI-X", () => {
  it("has a vector for each event, and does one exit for each transaction", async () => {
    guest = await bootGuest({ transport: "pci" });
    expect(Number((await guest.run("grep -c PCI-MSI /proc/interrupts")).stdout)).toBeGreaterThanOrEqual(3);
    const cost = await transact(guest);
    expect(cost.exits / cost.transactions).toBeLessThanOrEqual(1.1);
    expect(cost.messages / cost.transactions).toBeLessThanOrEqual(1.1);
    expect(cost.doorbells).toBeGreaterThanOrEqual(cost.transactions);
    expect(cost).toMatchObject({ isr: 0, wired: 0, eois: 0, dropped: 0 });

    const lines = await interruptLines(guest, /virtio\d/);
    expect(lines.every(([, line]) => line.includes("PCI-MSI"))).toBe(true);
    expect(lines.filter(([count]) => count > 0).length).toBeGreaterThanOrEqual(3);
    expect(lines.find(([, line]) => line.includes("virtio1-input.0"))?.[0]).toBeGreaterThan(
      cost.transactions / 2,
    );

    for (const device of Object.values(guest.vm.metrics().devices)) {
      expect(device).toMatchObject({ transport: "pci", version: 1, faults: {}, ignored: {} });
      expect(device.interrupts).toMatchObject({ mode: "msi", wired: 0, refused: 0 });
    }
  });

  it("sees the two bridges and its devices on the bus and nothing else, driven by virtio-pci", async () => {
    guest = await bootGuest({ transport: "pci" });
    const { stdout } = await guest.run(
      "for d in /sys/bus/pci/devices/*; do echo $(basename $d) $(cat $d/vendor $d/device $d/class); done",
    );
    expect(stdout.trim().split("\n")).toEqual([
      "0000:00:00.0 0x8086 0x1237 0x060000",
      "0000:00:01.0 0x8086 0x7000 0x060100",
      "0000:00:02.0 0x1af4 0x1043 0x078000",
      "0000:00:03.0 0x1af4 0x1041 0x020000",
      "0000:00:04.0 0x1af4 0x1044 0xff0000",
    ]);
    const drivers = await guest.run("ls /sys/bus/pci/drivers/virtio-pci | grep -c ^0000");
    expect(drivers.stdout.trim()).toBe("3");
    expect((await guest.run("ls /sys/bus/virtio/devices | wc -l")).stdout.trim()).toBe("3");
  });

  it("gets its devices back after its driver has let go of them", async () => {
    guest = await bootGuest({ transport: "pci" });
    const rebind =
      "cd /sys/bus/pci/drivers/virtio-pci && echo 0000:00:04.0 > unbind && echo 0000:00:04.0 > bind && head -c 64 /dev/hwrng | wc -c";
    for (let round = 0; round < 3; round++) {
      const { stdout, stderr } = await guest.run(rebind);
      expect(stdout.trim(), stderr).toBe("64");
    }
    expect(guest.vm.metrics().devices.rng0).toMatchObject({ status: 15, faults: {}, ignored: {} });
  });

  it("cannot be switched while it runs, and says why", async () => {
    guest = await bootGuest({ transport: "pci" });
    await guest.run("true");
    await expect(guest.vm.setInterrupts("wired")).rejects.toThrow(SwitchError);
    await expect(guest.vm.setDoorbell("shared")).rejects.toThrow(/does not recover/);
    expect(guest.vm).toMatchObject({ transport: "pci", interrupts: "msi", doorbell: "per-queue" });
    expect((await guest.run("ping -c 1 10.0.2.2")).status).toBe(0);
  });
});

describe("a guest whose devices are on PCI, wired", () => {
  it("counts interrupts on lines of the IOAPIC, and reads the ISR status for each", async () => {
    guest = await bootGuest({ transport: "pci", interrupts: "wired" });
    const cost = await transact(guest);
    expect(cost.isr).toBeGreaterThanOrEqual(cost.wired);
    expect(cost.wired / cost.transactions).toBeGreaterThan(0.9);
    expect(cost.exits / cost.transactions).toBeGreaterThanOrEqual(2);
    expect(cost.eois).toBeGreaterThanOrEqual(cost.wired);
    expect(cost).toMatchObject({ messages: 0, dropped: 0 });

    const lines = await interruptLines(guest, /virtio\d/);
    expect(lines).toHaveLength(3);
    expect(lines.every(([count, line]) => count > 0 && /IO-APIC +(5|10|11)-fasteoi/.test(line))).toBe(true);
    expect((await guest.run("grep -c PCI-MSI /proc/interrupts")).stdout.trim()).toBe("0");
    for (const device of Object.values(guest.vm.metrics().devices)) {
      expect(device).toMatchObject({ transport: "pci", faults: {}, ignored: {} });
      expect(device.interrupts).toMatchObject({ mode: "wired", msi: 0 });
    }
  });
});

describe("a machine on PCI", () => {
  it("is not made with a doorbell that all queues share", async () => {
    await expect(
      MicroVm.create({ ...(await imageOptions()), transport: "pci", doorbell: "shared" }),
    ).rejects.toThrow(/a doorbell for each queue/);
  });
});
