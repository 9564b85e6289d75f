import { describe, expect, it } from "vitest";
import type { KeptMachine } from "./kept-machines.ts";
import { fits } from "./kept-start.ts";

const MACHINE: KeptMachine = {
  identity: "of the spec",
  transport: "mmio",
  interrupts: "wired",
  doorbell: "per-queue",
  memoryMiB: 64,
  eventIndex: true,
  queuePairs: 1,
  saved: 0,
  scrollback: new Uint8Array(0),
  snapshot: new Uint8Array(0),
};
const query = (search: string) => new URLSearchParams(search);

describe("a machine that is kept", () => {
  it.each(["", "?interrupts=wired", "?interrupts=legacy&memory=64", "?view=lessons&exitcost=500"])(
    "as it was left is what %s asks for: modes that are not named may have been switched",
    (search) => expect(fits(MACHINE, query(search))).toBe(true),
  );

  it.each([
    "?interrupts=msi",
    "?transport=pci",
    "?memory=128",
    "?doorbell=shared",
    "?eventidx=off",
    "?pairs=4",
    "?spare",
  ])("is not what %s asks for", (search) => expect(fits(MACHINE, query(search))).toBe(false));

  it("at its prompt has to be the default one where the address names nothing", () => {
    expect(fits(MACHINE, query(""), true)).toBe(false);
    expect(fits({ ...MACHINE, interrupts: "msi" }, query(""), true)).toBe(true);
    expect(
      fits(
        { ...MACHINE, transport: "pci", interrupts: "msi" },
        query("?transport=pci&doorbell=shared"),
        true,
      ),
    ).toBe(true);
  });
});
