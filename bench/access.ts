/**
 * `bench access`: what a trapped register access costs on this emulated CPU, by a loop of machine code without a guest,
 * and whether the modelled exit cost is what it says.
 */
import { readWasm } from "../src/cli/files.ts";
import { Cpu } from "../src/cpu/cpu.ts";
import { RngDevice } from "../src/virtio/device/rng.ts";
import { MmioTransport } from "../src/virtio/transport/mmio.ts";
import { environment } from "./environment.ts";
import type { CommonSettings } from "./flags.ts";
import type { Progress } from "./fleet.ts";
import type { Outcome } from "./report.ts";
import { median, spread } from "./statistics.ts";
import { figure, hundredths, markdownTable, spreadText } from "./table.ts";

const MIB = 2 ** 20;
const CODE = 0x10_0000;
const DATA = 0x18_0000;
const GDT = 0x1000;
const DEVICE = 0xd000_0000;
/** Where the program says that its measured part begins and ends. */
const MARK = DEVICE + 0x1_0000;
/** virtio 1.2 section 4.2.2. */
const INTERRUPT_STATUS = 0x060;
const INTERRUPT_ACK = 0x064;

/** How long a measured loop is to take, in nanoseconds, and what an access takes at least: it says how many to make. */
const LOOP_TIME = 300e6;
const LEAST = { RAM: 5, device: 150 } as const;
/** Part of the accesses that comes first and is not counted: until the loop is translated. */
const WARM_UP = 0.3;
/** Accesses in a turn of the loop, so that the loop itself hardly counts. */
const UNROLLED = 16;
/** Costs at which the model is checked, in ns. */
const MODELLED = [500, 1000, 2000, 5000];

const le32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

const READ = (address: number): number[] => [0xa1, ...le32(address)]; // mov eax, [address]
const WRITE = (address: number): number[] => [0xa3, ...le32(address)]; // mov [address], eax
const INPUT = (): number[] => [0xe4, 0x80]; // in al, 0x80

/** What is accessed, and how; the first is what the others are compared with. */
const KINDS = [
  { name: "RAM, read", code: READ(DATA) },
  { name: "device, read: empty handler", code: READ(DEVICE + 0x8000) },
  { name: "device, read: InterruptStatus", code: READ(DEVICE + INTERRUPT_STATUS) },
  { name: "device, write: InterruptACK", code: WRITE(DEVICE + INTERRUPT_ACK) },
  { name: "peer: v86's own port, read", code: INPUT() },
] as const;
const MODEL_KIND = KINDS[2];

export interface AccessMeasurement {
  readonly kind: string;
  readonly exitCostNs: number;
  readonly round: number;
  /** Of one access, the loop's part taken off. */
  readonly nanoseconds: number;
}

export async function runAccess(settings: CommonSettings, progress: Progress): Promise<Outcome> {
  const env = environment();
  env.kernel = "none";
  const wasm = await readWasm();
  const measurements: AccessMeasurement[] = [];
  const [base, ...others] = KINDS;
  for (let round = 1; round <= settings.rounds; round++) {
    const ram = await time(wasm, base.code, LEAST.RAM, 0);
    measurements.push({ kind: base.name, exitCostNs: 0, round, nanoseconds: ram });
    const runs = [
      ...others.map((kind) => ({ kind, exitCostNs: 0 })),
      ...MODELLED.map((exitCostNs) => ({ kind: MODEL_KIND, exitCostNs })),
    ];
    for (const { kind, exitCostNs } of runs) {
      const nanoseconds = (await time(wasm, kind.code, LEAST.device, exitCostNs)) - ram;
      measurements.push({ kind: kind.name, exitCostNs, round, nanoseconds });
      progress(
        `round ${round} of ${settings.rounds}, ${kind.name}, ${exitCostNs} ns: ${figure(nanoseconds)} ns`,
      );
    }
  }
  const values = (kind: string, exitCostNs: number): number[] =>
    measurements
      .filter((one) => one.kind === kind && one.exitCostNs === exitCostNs)
      .map(({ nanoseconds }) => nanoseconds);
  const bare = values(MODEL_KIND.name, 0);
  const added = (cost: number): number[] =>
    values(MODEL_KIND.name, cost).map((nanoseconds, index) => nanoseconds - (bare[index] ?? Number.NaN));
  return {
    report: {
      schema: 1,
      benchmark: "access",
      environment: env,
      modelledExitCostNs: [0, ...MODELLED],
      notes: [],
      summary: {
        ...Object.fromEntries(KINDS.map(({ name }) => [name, { ns: median(values(name, 0)) }])),
        ...Object.fromEntries(
          MODELLED.map((cost) => [`modelled exit cost ${cost} ns`, { "ns added": median(added(cost)) }]),
        ),
      },
      details: { rounds: settings.rounds, measurements },
    },
    body: [
      `Accesses in a loop of about ${LOOP_TIME / 1e9} s; ${settings.rounds} rounds.`,
      markdownTable(
        ["access", "ns"],
        KINDS.map(({ name }, index) => [
          index === 0 ? name : `${name}, more than that`,
          spreadText(spread(values(name, 0)), figure),
        ]),
      ),
      "## The exit-cost model, checked",
      markdownTable(
        ["modelled exit cost", "ns added", "measured by asked"],
        MODELLED.map((cost) => [
          `${cost} ns`,
          spreadText(spread(added(cost)), figure),
          hundredths(median(added(cost)) / cost),
        ]),
      ),
    ].join("\n\n"),
  };
}

/** Nanoseconds of one access in a loop of them; `least` is what it takes at least, without a modelled cost. */
async function time(
  wasm: Uint8Array,
  access: readonly number[],
  least: number,
  exitCostNs: number,
): Promise<number> {
  const turns = Math.ceil(LOOP_TIME / (least + exitCostNs) / UNROLLED);
  const cpu = await Cpu.create({
    wasm,
    memoryBytes: 4 * MIB,
    network: { routerIp: "10.0.2.2", routerMac: "52:55:0a:00:02:02", guestIp: "10.0.2.15" },
  });
  try {
    const transport = new MmioTransport({
      device: new RngDevice({ random: () => {} }),
      memory: cpu.memory,
      line: cpu.line(5),
      messages: cpu.apic,
      log: () => {},
      interrupts: "wired",
      doorbell: "shared",
    });
    const marks: number[] = [];
    cpu.mapMmio(DEVICE, {
      read: (address, size) => {
        const offset = address - DEVICE;
        return offset < 0x1000 ? transport.read(offset, size) : 0;
      },
      write: (address, size, value) => {
        if (address === MARK) marks.push(performance.now());
        else transport.write(address - DEVICE, size, value);
      },
    });
    const turn = Array.from({ length: UNROLLED }, () => access).flat();
    const loop = (turns: number): number[] => [
      ...[0xbb, ...le32(turns)], // mov ebx, turns
      ...turn,
      0x4b, // dec ebx
      ...[0x0f, 0x85, ...le32(-(turn.length + 7))], // jnz to the turn
    ];
    program(cpu, [
      ...[0xb8, ...le32(1)], // mov eax, 1
      ...loop(Math.ceil(WARM_UP * turns)),
      ...WRITE(MARK),
      ...loop(turns),
      ...WRITE(MARK),
      ...[0xfa, 0xf4], // cli; hlt
    ]);
    cpu.exitCost.set(exitCostNs);
    await new Promise<void>((resolve, reject) => {
      cpu.onEvent((event, detail) => (event === "halted" ? resolve() : reject(new Error(detail))));
      cpu.run();
    });
    const [begun = 0, ended = 0] = marks;
    return ((ended - begun) * 1e6) / (turns * UNROLLED);
  } finally {
    await cpu.destroy();
  }
}

/** Enters flat protected mode at the program. */
function program(cpu: Cpu, code: readonly number[]): void {
  cpu.memory.view(CODE, code.length).set(code);
  cpu.memory.view(GDT + 0x10, 8).set([0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0]);
  cpu.memory.view(GDT + 0x18, 8).set([0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0]);
  cpu.enter({
    entry: CODE,
    bootParams: 0x3000,
    gdt: { address: GDT, bytes: 32 },
    codeSelector: 0x10,
    dataSelector: 0x18,
  });
}
