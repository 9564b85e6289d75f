import { describe, expect, it } from "vitest";
import { UsageError } from "../src/cli/flags.ts";
import { COLUMN_NAMES } from "./columns.ts";
import { parseBenchFlags } from "./flags.ts";

describe("the benchmarks' flags", () => {
  it("have the measurement of 2019 as default", () => {
    expect(parseBenchFlags(["tcp_rr"])).toEqual({
      command: "tcp_rr",
      json: undefined,
      markdown: undefined,
      rounds: 3,
      columns: COLUMN_NAMES,
      place: "node",
      seconds: 30,
      slice: 100,
      request: 32,
      response: 1024,
      warmUp: 20,
      exitCosts: [0],
      ratio: 1.36,
    });
  });

  it("take what is given", () => {
    expect(
      parseBenchFlags([
        "udp_rr",
        "--columns=mmio-msi, mmio-wired,mmio-msi",
        "--seconds",
        "0.5",
        "--exit-cost",
        "0,500",
        "--json",
        "r.json",
      ]),
    ).toMatchObject({
      command: "udp_rr",
      columns: ["mmio-msi", "mmio-wired"],
      seconds: 0.5,
      exitCosts: [0, 500],
      json: "r.json",
    });
    expect(parseBenchFlags(["compare", "a.json", "b.json"])).toEqual({
      command: "compare",
      files: ["a.json", "b.json"],
    });
    expect(parseBenchFlags(["exit-cost"])).toMatchObject({ columns: ["mmio-wired", "mmio-msi"], seconds: 5 });
    expect(parseBenchFlags(["console", "--mib", "2"])).toMatchObject({ command: "console", mib: 2 });
    expect(parseBenchFlags(["stream", "--browser"])).toMatchObject({ command: "stream", place: "chromium" });
    expect(parseBenchFlags(["boot", "--bzimage", "b"])).toMatchObject({
      columns: ["mmio-msi"],
      bzImage: "b",
      bios: "/usr/share/seabios",
    });
  });

  it("answer --help before anything else is looked at", () => {
    expect(parseBenchFlags(["nonsense", "--help"])).toBe("help");
  });

  it.each([
    ["nothing at all", [], "Say what to measure"],
    ["an unknown benchmark", ["tcp_crr"], 'There is no benchmark "tcp_crr"'],
    ["an unknown flag", ["tcp_rr", "--bogus"], "There is no flag --bogus"],
    ["a flag of another benchmark", ["boot", "--seconds", "3"], "boot has no flag --seconds"],
    ["a flag without its value", ["tcp_rr", "--rounds"], "--rounds wants a value"],
    ["an unknown column", ["tcp_rr", "--columns", "usb"], 'There is no column "usb"'],
    ["no columns", ["tcp_rr", "--columns", ","], "name at least one column"],
    ["half a round", ["tcp_rr", "--rounds", "1.5"], "it wants a whole number"],
    ["no seconds", ["tcp_rr", "--seconds", "0"], "it wants a number from 0.1"],
    ["a negative exit cost", ["tcp_rr", "--exit-cost=-1"], "it wants a number from 0 to"],
    ["a word that belongs to nothing", ["tcp_rr", "boot"], '"boot" belongs to no flag'],
    ["one file to compare", ["compare", "a.json"], "compare wants two files"],
  ])("refuse %s with one sentence", (_what, args, sentence) => {
    expect(() => parseBenchFlags(args)).toThrow(UsageError);
    try {
      parseBenchFlags(args);
    } catch (error) {
      expect((error as Error).message).toContain(sentence);
      expect((error as Error).message).not.toContain("\n");
    }
  });
});
