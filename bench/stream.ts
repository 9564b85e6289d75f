/** `bench stream`: TCP bulk both ways, to the peer's discard service and from its source service. */
import type { DeviceMetrics, MetricsSnapshot } from "../src/index.ts";
import { type ColumnName, PEER_COLUMN } from "./columns.ts";
import { environment } from "./environment.ts";
import type { BulkSettings } from "./flags.ts";
import { alone, bootFleet, type FleetMachine, kernelOf, type Progress, warmUpByTransfers } from "./fleet.ts";
import { MachineError } from "./machine.ts";
import type { Outcome } from "./report.ts";
import { median, pairedRatio, spread } from "./statistics.ts";
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

/**
 * dd has the socket itself: nc alone moves a KiB at a time. The guest's clock of hundredths of a second measures from
 * the connection to its end; what the services have got is then at most a window less.
 */
function command(direction: Direction, bytes: number): string {
  const transfer =
    direction === "to peer"
      ? `nc 10.0.2.2 9 -e dd if=/dev/zero bs=64k count=${bytes / 65536} 2>/dev/null`
      : `nc 10.0.2.2 19 -e sh -c 'echo ${bytes}; exec dd of=/dev/null bs=64k 2>/dev/null'`;
  return `read a _ < /proc/uptime; ${transfer} && read b _ < /proc/uptime && echo "$a $b"`;
}

export async function runStream(settings: BulkSettings, progress: Progress): Promise<Outcome> {
  const env = environment();
  const notes: string[] = [];
  const fleet = await bootFleet(settings.columns, settings.place, notes, progress);
  const measurements: StreamMeasurement[] = [];
  const bytes = Math.ceil((settings.mib * MIB) / 65536) * 65536;
  try {
    env.kernel = await kernelOf(fleet);
    const say = (when: string, { column, direction, megabitsPerSecond }: StreamMeasurement): void =>
      progress(`${when}, ${column}, ${direction}: ${figure(megabitsPerSecond)} Mbit/s`);
    for (const member of fleet) {
      for (const direction of DIRECTIONS) {
        await warmUpByTransfers(async () => {
          const measurement = await measure(member, direction, 0, bytes);
          say("warming up", measurement);
          return { rate: measurement.megabitsPerSecond, seconds: measurement.seconds };
        });
      }
    }
    for (let round = 1; round <= settings.rounds; round++) {
      for (const member of fleet) {
        for (const direction of DIRECTIONS) {
          const measurement = await measure(member, direction, round, bytes);
          measurements.push(measurement);
          say(`round ${round} of ${settings.rounds}`, measurement);
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
  const speeds = (column: ColumnName, direction: Direction): number[] =>
    of(column, direction, (one) => one.megabitsPerSecond);
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
              "Mbit/s": median(speeds(name, direction)),
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
      `One TCP connection, ${settings.mib} MiB of data in pieces of 64 KiB; ${settings.rounds} interleaved rounds.`,
      ...DIRECTIONS.flatMap((direction) => [
        `## ${direction === "to peer" ? "Guest to peer" : "Peer to guest"}`,
        markdownTable(
          [
            "column",
            "Mbit/s",
            `to ${PEER_COLUMN}`,
            "exits per MiB",
            "interrupts per MiB",
            "guest instructions per byte",
          ],
          names.map((name) => [
            name,
            spreadText(spread(speeds(name, direction)), figure),
            spreadText(pairedRatio(speeds(name, direction), speeds(PEER_COLUMN, direction)), hundredths),
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
  const { stdout, before, after } = await alone(member, async (machine) => {
    const result = await machine.run(command(direction, bytes));
    // What the guest's socket still held when dd had ended.
    await machine.run("sleep 0.2");
    return { ...result, after: await machine.calls.metrics() };
  });
  const [begun = 0, ended = 0] = stdout.trim().split(/\s+/).map(Number);
  const seconds = ended - begun;
  const net = (value: (device: DeviceMetrics) => number): number => {
    const at = ({ devices }: MetricsSnapshot): number => (devices.net0 ? value(devices.net0) : 0);
    return at(after) - at(before);
  };
  const onTheCable = net(
    (device) => (direction === "to peer" ? device.net?.txBytes : device.net?.rxBytes) ?? 0,
  );
  if (onTheCable < bytes || !(seconds > 0))
    throw new MachineError(`${member.name}, ${direction}: ${onTheCable} of ${bytes} bytes came.`);
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
