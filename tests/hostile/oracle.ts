import { VIRTIO_CONFIG_S_NEEDS_RESET } from "../../src/virtio/defs.ts";
import type { Rig } from "../../src/virtio/testing/mock-rig.ts";
import type { Subject } from "./subjects.ts";

/** What must hold whatever a driver does did not. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/**
 * Most accesses to guest memory in one register access of the driver: each queue of these sizes may be emptied once,
 * each chain of it as long as the queue, a descriptor costing four reads when it is parsed and up to four accesses
 * when its buffer is used, and a chain some for its entries in the rings.
 */
export function workBound(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + size * (10 * size + 20), 200);
}

/**
 * The one judge of everything that a hostile driver does to a device:
 * it comes back within a bounded amount of work, throws nothing, touches nothing outside of RAM, and is either well
 * or says DEVICE_NEEDS_RESET with a counted reason; and a reset restores service.
 */
export class Oracle {
  readonly #rig: Rig;
  readonly #subject: Subject;
  readonly #bound: number;
  /** Largest amount of work seen. */
  work = 0;
  /** The machine itself has asked for a reset (a live switch): DEVICE_NEEDS_RESET needs no other reason. */
  switching = false;

  /** @param sizes of the queues that the driver sets up at most. */
  constructor(rig: Rig, subject: Subject, sizes: readonly number[]) {
    this.#rig = rig;
    this.#subject = subject;
    this.#bound = workBound(sizes);
  }

  /** One access of the driver, or one event from outside. */
  step<T>(access: () => T): T {
    const { memory } = this.#rig;
    const before = memory.accesses;
    const result = access();
    const work = memory.accesses - before;
    if (work > this.work) this.work = work;
    if (work > this.#bound) throw new Violation(`${work} accesses to memory, and ${this.#bound} are enough`);
    return result;
  }

  /** Reasons counted, whether or not the driver has reset the device since. */
  get faults(): Readonly<Record<string, number>> {
    return this.#rig.transport.counters.faults;
  }

  get stopped(): boolean {
    return (this.#rig.driver.status & VIRTIO_CONFIG_S_NEEDS_RESET) !== 0;
  }

  /** What holds at any time. */
  check(): void {
    if (!this.#rig.memory.guardsIntact()) throw new Violation("something outside of RAM was written");
    const counted = Object.values(this.faults).reduce((sum, count) => sum + count, 0);
    if (this.stopped && !this.switching && counted === 0) {
      throw new Violation("DEVICE_NEEDS_RESET without a counted reason");
    }
    const logged = this.#rig.log.length;
    if (logged > new Set(this.#rig.log).size) throw new Violation("a reason is logged twice");
  }

  /** The last word: a reset and a proper initialisation bring the service back. Clears RAM. */
  recovers(): void {
    const { memory, driver, device } = this.#rig;
    this.check();
    this.step(() => driver.reset());
    if (driver.status !== 0) throw new Violation("a reset left a status");
    memory.clear();
    driver.initialise({ sizes: device.queueSizes.map(() => 4) });
    if (!this.#rig.transport.ready) throw new Violation("not ready after a reset");
    if (!this.#subject.serves(this.#rig)) throw new Violation("no service after a reset");
    this.check();
  }
}
