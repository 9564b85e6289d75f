/** `npm test`: types, style, then every test: unit, whole-guest and page. Arguments go to vitest. */
import { ensureChromium } from "./chromium.mjs";
import { ensureInstalled, root, run } from "./install.mjs";

ensureInstalled();
process.env.CHROMIUM = ensureChromium();
const bin = (name) => `${root}/node_modules/.bin/${name}`;
const args = process.argv.slice(2);

for (const [what, command, commandArgs] of [
  ["Types", bin("tsc"), ["-b"]],
  ["Style", bin("biome"), ["check", "--error-on-warnings", "."]],
  ["Tests", bin("vitest"), ["run", ...args]],
]) {
  console.error(`${what} ...`);
  const status = run(command, commandArgs);
  if (status !== 0) process.exit(status);
}
