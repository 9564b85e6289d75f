/** Installs the packages of package-lock.json when they are missing or out of date, so that every command works on a fresh clone. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`Doorbell needs Node.js 20.19 or newer, and this is ${process.versions.node}: install a newer one.`);
}

/** Prints one sentence and ends with status 2. */
export function fail(sentence) {
  console.error(sentence);
  process.exit(2);
}

/** npm's own record of what it installed lies in node_modules; it is compared with what is wanted, name by name. */
function upToDate() {
  const installed = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installed)) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const have = JSON.parse(readFileSync(installed, "utf8")).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === "" || optional || have[path]?.version === version,
  );
}

/** Installs what is missing; says so, since it takes more than a second. */
export function ensureInstalled() {
  if (upToDate()) return;
  console.error("Installing packages (npm ci) ...");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const result = spawnSync(npm, ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (result.status !== 0) fail("The packages could not be installed: see npm's message above.");
}

/** Runs a program in the foreground with our own input and output; resolves with its exit status. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (result.error) fail(`${command} could not be started: ${result.error.message}.`);
  return result.status ?? 1;
}
