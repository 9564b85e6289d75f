/** public/guest/ is what guest-images/ describes: nobody changed the recipe and forgot to build. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";

interface Output {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly uncompressedBytes: number;
}

interface Manifest {
  readonly schema: number;
  readonly kernel: Output & { readonly version: string };
  readonly initramfs: Output;
  readonly inputs: { readonly hash: string; readonly packages: Readonly<Record<string, string>> };
}

const recipe = new URL("../../guest-images/", import.meta.url);
const outputs = new URL("../../public/guest/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL("manifest.json", outputs), "utf8")) as Manifest;
const BUDGET_BYTES = 2_300_000;

/** What decides about the outputs; the same list as in guest-images/build.sh. */
const INPUTS = [
  "build.sh",
  "packages.txt",
  "busybox",
  "kernel/doorbell.config",
  "kernel/patches",
  "kernel/text-order",
  "rootfs",
  "tools",
];

const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");

function filesUnder(path: string): string[] {
  if (!statSync(new URL(path, recipe)).isDirectory()) return [path];
  return readdirSync(new URL(`${path}/`, recipe)).flatMap((name) => filesUnder(`${path}/${name}`));
}

/** As `sha256sum` prints it, sorted by path, hashed again: neither git nor file times play a part. */
function inputHash(): string {
  const lines = INPUTS.flatMap(filesUnder)
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map((path) => `${sha256(readFileSync(new URL(path, recipe)))}  ${path}\n`);
  return sha256(lines.join(""));
}

describe("the guest image", () => {
  it("was built from the recipe as it is now", () => {
    expect(
      inputHash(),
      "guest-images/ has changed since public/guest/ was built: run `npm run guest:build` and commit both.",
    ).toBe(manifest.inputs.hash);
  });

  it("was built with the packages that the recipe names", () => {
    const packages = readFileSync(new URL("packages.txt", recipe), "utf8")
      .split("\n")
      .filter((line) => /^[a-z]/.test(line))
      .map((line) => line.split(" "));
    expect(manifest.inputs.packages).toEqual(Object.fromEntries(packages));
  });

  it.each([manifest.kernel, manifest.initramfs])("has $file as the manifest describes it", (output) => {
    const bytes = readFileSync(new URL(output.file, outputs));
    expect(bytes.length).toBe(output.bytes);
    expect(sha256(bytes)).toBe(output.sha256);
    expect(gunzipSync(bytes).length).toBe(output.uncompressedBytes);
  });

  it("is a 6.1 kernel of ours for i386, entered as an ELF at 1 MiB", () => {
    expect(manifest.schema).toBe(1);
    expect(manifest.kernel.version).toMatch(/^6\.1\.\d+-doorbell$/);
    const elf = gunzipSync(readFileSync(new URL(manifest.kernel.file, outputs)));
    expect(elf.subarray(0, 5)).toEqual(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1]));
    expect(elf.readUInt16LE(18), "e_machine is EM_386").toBe(3);
    expect(elf.readUInt32LE(24), "e_entry").toBe(0x100000);
  });

  it("takes at most 2.35 MB to download", () => {
    expect(manifest.kernel.bytes + manifest.initramfs.bytes).toBeLessThanOrEqual(BUDGET_BYTES);
  });
});
