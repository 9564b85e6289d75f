import { describe, expect, it } from "vitest";
import type { InterruptMode, MetricsSnapshot } from "../src/index.ts";
import { MetricsHistory, netExits, SERIES } from "./metrics-history.ts";

interface Counts {
  readonly mode?: InterruptMode;
  readonly exits?: number;
  readonly wired?: number;
  readonly msi?: number;
  readonly transactions?: number;
  readonly switches?: number;
}

function snapshot({
  mode = "msi",
  exits = 0,
  wired = 0,
  msi = 0,
  transactions = 0,
  switches = 0,
}: Counts): MetricsSnapshot {
  return {
    wallMs: 0,
    guestInstructions: 0,
    switches,
    ioapicEois: 0,
    exitCostNs: 0,
    peer: { transactions },
    devices: {
      net0: {
        type: "net",
        transport: "mmio",
        version: 3,
        status: 15,
        interrupts: { mode, wired, msi, merged: 0, refused: 0, byVector: [] },
        exits: { total: exits, byRegister: {} },
        doorbells: 0,
        faults: {},
        ignored: {},
      },
    },
  };
}

describe("the metrics' history", () => {
  it("gives rates over the last second, however often it is fed", () => {
    const history = new MetricsHistory();
    for (let at = 0; at <= 4000; at += 250) history.push(at, snapshot({ exits: at * 2 }));
    expect(history.reading?.seconds).toBe(1);
    expect(history.reading?.rate(netExits)).toBe(2000);
  });

  it("has no rate yet at the first sample", () => {
    const history = new MetricsHistory();
    history.push(10, snapshot({ exits: 5000 }));
    expect(history.reading?.rate(netExits)).toBe(0);
  });

  it("divides by transactions, and says nothing when there were none", () => {
    const history = new MetricsHistory();
    history.push(0, snapshot({}));
    history.push(1000, snapshot({ exits: 3000, transactions: 1000 }));
    expect(history.reading?.perTransaction(netExits)).toBe(3);
    history.push(2000, snapshot({ exits: 3010, transactions: 1000 }));
    expect(history.reading?.perTransaction(netExits)).toBeUndefined();
  });

  it("averages each mode by itself and leaves out the moment of the switch and idle moments", () => {
    const history = new MetricsHistory();
    history.push(0, snapshot({ mode: "wired" }));
    history.push(250, snapshot({ mode: "wired", exits: 300, wired: 100, transactions: 100 }));
    history.push(500, snapshot({ mode: "wired", exits: 350, wired: 100, transactions: 100 }));
    history.push(750, snapshot({ mode: "msi", exits: 999, wired: 150, transactions: 150, switches: 1 }));
    history.push(
      1000,
      snapshot({ mode: "msi", exits: 1099, wired: 150, msi: 110, transactions: 250, switches: 1 }),
    );
    expect(history.average("wired")).toEqual({ exits: 3, interrupts: 1 });
    expect(history.average("msi")).toEqual({ exits: 1, interrupts: 1.1 });
  });

  it("forgets points and marks that are older than a minute", () => {
    const history = new MetricsHistory();
    history.mark(100, "MSI");
    history.mark(50_000, "Legacy");
    for (let at = 0; at <= 90_000; at += 250) history.push(at, snapshot({ exits: at }));
    expect(history.times).toHaveLength(241);
    for (const name of SERIES) expect(history.values[name]).toHaveLength(241);
    expect(history.marks).toEqual([{ at: 50_000, label: "Legacy" }]);
  });
});
