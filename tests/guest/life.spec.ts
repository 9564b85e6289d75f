import { afterEach, describe, expect, it } from "vitest";
import { type BootPhase, MicroVm, type StopReason } from "../../src/index.ts";
import { bootGuest, type Guest, imageOptions } from "./guest.ts";

let guest: Guest | undefined;

afterEach(async () => {
  await guest?.vm.destroy();
  guest = undefined;
});

describe("a guest's life", () => {
  it("goes through its phases in order", async () => {
    const vm = await MicroVm.create(await imageOptions());
    const phases: BootPhase[] = [];
    vm.onPhase((phase) => phases.push(phase));
    expect(vm.phase).toBe("created");
    vm.start();
    await vm.exec("true");
    expect(phases).toEqual(["started", "kernel", "console", "network", "ready"]);
    await vm.destroy();
  });

  it("runs with little memory and with much", async () => {
    for (const memoryMiB of [24, 512]) {
      guest = await bootGuest({ memoryMiB });
      const { stdout } = await guest.run("grep MemTotal /proc/meminfo");
      const total = Number(/(\d+) kB/.exec(stdout)?.[1]) / 1024;
      expect(total).toBeGreaterThan(memoryMiB * 0.6);
      expect(total).toBeLessThan(memoryMiB);
      await guest.vm.destroy();
    }
  });

  it("gives the shell a terminal with job control and the terminal's real size", async () => {
    guest = await bootGuest({ terminal: { columns: 100, rows: 30 } });
    await guest.run("true");
    await guest.until(/# /);
    guest.type("stty size; tty; echo status-$?\n");
    await guest.until(/30 100\s+\/dev\/hvc0\s+status-0/);
    guest.vm.console.resize(132, 50);
    await new Promise((resolve) => setTimeout(resolve, 200));
    let from = guest.output().length;
    guest.type("stty size\n");
    await guest.until(/50 132/, 20, from);
    from = guest.output().length;
    guest.type("sleep 100\n");
    await guest.until(/sleep 100/, 20, from);
    await new Promise((resolve) => setTimeout(resolve, 300));
    guest.type("\x03");
    guest.type("echo back-$((1+1)); sleep 50 & jobs\n");
    const printed = await guest.until(/back-2[\s\S]*sleep 50/, 20, from);
    expect(printed).not.toContain("can't access tty");
  });

  it("passes a command's output and status on, and its end by a signal", async () => {
    guest = await bootGuest();
    expect(await guest.run("echo out; echo err >&2; exit 7")).toEqual({
      status: 7,
      stdout: "out\n",
      stderr: "err\n",
    });
    expect((await guest.run("kill -9 $$")).status).toBe(137);
    expect((await guest.run("no-such-command")).status).toBe(127);
    const { stdout } = await guest.run("seq 1 20000");
    expect(stdout.split("\n")).toHaveLength(20001);
    const both = await Promise.all([guest.run("sleep 1; echo a"), guest.run("echo b")]);
    expect(both.map((result) => result.stdout)).toEqual(["a\n", "b\n"]);
  });

  it("stops a command by Ctrl-C", async () => {
    guest = await bootGuest();
    await guest.run("true");
    const abort = new AbortController();
    const done = guest.vm.exec("sleep 1000", { signal: abort.signal });
    setTimeout(() => abort.abort(), 300);
    expect(await done).toBe(130);
  });

  it.each(["msi", "wired"] as const)(
    "is interrupted (%s) though it spins in user mode",
    async (interrupts) => {
      guest = await bootGuest({ interrupts });
      await guest.run("(while :; do :; done) & (while :; do :; done) & true");
      const before = guest.vm.metrics().devices.net0?.interrupts;
      const { status, stdout } = await guest.run("ping -c 5 -i 0.2 10.0.2.2");
      expect(status).toBe(0);
      expect(stdout).toContain("5 packets received");
      const after = guest.vm.metrics().devices.net0?.interrupts;
      expect(after?.[interrupts]).toBeGreaterThanOrEqual((before?.[interrupts] ?? 0) + 5);
    },
  );

  it("gets random numbers from our entropy source", async () => {
    guest = await bootGuest();
    const { stdout } = await guest.run(
      "cat /sys/class/misc/hw_random/rng_current; head -c 16 /dev/hwrng | wc -c",
    );
    expect(stdout).toMatch(/virtio_rng[.\d]*\n16\n/);
  });

  it.each([
    ["poweroff -f", "guest-halted", "The guest has shut down."],
    ["reboot -f", "guest-reset", "The guest has reset its machine."],
    ["echo c > /proc/sysrq-trigger", "guest-panic", "Linux has panicked: sysrq triggered crash."],
  ])("ends by %s, and the machine says so", async (command, kind, message) => {
    guest = await bootGuest();
    await guest.run("true");
    const { vm } = guest;
    const stopped = new Promise<StopReason>((resolve) => vm.onStop(resolve));
    const run = vm.exec(command).catch((error: Error) => error.message);
    expect(await stopped).toEqual({ kind, message });
    expect(await run).toBe(message);
    expect(vm.running).toBe(false);
  });

  it("goes on after a pause with its clock", async () => {
    guest = await bootGuest();
    await guest.run("true");
    guest.vm.pause();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const paused = guest.vm.metrics().guestInstructions;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(guest.vm.metrics().guestInstructions).toBe(paused);
    guest.vm.resume();
    expect((await guest.run("ping -c 1 10.0.2.2")).status).toBe(0);
  });
});
