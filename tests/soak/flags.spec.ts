import { describe, expect, it } from "vitest";
import { parseSoakFlags } from "./flags.ts";

describe("the long run's flags", () => {
  it("has an hour as the default, and takes fractions", () => {
    expect(parseSoakFlags([])).toMatchObject({ minutes: 60, memory: 64, json: undefined });
    expect(parseSoakFlags(["--minutes", "0.5", "--seed", "7", "--json", "a"])).toEqual({
      minutes: 0.5,
      seed: 7,
      memory: 64,
      json: "a",
    });
    expect(parseSoakFlags(["-h"])).toBe("help");
  });

  it.each([
    [["--minutes", "0"], /--minutes is "0": it can be 0.25 to/],
    [["--minutes", "long"], /--minutes is "long": it wants a number/],
    [["--hours", "1"], /--hours 1" is not what this takes: see --help/],
  ])("refuses %j in one sentence", (args, sentence) => {
    expect(() => parseSoakFlags(args)).toThrow(sentence);
  });
});
