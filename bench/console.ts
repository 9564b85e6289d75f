/** `bench console`: how fast a file comes out of the virtio console, beside the serial port. */
import type { ColumnName } from "./columns.ts";
import { environment } from "./environment.ts";
import type { BulkSettings } from "./flags.ts";
import { alone, bootFleet, type FleetMachine, kernelOf, type Progress, warmUpByTransfers } from "./fleet.ts";
import { MachineError } from "./machine.ts";
import type { Outcome } from "./report.ts";
import { median, pairedRatio, spread } from "./statistics.ts";
import { figure, hundredths, markdownTable, spreadText } from "./table.ts";

const MIB = 2 ** 20;
const FILE = "/tmp/bench-text";
/** The serial port takes a trapped access for each byte: it gets this part of the data. */
const SERIAL_PART = 1 / 16;
/** 64 characters, of which the last is the line feed; the terminal makes 65 of them. */
const LINE = "The quick brown fox jumps over the lazy dog, again and again ...";

const CHANNELS = { console: "/dev/hvc0", serial: "/dev/ttyS0" } as const;
type Channel = keyof typeof CHANNELS;
/** Its row in the table. */
const SERIAL = "peer: serial port";

export interface ConsoleMeasurement {
  readonly column: ColumnName;
  readonly channel: Channel;
  readonly round: number;
  /** As they came out on the host. */
  readonly bytes: number;
  readonly milliseconds: number;
  readonly mibPerSecond: number;
  /** Of the virtio console; 0 for the serial port, whose accesses are v86's. */
  readonly exitsPerKiB: number;
  readonly instructionsPerByte: number;
}

export async function runConsole(settings: BulkSettings, progress: Progress): Promise<Outcome> {
  const env = environment();
  const notes: string[] = [];
  // The network card does not matter here.
  const columns = settings.columns.filter((name) => name !== "v86-virtio-net");
  const fleet = await bootFleet(columns, settings.place, notes, progress);
  const measurements: ConsoleMeasurement[] = [];
  try {
    env.kernel = await kernelOf(fleet);
    for (const member of fleet) await prepare(member, settings.mib);
    // The serial port is the same in all columns.
    const rows = fleet.flatMap((member, index) =>
      (index === 0 ? (["console", "serial"] as const) : (["console"] as const)).map((channel) => ({
        member,
        channel,
      })),
    );
    const say = (when: string, measurement: ConsoleMeasurement): void =>
      progress(`${when}, ${rowName(measurement)}: ${hundredths(measurement.mibPerSecond)} MiB/s`);
    for (const { member, channel } of rows) {
      await warmUpByTransfers(async () => {
        const measurement = await measure(member, channel, 0);
        say("warming up", measurement);
        return { rate: measurement.mibPerSecond, seconds: measurement.milliseconds / 1000 };
      });
    }
    for (let round = 1; round <= settings.rounds; round++) {
      for (const { member, channel } of rows) {
        const measurement = await measure(member, channel, round);
        measurements.push(measurement);
        say(`round ${round} of ${settings.rounds}`, measurement);
      }
    }
  } finally {
    await Promise.all(fleet.map(({ machine }) => machine.end()));
  }
  const rows = [...new Set(measurements.map(rowName))];
  const of = (row: string, value: (one: ConsoleMeasurement) => number): number[] =>
    measurements.filter((one) => rowName(one) === row).map(value);
  const speeds = (row: string): number[] => of(row, (one) => one.mibPerSecond);
  return {
    report: {
      schema: 1,
      benchmark: "console",
      environment: env,
      modelledExitCostNs: [0],
      notes,
      summary: Object.fromEntries(
        rows.map((row) => [
          row,
          {
            "MiB/s": median(speeds(row)),
            "exits/KiB": median(of(row, (one) => one.exitsPerKiB)),
            "guest instructions/byte": median(of(row, (one) => one.instructionsPerByte)),
          },
        ]),
      ),
      details: { mib: settings.mib, rounds: settings.rounds, measurements },
    },
    body: [
      `\`cat\` of ${settings.mib} MiB of text to the console, ${settings.mib * SERIAL_PART} MiB to the serial port, ` +
        `as it comes out on the host; ${settings.rounds} interleaved rounds.`,
      markdownTable(
        ["column", "MiB/s", "to the serial port", "exits per KiB", "guest instructions per byte"],
        rows.map((row) => [
          row,
          spreadText(spread(speeds(row)), hundredths),
          spreadText(pairedRatio(speeds(row), speeds(SERIAL)), hundredths),
          hundredths(median(of(row, (one) => one.exitsPerKiB))),
          figure(median(of(row, (one) => one.instructionsPerByte))),
        ]),
      ),
    ].join("\n\n"),
  };
}

function rowName({ column, channel }: Pick<ConsoleMeasurement, "column" | "channel">): string {
  return channel === "console" ? column : SERIAL;
}

async function prepare(member: FleetMachine, mib: number): Promise<void> {
  const lines = Math.round((mib * MIB) / 64);
  await alone(member, async (machine) => {
    for (const [channel, part] of [
      ["console", 1],
      ["serial", SERIAL_PART],
    ] as const) {
      const count = Math.max(1, Math.round(lines * part));
      await machine.run(`yes '${LINE.slice(0, 63)}' | head -n ${count} > ${FILE}-${channel}`);
    }
  });
}

async function measure(member: FleetMachine, channel: Channel, round: number): Promise<ConsoleMeasurement> {
  const { status, bytes, milliseconds, before, after } = await alone(member, (machine) =>
    machine.calls.output(`cat ${FILE}-${channel} > ${CHANNELS[channel]}`, channel),
  );
  if (status !== 0 || bytes === 0) throw new MachineError(`Nothing came out of ${CHANNELS[channel]}.`);
  const exits = (after.devices.console0?.exits.total ?? 0) - (before.devices.console0?.exits.total ?? 0);
  return {
    column: member.name,
    channel,
    round,
    bytes,
    milliseconds,
    mibPerSecond: bytes / MIB / (milliseconds / 1000),
    exitsPerKiB: channel === "console" ? exits / (bytes / 1024) : 0,
    instructionsPerByte: (after.guestInstructions - before.guestInstructions) / bytes,
  };
}
