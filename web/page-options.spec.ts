import { describe, expect, it } from "vitest";
import { microseconds, modelledExitCost } from "./exit-cost.ts";
import { readPageOptions, withOption } from "./page-options.ts";

const DEFAULTS = {
  transport: "mmio",
  interrupts: "msi",
  doorbell: "per-queue",
  eventIndex: true,
  memoryMiB: undefined,
  exitCostNs: 0,
  view: "counters",
};

describe("the page's address", () => {
  it.each([
    ["", {}],
    ["?transport=pci", { transport: "pci" }],
    ["?interrupts=wired&doorbell=shared", { interrupts: "wired", doorbell: "shared" }],
    ["?interrupts=legacy", { interrupts: "wired" }],
    ["?memory=128&exitcost=1500", { memoryMiB: 128, exitCostNs: 1500 }],
    ["?eventidx=off", { eventIndex: false }],
    ["?exitcost=5000", { exitCostNs: 5000 }],
  ])("%s chooses what it names", (search, chosen) => {
    expect(readPageOptions(search)).toEqual({ ...DEFAULTS, ...chosen });
  });

  it.each([
    "?transport=isa",
    "?interrupts=both",
    "?memory=8",
    "?memory=64.5",
    "?exitcost=5001",
    "?view=none",
  ])("%s is out of range and changes nothing", (search) => expect(readPageOptions(search)).toEqual(DEFAULTS));

  it.each(["-1", "1e3", "NaN", "", "two"])("exitcost=%s is no number of nanoseconds", (text) => {
    expect(readPageOptions(`?exitcost=${text}`)).toEqual(DEFAULTS);
  });

  it("takes and loses an option, and keeps the others", () => {
    expect(withOption("?memory=64", "exitcost", "500")).toBe("?memory=64&exitcost=500");
    expect(withOption("?memory=64&exitcost=500", "exitcost", "700")).toBe("?memory=64&exitcost=700");
    expect(withOption("?exitcost=500", "exitcost", undefined)).toBe("");
  });
});

describe("the words for the exit cost", () => {
  it("are there whenever it is not 0", () => {
    expect(modelledExitCost(0)).toBeUndefined();
    expect(modelledExitCost(2000)).toBe("modelled exit cost 2 \u00b5s");
    expect([100, 500, 1250, 5000].map(microseconds)).toEqual(["0.1", "0.5", "1.25", "5"]);
  });
});
