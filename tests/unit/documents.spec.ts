import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const SKIPPED = new Set(["node_modules", ".git", "dist", ".build", "coverage"]);

function markdownFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (SKIPPED.has(name)) return [];
    if (statSync(path).isDirectory()) return markdownFiles(path);
    return name.endsWith(".md") ? [path] : [];
  });
}

/** Anchors of a document: headings as GitHub makes them, and ids given by hand. */
function anchors(path: string): Set<string> {
  const text = readFileSync(path, "utf8");
  const headings = [...text.matchAll(/^#{1,6}\s+(.*)$/gm)].map(([, heading = ""]) =>
    heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/\s/g, "-"),
  );
  const given = [...text.matchAll(/\b(?:id|name)="([^"]+)"/g)].map(([, id = ""]) => id);
  return new Set([...headings, ...given]);
}

describe("the documents", () => {
  const files = markdownFiles(root);

  it("have no dead link among themselves", () => {
    const dead: string[] = [];
    for (const file of files) {
      const text = readFileSync(file, "utf8").replace(/```[\s\S]*?```/g, "");
      for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)[^)]*\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [path = "", anchor] = target.split("#");
        const destination = path === "" ? file : resolve(dirname(file), decodeURIComponent(path));
        const where = `${relative(root, file)} -> ${target}`;
        if (!existsSync(destination)) dead.push(where);
        else if (anchor && destination.endsWith(".md") && !anchors(destination).has(anchor)) dead.push(where);
      }
    }
    expect(dead).toEqual([]);
  });

  it("name only files of this repository as what shows a promise", () => {
    const text = readFileSync(join(root, "docs/specification.md"), "utf8");
    const named = [...text.matchAll(/`((?:src|tests|bench|web)\/[^`*]*)`/g)].map(([, path = ""]) => path);
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it("are where the README says the project is explained", () => {
    for (const name of [
      "architecture",
      "device-model",
      "virtio-mmio-v3",
      "specification",
      "counters",
      "agent",
    ]) {
      expect(existsSync(join(root, "docs", `${name}.md`)), `docs/${name}.md`).toBe(true);
    }
  });
});

describe("the headless runner's documentation", () => {
  it("lists in the README every flag that --help lists", () => {
    const help = execFileSync(process.execPath, ["scripts/vm.mjs", "--help"], {
      cwd: root,
      encoding: "utf8",
    });
    const readme = readFileSync(join(root, "README.md"), "utf8");
    const flags = [...help.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, flag = ""]) => flag);
    expect(flags.length).toBeGreaterThan(10);
    expect(flags.filter((flag) => !readme.includes(`\`${flag}`))).toEqual([]);
  });
});
