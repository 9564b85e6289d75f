/** The long run's command line. */
import { parseArgs } from "node:util";
import { UsageError } from "../../src/cli/flags.ts";

export const HELP = `Usage: npm run soak -- [flags]

One guest, for a long time, with everything at once: verified TCP request/response and bulk
echo, numbered lines on the console, and live switches at random moments. Every byte that
went through TCP or came from the console is checked; the memory of this process is sampled.

  --minutes N      how long (default 60; fractions are allowed)
  --seed N         of sizes, modes and moments (default: from the clock; it is printed)
  --memory MIB     guest memory (default 64)
  --json FILE      write settings, totals, samples and what went wrong
  --help           this text

A line of progress every 10 s goes to stderr, the summary to stdout. Ctrl-C ends the run early,
with its summary.

A driver has 5 s to come back from a switch, and on a busy machine that may be too little: such a
switch is counted, and is wrong only if the next one fails too.

Exit status: 0; 1 for a wrong byte, two switches in a row that failed, a guest that stopped, or
memory that grew by more than 5 % after the warm-up; 2 for a mistake in the flags.
`;

export interface SoakSettings {
  readonly minutes: number;
  readonly seed: number;
  /** Guest memory in MiB. */
  readonly memory: number;
  readonly json: string | undefined;
}

const OPTIONS = {
  minutes: { type: "string" },
  seed: { type: "string" },
  memory: { type: "string" },
  json: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** Shorter runs have no time for a warm-up and a look at the memory after it. */
const LEAST_MINUTES = 0.25;
const MOST_MINUTES = 10_080;

/** Parses the arguments; "help" when that was asked for. Throws UsageError with one sentence. */
export function parseSoakFlags(args: readonly string[]): SoakSettings | "help" {
  const values = parse(args);
  if (values.help) return "help";
  const minutes = number("minutes", values.minutes ?? "60");
  if (minutes < LEAST_MINUTES || minutes > MOST_MINUTES) {
    throw new UsageError(`--minutes is "${values.minutes}": it can be ${LEAST_MINUTES} to ${MOST_MINUTES}.`);
  }
  return {
    minutes,
    seed: number("seed", values.seed ?? String(Date.now() % 1_000_000)) >>> 0,
    memory: number("memory", values.memory ?? "64"),
    json: values.json,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false }).values;
  } catch {
    throw new UsageError(`"${args.join(" ")}" is not what this takes: see --help.`);
  }
}

function number(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0)
    throw new UsageError(`--${flag} is "${text}": it wants a number that is not negative.`);
  return value;
}
