/**
 * `bench baseline`: guest instructions and exits of one tcp_rr transaction, by column, as figures that do not depend on the
 * machine. They come from a trace: timer ticks, which a slower host has more of in a transaction, fall into few of them, and the
 * median does not see them.
 */
import { readGuestImage, readWasm } from "../src/cli/files.ts";
import { MicroVm, type TraceEvent } from "../src/index.ts";
import { AGAIN_COLUMN, COLUMN_NAMES, type ColumnName, column } from "./columns.ts";
import { environment } from "./environment.ts";
import type { Progress } from "./fleet.ts";
import { MachineError } from "./machine.ts";
import type { Outcome } from "./report.ts";
import { median } from "./statistics.ts";
import { figure, hundredths, markdownTable } from "./table.ts";

/** v86's own card is not ours to guard. */
export const BASELINE_COLUMNS = COLUMN_NAMES.filter(
  (name) => name !== AGAIN_COLUMN && name !== "v86-virtio-net",
);

/** What must not grow, and by what part it may. */
export const INSTRUCTIONS = "guest instructions/transaction";
export const EXITS = "exits/transaction";
export const TOLERANCE = 0.05;

/** Connections differ by up to 450 instructions, from the first transaction to the last: the least of so many counts. */
const CONNECTIONS = 3;
/** Transactions that are left out at the start (connecting), and how many there must be after them. */
const LEAD_IN = 20;
const LEAST = 100;
const EVENTS = 1 << 16;

export interface PerTransaction {
  readonly transactions: number;
  readonly instructions: number;
  readonly exits: number;
}

/** Transactions of the network card: each from one doorbell of a transmit queue to the next. */
export function perTransaction(events: readonly TraceEvent[]): PerTransaction {
  const starts: { instructions: number; exits: number }[] = [];
  let exits = 0;
  for (const event of events) {
    if (!("device" in event) || event.device !== "net0") continue;
    if (event.kind === "read" || event.kind === "write") exits += 1;
    // virtio 1.2 section 5.1.2: receive queues are even, transmit queues odd.
    if (event.kind === "doorbell" && event.queue % 2 === 1)
      starts.push({ instructions: event.instructions, exits });
  }
  const counted = starts.slice(LEAD_IN);
  const [first] = counted;
  const last = counted[counted.length - 1];
  if (!first || !last || counted.length <= LEAST)
    throw new MachineError(`There are ${counted.length} transactions, and it takes more than ${LEAST}.`);
  return {
    transactions: counted.length - 1,
    instructions: median(
      counted.slice(1).map((start, index) => start.instructions - (counted[index]?.instructions ?? 0)),
    ),
    exits: (last.exits - first.exits) / (counted.length - 1),
  };
}

/** Measures every column; the machines are gone when it resolves. */
export async function measureBaseline(
  progress: Progress = () => {},
): Promise<{ kernel: string; columns: Map<ColumnName, PerTransaction> }> {
  const [wasm, kernel, initramfs] = await Promise.all([
    readWasm(),
    readGuestImage("vmlinux.gz"),
    readGuestImage("initramfs.cpio.gz"),
  ]);
  const columns = new Map<ColumnName, PerTransaction>();
  let release = "unknown";
  let vm: MicroVm | undefined;
  try {
    for (const name of BASELINE_COLUMNS) {
      const { options } = column(name);
      // On MMIO the machine before is made this one's column live.
      if (options.transport === "pci" || vm?.transport !== "mmio") {
        await vm?.destroy();
        vm = await MicroVm.create({ wasm, kernel, initrd: [initramfs], ...options });
        vm.stopCapture();
        vm.start();
        release = (await run(vm, "uname -r")).trim();
      } else {
        if (options.interrupts) await vm.setInterrupts(options.interrupts);
        if (options.doorbell) await vm.setDoorbell(options.doorbell);
      }
      let least: PerTransaction | undefined;
      for (let connection = 0; connection < CONNECTIONS; connection++) {
        const one = await measure(vm);
        if (least === undefined || one.instructions < least.instructions) least = one;
      }
      if (least) columns.set(name, least);
      progress(`${name}: ${figure(columns.get(name)?.instructions ?? 0)} guest instructions a transaction`);
    }
  } finally {
    await vm?.destroy();
  }
  return { kernel: release, columns };
}

async function measure(vm: MicroVm): Promise<PerTransaction> {
  vm.trace.start(EVENTS);
  try {
    // Until there are enough of them: a busy host makes few in a second.
    const abort = new AbortController();
    const done = vm.exec("tcp_rr -H 10.0.2.2 -l 60 -r 32,1024 >/dev/null", { signal: abort.signal });
    const before = vm.metrics().peer.transactions;
    const enough = before + LEAD_IN + 2 * LEAST;
    const ended = done.then(() => true);
    const pause = () => new Promise<false>((resolve) => setTimeout(() => resolve(false), 20));
    while (vm.metrics().peer.transactions < enough && !(await Promise.race([ended, pause()])));
    vm.trace.stop();
    abort.abort();
    await done;
    return perTransaction(vm.trace.events);
  } finally {
    vm.trace.stop();
  }
}

async function run(vm: MicroVm, command: string): Promise<string> {
  let text = "";
  await vm.exec(command, {
    onStdout: (bytes) => {
      text += new TextDecoder().decode(bytes);
    },
  });
  return text;
}

/** The figures that stand in the file, by column. */
export function baselineSummary(
  columns: ReadonlyMap<ColumnName, PerTransaction>,
): Record<string, Record<string, number>> {
  return Object.fromEntries(
    [...columns].map(([name, { instructions, exits }]) => [
      name,
      { [INSTRUCTIONS]: instructions, [EXITS]: Math.round(exits * 1000) / 1000 },
    ]),
  );
}

/** What has grown by more than the tolerance, or is missing: a sentence each. */
export function regressions(
  baseline: Record<string, Record<string, number>>,
  now: Record<string, Record<string, number>>,
): string[] {
  return Object.entries(baseline).flatMap(([name, figures]) =>
    Object.entries(figures).flatMap(([what, value]) => {
      const measured = now[name]?.[what];
      if (measured === undefined) return [`${name} has no ${what} any more.`];
      return measured > value * (1 + TOLERANCE)
        ? [`${name}: ${what} grew from ${figure(value)} to ${figure(measured)}.`]
        : [];
    }),
  );
}

export async function runBaseline(progress: Progress): Promise<Outcome> {
  const env = environment();
  const { kernel, columns } = await measureBaseline(progress);
  env.kernel = kernel;
  return {
    report: {
      schema: 1,
      benchmark: "baseline",
      environment: env,
      modelledExitCostNs: [0],
      notes: [],
      summary: baselineSummary(columns),
      details: Object.fromEntries(columns),
    },
    body: [
      `One tcp_rr transaction, 32 bytes there and 1024 back; median of the guest instructions, mean of the exits, of the best of ${CONNECTIONS} connections.`,
      markdownTable(
        ["column", "guest instructions", "exits", "transactions"],
        [...columns].map(([name, { instructions, exits, transactions }]) => [
          name,
          figure(instructions),
          hundredths(exits),
          String(transactions),
        ]),
      ),
    ].join("\n\n"),
  };
}
