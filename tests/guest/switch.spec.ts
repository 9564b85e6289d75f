import { afterEach, describe, expect, it } from "vitest";
import { bootGuest, type Guest } from "./guest.ts";

let guest: Guest | undefined;

afterEach(async () => {
  await guest?.vm.destroy();
  guest = undefined;
});

describe("the live switch in a whole guest", () => {
  it("survives 100 switches in a row under full load, and the TCP connection loses and repeats no byte", async () => {
    guest = await bootGuest();
    const { vm } = guest;
    expect((await guest.run("true")).status).toBe(0);
    // Long enough for all switches; --verify checks every byte's place in both streams.
    const stop = new AbortController();
    let stdout = "";
    const load = vm.exec("tcp_rr -H 10.0.2.2 -l 100 -r 32,1024 --verify --json", {
      onStdout: (bytes) => {
        stdout += new TextDecoder().decode(bytes);
      },
      signal: stop.signal,
    });
    let before = vm.metrics().peer.transactions;
    while (vm.metrics().peer.transactions < before + 20)
      await new Promise((resolve) => setTimeout(resolve, 10));

    for (let round = 0; round < 50; round++) {
      for (const mode of ["wired", "msi"] as const) {
        await vm.setInterrupts(mode);
        expect(vm.metrics().devices.net0?.interrupts.mode).toBe(mode);
        // The same connection goes on in the new mode.
        before = vm.metrics().peer.transactions;
        const limit = performance.now() + 10_000;
        while (vm.metrics().peer.transactions < before + 3 && performance.now() < limit) {
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        expect(vm.metrics().peer.transactions).toBeGreaterThanOrEqual(before + 3);
      }
    }
    stop.abort();
    await load;
    expect(vm.metrics().switches).toBe(100);
    // Interrupted by Ctrl-C, tcp_rr still tells what it measured; the last answer may have been on its way.
    const counted = vm.metrics().peer.transactions - JSON.parse(stdout).transactions;
    expect([0, 1]).toContain(counted);
    const { net0, console0, rng0 } = vm.metrics().devices;
    expect(net0?.net?.dropped).toBe(0);
    for (const device of [net0, console0, rng0]) expect(device?.faults).toEqual({});
    // The addresses and the interface are what they were, and the kernel has nothing to complain of.
    expect((await guest.run("ip addr show eth0")).stdout).toContain("inet 10.0.2.15/24");
    const messages = (await guest.run("dmesg")).stdout;
    expect(messages).not.toMatch(/BUG|WARNING|Oops|Call Trace|failed/i);
  });

  it("changes the way of notification too, without a restart", async () => {
    guest = await bootGuest({ interrupts: "wired", doorbell: "shared" });
    await guest.run("true");
    expect(guest.vm.metrics().devices.net0?.version).toBe(2);
    const result = await guest.vm.setDoorbell("per-queue");
    expect(result).toMatchObject({ interrupts: "wired", doorbell: "per-queue" });
    expect(guest.vm.metrics().devices.net0?.version).toBe(3);
    const before = guest.vm.metrics().devices.net0?.exits.byRegister;
    expect((await guest.run("ping -c 3 10.0.2.2")).status).toBe(0);
    const after = guest.vm.metrics().devices.net0?.exits.byRegister;
    expect(after?.QueueNotify).toBe(before?.QueueNotify);
    expect(after?.Doorbell).toBeGreaterThan(before?.Doorbell ?? 0);
  });

  it("keeps the terminal: what is typed and printed across a switch arrives whole", async () => {
    guest = await bootGuest();
    await guest.run("true");
    await guest.until(/# /);
    const from = guest.output().length;
    guest.type("for i in $(seq 1 400); do echo line-$i-; done; echo all-$((6*7))\n");
    for (const mode of ["wired", "msi", "wired", "msi"] as const) await guest.vm.setInterrupts(mode);
    const printed = await guest.until(/all-42/, 30, from);
    const numbers = [...printed.matchAll(/line-(\d+)-/g)].map(([, number]) => Number(number));
    expect(numbers).toEqual(Array.from({ length: 400 }, (_, index) => index + 1));
    const next = guest.output().length;
    guest.type("echo typed-$((40+2))\n");
    await guest.until(/typed-42/, 20, next);
  });

  it("is refused in words while the machine is paused, and works when it goes on", async () => {
    guest = await bootGuest();
    await guest.run("true");
    guest.vm.pause();
    await expect(guest.vm.setInterrupts("wired")).rejects.toThrow(/resume it first/);
    guest.vm.resume();
    await guest.vm.setInterrupts("wired");
    expect(guest.vm.interrupts).toBe("wired");
  });
});
