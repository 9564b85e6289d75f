import { describe, expect, it } from "vitest";
import { parseFlags, UsageError } from "./flags.ts";

describe("the runner's flags", () => {
  it("have the documented defaults", () => {
    expect(parseFlags(["--exec", "true"])).toEqual({
      acpi: false,
      transport: "mmio",
      interrupts: "msi",
      doorbell: "per-queue",
      eventIndex: true,
      queuePairs: 1,
      memory: 64,
      kernel: undefined,
      initrd: undefined,
      append: "",
      overlays: [],
      exec: "true",
      until: undefined,
      switchEvery: 0,
      timeout: 120,
      stats: undefined,
      pcap: undefined,
      exitCost: 0,
      web: false,
      spare: false,
      quiet: false,
    });
  });

  it("set no time limit for an interactive terminal", () => {
    expect(parseFlags([])).toMatchObject({ timeout: 0 });
  });

  it("take legacy for wired, repeat --overlay, and pass values that begin with a dash after =", () => {
    expect(
      parseFlags([
        "--interrupts",
        "legacy",
        "--overlay",
        "a",
        "--overlay",
        "b",
        "--append=-x",
        "--until",
        "^login:",
      ]),
    ).toMatchObject({ interrupts: "wired", overlays: ["a", "b"], append: "-x", until: /^login:/m });
  });

  it("answer --help before anything else is looked at", () => {
    expect(parseFlags(["--help", "--memory", "x"])).toBe("help");
  });

  it.each([
    ["an unknown flag", ["--bogus"], "There is no flag --bogus"],
    ["an unknown flag with a value", ["--bogus=1"], "There is no flag --bogus"],
    ["a word that belongs to no flag", ["boot"], '"boot" belongs to no flag'],
    ["a flag without its value", ["--kernel"], "--kernel wants a value"],
    ["a mode that does not exist", ["--interrupts", "smoke"], "it can be wired or msi"],
    ["a doorbell that does not exist", ["--doorbell", "brass"], "it can be shared or per-queue"],
    ["a transport that does not exist", ["--transport", "pigeon"], "it can be mmio or pci"],
    ["a shared doorbell on PCI", ["--transport", "pci", "--doorbell", "shared"], "cannot be had"],
    ["a spare device on PCI", ["--transport", "pci", "--spare"], "cannot be had"],
    ["a live switch on PCI", ["--transport", "pci", "--switch-every", "1"], "does not recover"],
    ["ACPI without a kernel that reads it", ["--acpi"], "--acpi wants a --kernel"],
    ["ACPI on PCI", ["--acpi", "--kernel", "k", "--transport", "pci"], "--acpi cannot be had"],
    ["memory that is no number", ["--memory", "lots"], "it wants a number"],
    ["an exit cost beyond all reason", ["--exit-cost", "2e6"], "at most 1000000 nanoseconds"],
    ["a negative time", ["--timeout=-1"], "it wants a number that is not negative"],
    ["a broken regular expression", ["--until", "("], "no regular expression"],
    ["two ways to end", ["--exec", "true", "--until", "x"], "cannot be used together"],
  ])("refuse %s with one sentence", (_what, args, sentence) => {
    expect(() => parseFlags(args)).toThrow(UsageError);
    try {
      parseFlags(args);
    } catch (error) {
      expect((error as Error).message).toContain(sentence);
      expect((error as Error).message).not.toContain("\n");
    }
  });
});
