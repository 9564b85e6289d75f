import { afterEach, describe, expect, it } from "vitest";
import type { MicroVmOptions } from "../../src/index.ts";
import { bootGuest, type Guest } from "./guest.ts";

let guest: Guest | undefined;

afterEach(async () => {
  await guest?.vm.destroy();
  guest = undefined;
});

const MODES: readonly [string, Partial<MicroVmOptions>][] = [
  ["mmio wired, version 2", { interrupts: "wired", doorbell: "shared" }],
  ["mmio msi", { interrupts: "msi" }],
  ["pci msi-x", { transport: "pci" }],
];

describe.each(MODES)("the inspection of a guest on %s", (_, options) => {
  it("shows devices, rings and interrupts at no cost, and the machine can be stepped", async () => {
    guest = await bootGuest(options);
    const { vm } = guest;
    expect((await guest.run("ping -c 1 10.0.2.2")).status).toBe(0);
    vm.pause();
    await expect.poll(() => vm.running).toBe(false);
    // The slice that was under way when pause came.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const before = vm.metrics();
    const view = vm.inspect();
    for (let i = 0; i < 20; i++) vm.inspect();
    const after = vm.metrics();
    expect(after.devices).toEqual(before.devices);
    expect(after.guestInstructions).toBe(before.guestInstructions);
    expect(JSON.parse(JSON.stringify(view))).toEqual(view);

    expect(view.devices.map(({ name }) => name)).toEqual(["console0", "net0", "rng0"]);
    const net = view.devices.find(({ name }) => name === "net0");
    expect(net).toMatchObject({ type: "net", transport: vm.transport, line: 10 });
    const receive = net?.queues[0]?.rings;
    // The driver keeps the receive queue filled, and everything that was received it has consumed.
    const filled = ((receive?.available.index ?? 0) - (receive?.nextAvailable ?? 0)) & 0xffff;
    expect(filled).toBeGreaterThan(0);
    expect(receive?.used.index).toBe(receive?.nextUsed);
    expect(receive?.eventIndex).toBe(true);

    const pin = view.ioapic[net?.line ?? 0];
    if (vm.interrupts === "wired") {
      expect(pin).toMatchObject({ level: true, masked: false, activeLow: false });
      expect(net?.vectors).toEqual([]);
    } else {
      const used = net?.vectors.filter(({ empty }) => !empty) ?? [];
      expect(used.length).toBeGreaterThanOrEqual(3);
      for (const { addressLow, addressHigh, data } of used) {
        expect(addressLow >>> 20).toBe(0xfee);
        expect(addressHigh).toBe(0);
        expect(data & 0xff).toBeGreaterThanOrEqual(0x20);
      }
    }

    // Stepped from register access to register access, the guest goes on as if nothing had been.
    vm.resume();
    const run = guest.run("tcp_rr -H 10.0.2.2 -l 1 -r 32,1024 --verify --json");
    for (let step = 0; step < 20; step++) {
      const before = vm.trace.recorded;
      const event = await vm.stepToEvent();
      expect(vm.running).toBe(false);
      expect(event?.kind).toMatch(/read|write/);
      expect(event?.index).toBeGreaterThanOrEqual(before);
      // Where it stands: behind that access, by no more than the translated code around it.
      expect(vm.metrics().guestInstructions - (event?.instructions ?? 0)).toBeLessThan(2000);
    }
    const taken = await vm.stepToEvent(["taken"]);
    expect(taken?.kind).toBe("taken");
    vm.resume();
    const { status, stdout } = await run;
    expect(status).toBe(0);
    expect(JSON.parse(stdout).verified).toBe(true);

    const step = vm.stepToEvent(["switch"]);
    vm.pause();
    expect(await step, "a step that is given up by a pause").toBeUndefined();
    expect(vm.running).toBe(false);
    vm.resume();
    expect((await guest.run("true")).status).toBe(0);
  });
});
