/** The benchmarks' command line. */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { UsageError } from "../src/cli/flags.ts";
import { MAX_EXIT_COST } from "../src/index.ts";
import { AGAIN_COLUMN, COLUMN_NAMES, type ColumnName } from "./columns.ts";
import type { Place } from "./machine.ts";

export const HELP = `Usage: npm run -s bench -- COMMAND [flags]

  tcp_rr      TCP request/response, the table of 2019: transactions per second, and exits,
              interrupts and guest instructions per transaction
  udp_rr      the same by UDP
  stream      TCP bulk, both ways, in Mbit/s
  console     output of \`cat\` on the virtio console and on the serial port, in MiB/s
  boot        time and guest instructions from the call until prompt and network, beside v86's
              own way to boot; with --browser also from the click, and the bytes transferred
  latency     from a key press to its echo, with a busy guest, in a headless Chromium
  idle        CPU time of a guest that waits at the prompt
  access      what one trapped register access costs
  exit-cost   the modelled exit cost at which MSI is 1.36 times the wire
  trace-cost  tcp_rr with the trace off and on, in slices that take turns
  baseline    guest instructions and exits of a tcp_rr transaction, written to
              bench/results/baseline.json, which a test compares with
  compare     A.json B.json: B's figures by A's

Flags of all but compare:
  --json FILE         write everything that was measured
  --markdown FILE     write what is printed
  --rounds N          rounds, in which all columns take turns (default 3)
Flags of tcp_rr, udp_rr, exit-cost, stream, console, boot:
  --columns A,B,...   (default: all that fit; boot: mmio-msi)
                      ${COLUMN_NAMES.slice(0, 4).join(" ")}
                      ${COLUMN_NAMES.slice(4).join(" ")}
  --browser           in a headless Chromium instead of Node
Flags of tcp_rr, udp_rr, exit-cost:
  --seconds S         of each column in each round (default 30; exit-cost 5)
  --slice MS          length of one turn (default 100)
  --warm-up S         at most so long until throughput has settled (default 20)
  --request BYTES     (default 32)
  --response BYTES    (default 1024)
  --exit-cost NS,...  modelled exit costs, each in every round (default 0;
                      exit-cost: 0,1000,2000,5000,10000)
Flags of trace-cost: --warm-up; its --rounds are pairs of slices (default 40)
Flags of exit-cost:
  --ratio R           (default 1.36)
Flags of boot:
  --bzimage FILE      the same kernel for v86's own way (default guest-images/.build/bzImage,
                      left there by npm run guest:build)
  --bios FOLDER       with bios.bin and vgabios-stdvga.bin (default /usr/share/seabios, from
                      Debian's package seabios); without it the bzImage is entered directly
Flags of stream and console:
  --mib N             data of each measurement (default 32; console 4)

Progress goes to stderr, results to stdout as Markdown. Ctrl-C ends it.
`;

/** Committed; tests/guest/baseline.spec.ts compares with it. */
export const BASELINE_FILE = fileURLToPath(new URL("./results/baseline.json", import.meta.url));

const COMMANDS = [
  "tcp_rr",
  "udp_rr",
  "stream",
  "console",
  "boot",
  "latency",
  "idle",
  "access",
  "exit-cost",
  "trace-cost",
  "baseline",
  "compare",
] as const;

export type CommandName = (typeof COMMANDS)[number];

/** What every measuring command has. */
export interface CommonSettings {
  readonly json: string | undefined;
  readonly markdown: string | undefined;
  readonly rounds: number;
}

export interface RrSettings extends CommonSettings {
  readonly command: "tcp_rr" | "udp_rr" | "exit-cost";
  readonly columns: readonly ColumnName[];
  readonly place: Place;
  readonly seconds: number;
  /** Milliseconds of one turn. */
  readonly slice: number;
  readonly request: number;
  readonly response: number;
  /** Seconds at most. */
  readonly warmUp: number;
  /** Nanoseconds. */
  readonly exitCosts: readonly number[];
  readonly ratio: number;
}

export interface BulkSettings extends CommonSettings {
  readonly command: "stream" | "console";
  readonly columns: readonly ColumnName[];
  readonly place: Place;
  readonly mib: number;
}

export interface PlainSettings extends CommonSettings {
  readonly command: "access" | "idle" | "latency";
  readonly place: Place;
}

export interface BootSettings extends CommonSettings {
  readonly command: "boot";
  readonly columns: readonly ColumnName[];
  readonly place: Place;
  /** Undefined: where the guest's build leaves it. */
  readonly bzImage: string | undefined;
  readonly bios: string;
}

export interface TraceCostSettings extends CommonSettings {
  readonly command: "trace-cost";
  readonly columns: readonly ColumnName[];
  /** Seconds at most. */
  readonly warmUp: number;
  readonly place: Place;
}

export interface BaselineSettings extends CommonSettings {
  readonly command: "baseline";
}

export interface CompareSettings {
  readonly command: "compare";
  readonly files: readonly [string, string];
}

export type Settings =
  | RrSettings
  | BulkSettings
  | PlainSettings
  | BootSettings
  | TraceCostSettings
  | BaselineSettings
  | CompareSettings;

const OPTIONS = {
  json: { type: "string" },
  markdown: { type: "string" },
  rounds: { type: "string" },
  columns: { type: "string" },
  browser: { type: "boolean" },
  bzimage: { type: "string" },
  bios: { type: "string" },
  seconds: { type: "string" },
  request: { type: "string" },
  response: { type: "string" },
  slice: { type: "string" },
  "warm-up": { type: "string" },
  "exit-cost": { type: "string" },
  ratio: { type: "string" },
  mib: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

type Flag = Exclude<keyof typeof OPTIONS, "help">;

const COMMON = ["json", "markdown", "rounds"] as const;
const COLUMNED = [...COMMON, "columns", "browser"] as const;
const RR = [...COLUMNED, "seconds", "request", "response", "slice", "warm-up", "exit-cost"] as const;
const BULK = [...COLUMNED, "mib"] as const;
const FLAGS: Record<CommandName, readonly Flag[]> = {
  tcp_rr: RR,
  udp_rr: RR,
  "exit-cost": [...RR, "ratio"],
  "trace-cost": [...COLUMNED, "warm-up"],
  stream: BULK,
  console: BULK,
  boot: [...COLUMNED, "bzimage", "bios"],
  latency: COMMON,
  idle: [...COMMON, "browser"],
  access: COMMON,
  baseline: ["json", "markdown"],
  compare: [],
};

/** A socket's worth: what tcp_rr and udp_rr take. */
const MAX_SIZE = 65536;
const ONCE_EACH = COLUMN_NAMES.filter((name) => name !== AGAIN_COLUMN);
const MSI_AGAINST_WIRE: readonly ColumnName[] = ["mmio-wired", "mmio-msi"];

/** Parses the arguments; "help" when that was asked for. Throws UsageError with one sentence. */
export function parseBenchFlags(args: readonly string[]): Settings | "help" {
  const { values, positionals } = parse(args);
  if (values.help) return "help";
  const [word, ...rest] = positionals;
  if (word === undefined) throw new UsageError("Say what to measure, for example tcp_rr: see --help.");
  const command = COMMANDS.find((name) => name === word);
  if (command === undefined) throw new UsageError(`There is no benchmark "${word}": see --help.`);
  for (const flag of Object.keys(values) as Flag[]) {
    if (!FLAGS[command].includes(flag)) throw new UsageError(`${command} has no flag --${flag}: see --help.`);
  }
  if (command === "compare") {
    const [first, second, third] = rest;
    if (first === undefined || second === undefined || third !== undefined)
      throw new UsageError("compare wants two files, as written by --json.");
    return { command, files: [first, second] };
  }
  if (rest.length > 0) throw new UsageError(`"${rest[0]}" belongs to no flag: see --help.`);

  const common = {
    json: values.json,
    markdown: values.markdown,
    rounds: whole("rounds", values.rounds ?? (command === "trace-cost" ? "40" : "3"), 1, 1000),
  };
  const place: Place = values.browser ? "chromium" : "node";
  switch (command) {
    case "baseline":
      return { command, ...common, json: values.json ?? BASELINE_FILE };
    case "boot":
      return {
        command,
        ...common,
        columns: columns(values.columns, ["mmio-msi"]),
        place,
        bzImage: values.bzimage,
        bios: values.bios ?? "/usr/share/seabios",
      };
    case "access":
    case "idle":
    case "latency":
      return { command, ...common, place };
    case "stream":
    case "console":
      return {
        command,
        ...common,
        columns: columns(values.columns, ONCE_EACH),
        place,
        mib: number("mib", values.mib ?? (command === "stream" ? "32" : "4"), 0.1, 4096),
      };
    case "trace-cost":
      return {
        command,
        ...common,
        columns: columns(values.columns, MSI_AGAINST_WIRE),
        warmUp: whole("warm-up", values["warm-up"] ?? "20", 0, 3600),
        place,
      };
    default: {
      const search = command === "exit-cost";
      return {
        command,
        ...common,
        columns: columns(values.columns, search ? MSI_AGAINST_WIRE : COLUMN_NAMES),
        place,
        seconds: number("seconds", values.seconds ?? (search ? "5" : "30"), 0.1, 86400),
        request: whole("request", values.request ?? "32", 1, MAX_SIZE),
        response: whole("response", values.response ?? "1024", 1, MAX_SIZE),
        slice: whole("slice", values.slice ?? "100", 10, 10_000),
        warmUp: whole("warm-up", values["warm-up"] ?? "20", 0, 3600),
        exitCosts: list(values["exit-cost"] ?? (search ? "0,1000,2000,5000,10000" : "0")).map((text) =>
          number("exit-cost", text, 0, MAX_EXIT_COST),
        ),
        ratio: number("ratio", values.ratio ?? "1.36", 1, 100),
      };
    }
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: true });
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    const flag = /'(-[^' ,]*)/.exec(message)?.[1];
    if (code === "ERR_PARSE_ARGS_UNKNOWN_OPTION")
      throw new UsageError(`There is no flag ${flag}: see --help.`);
    throw new UsageError(`${flag ?? "A flag"} wants a value, or has one that it cannot take: see --help.`);
  }
}

function list(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function columns(text: string | undefined, usual: readonly ColumnName[]): readonly ColumnName[] {
  if (text === undefined) return usual;
  const names = list(text).map((item) => {
    const name = COLUMN_NAMES.find((candidate) => candidate === item);
    if (name === undefined)
      throw new UsageError(`There is no column "${item}": there are ${COLUMN_NAMES.join(", ")}.`);
    return name;
  });
  if (names.length === 0) throw new UsageError("--columns is empty: name at least one column.");
  return [...new Set(names)];
}

function number(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= least && value <= most))
    throw new UsageError(`--${flag} is "${text}": it wants a number from ${least} to ${most}.`);
  return value;
}

function whole(flag: string, text: string, least: number, most: number): number {
  const value = number(flag, text, least, most);
  if (!Number.isInteger(value)) throw new UsageError(`--${flag} is "${text}": it wants a whole number.`);
  return value;
}
