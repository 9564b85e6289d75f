import { describe, expect, it } from "vitest";
import { TRANSPORT_NAMES, type TransportName } from "../../src/virtio/testing/mock-rig.ts";
import { type Bench, benchFor } from "../conformance/suite.ts";
import { Oracle } from "./oracle.ts";
import { SUBJECT_NAMES, type SubjectName } from "./subjects.ts";

/** A device under attack. Each register access of its driver is judged by the oracle. */
export interface Attack extends Bench {
  readonly oracle: Oracle;
}

/** What an attack ends in: the reason of a fault, or that the device is well. */
export type Outcome = { readonly stopped: string | RegExp } | "well";

/** Any device on any transport with the oracle looking at every access. */
export function attackOn(name: SubjectName, transport: TransportName): Attack {
  const bench = benchFor(name, transport);
  const { driver } = bench.rig;
  const oracle = new Oracle(bench.rig, bench.subject, bench.subject.device.queueSizes);
  const { registers } = driver;
  Object.assign(driver, {
    registers: {
      read: (offset: number, size: 1 | 2 | 4) => oracle.step(() => registers.read(offset, size)),
      write: (offset: number, size: 1 | 2 | 4, value: number) =>
        oracle.step(() => registers.write(offset, size, value)),
    },
  });
  return { ...bench, oracle };
}

/**
 * The test of an attack, on each device and transport that it is possible on. All end alike: nothing took more work
 * than it may, nothing outside of RAM was touched, the device is well or says with a counted reason why not, another
 * device at the same memory goes on, and a reset brings the service back.
 */
export function attack(
  id: string,
  what: string,
  body: (attack: Attack) => Outcome,
  only: { devices?: readonly SubjectName[]; transports?: readonly TransportName[] } = {},
): void {
  describe(`${id}: ${what}`, () => {
    for (const name of only.devices ?? SUBJECT_NAMES) {
      for (const transport of only.transports ?? TRANSPORT_NAMES) {
        it(`${name} on ${transport}`, () => {
          const one = attackOn(name, transport);
          const bystander = benchFor(name === "rng" ? "console" : "rng", transport, one.rig.memory);
          bystander.rig.driver.initialise();
          const outcome = body(one);
          one.oracle.check();
          expect(one.oracle.stopped).toBe(outcome !== "well");
          if (outcome !== "well") {
            expect(Object.keys(one.oracle.faults).join()).toMatch(outcome.stopped);
          }
          expect(bystander.subject.serves(bystander.rig)).toBe(true);
          expect(bystander.rig.transport.counters.faults).toEqual({});
          one.oracle.recovers();
        });
      }
    }
  });
}
