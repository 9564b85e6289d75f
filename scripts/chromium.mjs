/** Finds a Chromium for the page tests, or installs one where that can be done without asking. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { fail } from "./install.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const PLACES = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** Path of a Chromium: environment variable CHROMIUM, the system's, Playwright's cache; undefined for none. */
export function findChromium() {
  const named = process.env.CHROMIUM;
  if (named) {
    if (existsSync(named)) return named;
    fail(`CHROMIUM names ${named}, and there is no such file.`);
  }
  const path = (process.env.PATH ?? "").split(delimiter);
  const system = [...path.flatMap((folder) => NAMES.map((name) => join(folder, name))), ...PLACES].find(
    existsSync,
  );
  return system ?? inPlaywrightCache();
}

function inPlaywrightCache() {
  const cache =
    process.env.PLAYWRIGHT_BROWSERS_PATH ??
    join(homedir(), process.platform === "darwin" ? "Library/Caches/ms-playwright" : ".cache/ms-playwright");
  if (!existsSync(cache)) return undefined;
  const inside = [
    "chrome-linux64/chrome",
    "chrome-linux/chrome",
    "chrome-mac/Chromium.app/Contents/MacOS/Chromium",
    "chrome-win64/chrome.exe",
    "chrome-win/chrome.exe",
  ];
  return readdirSync(cache)
    .filter((folder) => folder.startsWith("chromium-"))
    .sort()
    .reverse()
    .flatMap((folder) => inside.map((file) => join(cache, folder, file)))
    .find(existsSync);
}

/** Path of a Chromium, installed if need be: Debian's package as root, Playwright's build elsewhere. */
export function ensureChromium() {
  const found = findChromium();
  if (found) return found;
  const debian = existsSync("/etc/debian_version") && process.getuid?.() === 0;
  console.error(
    `Installing Chromium (${debian ? "Debian package" : "Playwright's build"}) for the page tests ...`,
  );
  const commands = debian
    ? [
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
      ]
    : [["npx", "playwright-core", "install", "chromium"]];
  for (const [command, ...args] of commands) {
    spawnSync(command, args, {
      stdio: ["ignore", 2, 2],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  }
  const installed = findChromium();
  if (!installed)
    fail("The page tests need Chromium: install it, or name one in the environment variable CHROMIUM.");
  return installed;
}
