import { afterEach, describe, expect, it } from "vitest";
import type { MicroVmOptions } from "../../src/index.ts";
import { bootGuest, type Guest } from "./guest.ts";

let guest: Guest | undefined;

afterEach(async () => {
  await guest?.vm.destroy();
  guest = undefined;
});

const MODES: readonly Partial<MicroVmOptions>[] = [
  { interrupts: "wired", doorbell: "shared" },
  { interrupts: "msi", doorbell: "per-queue" },
];

describe("a guest that attacks a device from inside", () => {
  it.each(MODES)("leaves the spare device reset and verified TCP uninterrupted: %o", async (mode) => {
    guest = await bootGuest({ ...mode, spareDevice: true });
    // TCP is under way when hundreds of frames have gone out. `kill -0` says that it still was when the attacks were over.
    const { status, stdout } = await guest.run(
      "tcp_rr -H 10.0.2.2 -l 600 --verify > /tmp/tcp 2>&1 & " +
        "until [ $(cat /sys/class/net/eth0/statistics/tx_packets) -gt 500 ]; do sleep 0.1; done; " +
        "ringbreaker --all; broke=$?; " +
        "kill -0 $! && kill -INT $!; wait $!; echo tcp_rr $?; cat /tmp/tcp; exit $broke",
    );
    expect(stdout).toMatch(/^(\d+) attacks, \1 survived\.$/m);
    expect(status).toBe(0);
    expect(stdout).toMatch(/transactions\/s .*verified\)/);

    const { spare0, net0, console0 } = guest.vm.metrics().devices;
    expect(spare0?.status).toBe(0);
    const faults = Object.values(spare0?.faults ?? {}).reduce((sum, count) => sum + count, 0);
    expect(faults).toBeGreaterThanOrEqual(15);
    expect([net0?.faults, console0?.faults]).toEqual([{}, {}]);
    // And a new connection is answered.
    expect((await guest.run("tcp_rr -H 10.0.2.2 -l 1 --verify")).status).toBe(0);
  });
});
