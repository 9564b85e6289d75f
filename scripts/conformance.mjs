/** `npm run conformance`: runs the conformance suite and writes docs/conformance.md. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureInstalled, fail, root, run } from "./install.mjs";

const HELP = `Usage: npm run conformance

Runs tests/conformance/: a test for each clause of the virtio standard, for each
device on each transport, and writes docs/conformance.md with a row for each
clause. Takes some seconds.

Exit status: 0 when no clause fails; 1 when one does, or has no test.`;

const args = process.argv.slice(2);
if (args.includes("--help") || args.includes("-h")) {
  console.log(HELP);
  process.exit(0);
}
if (args.length > 0) fail(`"${args[0]}" is no flag of this command. See npm run conformance -- --help.`);
ensureInstalled();
const folder = mkdtempSync(join(tmpdir(), "conformance-"));
const file = join(folder, "report.json");
try {
  console.error("Running the conformance suite ...");
  const reporters = ["--reporter=dot", "--reporter=json", `--outputFile.json=${file}`];
  // The document is what is about to be written: whether it is up to date is not asked here.
  const status = run(join(root, "node_modules/.bin/vitest"), [
    ...["run", "--project", "unit", "tests/conformance/", "--exclude", "**/report.spec.ts"],
    ...reporters,
  ]);
  const { register } = await import("tsx/esm/api");
  register();
  const { render, resultsOf } = await import(join(root, "tests/conformance/report.ts"));
  const text = render(resultsOf(JSON.parse(readFileSync(file, "utf8"))));
  writeFileSync(join(root, "docs/conformance.md"), text);
  console.log(`Wrote docs/conformance.md: ${text.match(/\*\*(.*)\*\*/)?.[1]}`);
  process.exitCode = status !== 0 || !text.includes("None fails.") ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true });
}
