/** `bench stream`: TCP bulk both ways. The guest's own clock measures from the first byte to the closed connection. */
import type { DeviceMetrics, MetricsSnapshot } from "../src/index.ts";
import type { ColumnName } from "./columns.ts";
import { environment } from "./environment.ts";
import type { BulkSettings } from "./flags.ts";
import { alone, bootFleet, type FleetMachine, kernelOf, type Progress } from "./fleet.ts";
import { MachineError } from "./machine.ts";
import type { Outcome } from "./report.ts";
import { median, spread } from "./statistics.ts";
import { figure, hundredths, markdownTable, spreadText } from "./table.ts";

const MIB = 2 ** 20;

/** Which way the data go: to the discard service, from the source service. */
const DIRECTIONS = ["to peer", "to guest"] as const;
type Direction = (typeof DIRECTIONS)[number];

export interface StreamMeasurement {
  readonly column: ColumnName;
  readonly direction: Direction;
  readonly round: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly megabitsPerSecond: number;
  readonly exitsPerMiB: number;
  readonly interruptsPerMiB: number;
  readonly instructionsPerByte: number;
}

/** nc ends when the service has closed: after all has come, or gone. The shell's clock has hundredths of a second. */
function command(direction: Direction, bytes: number): string {
  const pipe =
    direction === "to peer"
      ? `dd if=/dev/zero bs=64k count=${Math.ceil(bytes / 65536)} 2>/dev/null | nc 10.0.2.2 9`
      : `echo ${bytes} | nc 10.0.2.2 19 | wc -c`;
  return `set -e; a=$(cut -d' ' -f1 /proc/uptime); n=$(${pipe}); b=$(cut -d' ' -f1 /proc/uptime); echo "$a $b $n"`;
}

export async function runStream(settings: BulkSettings, progress: Progress): Promise<Outcome> {
  const env = environment();
  const notes: string[] = [];
  const fleet = await bootFleet(settings.columns, notes, progress);
  const measurements: StreamMeasurement[] = [];
  const bytes = Math.ceil((settings.mib * MIB) / 65536) * 65536;
  try {
    env.kernel = await kernelOf(fleet);
    // A first transfer of everything warms up; it is not counted.
    for (let round = 0; round <= settings.rounds; round++) {
      for (const member of fleet) {
        for (const direction of DIRECTIONS) {
          const measurement = await measure(member, direction, round, bytes);
          if (round > 0) measurements.push(measurement);
          progress(
            `${round === 0 ? "warming up" : `round ${round} of ${settings.rounds}`}, ${member.name}, ${direction}: ` +
              `${figure(measurement.megabitsPerSecond)} Mbit/s`,
          );
        }
      }
    }
  } finally {
    await Promise.all(fleet.map(({ machine }) => machine.end()));
  }
  const of = (
    column: ColumnName,
    direction: Direction,
    value: (one: StreamMeasurement) => number,
  ): number[] =>
    measurements.filter((one) => one.column === column && one.direction === direction).map(value);
  const names = fleet.map(({ name }) => name);
  return {
    report: {
      schema: 1,
      benchmark: "stream",
      environment: env,
      modelledExitCostNs: [0],
      notes,
      summary: Object.fromEntries(
        names.flatMap((name) =>
          DIRECTIONS.map((direction) => [
            `${name}, ${direction}`,
            {
              "Mbit/s": median(of(name, direction, (one) => one.megabitsPerSecond)),
              "exits/MiB": median(of(name, direction, (one) => one.exitsPerMiB)),
              "interrupts/MiB": median(of(name, direction, (one) => one.interruptsPerMiB)),
              "guest instructions/byte": median(of(name, direction, (one) => one.instructionsPerByte)),
            },
          ]),
        ),
      ),
      details: { mib: settings.mib, rounds: settings.rounds, measurements },
    },
    body: [
      `One TCP connection, ${settings.mib} MiB of data, ${settings.rounds} interleaved rounds.`,
      ...DIRECTIONS.flatMap((direction) => [
        `## ${direction === "to peer" ? "Guest to peer" : "Peer to guest"}`,
        markdownTable(
          ["column", "Mbit/s", "exits per MiB", "interrupts per MiB", "guest instructions per byte"],
          names.map((name) => [
            name,
            spreadText(spread(of(name, direction, (one) => one.megabitsPerSecond)), figure),
            figure(median(of(name, direction, (one) => one.exitsPerMiB))),
            figure(median(of(name, direction, (one) => one.interruptsPerMiB))),
            hundredths(median(of(name, direction, (one) => one.instructionsPerByte))),
          ]),
        ),
      ]),
    ].join("\n\n"),
  };
}

async function measure(
  member: FleetMachine,
  direction: Direction,
  round: number,
  bytes: number,
): Promise<StreamMeasurement> {
  const { stdout, before, after } = await alone(member, (machine) => machine.run(command(direction, bytes)));
  const [begun = 0, ended = 0, counted = bytes] = stdout.trim().split(/\s+/).map(Number);
  const seconds = ended - begun;
  if (counted !== bytes || !(seconds > 0))
    throw new MachineError(`${member.name}, ${direction}: ${counted} of ${bytes} bytes came.`);
  const net = (value: (device: DeviceMetrics) => number): number => {
    const at = ({ devices }: MetricsSnapshot): number => (devices.net0 ? value(devices.net0) : 0);
    return at(after) - at(before);
  };
  return {
    column: member.name,
    direction,
    round,
    bytes,
    seconds,
    megabitsPerSecond: (bytes * 8) / 1e6 / seconds,
    exitsPerMiB: net(({ exits }) => exits.total) / (bytes / MIB),
    interruptsPerMiB: net(({ interrupts }) => interrupts.wired + interrupts.msi) / (bytes / MIB),
    instructionsPerByte: (after.guestInstructions - before.guestInstructions) / bytes,
  };
}
