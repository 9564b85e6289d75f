import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { decode, encode, StateError } from "../state/codec.ts";
import { CPU_STATE, Cpu } from "./cpu.ts";
import { forEachRun, PAGE_SIZE } from "./v86-state.ts";

const MIB = 0x100000;
const CODE = 0x10_0000;
const COUNT = 0x12_0000;
const GDT = 0x1000;
let wasm: Uint8Array;
const cpus: Cpu[] = [];

beforeAll(async () => {
  wasm = await readFile(createRequire(import.meta.url).resolve("v86/build/v86.wasm"));
});
afterEach(async () => {
  await Promise.all(cpus.splice(0).map((cpu) => cpu.destroy()));
});

async function createCpu(memoryMiB = 4): Promise<Cpu> {
  const cpu = await Cpu.create({
    wasm,
    memoryBytes: memoryMiB * MIB,
    network: { routerIp: "10.0.2.2", routerMac: "52:55:0a:00:02:02", guestIp: "10.0.2.15" },
  });
  cpus.push(cpu);
  return cpu;
}

const le32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

/** A CPU that adds one to EAX and stores it at COUNT, again and again. */
async function counting(): Promise<Cpu> {
  const cpu = await createCpu();
  const put = (address: number, bytes: readonly number[]) =>
    cpu.memory.view(address, bytes.length).set(bytes);
  put(GDT + 0x10, [0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0]);
  put(GDT + 0x18, [0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0]);
  put(CODE, [0x40, 0xa3, ...le32(COUNT), 0xeb, 0xf8]); // inc eax; mov [COUNT], eax; jmp back
  cpu.enter({
    entry: CODE,
    bootParams: 0x3000,
    gdt: { address: GDT, bytes: 32 },
    codeSelector: 0x10,
    dataSelector: 0x18,
  });
  cpu.run();
  await eventually(() => cpu.memory.readU32(COUNT) > 1000);
  cpu.stop();
  await new Promise((resolve) => setTimeout(resolve, 20));
  return cpu;
}

async function eventually(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2000 && !condition(); tries++)
    await new Promise((resolve) => setTimeout(resolve, 4));
  expect(condition()).toBe(true);
}

/** As a snapshot does it: state as bytes, pages without those that are zero. */
function saved(cpu: Cpu): { state: Uint8Array; map: Uint8Array; pages: Uint8Array } {
  const { map, length, copyTo } = cpu.saveMemory();
  const pages = new Uint8Array(length);
  copyTo(pages);
  return { state: encode(CPU_STATE, cpu.save()), map, pages };
}

describe("a saved CPU", () => {
  it("goes on in another one with the next instruction, its registers and its memory", async () => {
    const cpu = await counting();
    cpu.line(10).set(true);
    const { state, map, pages } = saved(cpu);
    const count = cpu.memory.readU32(COUNT);
    const instructions = cpu.instructions;
    const other = await createCpu();
    let at = 0;
    forEachRun(map, (address, length) => {
      other.memory.view(address, length).set(pages.subarray(at, at + length));
      at += length;
    });
    other.restore(decode(CPU_STATE, state));
    expect(at).toBe(pages.length);
    expect(pages.length).toBeLessThan(16 * PAGE_SIZE);
    expect(other.instructions).toBe(instructions);
    expect(other.memory.readU32(COUNT)).toBe(count);
    other.run();
    await eventually(() => other.memory.readU32(COUNT) > count + 1000);
    expect(other.instructions).toBeGreaterThan(instructions + 1000);
    // Both know of the line: driving it up again does nothing.
    expect(encode(CPU_STATE, { ...other.save(), v86: new Uint8Array(0), clock: 0, instructions: 0 })).toEqual(
      encode(CPU_STATE, { ...cpu.save(), v86: new Uint8Array(0), clock: 0, instructions: 0 }),
    );
  });

  it("is refused by one with other memory", async () => {
    const cpu = await createCpu(2);
    const other = await createCpu(4);
    expect(() => other.restore(cpu.save())).toThrow(/memory is of another size/);
  });

  it("is taken or refused, whatever bytes stand in its description of v86", async () => {
    const cpu = await createCpu(2);
    const state = cpu.save();
    const json = new DataView(state.v86.buffer).getUint32(12, true);
    let refused = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(16 + json - 1), fc.integer({ min: 32, max: 126 })), {
          minLength: 1,
          maxLength: 2,
        }),
        (changes) => {
          const v86 = state.v86.slice();
          for (const [place, byte] of changes) v86[place] = byte;
          try {
            cpu.restore({ ...state, v86 });
          } catch (error) {
            expect(error).toBeInstanceOf(StateError);
            refused++;
          }
        },
      ),
      { numRuns: 200 },
    );
    expect(refused).toBeGreaterThan(20);
    cpu.restore(state);
  });
});
