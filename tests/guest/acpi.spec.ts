import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEVICE_LINES } from "../../src/machine/interrupt-map.ts";
import { type DeviceName, WINDOWS } from "../../src/machine/memory-map.ts";

const SCRIPT = fileURLToPath(new URL("../../scripts/acpi-tables.mjs", import.meta.url));
let folder: string;

/** Intel's compiler and disassembler of ACPI tables: Debian's acpica-tools, installed where that can be done unasked. */
const iasl = ((): string | undefined => {
  const there = () => (spawnSync("iasl", ["-v"]).error ? undefined : "iasl");
  if (there() || !existsSync("/etc/debian_version") || process.getuid?.() !== 0) return there();
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", ["update", "-qq"], { env });
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "acpica-tools"], { env });
  return there();
})();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "doorbell-acpi-"));
  spawnSync(process.execPath, [SCRIPT, folder]);
});

afterAll(() => rm(folder, { recursive: true }));

const title = "are read by iasl without a warning, and say what the maps say";

describe("the ACPI tables", () => {
  it.skipIf(iasl === undefined)(
    iasl === undefined ? `${title}: SKIPPED, there is no iasl here, install acpica-tools` : title,
    async () => {
      const tables = (await readdir(folder)).filter((name) => name !== "rsd-ptr.dat");
      expect(tables.sort()).toEqual(["apic.dat", "dsdt.dat", "facp.dat", "rsdt.dat", "xsdt.dat"]);
      for (const name of tables) {
        const { status, stdout, stderr } = spawnSync("iasl", ["-d", name], { cwd: folder, encoding: "utf8" });
        expect(status, name).toBe(0);
        expect(stdout + stderr, name).not.toMatch(/warning|error|remark|invalid|checksum/i);
        expect(stdout + stderr, name).toMatch(/Disassembly completed|decoded/);
      }
      const source = await readFile(join(folder, "dsdt.dsl"), "utf8");
      for (const [index, name] of (Object.keys(WINDOWS) as DeviceName[]).entries()) {
        const device = source.split("Device (")[index + 1] ?? "";
        expect(device, name).toContain('Name (_HID, "LNRO0005")');
        expect(device, name).toContain(`0x${WINDOWS[name].toString(16).toUpperCase()}`);
        const line = DEVICE_LINES[name].toString(16).toUpperCase().padStart(8, "0");
        expect(device.replace(/\s+/g, " "), name).toContain(
          `Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive, ,, ) { 0x${line}, }`,
        );
      }
      // What it has read is what it would write: it compiles again.
      const again = spawnSync("iasl", ["dsdt.dsl"], { cwd: folder, encoding: "utf8" });
      expect(again.stdout).toMatch(/Compilation successful\. 0 Errors, 0 Warnings, 0 Remarks/);
    },
  );
});
