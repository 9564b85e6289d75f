import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { afterEach, describe, expect, it } from "vitest";
import { Cpu } from "./cpu.ts";
import { ExitCost, MAX_EXIT_COST } from "./exit-cost.ts";

/** A clock that goes on by the turns waited only, in steps of `step` milliseconds. */
function countedParts(turnNanoseconds: number, step = 0) {
  const counted = { waited: 0, calls: 0, turnNanoseconds };
  let elapsed = 0;
  return {
    counted,
    parts: {
      now: () => {
        const time = elapsed / 1e6;
        return step === 0 ? time : Math.floor(time / step) * step;
      },
      spin: (turns: number) => {
        counted.waited += turns;
        counted.calls += 1;
        elapsed += turns * counted.turnNanoseconds;
      },
    },
  };
}

describe("the exit-cost model, counted in turns", () => {
  it.each([0.5, 1.1, 4, 17])("waits for what was asked for when a turn takes %d ns", (turn) => {
    const { counted, parts } = countedParts(turn);
    const cost = new ExitCost(parts);
    cost.set(1000);
    counted.waited = 0;
    for (let exit = 0; exit < 500; exit++) cost.charge();
    expect(cost.charges).toBe(500);
    expect(counted.waited).toBe(500 * cost.turns);
    expect(Math.abs((counted.waited * turn) / 500 - 1000)).toBeLessThan(0.05 * 1000);
  });

  it("is within 5 % on a clock that moves in steps of 0.1 ms, as a page's does", () => {
    const { parts } = countedParts(1.3, 0.1);
    const cost = new ExitCost(parts);
    for (const nanoseconds of [100, 1000, 5000]) {
      cost.set(nanoseconds);
      expect(Math.abs(cost.turns * 1.3 - nanoseconds)).toBeLessThan(0.05 * nanoseconds);
    }
  });

  it("follows a CPU whose clock rate changes", () => {
    const { counted, parts } = countedParts(1);
    const cost = new ExitCost(parts);
    cost.set(1000);
    expect(cost.turns).toBe(1000);
    counted.turnNanoseconds = 2;
    for (let exit = 0; exit < 1_000_000; exit++) cost.charge();
    expect(cost.turns).toBe(500);
  });

  it("believes the median: a sample during which something else ran changes nothing", () => {
    const { counted, parts } = countedParts(1);
    let calls = 0;
    const cost = new ExitCost({
      now: parts.now,
      spin: (turns) => {
        calls += 1;
        // Once in a hundred waits something else has the processor for as long as ten whole samples.
        counted.turnNanoseconds = calls % 100 === 0 ? 5e6 / turns : 1;
        parts.spin(turns);
      },
    });
    cost.set(1000);
    expect(cost.turns).toBe(1000);
  });

  it("waits for nothing and counts nothing at 0", () => {
    const { counted, parts } = countedParts(1);
    const cost = new ExitCost(parts);
    cost.charge();
    cost.set(500);
    cost.set(0);
    counted.calls = 0;
    cost.charge();
    expect(counted.calls).toBe(0);
    expect(cost.charges).toBe(0);
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY, MAX_EXIT_COST + 1])("refuses %d", (nanoseconds) => {
    const cost = new ExitCost(countedParts(1).parts);
    expect(() => cost.set(nanoseconds)).toThrow(RangeError);
    expect(cost.nanoseconds).toBe(0);
  });
});

describe("the exit-cost model on the host's clock", () => {
  it("takes the time it says, as far as this machine lets anything be said", () => {
    const cost = new ExitCost();
    const exits = 400;
    let best = Number.POSITIVE_INFINITY;
    // Whatever else runs here can only make it longer; the shortest of several runs is what counts.
    for (let run = 0; run < 12; run++) {
      cost.set(2000);
      const started = performance.now();
      for (let exit = 0; exit < exits; exit++) cost.charge();
      const perExit = ((performance.now() - started) * 1e6) / exits;
      best = Math.min(best, Math.abs(perExit - 2000));
    }
    expect(best).toBeLessThan(0.05 * 2000);
  });
});

const DEVICE = 0xd000_0000;
const CODE = 0x10_0000;
const GDT = 0x1000;
const le32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

describe("a CPU with an exit cost", () => {
  let cpu: Cpu | undefined;

  afterEach(async () => {
    await cpu?.destroy();
  });

  it("charges each trapped access once, and once more each time a wired line falls", async () => {
    const wasm = await readFile(createRequire(import.meta.url).resolve("v86/build/v86.wasm"));
    const machine = await Cpu.create({
      wasm,
      memoryBytes: 2 * 0x100000,
      interpreted: 0,
      network: { routerIp: "10.0.2.2", routerMac: "52:55:0a:00:02:02", guestIp: "10.0.2.15" },
    });
    cpu = machine;
    const { memory } = machine;
    memory.view(GDT + 0x10, 8).set([0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0]);
    memory.view(GDT + 0x18, 8).set([0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0]);
    machine.enter({
      entry: CODE,
      bootParams: 0x3000,
      gdt: { address: GDT, bytes: 32 },
      codeSelector: 0x10,
      dataSelector: 0x18,
    });
    const line = machine.line(10);
    let accesses = 0;
    machine.mapMmio(DEVICE, {
      read: () => {
        accesses += 1;
        return 0;
      },
      write: (_address, _size, value) => {
        accesses += 1;
        line.set(value !== 0);
      },
    });
    const program = [
      ...[0xb9, ...le32(1000)], // mov ecx, 1000
      ...[0xa1, ...le32(DEVICE)], // mov eax, [device]
      ...[0xc7, 0x05, ...le32(DEVICE), ...le32(1)], // mov dword [device], 1: the line goes up
      ...[0xc7, 0x05, ...le32(DEVICE), ...le32(0)], // mov dword [device], 0: and down
      ...[0xe2, 0x100 - 27], // loop
      ...[0xfa, 0xf4], // cli; hlt
    ];
    memory.view(CODE, program.length).set(program);
    machine.exitCost.set(300);
    await new Promise<void>((resolve) => {
      machine.onEvent(() => resolve());
      machine.run();
    });
    expect(accesses).toBe(3000);
    expect(machine.exitCost.charges).toBe(4000);
  });
});
