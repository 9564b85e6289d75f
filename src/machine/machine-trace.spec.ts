import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { afterEach, describe, expect, it } from "vitest";
import { Cpu } from "../cpu/cpu.ts";
import type { TraceEvent } from "../metrics/trace-events.ts";
import { RngDevice } from "../virtio/device/rng.ts";
import { attachMmio } from "./attach.ts";
import { MachineTrace } from "./machine-trace.ts";
import { WINDOWS } from "./memory-map.ts";

const CODE = 0x10_0000;
const GDT = 0x1000;
const TURNS = 3000;
const MAGIC_VALUE = 0x000;
const QUEUE_SEL = 0x030;

const cpus: Cpu[] = [];

afterEach(async () => {
  await Promise.all(cpus.splice(0).map((cpu) => cpu.destroy()));
});

const le32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

/** A guest that reads MagicValue and writes QueueSel of a real device, over and over, until it halts for good. */
async function run(trace: "off" | "on") {
  const wasm = await readFile(createRequire(import.meta.url).resolve("v86/build/v86.wasm"));
  const cpu = await Cpu.create({
    wasm,
    memoryBytes: 4 * 0x10_0000,
    network: { routerIp: "10.0.2.2", routerMac: "52:55:0a:00:02:02", guestIp: "10.0.2.15" },
  });
  cpus.push(cpu);
  const device = new RngDevice({ random: (target) => target });
  const offer = { interrupts: "msi", doorbell: "per-queue", eventIndex: true } as const;
  const { transports } = attachMmio(cpu, { rng0: device }, offer, () => {});
  const counters = new Map([...transports].map(([name, transport]) => [name as string, transport.counters]));
  const recorder = new MachineTrace({ cpu, counters, peer: { addTap: () => () => {} }, now: () => 0 });
  if (trace === "on") recorder.start();
  const loop = [
    ...[0xa1, ...le32(WINDOWS.rng0 + MAGIC_VALUE)], // mov eax, [MagicValue]
    ...[0x89, 0x0d, ...le32(WINDOWS.rng0 + QUEUE_SEL)], // mov [QueueSel], ecx
    0x49, // dec ecx
  ];
  cpu.memory.view(CODE, 64).set([
    ...[0xb9, ...le32(TURNS)], // mov ecx, TURNS
    ...loop,
    ...[0x75, 0x100 - (loop.length + 2)], // jnz back to the loop
    ...[0xfa, 0xf4], // cli; hlt
  ]);
  cpu.memory.view(GDT + 0x10, 8).set([0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0]);
  cpu.memory.view(GDT + 0x18, 8).set([0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0]);
  cpu.enter({
    entry: CODE,
    bootParams: 0x3000,
    gdt: { address: GDT, bytes: 32 },
    codeSelector: 0x10,
    dataSelector: 0x18,
  });
  await new Promise<void>((resolve) => {
    cpu.onEvent(() => resolve());
    cpu.run();
  });
  return {
    instructions: cpu.instructions,
    metrics: transports.get("rng0")?.metrics(),
    events: recorder.events,
  };
}

describe("the machine's trace", () => {
  it("changes neither the guest's instructions nor its exits, and has each of them", async () => {
    const off = await run("off");
    const on = await run("on");
    expect(on.instructions).toBe(off.instructions);
    expect(on.metrics).toEqual(off.metrics);
    expect(off.events).toEqual([]);
    const of = (kind: TraceEvent["kind"]) => on.events.filter((event) => event.kind === kind);
    expect(on.metrics?.exits.total).toBe(2 * TURNS);
    expect(of("read")).toHaveLength(TURNS);
    expect(of("write")).toHaveLength(TURNS);
    expect(on.events[0]).toMatchObject({ register: "MagicValue", value: 0x74726976, device: "rng0" });
    expect(on.events.at(-1)).toMatchObject({ register: "QueueSel", value: 1 });
  });
});
