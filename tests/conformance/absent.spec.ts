/** The clauses that do not apply: what they are about is offered by no device on no transport. And: none is forgotten. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { TRANSPORT_NAMES } from "../../src/virtio/testing/mock-rig.ts";
import { PCI_DEVICE_ID, PCI_DEVICE_ID_VIRTIO_BASE } from "../../src/virtio/transport/pci-defs.ts";
import { SUBJECT_NAMES } from "../hostile/subjects.ts";
import { CLAUSES } from "./clauses.ts";
import { type Bench, benchFor, mmio } from "./suite.ts";

const everywhere = SUBJECT_NAMES.flatMap((name) => TRANSPORT_NAMES.map((transport) => ({ name, transport })));

/** What shows that a clause does not apply, other than feature bits and device types. */
const SHOWN: Readonly<Record<string, (bench: Bench) => void>> = {
  "no shared memory": (bench) => {
    const { driver } = bench.rig;
    if ("structures" in driver) expect([...driver.structures.keys()].filter((type) => type > 5)).toEqual([]);
    else for (const half of [0x0b0, 0x0b4]) expect(mmio(bench).read32(half)).toBe(0xffff_ffff);
  },
  "no legacy interface": ({ rig }) => {
    const { driver } = rig;
    if ("structures" in driver)
      expect(driver.config16(PCI_DEVICE_ID)).toBeGreaterThan(PCI_DEVICE_ID_VIRTIO_BASE);
    else expect(driver.version).not.toBe(1);
    expect(() => driver.negotiate(0n)).toThrow(/refused/);
  },
};

function shows(shown: string, bench: Bench): void {
  if (shown.startsWith("device ")) {
    expect(bench.subject.device.type).not.toBe(Number(shown.slice("device ".length)));
  } else if (/^[\d ]+$/.test(shown)) {
    for (const bit of shown.split(" ").map(Number)) {
      expect((bench.rig.driver.readFeatureWord(bit >> 5) >>> (bit & 31)) & 1, `bit ${bit}`).toBe(0);
    }
  } else {
    const show = SHOWN[shown];
    if (show === undefined) throw new Error(`nothing shows "${shown}"`);
    show(bench);
  }
}

for (const { id, text, absent, devices } of CLAUSES) {
  if (absent === undefined) continue;
  describe(`${id}: ${text}`, () => {
    // Bits below 24 and above 49 mean something else for another device: they are looked for in those it is about.
    for (const { name, transport } of everywhere.filter(({ name }) => devices.includes(name))) {
      it(`does not apply to ${name} on ${transport}: ${absent.reason}`, () => {
        shows(absent.shown, benchFor(name, transport));
      });
    }
  });
}

describe("the table of clauses", () => {
  it("names each clause once", () => {
    const ids = CLAUSES.map(({ id }) => id);
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
  });

  it("has a test for each clause that applies, and for no other", () => {
    const folder = new URL(".", import.meta.url);
    const tested = readdirSync(folder)
      .filter((file) => file.endsWith(".spec.ts"))
      .flatMap((file) => [...readFileSync(new URL(file, folder), "utf8").matchAll(/^clause\("([^"]+)"/gm)])
      .map(([, id]) => id);
    const apply = CLAUSES.filter(({ absent }) => absent === undefined).map(({ id }) => id);
    expect([...tested].sort()).toEqual([...apply].sort());
  });
});
