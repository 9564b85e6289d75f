/**
 * What a device, a queue and a transport tell while somebody records. They see this interface and never the recorder,
 * and they reach it by {@link Traced}: one nullable field, looked at where something happens.
 */

/** What became of a message: as its port said, or "held" while the vector is masked. */
export type TracedOutcome = "delivered" | "merged" | "refused" | "held";

/** One device's way into a trace. All numbers are unsigned integers of at most 32 bits. */
export interface DeviceTrace {
  /** A trapped read begins; `register` is an index into the counters' register names. Returns what {@link done} wants. */
  read(register: number, offset: number, size: number): number;
  /** A trapped write begins. */
  write(register: number, offset: number, size: number, value: number): number;
  /** The access that read or write returned has ended; `value` is what was read or written. */
  done(access: number, value: number): void;
  /** An available buffer notification, by whatever register. */
  doorbell(queue: number): void;
  /** The device took a chain from the available ring: its head, and the bytes it may read and write. */
  available(queue: number, head: number, readable: number, writable: number): void;
  /** The device put the last `count` chains back, unused: they will be taken again. */
  returned(queue: number, count: number): void;
  /** The device put a chain into the used ring, with so many bytes written. */
  used(queue: number, head: number, written: number): void;
  /** An event for the wired line: the bits that stand in InterruptStatus (PCI: ISR) now, and whether some stood before. */
  raised(bits: number, merged: boolean): void;
  /** A message-signalled interrupt by the device's vector, with the lower half of its address and its data. */
  message(vector: number, address: number, data: number, outcome: TracedOutcome): void;
}

/** Something that can be traced. */
export interface Traced {
  /** Undefined unless somebody records. */
  trace: DeviceTrace | undefined;
}
