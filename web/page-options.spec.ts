import { describe, expect, it } from "vitest";
import { microseconds, modelledExitCost } from "./exit-cost.ts";
import { pageLink, readPageOptions, withOption } from "./page-options.ts";

const DEFAULTS = {
  transport: "mmio",
  interrupts: "msi",
  doorbell: "per-queue",
  atStart: { eventIndex: true, queuePairs: 1, spareDevice: false },
  memoryMiB: undefined,
  exitCostNs: 0,
  view: undefined,
  layout: "both",
  embed: false,
  run: undefined,
};

describe("the page's address", () => {
  it.each([
    ["", {}],
    ["?transport=pci", { transport: "pci" }],
    ["?interrupts=wired&doorbell=shared", { interrupts: "wired", doorbell: "shared" }],
    ["?interrupts=legacy", { interrupts: "wired" }],
    ["?memory=128&exitcost=1500", { memoryMiB: 128, exitCostNs: 1500 }],
    ["?view=lessons", { view: "lessons" }],
    ["?layout=terminal&embed", { layout: "terminal", embed: true }],
    ["?run=ping%20-c%201%2010.0.2.2", { run: "ping -c 1 10.0.2.2" }],
    ["?eventidx=off&pairs=4&spare", { atStart: { eventIndex: false, queuePairs: 4, spareDevice: true } }],
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
    "?layout=upside-down",
    "?pairs=9",
    "?run=",
    "?run=ls%0arm",
    "?run=%1b[2J",
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

describe("a link to the page", () => {
  const state = {
    transport: "mmio",
    interrupts: "msi",
    doorbell: "per-queue",
    exitCostNs: 0,
    atStart: DEFAULTS.atStart,
  } as const;

  it("says what differs from the default, and keeps what the address says", () => {
    const now = "http://localhost/doorbell/?view=lessons&lesson=msi&step=2&interrupts=wired";
    expect(pageLink(now, state)).toBe("http://localhost/doorbell/?view=lessons&lesson=msi&step=2");
    const changed = {
      ...state,
      interrupts: "wired",
      doorbell: "shared",
      exitCostNs: 1500,
      atStart: { eventIndex: false, queuePairs: 8, spareDevice: true },
    } as const;
    const link = pageLink("http://localhost/?memory=128", changed);
    expect(readPageOptions(new URL(link).search)).toMatchObject({ ...changed, memoryMiB: 128 });
  });
});

describe("the words for the exit cost", () => {
  it("are there whenever it is not 0", () => {
    expect(modelledExitCost(0)).toBeUndefined();
    expect(modelledExitCost(2000)).toBe("modelled exit cost 2 \u00b5s");
    expect([100, 500, 1250, 5000].map(microseconds)).toEqual(["0.1", "0.5", "1.25", "5"]);
  });
});
