/** An unmodified kernel of a distribution on our devices, version 2: its own drivers, found by ACPI. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MetricsSnapshot } from "../../src/index.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const STOCK = join(ROOT, "guest-images/.build/stock/686");
/** Without Debian's own tools there is no way to its packages; with them there is no excuse. */
const can = spawnSync("apt-get", ["--version"]).error === undefined;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "doorbell-stock-"));
});

afterAll(() => rm(folder, { recursive: true }));

const title = "finds its devices by ACPI, and passes ping and bulk TCP both ways, byte by byte";

describe("Debian's own i386 kernel", () => {
  it.skipIf(!can)(
    can ? title : `${title}: SKIPPED, this is no Debian system, whose tools get at its packages`,
    async () => {
      // Downloads 50 MB at its first run, and is done in seconds when they are there.
      const made = await run(["scripts/stock-guest.mjs"]);
      expect(made.status, made.stdout).toBe(0);
      const stats = join(folder, "stats.json");
      const { status, stdout } = await run([
        ...["scripts/vm.mjs", "--acpi", "--interrupts", "wired", "--doorbell", "shared", "--memory", "128"],
        ...["--kernel", join(STOCK, "vmlinuz"), "--initrd", join(STOCK, "initramfs.cpio")],
        ...["--until", "stock guest: everything works", "--timeout", "380", "--stats", stats],
      ]);
      expect(stdout).toContain("stock guest: 4000000 bytes came back from the echo");
      expect(stdout).toContain("3 packets transmitted, 3 packets received");
      expect(status).toBe(0);
      const { devices } = JSON.parse(await readFile(stats, "utf8")) as MetricsSnapshot;
      for (const name of ["console0", "net0", "rng0"]) {
        expect(devices[name], name).toMatchObject({ version: 2, faults: {} });
        expect(devices[name]?.interrupts.wired, name).toBeGreaterThan(0);
      }
      expect(devices.net0?.net?.dropped).toBe(0);
    },
    400_000,
  );
});

/** What a program prints to both of its outputs, and its status. */
function run(args: readonly string[]): Promise<{ status: number | null; stdout: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (bytes: Buffer) => {
        stdout += bytes;
      });
    child.on("close", (status) => resolve({ status, stdout }));
  });
}
