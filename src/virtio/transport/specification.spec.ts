import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { VIRTIO_MMIO_CONFIG, VIRTIO_MMIO_DOORBELL_BASE } from "../defs.ts";
import { MMIO_REGISTER_NAMES, REGISTER_OTHER, registerIndex } from "./registers.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const text = readFileSync(join(root, "docs/virtio-mmio-v3.md"), "utf8");
const anchors = [...text.matchAll(/<a id="(V3-[A-Z]+-\d\d)"><\/a>\*\*\1 \(/g)].map(([, id]) => id);

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return entry.name.endsWith(".ts") ? [path] : [];
  });
}

describe("the specification of virtio-mmio version 3", () => {
  it("names every requirement once, numbered without a gap", () => {
    expect(new Set(anchors).size).toBe(anchors.length);
    expect([...text.matchAll(/<a id=/g)]).toHaveLength(anchors.length);
    const groups = new Map<string, number>();
    for (const id of anchors) {
      const [, group = "", number = ""] = (id ?? "").split("-");
      expect(Number(number)).toBe((groups.get(group) ?? 0) + 1);
      groups.set(group, Number(number));
    }
    expect([...groups.keys()]).toEqual(["GEN", "BELL", "MSI", "INT", "RESET", "FALL", "SWITCH", "ERR"]);
  });

  it("has every requirement that a comment cites", () => {
    const cited = new Set<string>();
    for (const path of sources(join(root, "src"))) {
      for (const [id] of readFileSync(path, "utf8").matchAll(/V3-[A-Z]+-\d\d/g)) cited.add(id);
    }
    expect(cited.size).toBeGreaterThan(8);
    expect([...cited].filter((id) => !anchors.includes(id))).toEqual([]);
  });

  it("lists the registers that there are, at the offsets where they are, and no others", () => {
    const rows = [...text.matchAll(/^\| `(0x[0-9a-f]+)` \| [^|]+ \| \*{0,2}(\w+)\*{0,2} \| (R|W|RW) \|/gm)];
    const listed = rows.map(([, offset = "", name = ""]) => ({ offset: Number(offset), name }));
    expect(listed.map(({ name }) => name)).toEqual(MMIO_REGISTER_NAMES.filter((name) => name !== "Other"));
    for (const { offset, name } of listed) {
      if (offset < VIRTIO_MMIO_CONFIG) expect(MMIO_REGISTER_NAMES[registerIndex(offset)]).toBe(name);
      else expect(name).toBe(offset === VIRTIO_MMIO_DOORBELL_BASE ? "Doorbell" : "Config");
    }
    const offsets = listed.map(({ offset }) => offset);
    for (let offset = 0; offset < VIRTIO_MMIO_CONFIG; offset += 2) {
      const index = registerIndex(offset);
      const continued = offset >= 2 && registerIndex(offset - 2) === index;
      if (index !== REGISTER_OTHER && !continued) expect(offsets).toContain(offset);
    }
  });
});
