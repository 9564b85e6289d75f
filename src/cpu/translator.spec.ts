import { describe, expect, it } from "vitest";
import { INTERPRETED, Translator } from "./translator.ts";
import type { V86Cpu } from "./v86-internals.ts";

/** What v86's settings are after each change. */
function settings() {
  const config = new Map<number, number>();
  const changes: string[] = [];
  const cpu = {
    set_jit_config(index: number, value: number) {
      config.set(index, value);
      changes.push(`${index}=${value}`);
    },
  };
  return { config, changes, cpu: cpu as unknown as V86Cpu };
}

describe("the translator", () => {
  it("does not translate at first, and leaves all else as v86 comes", () => {
    const { config, cpu } = settings();
    new Translator(cpu);
    expect([...config]).toEqual([[0, 1]]);
  });

  it("translates from the start when nothing is to be interpreted", () => {
    const { config, cpu } = settings();
    new Translator(cpu, 0);
    expect(config.get(0)).toBe(0);
  });

  it("translates once enough has been executed, and is told so a single time", () => {
    const { config, changes, cpu } = settings();
    const translator = new Translator(cpu);
    translator.count(INTERPRETED - 1);
    expect(config.get(0)).toBe(1);
    translator.count(1);
    expect(config.get(0)).toBe(0);
    const told = changes.length;
    translator.count(100_003);
    expect(changes).toHaveLength(told);
  });
});
