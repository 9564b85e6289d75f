/** Faults around a running guest, each with the outcome that docs/faults.md promises. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { type StopReason, SwitchError, type SwitchResult } from "../../src/index.ts";
import { MmioTransport } from "../../src/virtio/transport/mmio.ts";
import { bootGuest, type Guest } from "./guest.ts";

/** What v86 and the machine take for the time: they keep the function, so it is replaced before they are loaded. */
const clock = vi.hoisted(() => {
  const real = performance.now.bind(performance);
  const state = { ahead: 0 };
  performance.now = () => real() + state.ahead;
  return state;
});

const HOUR = 3_600_000;
const RUN = "tcp_rr -H 10.0.2.2 -l 20000 -r 32,1024 --verify --json > /tmp/run & echo $! > /tmp/pid";
const END_RUN = "kill -INT $(cat /tmp/pid); while [ ! -s /tmp/run ]; do usleep 10000; done; cat /tmp/run";

const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The request for a switch has reached the drivers, and the guest has not run since. */
const begun = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

let guest: Guest | undefined;

afterEach(async () => {
  await guest?.vm.destroy();
  guest = undefined;
  clock.ahead = 0;
});

/** A guest in which verified transactions go on. */
async function busyGuest(): Promise<Guest> {
  guest = await bootGuest();
  expect((await guest.run(RUN)).status).toBe(0);
  await transactions(guest, 20);
  return guest;
}

/** Waits until so many more have gone through. */
async function transactions({ vm }: Guest, more: number): Promise<void> {
  const from = vm.metrics().peer.transactions;
  await vi.waitUntil(() => vm.metrics().peer.transactions >= from + more, { timeout: 30_000 });
}

/** Nothing was lost, and no device has failed. */
async function expectWhole(guest: Guest): Promise<void> {
  await transactions(guest, 20);
  expect(JSON.parse((await guest.run(END_RUN)).stdout).transactions).toBeGreaterThan(40);
  const { devices } = guest.vm.metrics();
  for (const device of Object.values(devices)) expect(device.faults).toEqual({});
  expect(devices.net0?.net?.dropped).toBe(0);
  const { stdout } = await guest.run("dmesg | grep -iE 'bug|oops|stall|call trace|hung'");
  expect(stdout).toBe("");
}

describe("switches", () => {
  it("asked for all at once follow one another, and TCP goes on", async () => {
    const guest = await busyGuest();
    const { vm } = guest;
    const results = await Promise.all([
      vm.setInterrupts("wired"),
      vm.setDoorbell("shared"),
      vm.setInterrupts("msi"),
      vm.setDoorbell("per-queue"),
    ]);
    expect(results.map(({ interrupts, doorbell }: SwitchResult) => `${interrupts} ${doorbell}`)).toEqual([
      "wired per-queue",
      "wired shared",
      "msi shared",
      "msi per-queue",
    ]);
    expect(vm.metrics().switches).toBe(4);
    await expectWhole(guest);
  });

  it("wait while the machine is paused, as long as a driver may take; after that they fail and nothing else does", async () => {
    const guest = await busyGuest();
    const { vm } = guest;
    const short = vm.setInterrupts("wired");
    await begun();
    vm.pause();
    await sleep(500);
    vm.resume();
    expect(await short).toMatchObject({ interrupts: "wired" });
    await transactions(guest, 20);

    const long = vm.setInterrupts("msi");
    await begun();
    vm.pause();
    await expect(long).rejects.toThrow(/did not come back within 5 s/);
    expect(vm.interrupts).toBe("wired");
    vm.resume();
    await transactions(guest, 20);
    expect(await vm.setInterrupts("msi")).toMatchObject({ interrupts: "msi" });
    await expectWhole(guest);
  });

  it("end with the machine, for the machine's reason: a guest that resets, a machine that is shut down", async () => {
    guest = await bootGuest();
    const { vm } = guest;
    expect((await guest.run("(usleep 200000; reboot -f) > /dev/null 2>&1 &")).status).toBe(0);
    const outcome = await (async () => {
      for (;;) {
        await vm.setInterrupts(vm.interrupts === "msi" ? "wired" : "msi");
        // Where drivers have let go of their devices a switch is done at once: the guest must have its turns, too.
        await sleep(1);
      }
    })().catch((error: unknown) => error);
    expect(outcome).toEqual(new SwitchError("The guest has reset its machine."));
    await vm.destroy();

    guest = await bootGuest();
    await guest.run("true");
    const last = guest.vm.setInterrupts("wired").catch((error: unknown) => error);
    await guest.vm.destroy();
    expect(await last).toEqual(new SwitchError("The machine was shut down."));
  });
});

describe("a failure in the machine itself", () => {
  it("stops the machine with what failed, and ends what waited for the guest", async () => {
    guest = await bootGuest();
    const { vm } = guest;
    await guest.run("true");
    const stopped = new Promise<StopReason>((resolve) => vm.onStop(resolve));
    const broken = vi.spyOn(MmioTransport.prototype, "write").mockImplementation(() => {
      throw new Error("a device of ours is broken");
    });
    const done = guest.run("ping -c 1 10.0.2.2").catch((error: Error) => error.message);
    const message = "The emulated CPU failed: a device of ours is broken.";
    expect(await stopped).toEqual({ kind: "cpu-fault", message });
    expect(await done).toBe(message);
    expect(vm.running).toBe(false);
    broken.mockRestore();
  });
});

describe("the host's clock", () => {
  it("may be an hour ahead at once, as after a sleep: to the guest no time has passed, and its clock is set", async () => {
    const guest = await busyGuest();
    const uptime = async (): Promise<number> =>
      Number((await guest.run("cat /proc/uptime")).stdout.split(" ")[0]);
    const real = Date.now;
    try {
      const before = await uptime();
      clock.ahead = HOUR;
      Date.now = () => real() + HOUR;
      await transactions(guest, 20);
      const after = await uptime();
      expect(after - before).toBeLessThan(60);
      const { stdout } = await guest.run("date +%s");
      expect(Math.abs(Number(stdout) - Date.now() / 1000)).toBeLessThan(10);
      expect((await guest.run("sleep 1")).status).toBe(0);
      const slept = (await uptime()) - after;
      expect(slept).toBeGreaterThanOrEqual(1);
      expect(slept).toBeLessThan(30);
    } finally {
      Date.now = real;
    }
    await expectWhole(guest);
  });

  it("may be half a minute ahead at once: that is time for the guest too", async () => {
    guest = await bootGuest();
    const { run } = guest;
    await run("true");
    const done = run("sleep 25");
    await sleep(300);
    clock.ahead = 30_000;
    expect((await done).status).toBe(0);
    const { stdout } = await run("cat /proc/uptime");
    expect(Number(stdout.split(" ")[0])).toBeGreaterThan(30);
  });

  it("may be set forward and back by an hour: the guest's own clock goes on as it was", async () => {
    const guest = await busyGuest();
    const real = Date.now;
    const read = async (): Promise<number> => Number((await guest.run("date +%s")).stdout);
    try {
      let last = await read();
      for (const set of [HOUR, -HOUR]) {
        Date.now = () => real() + set;
        await transactions(guest, 20);
        expect((await guest.run("sleep 1")).status).toBe(0);
        const now = await read();
        expect(now - last).toBeGreaterThanOrEqual(1);
        expect(now - last).toBeLessThan(60);
        last = now;
      }
    } finally {
      Date.now = real;
    }
    await expectWhole(guest);
  });
});
