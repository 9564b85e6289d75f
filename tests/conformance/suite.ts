import { describe, expect, it } from "vitest";
import { VIRTIO_CONFIG_S_NEEDS_RESET } from "../../src/virtio/defs.ts";
import type { ConsoleDevice } from "../../src/virtio/device/console.ts";
import { featureMask } from "../../src/virtio/device/feature-bits.ts";
import type { NetDevice } from "../../src/virtio/device/net.ts";
import {
  type ConsoleMachine,
  consoleMachine,
  PORTS,
} from "../../src/virtio/device/testing/console-fixture.ts";
import { type NetMachine, netMachine } from "../../src/virtio/device/testing/net-fixture.ts";
import { MockMemory } from "../../src/virtio/testing/mock-memory.ts";
import type { MockBuffer, MockDescriptor, MockQueue } from "../../src/virtio/testing/mock-queue.ts";
import {
  MmioRig,
  type PciRig,
  type Rig,
  rigFor,
  type TransportName,
} from "../../src/virtio/testing/mock-rig.ts";
import type { VirtioDevice } from "../../src/virtio/types.ts";
import { SUBJECTS, type Subject, type SubjectName } from "../hostile/subjects.ts";
import { CLAUSES } from "./clauses.ts";

const RAM = 0x40_0000;

/** A device on a transport, its driver, and what a proper request to it is. The driver has not begun. */
export interface Bench {
  readonly name: SubjectName;
  readonly transport: TransportName;
  readonly rig: MmioRig | PciRig;
  readonly subject: Subject;
}

/** Any device on any transport; its driver has found it. */
export function benchFor(name: SubjectName, transport: TransportName, memory?: MockMemory): Bench {
  const subject = SUBJECTS[name]();
  return { name, transport, subject, rig: on(transport, memory)(subject.device) };
}

/** Where a device goes when a clause is tried on a transport. */
export const on =
  (transport: TransportName, memory = new MockMemory(RAM)) =>
  <D extends VirtioDevice>(device: D): MmioRig<D> | PciRig<D> => {
    const rig = rigFor(device, transport, memory);
    rig.driver.find();
    return rig;
  };

export const netOn = (transport: TransportName): NetMachine<Rig> =>
  netMachine({}, on(transport) as (device: NetDevice) => Rig);
export const consoleOn = (transport: TransportName): ConsoleMachine<Rig> =>
  consoleMachine(PORTS, on(transport) as (device: ConsoleDevice) => Rig);

/** The mmio driver of a bench, for clauses about its registers. */
export function mmio({ rig }: Bench): MmioRig["driver"] {
  if (!(rig instanceof MmioRig)) throw new Error("this clause is about virtio-mmio");
  return rig.driver;
}

/**
 * The test of a clause: `body` is run for each device on each transport that the clause is about. Its name begins with
 * the clause's id, by which docs/conformance.md finds its result.
 */
export function clause(id: string, body: (bench: Bench) => void): void {
  const found = CLAUSES.find((one) => one.id === id);
  if (found === undefined || found.absent !== undefined) throw new Error(`${id} is no clause that applies`);
  describe(`${id}: ${found.text}`, () => {
    for (const name of found.devices) {
      for (const transport of found.transports) {
        it(`${name} on ${transport}`, () => {
          const bench = benchFor(name, transport);
          body(bench);
          expect(bench.rig.memory.guardsIntact()).toBe(true);
        });
      }
    }
  });
}

// What clauses have in common.

/** All that is offered without the given bits. */
export function offeredWithout({ rig }: Bench, ...bits: readonly number[]): bigint {
  return rig.driver.readFeatures() & ~featureMask(...bits);
}

/** Proper requests, published; kicked when the device asks for it. */
export function submit({ rig, subject }: Bench, count = 1): MockBuffer[] {
  const queue = rig.driver.queue(subject.queue);
  const buffers = Array.from({ length: count }, () => subject.request(rig.memory));
  for (const buffer of buffers) queue.add([buffer]);
  if (queue.publish()) rig.driver.kick(subject.queue);
  return buffers;
}

/** The queue that requests go to. */
export function requestQueue({ rig, subject }: Bench): MockQueue {
  return rig.driver.queue(subject.queue);
}

/** One buffer in pieces. */
export function pieces(buffer: MockBuffer, ...lengths: readonly number[]): MockBuffer[] {
  let at = buffer.address;
  return lengths.map((length) => {
    const piece = { address: at, length, writable: buffer.writable };
    at += length;
    return piece;
  });
}

/** The same, every byte by itself. */
export const bytewise = (buffer: MockBuffer): MockBuffer[] =>
  pieces(buffer, ...new Array<number>(buffer.length).fill(1));

/** A chain of descriptors as they are, offered, published and kicked. */
export function submitRaw(bench: Bench, descriptors: readonly MockDescriptor[]): void {
  const queue = requestQueue(bench);
  descriptors.forEach((descriptor, i) => {
    queue.writeDescriptor(i, descriptor);
  });
  queue.offer(0);
  queue.publish();
  bench.rig.driver.kick(bench.subject.queue);
}

export const needsReset = ({ rig }: Bench): boolean =>
  (rig.driver.status & VIRTIO_CONFIG_S_NEEDS_RESET) !== 0;

/** The device says that it needs a reset, with this reason counted. */
export function expectStopped(bench: Bench, reason: string | RegExp): void {
  expect(needsReset(bench)).toBe(true);
  expect(Object.keys(bench.rig.transport.counters.faults).join()).toMatch(reason);
}
