/**
 * What tracing costs: tcp_rr in short slices, with the trace off and on in turns within one machine, so that whatever else
 * the host does meanwhile falls on both alike.
 */
import { environment } from "./environment.ts";
import type { TraceCostSettings } from "./flags.ts";
import { alone, bootFleet, kernelOf, type Progress, warmUp } from "./fleet.ts";
import type { BenchMachine } from "./machine.ts";
import type { Outcome } from "./report.ts";
import { spread } from "./statistics.ts";
import { figure, hundredths, markdownTable, spreadText } from "./table.ts";

/** One slice of a pair. */
export interface TraceSlice {
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

async function slice(machine: BenchMachine, seconds: number, tracing: boolean): Promise<TraceSlice> {
  await machine.calls.trace(tracing);
  const { stdout, before, after } = await machine.run(`tcp_rr -H 10.0.2.2 -l ${seconds} -r 32,1024 --json`);
  await machine.calls.trace(false);
  const transactions = after.peer.transactions - before.peer.transactions;
  const exits = (after.devices.net0?.exits.total ?? 0) - (before.devices.net0?.exits.total ?? 0);
  return {
    transactionsPerSecond: (JSON.parse(stdout) as { transactionsPerSecond: number }).transactionsPerSecond,
    instructionsPerTransaction: (after.guestInstructions - before.guestInstructions) / transactions,
    exitsPerTransaction: exits / transactions,
  };
}

/** Boots a machine for each column, and measures in each so many pairs. */
export async function runTraceCost(settings: TraceCostSettings, progress: Progress): Promise<Outcome> {
  const env = environment();
  const notes: string[] = [];
  const pairs: TracePair[] = [];
  const fleet = await bootFleet(settings.columns, notes, progress);
  try {
    env.kernel = await kernelOf(fleet);
    for (const member of fleet) {
      await alone(member, async (machine) => {
        const warmed = await warmUp(settings.warmUp, async () => {
          const { transactionsPerSecond } = await slice(machine, 1, false);
          progress(`${member.name}: warming up, ${figure(transactionsPerSecond)} transactions/s`);
          return transactionsPerSecond;
        });
        if (!warmed.settled) notes.push(`${member.name} had not settled after ${warmed.rates.length} s.`);
        // The hooks' other branch gets translated before it is measured.
        await slice(machine, settings.seconds, true);
        for (let round = 0; round < settings.rounds; round++) {
          // Which of the two is first changes, so that a drift favours neither.
          const first = await slice(machine, settings.seconds, round % 2 === 1);
          const second = await slice(machine, settings.seconds, round % 2 === 0);
          const [off, on] = round % 2 === 1 ? [second, first] : [first, second];
          pairs.push({ column: member.name, off, on });
          const ratio = on.transactionsPerSecond / off.transactionsPerSecond;
          progress(`${member.name}: pair ${round + 1} of ${settings.rounds}, on/off ${hundredths(ratio)}`);
        }
      });
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
      `Trace on against off, in ${settings.rounds} pairs of slices of ${settings.seconds} s: median (range).`,
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
