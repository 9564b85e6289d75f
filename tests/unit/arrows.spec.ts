import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/**
 * Which folder may import which. `types` names the files that hold nothing but interfaces between the parts (and
 * their error classes): the CPU implements them and the boot loader takes them.
 */
const ALLOWED: Record<string, readonly string[]> = {
  // Pure modules: the page and the terminal share one definition of the columns and of their statistics.
  // And the register specification, whose clauses the journey shows.
  web: ["web", "src/index.ts", "docs/virtio-mmio-v3.md", "bench/columns.ts", "bench/statistics.ts"],
  "src/index.ts": ["src/machine", "src/boot", "src/cpu", "src/metrics", "src/net", "src/virtio"],
  "src/cli": ["src/cli", "src/index.ts"],
  "src/machine": ["src/machine", "src/cpu", "src/boot", "src/virtio", "src/net", "src/metrics", "src/state"],
  "src/cpu": ["src/cpu", "src/virtio/types.ts", "src/net/router.ts", "src/state"],
  "src/boot": ["src/boot", "src/virtio/types.ts"],
  "src/virtio/device": [
    "src/virtio/device",
    "src/virtio/queue",
    "src/virtio/defs.ts",
    "src/virtio/types.ts",
    "src/metrics",
    "src/state",
  ],
  "src/virtio/transport": [
    "src/virtio/transport",
    "src/virtio/queue",
    "src/virtio/defs.ts",
    "src/virtio/types.ts",
    "src/metrics",
    "src/state",
  ],
  "src/virtio/queue": ["src/virtio/queue", "src/virtio/defs.ts", "src/virtio/types.ts", "src/state"],
  "src/virtio": ["src/virtio", "src/metrics", "src/state"],
  "src/net": ["src/net", "src/state"],
  "src/metrics": ["src/metrics", "src/state"],
  "src/state": ["src/state"],
};

/** Packages that each folder may name. */
const PACKAGES: Record<string, readonly string[]> = {
  web: ["lit", "marked", "@xterm/xterm", "@xterm/addon-fit", "uplot", "v86"],
  "src/cli": ["node:"],
  "src/cpu": ["v86"],
};

const sources = ["src", "web"]
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
  )
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".spec.ts") && !file.includes("/testing/"));

/** The longest key that is the file itself or a folder around it. */
function place(file: string, table: Record<string, unknown>): string | undefined {
  return Object.keys(table)
    .filter((key) => file === key || file.startsWith(`${key}/`))
    .sort((a, b) => b.length - a.length)[0];
}

function imports(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  const statements =
    /^\s*(?:import|export)\s[^;"]*?\bfrom\s*"([^"]+)"|^\s*import\s*"([^"]+)"|\bimport\("([^"]+)"\)/gm;
  return [...text.matchAll(statements)].map(([, named, bare, called]) => named ?? bare ?? called ?? "");
}

describe("imports", () => {
  it("point only the allowed way", () => {
    const wrong: string[] = [];
    for (const file of sources) {
      const from = place(file, ALLOWED);
      if (!from) {
        if (file !== "src/platform.d.ts") wrong.push(`${file} belongs to no known part`);
        continue;
      }
      for (const specifier of imports(file)) {
        if (specifier.startsWith(".")) {
          const to = relative(root, resolve(root, dirname(file), specifier.replace(/\?.*$/, ""))).replaceAll(
            "\\",
            "/",
          );
          const allowed = ALLOWED[from] ?? [];
          if (!allowed.some((target) => to === target || to.startsWith(`${target}/`)))
            wrong.push(`${file} -> ${to}`);
        } else {
          const packages = PACKAGES[place(file, PACKAGES) ?? ""] ?? [];
          if (!packages.some((name) => specifier.startsWith(name))) wrong.push(`${file} -> ${specifier}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it("leave v86's private members to src/cpu", () => {
    const privateNames = /\.v86\.|wasm_memory|get_apic_addr|mmap_register|emulator_bus/;
    const leaks = sources.filter(
      (file) => !file.startsWith("src/cpu/") && privateNames.test(readFileSync(join(root, file), "utf8")),
    );
    expect(leaks).toEqual([]);
  });
});
