import { beforeEach, describe, expect, it } from "vitest";
import { DeviceCounters } from "../../metrics/counters.ts";
import { MockMessagePort } from "../testing/mock-machine.ts";
import { MsiTable } from "./msi.ts";

const UPDATE = 0x1000;
const MASK = 0x2000;
const UNMASK = 0x3000;
const VECTORS = 40;

let port: MockMessagePort;
let counters: DeviceCounters;
let table: MsiTable;

function stage(data: number, addressLow = 0xfee0_0000, addressHigh = 0): void {
  table.staged.addressLow = addressLow;
  table.staged.addressHigh = addressHigh;
  table.staged.data = data;
}

function update(vector: number, data: number, addressLow?: number, addressHigh?: number): void {
  stage(data, addressLow, addressHigh);
  expect(table.command(UPDATE | vector)).toBeUndefined();
}

beforeEach(() => {
  port = new MockMessagePort();
  counters = new DeviceCounters([], VECTORS);
  table = new MsiTable(VECTORS, port, counters);
});

describe("a vector", () => {
  it("sends the message that an UPDATE put there, for each event", () => {
    update(3, 0x51, 0xfee0_1000);
    table.fire(3);
    table.fire(3);
    expect(port.sent).toEqual([
      { addressHigh: 0, addressLow: 0xfee0_1000, data: 0x51 },
      { addressHigh: 0, addressLow: 0xfee0_1000, data: 0x51 },
    ]);
    expect(counters.msi).toBe(2);
    expect(counters.byVector[3]).toBe(2);
  });

  it("has a message of its own, from the first index to the last", () => {
    for (let vector = 0; vector < VECTORS; vector++) update(vector, 0x30 + vector);
    for (let vector = VECTORS - 1; vector >= 0; vector--) table.fire(vector);
    expect(port.take()).toEqual(Array.from({ length: VECTORS }, (_, k) => 0x30 + VECTORS - 1 - k));
  });

  it("that was never updated delivers nothing, and nothing counts as refused", () => {
    stage(0x51);
    table.fire(2);
    expect(port.sent).toEqual([]);
    expect(counters.refused).toBe(0);
    expect(counters.byVector[2]).toBe(0);
  });

  it("changes its message by UPDATE alone: half of a new message staged is not to be seen", () => {
    update(1, 0x51, 0xfee0_1000);
    table.staged.addressLow = 0xfee0_2000;
    table.fire(1);
    table.staged.data = 0x52;
    table.fire(1);
    expect(port.sent.map((m) => [m.addressLow, m.data])).toEqual([
      [0xfee0_1000, 0x51],
      [0xfee0_1000, 0x51],
    ]);
    table.command(UPDATE | 1);
    table.fire(1);
    expect(port.sent[2]).toEqual({ addressHigh: 0, addressLow: 0xfee0_2000, data: 0x52 });
  });

  it("hands the message to the port as it is, unsigned, and counts what the port refuses", () => {
    for (const [data, low, high] of [
      [0x51, 0x0010_0000, 0],
      [0x51, 0xfee0_0000, 1],
      [0x0f, 0xfee0_0000, 0],
      [0xff, 0xfee0_0000, 0],
      [0x451, 0xfee0_0000, 0],
      [0x751, 0xfee0_0000, 0],
      [0xffff_ffff, 0xffff_ffff, 0xffff_ffff],
    ] as const) {
      const seen: number[][] = [];
      const spy = new MsiTable(
        1,
        {
          send: (h, l, d) => {
            seen.push([h, l, d]);
            return port.send(h, l, d);
          },
        },
        counters,
      );
      const before = counters.refused;
      Object.assign(spy.staged, { addressLow: low, addressHigh: high, data });
      spy.command(UPDATE);
      spy.fire(0);
      expect(seen).toEqual([[high, low, data]]);
      expect(counters.refused).toBe(before + 1);
    }
    expect(counters.msi).toBe(0);
    expect(counters.byVector[0]).toBe(0);
  });

  it("counts a message that found the same one pending as merged, not as lost", () => {
    update(1, 0x51);
    port.holdPending = true;
    table.fire(1);
    table.fire(1);
    port.acknowledge(0x51);
    table.fire(1);
    expect([counters.msi, counters.merged, counters.byVector[1]]).toEqual([2, 1, 3]);
  });
});

describe("MASK and UNMASK", () => {
  it("hold an event back and deliver it once, however many there were", () => {
    update(1, 0x51);
    table.command(MASK | 1);
    expect(table.isMasked(1)).toBe(true);
    for (let i = 0; i < 3; i++) table.fire(1);
    expect(port.sent).toEqual([]);
    expect(table.isPending(1)).toBe(true);
    expect(counters.merged).toBe(2);
    table.command(UNMASK | 1);
    expect(port.take()).toEqual([0x51]);
    expect(table.isPending(1)).toBe(false);
    table.command(UNMASK | 1);
    expect(port.take()).toEqual([]);
  });

  it("deliver nothing when nothing happened", () => {
    update(1, 0x51);
    table.command(MASK | 1);
    table.command(MASK | 1);
    table.command(UNMASK | 1);
    expect(port.sent).toEqual([]);
    table.fire(1);
    expect(port.take()).toEqual([0x51]);
  });

  it("concern one vector only, also those whose index is a multiple of 32 apart", () => {
    update(1, 0x41);
    update(33, 0x42);
    table.command(MASK | 33);
    table.fire(1);
    table.fire(33);
    expect(port.take()).toEqual([0x41]);
    table.command(UNMASK | 1);
    expect(port.take()).toEqual([]);
    table.command(UNMASK | 33);
    expect(port.take()).toEqual([0x42]);
  });

  it("around an UPDATE lose nothing: the event that came meanwhile is sent with the new message", () => {
    update(1, 0x51);
    table.command(MASK | 1);
    table.fire(1);
    update(1, 0x61);
    expect(port.sent).toEqual([]);
    expect(table.isPending(1)).toBe(true);
    table.command(UNMASK | 1);
    expect(port.take()).toEqual([0x61]);
  });

  it("of a vector that was never updated deliver nothing when it is unmasked", () => {
    table.command(MASK | 1);
    table.fire(1);
    expect(counters.refused).toBe(0);
    table.command(UNMASK | 1);
    expect(counters.refused).toBe(0);
    expect(port.sent).toEqual([]);
  });
});

describe("a command", () => {
  it("with a vector index out of range does nothing, for every operation alike", () => {
    for (const operation of [0, UPDATE, MASK, UNMASK, 0xf000]) {
      for (const vector of [VECTORS, 0x7ff, 0x800, 0xfff]) {
        stage(0x51);
        expect(table.command(operation | vector)).toBe("MsiCommand: vector out of range");
      }
    }
    for (let vector = 0; vector < VECTORS; vector++) expect(table.isMasked(vector)).toBe(false);
    expect(port.sent).toEqual([]);
  });

  it("with an unknown operation does nothing", () => {
    update(1, 0x51);
    for (const operation of [0, 4, 5, 6, 7, 8, 15]) {
      stage(0x61);
      expect(table.command((operation << 12) | 1)).toBe("MsiCommand: unknown operation");
    }
    table.fire(1);
    expect(port.take()).toEqual([0x51]);
  });

  it("is 16 bits of what was written", () => {
    expect(table.command(0xdead_0000 | MASK | 1)).toBeUndefined();
    expect(table.isMasked(1)).toBe(true);
  });
});

describe("a reset of the table", () => {
  it("clears messages, masks, pending bits and what was staged", () => {
    update(1, 0x51);
    table.command(MASK | 1);
    table.fire(1);
    table.reset();
    expect(table.isMasked(1)).toBe(false);
    expect(table.isPending(1)).toBe(false);
    expect(table.staged).toEqual({ addressLow: 0, addressHigh: 0, data: 0 });
    table.command(UNMASK | 1);
    table.fire(1);
    expect(port.sent).toEqual([]);
  });
});

describe("the largest table", () => {
  it("has 2048 vectors, as 11 bits can name", () => {
    counters = new DeviceCounters([], 2048);
    table = new MsiTable(2048, port, counters);
    update(2047, 0x51);
    table.fire(2047);
    expect(port.take()).toEqual([0x51]);
    expect(table.command(UPDATE | 2048)).toBe("MsiCommand: vector out of range");
  });
});
