import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { GuestMemoryError } from "../virtio/types.ts";
import { Cpu, type CpuEvent, MMIO_BLOCK_SIZE } from "./cpu.ts";

const MIB = 0x100000;
const DEVICE = 0xd000_0000;
const CODE = 0x10_0000;
const GDT = 0x1000;
const IDT = 0x2000;
const HANDLER = 0x11_0000;
const COUNT = 0x12_0000;
const LOCAL_APIC_EOI = 0xfee0_00b0;

let wasm: Uint8Array;
let cpus: Cpu[] = [];

beforeAll(async () => {
  wasm = await readFile(createRequire(import.meta.url).resolve("v86/build/v86.wasm"));
});

afterEach(async () => {
  await Promise.all(cpus.map((cpu) => cpu.destroy()));
  cpus = [];
});

async function createCpu(memoryMiB = 4): Promise<Cpu> {
  const cpu = await Cpu.create({
    wasm,
    memoryBytes: memoryMiB * MIB,
    interpreted: 0,
    network: { routerIp: "10.0.2.2", routerMac: "52:55:0a:00:02:02", guestIp: "10.0.2.15" },
  });
  cpus.push(cpu);
  return cpu;
}

const le32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

/** Puts machine code at an address. */
function program(cpu: Cpu, address: number, code: readonly number[]): void {
  cpu.memory.view(address, code.length).set(code);
}

/** Enters flat protected mode at CODE, as the boot loader does. */
function enter(cpu: Cpu): void {
  program(cpu, GDT + 0x10, [0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0]);
  program(cpu, GDT + 0x18, [0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0]);
  cpu.enter({
    entry: CODE,
    bootParams: 0x3000,
    gdt: { address: GDT, bytes: 32 },
    codeSelector: 0x10,
    dataSelector: 0x18,
  });
}

/** An interrupt gate for `vector` whose handler adds one to the word at COUNT and ends the interrupt. */
function countInterrupts(cpu: Cpu, vector: number): number[] {
  program(cpu, IDT + vector * 8, [
    HANDLER & 0xff,
    (HANDLER >>> 8) & 0xff,
    0x10,
    0,
    0,
    0x8e,
    (HANDLER >>> 16) & 0xff,
    HANDLER >>> 24,
  ]);
  program(cpu, HANDLER, [
    ...[0xff, 0x05, ...le32(COUNT)], // inc dword [COUNT]
    ...[0xc7, 0x05, ...le32(LOCAL_APIC_EOI), ...le32(0)], // mov dword [EOI], 0
    0xcf, // iret
  ]);
  const idtr = 0x2f00;
  program(cpu, idtr, [0xff, 0x07, ...le32(IDT)]);
  return [
    ...[0xbc, ...le32(0x8_0000)], // mov esp, 0x80000
    ...[0x0f, 0x01, 0x1d, ...le32(idtr)], // lidt [idtr]
  ];
}

const HALT_FOR_GOOD = [0xfa, 0xf4]; // cli; hlt
const WAIT = [0xfb, 0xf4, 0xeb, 0xfd]; // sti; hlt; jmp back to hlt
const SPIN = [0xfb, 0xeb, 0xfe]; // sti; jmp self
const STORE_DEVICE = (offset: number, value: number): number[] => [
  0xc7,
  0x05,
  ...le32(DEVICE + offset),
  ...le32(value),
];

/** Runs until the program halts with interrupts off. */
function runToHalt(cpu: Cpu): Promise<void> {
  return new Promise((resolve, reject) => {
    cpu.onEvent((event, detail) =>
      event === "halted" ? resolve() : reject(new Error(`${event}: ${detail}`)),
    );
    cpu.run();
  });
}

async function eventually(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !condition(); tries++)
    await new Promise((resolve) => setTimeout(resolve, 4));
  expect(condition()).toBe(true);
}

describe("watching interrupts", () => {
  /** 2000 stores to a device that sends a message for each, then one moment with interrupts on, for all of them. */
  async function run(watching: boolean): Promise<{ instructions: number; exits: number; seen: string[] }> {
    const cpu = await createCpu();
    enter(cpu);
    const vector = 0x41;
    const store = STORE_DEVICE(0, 7);
    program(cpu, CODE, [
      ...countInterrupts(cpu, vector),
      ...[0xb9, ...le32(2000)], // mov ecx, 2000
      ...store,
      ...[0x49, 0x75, 0x100 - (store.length + 3)], // dec ecx; jnz back to the store
      ...[0xfb, 0x90], // sti; nop
      ...HALT_FOR_GOOD,
    ]);
    let exits = 0;
    cpu.mapMmio(DEVICE, {
      read: () => 0,
      write: () => {
        exits++;
        cpu.apic.send(0, 0xfee0_0000, vector);
      },
    });
    const seen: string[] = [];
    if (watching) {
      cpu.observeInterrupts({
        line: () => {},
        requested: () => seen.push("requested"),
        taken: () => seen.push("taken"),
        ended: () => seen.push("eoi"),
        looked: () => {},
      });
    }
    await runToHalt(cpu);
    return { instructions: cpu.instructions, exits, seen };
  }

  it("changes neither what the guest executes nor how often it exits", async () => {
    const off = await run(false);
    const on = await run(true);
    expect(off.exits).toBe(2000);
    expect(on).toMatchObject({ instructions: off.instructions, exits: off.exits });
    expect(on.seen).toEqual(["requested", "taken", "eoi"]);
  });
});

describe("stopping soon", () => {
  it("ends the slice early, and counts no instruction that was not executed", async () => {
    const cpu = await createCpu();
    enter(cpu);
    const store = STORE_DEVICE(0, 7);
    // A loop that is translated as a whole: v86 looks up from it now and then only.
    program(cpu, CODE, [
      ...[0xb9, ...le32(100)], // mov ecx, 100
      ...[0x49, 0x75, 0xfd], // dec ecx; jnz back
      ...store,
      ...[0xeb, 0x100 - (store.length + 10)], // jmp to the start
    ]);
    let exits = 0;
    let due = 0;
    let stopped: Promise<void> | undefined;
    cpu.mapMmio(DEVICE, {
      read: () => 0,
      write: () => {
        exits++;
        if (exits === due) stopped = cpu.stopSoon();
      },
    });
    const perTurn = 203;
    for (let round = 1; round <= 3; round++) {
      stopped = undefined;
      due = exits + 5000;
      cpu.run();
      await eventually(() => stopped !== undefined);
      await stopped;
      expect(cpu.running).toBe(false);
      expect((exits - due) * perTurn).toBeLessThan(110_000);
      expect(Math.abs(cpu.instructions - exits * perTurn)).toBeLessThan(perTurn);
    }
  });

  it("leaves a guest that halts halted, and wakes it as ever", async () => {
    const cpu = await createCpu();
    enter(cpu);
    program(cpu, CODE, [...countInterrupts(cpu, 0x41), ...STORE_DEVICE(0, 1), ...WAIT]);
    let stopped: Promise<void> | undefined;
    cpu.mapMmio(DEVICE, {
      read: () => 0,
      write: () => {
        stopped = cpu.stopSoon();
      },
    });
    cpu.run();
    await eventually(() => stopped !== undefined);
    await stopped;
    cpu.run();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(cpu.memory.readU32(COUNT)).toBe(0);
    cpu.apic.send(0, 0xfee0_0000, 0x41);
    await eventually(() => cpu.memory.readU32(COUNT) === 1);
  });
});

describe("the inspection of the interrupt controllers", () => {
  it("shows a request in IRR, and the redirection table as a guest has written it", async () => {
    const cpu = await createCpu();
    enter(cpu);
    const select = (register: number): number[] => [0xc7, 0x05, ...le32(0xfec0_0000), ...le32(register)];
    const write = (value: number): number[] => [0xc7, 0x05, ...le32(0xfec0_0010), ...le32(value)];
    program(cpu, CODE, [
      ...[...select(0x10 + 2 * 10), ...write(0xa922)], // pin 10: vector 0x22, lowest priority, logical, active low, level
      ...[...select(0x11 + 2 * 10), ...write(0x0300_0000)],
      ...STORE_DEVICE(0, 1),
      ...HALT_FOR_GOOD,
    ]);
    cpu.mapMmio(DEVICE, { read: () => 0, write: () => cpu.apic.send(0, 0xfee0_0000, 0x41) });
    expect(cpu.inspectInterrupts().ioapic[10]).toMatchObject({ masked: true, vector: 0 });
    await runToHalt(cpu);
    const { localApic, ioapic } = cpu.inspectInterrupts();
    expect(localApic.irr).toEqual([0, 0, 1 << 1, 0, 0, 0, 0, 0]);
    expect(localApic.isr).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(ioapic).toHaveLength(24);
    expect(ioapic[10]).toEqual({
      pin: 10,
      vector: 0x22,
      delivery: 1,
      logical: true,
      destination: 3,
      activeLow: true,
      level: true,
      masked: false,
      remoteIrr: false,
    });
  });
});

describe("guest memory", () => {
  it("refuses every range that is not wholly RAM, with the address and length in the error", async () => {
    const { memory } = await createCpu();
    for (const [address, length] of [
      [4 * MIB, 1],
      [4 * MIB - 1, 2],
      [-1, 1],
      [0, 4 * MIB + 1],
      [2 ** 64 - 1, 2 ** 32],
      [Number.NaN, 1],
    ] as const) {
      expect(memory.contains(address, length)).toBe(false);
      expect(() => memory.view(address, length)).toThrow(GuestMemoryError);
    }
    expect(memory.contains(4 * MIB - 4, 4)).toBe(true);
    memory.writeU32(4 * MIB - 4, 0xdeadbeef);
    expect(memory.readU32(4 * MIB - 4)).toBe(0xdeadbeef);
    expect(() => memory.writeU32(4 * MIB - 3, 0)).toThrow(GuestMemoryError);
  });

  it("makes the CPU forget code that a device has overwritten", async () => {
    const cpu = await createCpu();
    enter(cpu);
    // A loop that stores BL to the device; BL is loaded inside the loop, so that the loop gets translated with it.
    const immediate = CODE + 1;
    program(cpu, CODE, [0xb3, 1, 0x88, 0x1d, ...le32(DEVICE), 0xeb, 0xf6]);
    let value = 0;
    let writes = 0;
    cpu.mapMmio(DEVICE, {
      read: () => 0,
      write: (_address, _size, written) => {
        value = written;
        writes += 1;
      },
    });
    cpu.run();
    await eventually(() => writes > 200_000);
    expect(value).toBe(1);
    cpu.memory.view(immediate, 1)[0] = 2;
    cpu.memory.written(immediate, 1);
    await eventually(() => value === 2);
  });
});

describe("memory-mapped accesses", () => {
  it("arrive with their true sizes: 8, 16 and 32 bits wide writes, 8 and 32 bits wide reads", async () => {
    const cpu = await createCpu();
    enter(cpu);
    const seen: string[] = [];
    cpu.mapMmio(DEVICE, {
      read: (address, size) => {
        seen.push(`read${size * 8} +${(address - DEVICE).toString(16)}`);
        return size === 4 ? 0x80000001 : 0x7f;
      },
      write: (address, size, value) => {
        seen.push(`write${size * 8} +${(address - DEVICE).toString(16)} ${value.toString(16)}`);
      },
    });
    program(cpu, CODE, [
      ...[0xc6, 0x05, ...le32(DEVICE + 1), 0xab], // mov byte
      ...[0x66, 0xc7, 0x05, ...le32(DEVICE + 2), 0xcd, 0xef], // mov word
      ...STORE_DEVICE(4, 0xfedcba98), // mov dword
      ...[0xa0, ...le32(DEVICE + 8)], // mov al, [..]
      ...[0xa1, ...le32(DEVICE + 12)], // mov eax, [..]
      ...[0xa3, ...le32(COUNT)], // mov [COUNT], eax
      ...HALT_FOR_GOOD,
    ]);
    await runToHalt(cpu);
    expect(seen).toEqual(["write8 +1 ab", "write16 +2 efcd", "write32 +4 fedcba98", "read8 +8", "read32 +c"]);
    expect(cpu.memory.readU32(COUNT)).toBe(0x80000001);
  });

  it("are refused at an address that is not the start of a block", async () => {
    const cpu = await createCpu();
    expect(() => cpu.mapMmio(DEVICE + MMIO_BLOCK_SIZE / 2, { read: () => 0, write: () => {} })).toThrow(
      RangeError,
    );
  });
});

describe("the local APIC's message port", () => {
  it("wakes a halted CPU and runs the handler once for each message", async () => {
    const cpu = await createCpu();
    enter(cpu);
    program(cpu, CODE, [...countInterrupts(cpu, 0x41), ...WAIT]);
    cpu.run();
    await eventually(() => cpu.instructions > 2);
    for (let message = 1; message <= 3; message++) {
      expect(cpu.apic.send(0, 0xfee00000, 0x41)).toBe("delivered");
      await eventually(() => cpu.memory.readU32(COUNT) === message);
    }
    expect(cpu.apic.counters).toEqual({ delivered: 3, merged: 0, refused: 0 });
  });

  it("interrupts a guest that spins without ever halting", async () => {
    const cpu = await createCpu();
    enter(cpu);
    program(cpu, CODE, [...countInterrupts(cpu, 0x41), ...SPIN]);
    cpu.run();
    await eventually(() => cpu.instructions > 1_000_000);
    cpu.apic.send(0, 0xfee00000, 0x41);
    await eventually(() => cpu.memory.readU32(COUNT) === 1);
  });

  it("interrupts a guest that spins after the access that asked for it, long before a slice's instructions are over", async () => {
    const cpu = await createCpu();
    const vector = 0x31;
    cpu.mapMmio(DEVICE, {
      read: () => 0,
      write: () => void cpu.apic.send(0, 0xfee0_0000, vector),
    });
    const code = [
      ...countInterrupts(cpu, vector),
      0xfb, // sti
      ...STORE_DEVICE(0, 1),
      ...[0x31, 0xc0], // xor eax, eax
      ...[0x40, 0xeb, 0xfd], // inc eax; jmp back to inc
    ];
    program(cpu, CODE, code);
    // The handler keeps how often the loop has gone round, two instructions each, and halts for good.
    program(cpu, HANDLER, [0xa3, ...le32(COUNT), ...HALT_FOR_GOOD]);
    enter(cpu);
    await runToHalt(cpu);
    const turns = cpu.memory.view(COUNT, 4);
    const instructions = 2 * new DataView(turns.buffer, turns.byteOffset).getUint32(0, true);
    // v86 looks for interrupts after 100,003 instructions at the latest; translated code looks between two blocks.
    expect(instructions).toBeLessThan(110_000);
  });

  it("merges a message with the same one pending, and says so", async () => {
    const cpu = await createCpu();
    enter(cpu);
    program(cpu, CODE, HALT_FOR_GOOD);
    expect(cpu.apic.send(0, 0xfee00000, 0x41)).toBe("delivered");
    expect(cpu.apic.send(0, 0xfee00000, 0x41)).toBe("merged");
    expect(cpu.apic.send(0, 0xfee01008, 0x4142)).toBe("delivered");
    expect(cpu.apic.counters).toEqual({ delivered: 2, merged: 1, refused: 0 });
  });

  it("delivers a message sent inside a register access after the access, not within it", async () => {
    const cpu = await createCpu();
    enter(cpu);
    let countInside = -1;
    cpu.mapMmio(DEVICE, {
      read: () => 0,
      write: () => {
        cpu.apic.send(0, 0xfee00000, 0x41);
        countInside = cpu.memory.readU32(COUNT);
      },
    });
    program(cpu, CODE, [
      ...countInterrupts(cpu, 0x41),
      0xfb, // sti
      ...[0xb9, ...le32(1000)], // mov ecx, 1000
      ...STORE_DEVICE(0, 1),
      ...[0xfa, 0xfb, 0x90], // cli; sti; nop: where the CPU looks
      ...[0xe2, 0x100 - 15], // loop to the store
      ...HALT_FOR_GOOD,
    ]);
    await runToHalt(cpu);
    expect(countInside).toBe(999);
    expect(cpu.memory.readU32(COUNT)).toBe(1000);
  });

  it.each([
    ["M01: an address outside of 0xFEExxxxx", 0, 0xfed00000, 0x41],
    ["M01: an address in RAM", 0, 0x00100000, 0x41],
    ["M03: an address above 4 GiB", 1, 0xfee00000, 0x41],
    ["M04: a vector below 0x10", 0, 0xfee00000, 0x0f],
    ["M05: vector 0xFF", 0, 0xfee00000, 0xff],
    ["M06: delivery mode SMI", 0, 0xfee00000, 0x241],
    ["M06: delivery mode NMI", 0, 0xfee00000, 0x441],
    ["M06: delivery mode INIT", 0, 0xfee00000, 0x541],
    ["M06: delivery mode ExtINT", 0, 0xfee00000, 0x741],
    ["M07: a level-triggered message", 0, 0xfee00000, 0xc041],
  ])("refuses and counts %s", async (_what, high, low, data) => {
    const cpu = await createCpu(2);
    const before = cpu.memory.readU32(0x100000);
    expect(cpu.apic.send(high, low, data)).toBe("refused");
    expect(cpu.apic.counters).toEqual({ delivered: 0, merged: 0, refused: 1 });
    expect(cpu.memory.readU32(0x100000)).toBe(before);
  });
});

describe("a wired line", () => {
  it("raised inside a register access interrupts after it and leaves the flags as they were", async () => {
    const cpu = await createCpu();
    enter(cpu);
    const line = cpu.line(10);
    cpu.mapMmio(DEVICE, {
      read: () => 0,
      write: (_address, _size, value) => line.set(value === 1),
    });
    const ioapic = 0xfec0_0000;
    // The handler lowers the line before it ends the interrupt.
    const prologue = countInterrupts(cpu, 0x51);
    program(cpu, HANDLER, [
      ...[0xff, 0x05, ...le32(COUNT)],
      ...STORE_DEVICE(0, 0),
      ...[0xc7, 0x05, ...le32(LOCAL_APIC_EOI), ...le32(0)],
      0xcf,
    ]);
    program(cpu, CODE, [
      ...prologue,
      // Both PICs masked; IOAPIC pin 10: vector 0x51, level-triggered.
      ...[0xb0, 0xff, 0xe6, 0x21, 0xe6, 0xa1],
      ...[0xc7, 0x05, ...le32(ioapic), ...le32(0x10 + 2 * 10)],
      ...[0xc7, 0x05, ...le32(ioapic + 0x10), ...le32(0x8051)],
      0xfb,
      ...[0xb9, ...le32(1000)],
      ...STORE_DEVICE(0, 1),
      ...[0xfa, 0xfb, 0x90],
      ...[0xe2, 0x100 - 15],
      ...[0x9c, 0x58], // pushf; pop eax
      ...[0xa3, ...le32(COUNT + 4)],
      ...HALT_FOR_GOOD,
    ]);
    await runToHalt(cpu);
    expect(cpu.memory.readU32(COUNT)).toBe(1000);
    expect(cpu.memory.readU32(COUNT + 4) & 0x200).toBe(0x200);
  });

  it("does not exist beyond line 15", async () => {
    const cpu = await createCpu(2);
    expect(() => cpu.line(16)).toThrow(RangeError);
  });
});

describe("running", () => {
  it("counts instructions past the 32-bit counter's own reading and stops when told", async () => {
    const cpu = await createCpu();
    enter(cpu);
    program(cpu, CODE, SPIN);
    cpu.run();
    await eventually(() => cpu.instructions > 1_000_000);
    cpu.stop();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const stopped = cpu.instructions;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(cpu.instructions).toBe(stopped);
    expect(cpu.running).toBe(false);
    cpu.run();
    await eventually(() => cpu.instructions > stopped);
  });

  it("reports a reset that the guest asks for", async () => {
    const cpu = await createCpu();
    enter(cpu);
    program(cpu, CODE, [0xb0, 0xfe, 0xe6, 0x64, 0xf4]); // keyboard controller: pulse the reset line
    const event = await new Promise<CpuEvent>((resolve) => {
      cpu.onEvent(resolve);
      cpu.run();
    });
    expect(event).toBe("reboot");
  });
});
