import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SoakReport } from "../soak/soak.ts";

const SCRIPT = fileURLToPath(new URL("../../scripts/soak.mjs", import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "doorbell-soak-"));
});

afterAll(() => rm(folder, { recursive: true }));

/** `npm run soak -- args`; interrupted as by Ctrl-C at its first line of progress where that is wanted. */
function soak(
  args: readonly string[],
  interrupt = false,
): Promise<{ status: number | null; stdout: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [SCRIPT, ...args], { cwd: folder });
    let stdout = "";
    child.stdout.on("data", (bytes: Buffer) => {
      stdout += bytes;
    });
    child.stderr.once("data", () => interrupt && child.kill("SIGINT"));
    child.stderr.resume();
    child.on("close", (status) => resolve({ status, stdout }));
  });
}

describe("a long run, shortened", () => {
  it("loses and changes no byte of TCP and console while it switches, and says what it did", async () => {
    const file = join(folder, "soak.json");
    const { status, stdout } = await soak(["--minutes", "0.34", "--seed", "5", "--json", file]);
    const report = JSON.parse(await readFile(file, "utf8")) as SoakReport;
    // The memory of so short a run is still that of a program that warms up: an hour says more.
    expect(report.problems.filter((problem) => !problem.includes("memory grew"))).toEqual([]);
    expect(status).toBe(report.problems.length === 0 ? 0 : 1);
    expect(report.totals.transactions).toBeGreaterThan(10);
    expect(report.totals.switches).toBeGreaterThan(3);
    expect(report.console.lines).toBeGreaterThan(50);
    expect(report.samples.length).toBeGreaterThan(10);
    expect(report.growth.wasm?.first).toBeGreaterThan(64 * 0x100000);
    expect(stdout).toContain("verified transactions");
  });

  it("sums up what there was when it is interrupted", async () => {
    const { status, stdout } = await soak(["--minutes", "10"], true);
    expect(stdout).toMatch(/minutes under load, interrupted/);
    expect(status).toBe(0);
  });
});
