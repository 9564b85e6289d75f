import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { MicroVm, SnapshotError } from "../../src/index.ts";
import { bootGuest, type Guest, imageOptions, restoreGuest } from "./guest.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const guests: Guest[] = [];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "doorbell-snapshot-"));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(async () => {
  await Promise.all(guests.splice(0).map(({ vm }) => vm.destroy()));
});

const keep = (guest: Guest): Guest => {
  guests.push(guest);
  return guest;
};

/** `npm run -s vm -- args`, in a process of its own. */
function cli(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(ROOT, "scripts/vm.mjs"), ...args], { cwd: folder });
    const text = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const)
      child[stream].on("data", (bytes: Buffer) => {
        text[stream] += bytes;
      });
    child.stdin.end();
    child.on("close", (status) => resolve({ status, ...text }));
  });
}

async function transactionsAfter(vm: MicroVm, more: number): Promise<void> {
  const wanted = vm.metrics().peer.transactions + more;
  const limit = performance.now() + 20_000;
  while (vm.metrics().peer.transactions < wanted && performance.now() < limit)
    await new Promise((resolve) => setTimeout(resolve, 10));
  expect(vm.metrics().peer.transactions).toBeGreaterThanOrEqual(wanted);
}

/** A long run in the background, which tells how it went when it is told to end. */
const RUN = "tcp_rr -H 10.0.2.2 -l 600 -r 32,1024 --verify --json > /tmp/run 2>&1 & echo $! > /tmp/pid";
const END_RUN =
  "kill -INT $(cat /tmp/pid); while kill -0 $(cat /tmp/pid) 2>/dev/null; do sleep 0.1; done; cat /tmp/run";

/** MsiCommand of net0 (docs/virtio-mmio-v3.md), and the vector of its receive queue. */
const NET_MSI_COMMAND = "0xd00020c2";
const MASK_RECEIVE = "0x2001";
const UNMASK_RECEIVE = "0x3001";

describe("a snapshot", () => {
  it("taken during a tcp_rr run with a masked, pending vector goes on in a new process, and so does TCP", async () => {
    const { vm, run } = keep(await bootGuest());
    expect((await run(RUN)).status).toBe(0);
    await transactionsAfter(vm, 20);
    // The answer to the request under way finds its vector masked, and the run stands still.
    expect((await run(`devmem ${NET_MSI_COMMAND} 16 ${MASK_RECEIVE}`)).status).toBe(0);
    const before = vm.metrics().peer.transactions;
    const file = join(folder, "masked");
    await writeFile(file, await vm.save());
    const command = `devmem ${NET_MSI_COMMAND} 16 ${UNMASK_RECEIVE}; sleep 1; ${END_RUN}`;
    const restored = await cli(
      "--restore",
      file,
      "--exec",
      command,
      "--stats",
      join(folder, "stats"),
      "--quiet",
    );
    expect(restored.stderr).toBe("");
    expect(restored.status).toBe(0);
    // --verify has seen each byte in its place, from before the snapshot to after it.
    expect(JSON.parse(restored.stdout).transactions).toBeGreaterThan(before);
  });

  it.each([
    { transport: "mmio", interrupts: "msi", doorbell: "per-queue" },
    { transport: "mmio", interrupts: "wired", doorbell: "shared" },
    { transport: "pci", interrupts: "msi", queuePairs: 2 },
    { transport: "pci", interrupts: "wired" },
  ] as const)("goes on with $transport and $interrupts as it was, counters and all", async (options) => {
    const { vm, run } = keep(await bootGuest(options));
    await run("echo kept > /tmp/file");
    await run(RUN);
    await transactionsAfter(vm, 20);
    const bytes = await vm.save();
    const metrics = vm.metrics();
    vm.pause();
    const restored = keep(await restoreGuest(bytes));
    const after = restored.vm.metrics();
    expect(after.devices.net0?.interrupts.mode).toBe(options.interrupts);
    expect(after.devices.net0?.version).toBe(metrics.devices.net0?.version);
    await transactionsAfter(restored.vm, 20);
    expect((await restored.run("cat /tmp/file")).stdout).toBe("kept\n");
    expect(JSON.parse((await restored.run(END_RUN)).stdout).transactions).toBeGreaterThan(20);
    // The console goes on too, both ways.
    const from = restored.output().length;
    restored.type("echo typed-$((40+2))\n");
    await restored.until(/typed-42/, 20, from);
    for (const device of Object.values(restored.vm.metrics().devices)) expect(device.faults).toEqual({});
    // And the machine that was saved has not noticed.
    restored.vm.pause();
    vm.resume();
    await transactionsAfter(vm, 5);
  });

  it("can be switched live, and saved again", async () => {
    const first = keep(await bootGuest());
    await first.run(RUN);
    const second = keep(await restoreGuest(await first.vm.save({ compress: false })));
    first.vm.pause();
    await second.vm.setInterrupts("wired");
    await transactionsAfter(second.vm, 5);
    const third = keep(await restoreGuest(await second.vm.save({ compress: false })));
    second.vm.pause();
    expect(third.vm.interrupts).toBe("wired");
    expect(third.vm.metrics().switches).toBe(1);
    await third.vm.setInterrupts("msi");
    await transactionsAfter(third.vm, 5);
    expect(JSON.parse((await third.run(END_RUN)).stdout).transactions).toBeGreaterThan(0);
  });

  it("lets the guest's time go on: an hour later the clock on the wall is right, and sleep sleeps", async () => {
    const { vm, run } = keep(await bootGuest());
    await run("true");
    const bytes = await vm.save({ compress: false });
    const realNow = Date.now;
    const hour = 3_600_000;
    try {
      Date.now = () => realNow() + hour;
      const later = keep(await restoreGuest(bytes));
      const { stdout } = await later.run("cat /proc/uptime; date +%s; sleep 1; cat /proc/uptime");
      const [before, clock, after] = stdout.split("\n").map((line) => Number(line.split(" ")[0]));
      expect(Math.abs(Number(clock) - Date.now() / 1000)).toBeLessThan(10);
      expect(Number(before)).toBeLessThan(120);
      expect(Number(after) - Number(before)).toBeGreaterThanOrEqual(1);
      expect(Number(after) - Number(before)).toBeLessThan(20);
    } finally {
      Date.now = realNow;
    }
  });

  it("is refused with a sentence when it was altered or cut short, and the running machine is untouched", async () => {
    const { vm, run } = keep(await bootGuest());
    await run("true");
    const bytes = await vm.save();
    // What an idle guest takes at most.
    expect(bytes.length).toBeLessThan(8 * 1024 * 1024);
    const { wasm } = await imageOptions();
    const altered = bytes.slice();
    altered[altered.length >> 1] = (altered[altered.length >> 1] ?? 0) ^ 1;
    const cases: [Uint8Array, RegExp][] = [
      [altered, /cut short or was changed/],
      [bytes.subarray(0, bytes.length - 1), /cut short or was changed/],
      [bytes.subarray(0, 30), /no snapshot/],
      [new Uint8Array(1000), /no snapshot/],
    ];
    for (const [wrong, sentence] of cases) {
      const refused = await MicroVm.restore(wrong, { wasm }).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(SnapshotError);
      expect((refused as Error).message).toMatch(sentence);
    }
    await expect(MicroVm.restore(bytes, { wasm, memoryMiB: 128 })).rejects.toThrow(
      /memoryMiB: 64 instead of 128/,
    );
    await expect(MicroVm.restore(bytes, { wasm, image: "another" })).rejects.toThrow(/another machine/);
    expect((await run("echo alive")).stdout).toBe("alive\n");
    const file = join(folder, "altered");
    await writeFile(file, altered);
    const { status, stderr } = await cli("--restore", file);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^The snapshot is cut short or was changed.*\.\n$/);
  });
});
