/** The fuzzer's command line: `npm run fuzz`. */
import { parseArgs } from "node:util";
import { TRANSPORT_NAMES } from "../../src/virtio/testing/mock-rig.ts";
import { SUBJECT_NAMES } from "../hostile/subjects.ts";
import { asSpec, type Course, courses, play } from "./fuzz.ts";
import { fuzzMemory } from "./replay.ts";

const HELP = `Usage: npm run fuzz -- [flags]

Plays random sequences of register accesses and ring contents on every device
and every transport, and checks after each that the device came back within
bounded work, touched nothing but what it may, and is well or says why not, and
that a reset restores its service. No guest runs. The same seed plays the same
sequences.

  --seconds N      for so long (default 60)
  --sequences N    until every device on every transport has had N
  --seed S         0 to 4294967295 (default: a random one, which is printed)
  --device D       only ${SUBJECT_NAMES.join(", ")}
  --transport T    only ${TRANSPORT_NAMES.join(", ")}
  --help           this text

Exit status: 0 when nothing was found; 1 with the smallest failing sequence as a
test, ready to be pasted; 2 for a mistake in the flags; 130 after Ctrl-C.
`;

/** Sequences of one course at a time. */
const BURST = 250;

class UsageError extends Error {}

interface Flags {
  readonly seconds: number;
  readonly sequences: number;
  readonly seed: number;
  readonly courses: Course[];
}

function parse(args: readonly string[]): Flags | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: "string" },
      sequences: { type: "string" },
      seed: { type: "string" },
      device: { type: "string" },
      transport: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return undefined;
  const sequences = number("sequences", values.sequences, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY);
  return {
    sequences,
    seconds: number(
      "seconds",
      values.seconds,
      1e9,
      Number.isFinite(sequences) ? Number.POSITIVE_INFINITY : 60,
    ),
    seed: number("seed", values.seed, 0xffff_ffff, Math.floor(Math.random() * 0x1_0000_0000)),
    courses: courses(
      oneOf("device", values.device, SUBJECT_NAMES),
      oneOf("transport", values.transport, TRANSPORT_NAMES),
    ),
  };
}

function number(name: string, text: string | undefined, most: number, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < 0 || value > most) {
    throw new UsageError(`--${name} is "${text}": give a whole number from 0 to ${most}.`);
  }
  return value;
}

function oneOf<T extends string>(name: string, text: string | undefined, all: readonly T[]): T | undefined {
  if (text === undefined) return undefined;
  const found = all.find((one) => one === text);
  if (found === undefined) throw new UsageError(`--${name} is "${text}": give one of ${all.join(", ")}.`);
  return found;
}

function table(all: readonly Course[]): string {
  const counts = all.map(({ sequences }) => sequences.toLocaleString("en"));
  const wide = Math.max(...counts.map((count) => count.length));
  return all
    .map(
      ({ device, transport }, i) =>
        `  ${device.padEnd(8)} ${transport.padEnd(13)} ${counts[i]?.padStart(wide)}`,
    )
    .join("\n");
}

/** Plays until time is up, something is found or Ctrl-C comes; the exit status. */
async function fuzz(flags: Flags): Promise<number> {
  // The errors that a bad ring causes are made by the million: nobody looks where they came from.
  Error.stackTraceLimit = 0;
  const memory = fuzzMemory();
  const begin = performance.now();
  const elapsed = (): number => (performance.now() - begin) / 1000;
  const total = (): number => flags.courses.reduce((sum, { sequences }) => sum + sequences, 0);
  let interrupted = false;
  process.once("SIGINT", () => {
    interrupted = true;
  });
  console.log(`Seed ${flags.seed}.`);
  let told = 0;
  for (;;) {
    const open = flags.courses.filter(({ sequences }) => sequences < flags.sequences);
    if (open.length === 0 || interrupted || elapsed() >= flags.seconds) break;
    for (const course of open) {
      const found = play(flags.seed, course, Math.min(BURST, flags.sequences - course.sequences), memory);
      if (found) {
        console.log(`${table(flags.courses)}\n\n${asSpec(found)}`);
        return 1;
      }
    }
    if (elapsed() - told >= 1) {
      told = elapsed();
      const rate = Math.round(total() / told);
      process.stderr.write(
        `\r${Math.round(told)} s, ${total().toLocaleString("en")} sequences, ${rate.toLocaleString("en")} a second `,
      );
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (told > 0) process.stderr.write("\r\x1b[K");
  console.log(
    `${table(flags.courses)}\n${total().toLocaleString("en")} sequences in ${elapsed().toFixed(1)} s, nothing found.`,
  );
  return interrupted ? 130 : 0;
}

/** Runs the command line; the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const flags = parse(args);
    if (flags !== undefined) return await fuzz(flags);
    process.stdout.write(HELP);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof TypeError && "code" in error)) throw error;
    console.error(`${error.message.replace(/\.$/, "")}. See npm run fuzz -- --help.`);
    return 2;
  }
}
