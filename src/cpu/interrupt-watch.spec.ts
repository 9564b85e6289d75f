import { describe, expect, it } from "vitest";
import { InterruptWatch } from "./interrupt-watch.ts";
import { APIC_IRR, APIC_ISR, type V86Cpu } from "./v86-internals.ts";

const ADDRESS = 0x100;

/** The two arrays of a local APIC, and what the watch said of their changes. */
function watched() {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const cpu = { wasm_memory: memory, get_apic_addr: () => ADDRESS } as unknown as V86Cpu;
  const words = () => new Uint32Array(memory.buffer, ADDRESS, (APIC_ISR + 32) / 4);
  const set = (at: number, vector: number, value: boolean) => {
    const word = at / 4 + (vector >>> 5);
    const bit = 1 << (vector & 31);
    const before = words()[word] ?? 0;
    words()[word] = value ? before | bit : before & ~bit;
  };
  const said: string[] = [];
  const watch = new InterruptWatch(cpu, {
    line: () => {},
    requested: (vector) => said.push(`requested ${vector}`),
    taken: (vector) => said.push(`taken ${vector}`),
    ended: (vector) => said.push(`ended ${vector}`),
    looked: () => {},
  });
  return {
    memory,
    irr: (vector: number, value: boolean) => set(APIC_IRR, vector, value),
    isr: (vector: number, value: boolean) => set(APIC_ISR, vector, value),
    look: () => {
      watch.look();
      return said.splice(0);
    },
  };
}

describe("the watch on the local APIC", () => {
  it("tells of request, taking and EOI, each when it shows", () => {
    const apic = watched();
    expect(apic.look()).toEqual([]);
    apic.irr(0x31, true);
    expect(apic.look()).toEqual(["requested 49"]);
    expect(apic.look()).toEqual([]);
    apic.irr(0x31, false);
    apic.isr(0x31, true);
    expect(apic.look()).toEqual(["taken 49"]);
    apic.isr(0x31, false);
    expect(apic.look()).toEqual(["ended 49"]);
  });

  it("knows that a request which is gone was taken, and ended when it is not in service", () => {
    const apic = watched();
    apic.irr(0xfe, true);
    apic.look();
    apic.irr(0xfe, false);
    expect(apic.look()).toEqual(["taken 254", "ended 254"]);
  });

  it("knows that what is in service was requested, even if that did not show", () => {
    const apic = watched();
    apic.isr(0x20, true);
    expect(apic.look()).toEqual(["requested 32", "taken 32"]);
  });

  it("tells of one that ended, came again and is in service", () => {
    const apic = watched();
    apic.irr(0x40, true);
    apic.isr(0x40, true);
    apic.look();
    apic.irr(0x40, false);
    expect(apic.look()).toEqual(["ended 64", "taken 64"]);
  });

  it("goes on when the memory has grown", () => {
    const apic = watched();
    apic.memory.grow(1);
    apic.irr(0x10, true);
    expect(apic.look()).toEqual(["requested 16"]);
  });
});
