/** The headless runner's command line. */
import { parseArgs } from "node:util";
import { type DoorbellMode, type InterruptMode, MAX_EXIT_COST, type TransportKind } from "../index.ts";

/** A mistake on the command line: one sentence that says what is wrong and what to do. Exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What the flags say, checked. */
export interface Flags {
  readonly transport: TransportKind;
  readonly interrupts: InterruptMode;
  readonly doorbell: DoorbellMode;
  readonly eventIndex: boolean;
  /** Its range is the machine's to check. */
  readonly queuePairs: number;
  /** MiB; its range is the machine's to check. */
  readonly memory: number;
  /** Devices are described by ACPI tables. */
  readonly acpi: boolean;
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
  readonly append: string;
  readonly overlays: readonly string[];
  readonly exec: string | undefined;
  readonly until: RegExp | undefined;
  /** Seconds between two live switches; 0 for none. */
  readonly switchEvery: number;
  /** Seconds; 0 for no limit. */
  readonly timeout: number;
  readonly stats: string | undefined;
  readonly pcap: string | undefined;
  /** Where the trace goes: Chrome's format when the name ends in .json, else text. */
  readonly trace: string | undefined;
  /** Nanoseconds for each exit; 0 for off. */
  readonly exitCost: number;
  /** File to write the machine to at the end, and file to take it from. */
  readonly save: string | undefined;
  readonly restore: string | undefined;
  readonly web: boolean;
  readonly spare: boolean;
  readonly quiet: boolean;
}

export const HELP = `Usage: npm run -s vm -- [flags]

Boots Linux on the emulated machine. Without --exec or --until: an interactive
terminal, which Ctrl-] leaves.

  --transport mmio|pci         what carries virtio (default mmio; on pci "msi" is MSI-X and
                               "wired" INTx)
  --interrupts wired|msi       how devices interrupt (default msi; "legacy" is wired)
  --doorbell shared|per-queue  how the driver notifies queues (default per-queue)
  --event-idx on|off           whether devices offer RING_EVENT_IDX (default on)
  --queue-pairs N              pairs of queues that the network card offers, 1 to 8 (default 1)
  --memory MIB                 guest memory, 16 to 1024 (default 64)
  --acpi                       devices are found by ACPI tables, not by the command line: for
                               other kernels than ours
  --kernel FILE                ELF vmlinux or bzImage for i386, gzip'd or not
  --initrd FILE                initial RAM file system (default: ours, with our kernel)
  --append STR                 added to the kernel command line
  --overlay DIR                its files appear in the guest's root; repeatable
  --exec CMD                   run in the guest when its network is up, exit with its status
  --until REGEX                exit 0 when the console or the serial port has printed it
  --switch-every S             switch between wired and msi every S seconds
  --timeout S                  give up after S seconds, exit 124 (default 120; none when
                               interactive; 0 for none)
  --stats FILE                 write the counters as JSON at the end
  --pcap FILE                  write the network traffic as pcapng at the end
  --trace FILE                 write what happened between guest and devices at the end, event by
                               event: for Perfetto when it is named *.json, else as text
  --save FILE                  write the whole machine to FILE at the end, to go on with later
  --restore FILE               go on with a machine that --save wrote, instead of booting
  --web                        let the guest fetch from the web: HTTP, port 80
  --spare                      a second entropy source that the kernel is not told of, for
                               ringbreaker (not on pci)
  --exit-cost NS               modelled exit cost: each trapped register access takes so
                               many nanoseconds more (default 0)
  --quiet                      do not copy the guest's console to stderr
  --help                       this text

Exit status: the command's with --exec; 0 when --until has matched; 1 when the guest
stopped before that; 2 for a mistake in the flags or a file; 124 on timeout. In the
terminal: 0 when the guest shut down; after a reset it boots again.
`;

const OPTIONS = {
  transport: { type: "string" },
  interrupts: { type: "string" },
  doorbell: { type: "string" },
  "event-idx": { type: "string" },
  "queue-pairs": { type: "string" },
  memory: { type: "string" },
  acpi: { type: "boolean" },
  kernel: { type: "string" },
  initrd: { type: "string" },
  append: { type: "string" },
  overlay: { type: "string", multiple: true },
  exec: { type: "string" },
  until: { type: "string" },
  "switch-every": { type: "string" },
  timeout: { type: "string" },
  stats: { type: "string" },
  pcap: { type: "string" },
  trace: { type: "string" },
  "exit-cost": { type: "string" },
  save: { type: "string" },
  restore: { type: "string" },
  web: { type: "boolean" },
  spare: { type: "boolean" },
  quiet: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** What a restored machine has already. */
const FIXED_BY_A_SNAPSHOT = [
  "transport",
  "interrupts",
  "doorbell",
  "queue-pairs",
  "memory",
  "kernel",
  "initrd",
  "append",
  "overlay",
  "event-idx",
  "exit-cost",
] as const;

/** Parses the arguments; "help" when that was asked for. Throws {@link UsageError}. */
export function parseFlags(args: readonly string[]): Flags | "help" {
  const values = parse(args);
  if (values.help) return "help";
  if (values.exec !== undefined && values.until !== undefined) {
    throw new UsageError("--exec and --until cannot be used together: take one of them.");
  }
  const fixed = FIXED_BY_A_SNAPSHOT.find((flag) => values[flag] !== undefined);
  if (values.restore !== undefined && fixed !== undefined) {
    throw new UsageError(`--${fixed} cannot be had with --restore: the machine goes on as it was saved.`);
  }
  const interactive = values.exec === undefined && values.until === undefined;
  const transport = oneOf("transport", values.transport ?? "mmio", ["mmio", "pci"]);
  const doorbell = oneOf("doorbell", values.doorbell ?? "per-queue", ["shared", "per-queue"]);
  if (transport === "pci" && doorbell === "shared") {
    throw new UsageError(
      "--doorbell shared cannot be had with --transport pci: there each queue has its own doorbell.",
    );
  }
  if (transport === "pci" && values.spare) {
    throw new UsageError(
      "--spare cannot be had with --transport pci: the spare device is on the virtio-mmio bus.",
    );
  }
  if (transport === "pci" && Number(values["switch-every"] ?? 0) > 0) {
    throw new UsageError(
      "--switch-every cannot be had with --transport pci: the virtio-pci driver does not recover from a switch.",
    );
  }
  if (values.acpi && values.kernel === undefined) {
    throw new UsageError(
      "--acpi wants a --kernel: ours has no ACPI, and takes its devices from the command line.",
    );
  }
  if (values.acpi && transport === "pci") {
    throw new UsageError("--acpi cannot be had with --transport pci: the tables describe devices on MMIO.");
  }
  return {
    transport,
    interrupts: oneOf("interrupts", values.interrupts === "legacy" ? "wired" : (values.interrupts ?? "msi"), [
      "wired",
      "msi",
    ]),
    doorbell,
    eventIndex: oneOf("event-idx", values["event-idx"] ?? "on", ["on", "off"]) === "on",
    queuePairs: number("queue-pairs", values["queue-pairs"] ?? "1"),
    memory: number("memory", values.memory ?? "64"),
    acpi: values.acpi ?? false,
    kernel: values.kernel,
    initrd: values.initrd,
    append: values.append ?? "",
    overlays: values.overlay ?? [],
    exec: values.exec,
    until: values.until === undefined ? undefined : regularExpression(values.until),
    switchEvery: number("switch-every", values["switch-every"] ?? "0"),
    timeout: number("timeout", values.timeout ?? (interactive ? "0" : "120")),
    stats: values.stats,
    pcap: values.pcap,
    trace: values.trace,
    exitCost: exitCost(values["exit-cost"] ?? "0"),
    save: values.save,
    restore: values.restore,
    web: values.web ?? false,
    spare: values.spare ?? false,
    quiet: values.quiet ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    const named = /'(-[^']*)'/.exec(message)?.[1];
    // A long option's own name, without what parseArgs says about values.
    const flag = named?.split(/[ ,]/)[0];
    if (code === "ERR_PARSE_ARGS_UNKNOWN_OPTION")
      throw new UsageError(`There is no flag ${flag}: see --help.`);
    if (code === "ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL") {
      const word = /'([^']*)'/.exec(message)?.[1];
      throw new UsageError(`"${word}" belongs to no flag: see --help.`);
    }
    throw new UsageError(`${flag ?? "A flag"} wants a value, or has one that it cannot take: see --help.`);
  }
}

function exitCost(text: string): number {
  const value = number("exit-cost", text);
  if (value > MAX_EXIT_COST)
    throw new UsageError(`--exit-cost is "${text}": it can be at most ${MAX_EXIT_COST} nanoseconds.`);
  return value;
}

function oneOf<T extends string>(flag: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined)
    throw new UsageError(`--${flag} is "${value}": it can be ${allowed.join(" or ")}.`);
  return found;
}

function number(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0) {
    throw new UsageError(`--${flag} is "${text}": it wants a number that is not negative.`);
  }
  return value;
}

function regularExpression(text: string): RegExp {
  try {
    return new RegExp(text, "m");
  } catch {
    throw new UsageError(`--until is "${text}", which is no regular expression.`);
  }
}
