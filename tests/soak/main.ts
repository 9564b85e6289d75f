/** `npm run soak -- [flags]`: see flags.ts for what it takes and how it ends. */
import { environmentText } from "../../bench/environment.ts";
import { writeUserFile } from "../../src/cli/files.ts";
import { UsageError } from "../../src/cli/flags.ts";
import { HELP, parseSoakFlags } from "./flags.ts";
import { mebibytes } from "./memory.ts";
import { type SoakReport, soak } from "./soak.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

function summary(report: SoakReport): string {
  const { totals, console: printed, growth } = report;
  return [
    environmentText(report.environment),
    "",
    `${(report.seconds / 60).toFixed(1)} minutes under load${report.interrupted ? ", interrupted" : ""}, seed ${report.settings.seed}.`,
    `TCP: ${totals.transactions} verified transactions in ${totals.tcpRuns} connections, ${totals.echoes} echoes; ${mebibytes(totals.tcpBytes)} checked.`,
    `Switches: ${totals.switches}, the slowest ${totals.slowestSwitchMs.toFixed(0)} ms.`,
    ...totals.failedSwitches.map(
      ({ message, guestInstructions }) =>
        `A switch failed, and the next one did not: ${message} (${(guestInstructions / 1e6).toFixed(0)} million guest instructions)`,
    ),
    `Console: ${printed.lines} lines, ${mebibytes(printed.bytes)} checked. Frames dropped: ${report.framesDropped}.`,
    `Memory after a warm-up of ${report.warmUp.toFixed(0)} s, ${report.samples.length} samples:`,
    ...Object.entries(growth).map(
      ([measure, { first, last, fraction, slope }]) =>
        `  ${measure}: ${mebibytes(first)} to ${mebibytes(last)}, ${(fraction * 100).toFixed(2)} %, slope ${(slope / 1024).toFixed(1)} KiB/min`,
    ),
    report.problems.length === 0 ? "Nothing was wrong." : "",
    ...report.problems.map((problem) => `WRONG: ${problem}.`),
    "",
  ].join("\n");
}

async function main(): Promise<number> {
  const settings = parseSoakFlags(process.argv.slice(2));
  if (settings === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      process.stderr.write("soak: interrupted, summing up ...\n");
      interrupt.abort();
    });
  }
  const report = await soak(settings, interrupt.signal, (line) => process.stderr.write(`soak: ${line}\n`));
  if (settings.json) await writeUserFile("json", settings.json, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(summary(report));
  return report.problems.length === 0 ? 0 : EXIT_FAILED;
}

/** Ends when what was written has gone out: process.exit does not wait for pipes. */
async function exit(status: number): Promise<never> {
  await Promise.all(
    [process.stdout, process.stderr].map(
      (stream) => new Promise<void>((resolve) => stream.write("", () => resolve())),
    ),
  );
  process.exit(status);
}

try {
  await exit(await main());
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  await exit(EXIT_USAGE);
}
