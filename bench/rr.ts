/**
 * tcp_rr and udp_rr. In each round all columns take turns of a fraction of a second, the guest's tool going on over the
 * pauses between them; the host counts transactions and time.
 */
import { type ColumnName, column } from "./columns.ts";
import { environment } from "./environment.ts";
import type { RrSettings } from "./flags.ts";
import {
  alone,
  bootFleet,
  type FleetMachine,
  kernelOf,
  type Progress,
  type WarmUp,
  warmUp,
} from "./fleet.ts";
import { MachineError } from "./machine.ts";
import type { TurnResult } from "./protocol.ts";
import type { Outcome } from "./report.ts";
import { type RrMeasurement, renderRr, summarize, toMeasurement } from "./rr-report.ts";
import { figure } from "./table.ts";
import { cyclesFor, rateOf, toTurn, turnOrder } from "./turns.ts";

/** Of each turn, before the part that counts: caches are cold after a pause, and the guest's clock has jumped. */
const LEAD_IN = 20;
const WARM_UP_WINDOW = 1000;
/** Longer than any run: the tool is ended from outside. */
const ENDLESS = 999_999;

/** What is in Report.details. */
export interface RrDetails {
  readonly seconds: number;
  readonly rounds: number;
  /** Milliseconds of a turn that count, and those before them. */
  readonly slice: number;
  readonly leadIn: number;
  readonly request: number;
  readonly response: number;
  readonly warmUp: Record<string, WarmUp>;
  readonly measurements: readonly RrMeasurement[];
}

type Tool = "tcp_rr" | "udp_rr";

/** A column and the machine that is it, or can be made it. */
interface Seat {
  readonly name: ColumnName;
  readonly member: FleetMachine;
}

/** Columns that a live switch makes of one another share a machine, so that nothing else differs between them. */
async function takeSeats(
  names: readonly ColumnName[],
  settings: Pick<RrSettings, "place">,
  notes: string[],
  progress: Progress,
): Promise<{ fleet: FleetMachine[]; seats: Seat[] }> {
  const kindOf = (name: ColumnName): string => {
    const { transport, networkCard } = column(name).options;
    return transport === undefined && networkCard === undefined ? "mmio" : name;
  };
  const firsts = names.filter(
    (name, index) => names.findIndex((one) => kindOf(one) === kindOf(name)) === index,
  );
  const fleet = await bootFleet(firsts, settings.place, notes, progress);
  const seats = names.flatMap((name) => {
    const member = fleet.find((one) => kindOf(one.name) === kindOf(name));
    return member ? [{ name, member }] : [];
  });
  return { fleet, seats };
}

/** Makes the machine the seat's column and leaves it paused. */
async function sitDown({ name, member }: Seat): Promise<void> {
  const { interrupts, doorbell } = column(name).options;
  if (interrupts === undefined || doorbell === undefined) return;
  await alone(member, (machine) => machine.calls.switchTo(interrupts, doorbell));
}

/** Boots, warms up and measures; the machines are gone when it returns. */
export async function measureRr(
  settings: Omit<RrSettings, "command"> & { readonly command: Tool },
  notes: string[],
  progress: Progress,
): Promise<{ details: RrDetails; kernel: string }> {
  const { command, seconds, rounds, exitCosts, request, response, slice } = settings;
  const tool = `${command} -H 10.0.2.2 -l ${ENDLESS} -r ${request},${response} --json`;
  const { fleet, seats } = await takeSeats(settings.columns, settings, notes, progress);
  const begin = (member: FleetMachine): Promise<void> =>
    alone(member, async ({ calls }): Promise<void> => {
      const { peer } = await calls.metrics();
      await calls.begin(tool);
      // Connected and at work before the first turn.
      for (let looks = 0; looks < 200; looks++) {
        if ((await calls.metrics()).peer.transactions > peer.transactions) return;
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      const { stderr } = await calls.interrupt();
      throw new MachineError(`${member.name}: ${stderr.trim() || `${command} does not get going.`}`);
    });
  const end = async (member: FleetMachine): Promise<void> => {
    const result = await alone(member, ({ calls }) => calls.interrupt());
    const { lost } = JSON.parse(result.stdout || "{}") as { lost?: number };
    if (lost) notes.push(`${member.name}: ${lost} datagrams were lost.`);
  };
  try {
    const kernel = await kernelOf(fleet);
    const warm: Record<string, WarmUp> = {};
    for (const seat of [...seats]) {
      await sitDown(seat);
      const problem = await begin(seat.member).catch((error: Error) => error.message);
      if (problem !== undefined) {
        notes.push(`${seat.name} is left out: ${problem}`);
        seats.splice(seats.indexOf(seat), 1);
        continue;
      }
      const warmed = await warmUp(settings.warmUp, async () => {
        const rate = rateOf([toTurn(await seat.member.machine.calls.turn(0, WARM_UP_WINDOW))]);
        progress(`${seat.name}: warming up, ${figure(rate)} transactions/s`);
        return rate;
      });
      await end(seat.member);
      warm[seat.name] = warmed;
      if (!warmed.settled) notes.push(`${seat.name} had not settled after ${warmed.rates.length} s.`);
    }
    const measurements: RrMeasurement[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const exitCostNs of exitCosts) {
        const members = [...new Set(seats.map(({ member }) => member))];
        for (const member of members) {
          await member.machine.calls.setExitCost(exitCostNs);
          await begin(member);
        }
        const results: TurnResult[][] = seats.map(() => []);
        const cycles = cyclesFor(seconds, slice);
        for (let cycle = 0; cycle < cycles; cycle++) {
          for (const place of turnOrder(cycle, seats.length)) {
            const seat = seats[place];
            if (!seat) continue;
            await sitDown(seat);
            results[place]?.push(await seat.member.machine.calls.turn(LEAD_IN, slice));
          }
        }
        for (const member of members) await end(member);
        for (const [place, { name }] of seats.entries()) {
          const measurement = toMeasurement({ column: name, round, exitCostNs }, results[place] ?? []);
          measurements.push(measurement);
          const cost = exitCostNs === 0 ? "" : ` at ${exitCostNs} ns`;
          progress(
            `round ${round} of ${rounds}, ${name}${cost}: ` +
              `${figure(measurement.transactionsPerSecond)} transactions/s`,
          );
        }
      }
    }
    return {
      details: { seconds, rounds, slice, leadIn: LEAD_IN, request, response, warmUp: warm, measurements },
      kernel,
    };
  } finally {
    await Promise.all(fleet.map(({ machine }) => machine.end()));
  }
}

export async function runRr(
  settings: RrSettings & { readonly command: Tool },
  progress: Progress,
): Promise<Outcome> {
  const env = environment();
  const notes: string[] = [];
  const { details, kernel } = await measureRr(settings, notes, progress);
  env.kernel = kernel;
  const { command, seconds, rounds, slice, request, response, exitCosts } = settings;
  return {
    report: {
      schema: 1,
      benchmark: command,
      environment: env,
      modelledExitCostNs: exitCosts,
      notes,
      summary: summarize(details.measurements),
      details,
    },
    body: [
      `${request} bytes there, ${response} bytes back; ${rounds} rounds of ${seconds} s each, in interleaved turns of ${slice} ms.`,
      ...exitCosts.map((exitCostNs) => renderRr(details.measurements, exitCostNs, command === "tcp_rr")),
    ].join("\n\n"),
  };
}
