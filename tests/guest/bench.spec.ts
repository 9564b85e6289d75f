import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Report } from "../../bench/report.ts";
import type { RrDetails } from "../../bench/rr.ts";
import { bootGuest } from "./guest.ts";

const SCRIPT = fileURLToPath(new URL("../../scripts/bench.mjs", import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "doorbell-bench-"));
});

afterAll(() => rm(folder, { recursive: true }));

/** `npm run -s bench -- args`, with an optional signal sent when stderr has said something. */
function bench(
  args: readonly string[],
  interruptAt?: string,
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [SCRIPT, ...args], { cwd: folder });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (bytes: Buffer) => {
      stdout += bytes;
    });
    child.stderr.on("data", (bytes: Buffer) => {
      const before = stderr;
      stderr += bytes;
      if (interruptAt && !before.includes(interruptAt) && stderr.includes(interruptAt)) child.kill("SIGINT");
    });
    child.on("close", (status) => resolve({ status, stdout, stderr }));
  });
}

describe("the benchmark", () => {
  it("measures two columns, prints the table and writes every round", async () => {
    const { status, stdout, stderr } = await bench([
      "tcp_rr",
      "--columns=mmio-wired,mmio-msi",
      "--seconds=1",
      "--rounds=1",
      "--warm-up=1",
      "--exit-cost=0,1000",
      "--json=r.json",
      "--markdown=r.md",
    ]);
    expect(stderr).toContain("round 1 of 1, mmio-msi");
    expect(status).toBe(0);
    expect(stdout).toContain("**Modelled exit cost:** 1000 ns");
    expect(await readFile(join(folder, "r.md"), "utf8")).toBe(stdout);

    const report = JSON.parse(await readFile(join(folder, "r.json"), "utf8")) as Report;
    expect(report).toMatchObject({
      schema: 1,
      benchmark: "tcp_rr",
      environment: { node: process.version, kernel: expect.stringMatching(/^6\.1\.\d+-doorbell$/) },
      modelledExitCostNs: [0, 1000],
    });
    const { measurements } = report.details as RrDetails;
    expect(measurements.map(({ column, round, exitCostNs }) => [column, round, exitCostNs])).toEqual([
      ["mmio-wired", 1, 0],
      ["mmio-msi", 1, 0],
      ["mmio-wired", 1, 1000],
      ["mmio-msi", 1, 1000],
    ]);
    for (const { column, transactions, perTransaction } of measurements) {
      expect(transactions).toBeGreaterThan(10);
      const { exits, interrupts, ioapicEois } = perTransaction;
      // A transaction under way at a turn's edge counts in part, and on a busy machine a turn has few.
      const around = 30 / transactions;
      expect(interrupts).toBeGreaterThanOrEqual(1 - around);
      expect(interrupts).toBeLessThanOrEqual(1.1 + around);
      if (column === "mmio-msi") {
        expect(exits).toBeLessThanOrEqual(1.1 + around);
        expect(ioapicEois).toBe(0);
      } else {
        expect(exits).toBeGreaterThanOrEqual(3 - around);
        expect(ioapicEois).toBe(interrupts);
      }
    }
  });

  it("ends at Ctrl-C with status 130 and writes nothing", async () => {
    const { status, stdout } = await bench(["tcp_rr", "--columns=mmio-msi", "--json=never.json"], "booting");
    expect(status).toBe(130);
    expect(stdout).toBe("");
    await expect(readFile(join(folder, "never.json"))).rejects.toThrow();
  });

  it("refuses what it does not know with one sentence and status 2", async () => {
    expect(await bench(["tcp_rr", "--bogus"])).toEqual({
      status: 2,
      stdout: "",
      stderr: "There is no flag --bogus: see --help.\n",
    });
  });
});

describe("v86's own network card", () => {
  it("serves the same guest, with its accesses and interrupts counted", async () => {
    const guest = await bootGuest({ networkCard: "v86" });
    try {
      const before = guest.vm.metrics();
      const { status, stdout } = await guest.run("tcp_rr -H 10.0.2.2 -l 1 -r 32,1024 --verify --json");
      expect(status).toBe(0);
      const after = guest.vm.metrics();
      const { transactions } = JSON.parse(stdout) as { transactions: number };
      expect(transactions).toBeGreaterThan(10);
      expect(after.peer.transactions - before.peer.transactions).toBe(transactions);
      const { net0, console0 } = after.devices;
      expect(net0).toMatchObject({ transport: "pci", interrupts: { mode: "wired" } });
      expect(console0).toMatchObject({ transport: "mmio", interrupts: { mode: "msi" } });
      const doorbells = (net0?.doorbells ?? 0) - (before.devices.net0?.doorbells ?? 0);
      expect(doorbells).toBeGreaterThanOrEqual(transactions);
      const reads = (net0?.exits.byRegister.isr ?? 0) - (before.devices.net0?.exits.byRegister.isr ?? 0);
      expect(reads).toBeGreaterThanOrEqual(transactions);
      const udp = await guest.run("udp_rr -H 10.0.2.2 -l 1 -r 32,1024 --json");
      expect(JSON.parse(udp.stdout)).toMatchObject({ lost: 0 });
      expect(JSON.parse(udp.stdout).transactions).toBeGreaterThan(10);
      guest.vm.setExitCost(1000);
      expect(guest.vm.metrics().exitCostNs).toBe(1000);
      expect(() => guest.vm.setExitCost(-1)).toThrow(RangeError);
    } finally {
      await guest.vm.destroy();
    }
  });
});
