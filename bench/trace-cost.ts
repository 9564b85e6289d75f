/**
 * What tracing costs: tcp_rr in short slices, with the trace off and on in turns within one machine, so that whatever else
 * the host does meanwhile falls on both alike.
 */
import { environment } from "./environment.ts";
import type { TraceCostSettings } from "./flags.ts";
import { bootFleet, kernelOf, type Progress, warmUp } from "./fleet.ts";
import type { BenchMachine } from "./machine.ts";
import type { TurnResult } from "./protocol.ts";
import type { Outcome } from "./report.ts";
import { spread } from "./statistics.ts";
import { figure, hundredths, markdownTable, spreadText } from "./table.ts";

/** Milliseconds of a slice that are measured, and those before that are not. */
const SLICE = 250;
const LEAD_IN = 50;
const WARM_UP_WINDOW = 1000;
const COMMAND = "tcp_rr -H 10.0.2.2 -l 100000 -r 32,1024 --json";

/** One slice of a pair. */
export interface TraceSlice {
  /** By CPU time of the machine's thread where the system tells it, else by wall time. */
  readonly transactionsPerSecond: number;
  readonly instructionsPerTransaction: number;
  readonly exitsPerTransaction: number;
}

/** Two slices in succession. */
export interface TracePair {
  readonly column: string;
  readonly off: TraceSlice;
  readonly on: TraceSlice;
}

function toSlice({ milliseconds, cpuMilliseconds, before, after }: TurnResult): TraceSlice {
  const transactions = after.peer.transactions - before.peer.transactions;
  const exits = (after.devices.net0?.exits.total ?? 0) - (before.devices.net0?.exits.total ?? 0);
  return {
    transactionsPerSecond: (transactions * 1000) / (cpuMilliseconds ?? milliseconds),
    instructionsPerTransaction: (after.guestInstructions - before.guestInstructions) / transactions,
    exitsPerTransaction: exits / transactions,
  };
}

async function slice(machine: BenchMachine, tracing: boolean): Promise<TraceSlice> {
  if (tracing) await machine.calls.trace(true);
  const result = await machine.calls.turn(LEAD_IN, SLICE);
  if (tracing) await machine.calls.trace(false);
  return toSlice(result);
}

/** Boots a machine for each column, and measures in each so many pairs. */
export async function runTraceCost(settings: TraceCostSettings, progress: Progress): Promise<Outcome> {
  const env = environment();
  const notes: string[] = [];
  const pairs: TracePair[] = [];
  const fleet = await bootFleet(settings.columns, settings.place, notes, progress);
  try {
    env.kernel = await kernelOf(fleet);
    for (const { name, machine } of fleet) {
      await machine.calls.begin(COMMAND);
      const warmed = await warmUp(settings.warmUp, async () => {
        const { transactionsPerSecond } = toSlice(await machine.calls.turn(0, WARM_UP_WINDOW));
        progress(`${name}: warming up, ${figure(transactionsPerSecond)} transactions/s`);
        return transactionsPerSecond;
      });
      if (!warmed.settled) notes.push(`${name} had not settled after ${warmed.rates.length} s.`);
      // What a compiler makes of the hooks' other branch it makes before it is measured.
      await machine.calls.trace(true);
      await machine.calls.turn(0, WARM_UP_WINDOW);
      await machine.calls.trace(false);
      for (let round = 0; round < settings.rounds; round++) {
        // Which of the two is first changes, so that a drift favours neither.
        const first = await slice(machine, round % 2 === 1);
        const second = await slice(machine, round % 2 === 0);
        const [off, on] = round % 2 === 1 ? [second, first] : [first, second];
        pairs.push({ column: name, off, on });
        const ratio = on.transactionsPerSecond / off.transactionsPerSecond;
        progress(`${name}: pair ${round + 1} of ${settings.rounds}, on/off ${hundredths(ratio)}`);
      }
    }
  } finally {
    await Promise.all(fleet.map(({ machine }) => machine.end()));
  }
  const columns = fleet.map(({ name }) => name);
  const of = (column: string, value: (pair: TracePair) => number) =>
    spread(pairs.filter((pair) => pair.column === column).map(value));
  const throughput = (pair: TracePair): number =>
    pair.on.transactionsPerSecond / pair.off.transactionsPerSecond;
  const instructions = (pair: TracePair): number =>
    pair.on.instructionsPerTransaction / pair.off.instructionsPerTransaction;
  return {
    report: {
      schema: 1,
      benchmark: "trace-cost",
      environment: env,
      modelledExitCostNs: [0],
      notes,
      summary: Object.fromEntries(
        columns.map((column) => [
          column,
          {
            throughputOnByOff: of(column, throughput).median,
            guestInstructionsOnByOff: of(column, instructions).median,
          },
        ]),
      ),
      details: pairs,
    },
    body: [
      `Trace on against off, in ${settings.rounds} pairs of slices of ${SLICE} ms, by CPU time where that is known: median (range).`,
      markdownTable(
        [
          "column",
          "transactions/s off",
          "on/off",
          "guest instructions per transaction on/off",
          "exits per transaction off",
          "on",
        ],
        columns.map((column) => [
          column,
          spreadText(
            of(column, (pair) => pair.off.transactionsPerSecond),
            figure,
          ),
          spreadText(of(column, throughput), hundredths),
          spreadText(of(column, instructions), hundredths),
          hundredths(of(column, (pair) => pair.off.exitsPerTransaction).median),
          hundredths(of(column, (pair) => pair.on.exitsPerTransaction).median),
        ]),
      ),
    ].join("\n\n"),
  };
}
