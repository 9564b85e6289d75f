import type { DeviceCounters } from "../../metrics/counters.ts";
import { bool, list, record, StateError, type StateOf, u32 } from "../../state/codec.ts";
import type { MessagePort } from "../types.ts";
import type { VectorView } from "./inspect.ts";

/** More vectors than any device has. */
const VECTORS_MOST = 256;

/** What is kept of {@link MessageVectors}. */
export const MESSAGES_STATE = record({
  held: bool,
  vectors: list(
    record({ addressLow: u32, addressHigh: u32, data: u32, programmed: bool, masked: bool, pending: bool }),
    VECTORS_MOST,
  ),
});
export type MessagesState = StateOf<typeof MESSAGES_STATE>;

/**
 * The messages of one device and who may send them: for each vector address and data, a mask and a pending bit. What
 * registers a driver writes them through is the transport's: virtio-mmio's commands ({@link MsiTable}) or the table
 * of MSI-X ({@link MsixTable}). Whether a message is legal is for the message port to say.
 */
export class MessageVectors {
  /** How many there are. Every method wants an index below it. */
  readonly count: number;

  readonly #port: MessagePort;
  readonly #counters: DeviceCounters;
  readonly #maskedAtReset: 0 | 1;
  readonly #addressLow: Uint32Array;
  readonly #addressHigh: Uint32Array;
  readonly #data: Uint32Array;
  // One byte for each vector rather than a bit: no shift by a guest's number can go wrong.
  readonly #programmed: Uint8Array;
  readonly #masked: Uint8Array;
  readonly #pending: Uint8Array;
  #held = false;

  /** @param maskedAtReset whether a vector starts masked, as those of MSI-X do. */
  constructor(count: number, port: MessagePort, counters: DeviceCounters, maskedAtReset = false) {
    this.count = count;
    this.#port = port;
    this.#counters = counters;
    this.#maskedAtReset = maskedAtReset ? 1 : 0;
    this.#addressLow = new Uint32Array(count);
    this.#addressHigh = new Uint32Array(count);
    this.#data = new Uint32Array(count);
    this.#programmed = new Uint8Array(count);
    this.#masked = new Uint8Array(count).fill(this.#maskedAtReset);
    this.#pending = new Uint8Array(count);
  }

  // Typed arrays: what is stored is the unsigned 32-bit value, whatever came in.

  setAddressLow(vector: number, value: number): void {
    this.#addressLow[vector] = value;
    this.#programmed[vector] = 1;
  }
  setAddressHigh(vector: number, value: number): void {
    this.#addressHigh[vector] = value;
    this.#programmed[vector] = 1;
  }
  setData(vector: number, value: number): void {
    this.#data[vector] = value;
    this.#programmed[vector] = 1;
  }
  addressLow(vector: number): number {
    return this.#addressLow[vector] ?? 0;
  }
  addressHigh(vector: number): number {
    return this.#addressHigh[vector] ?? 0;
  }
  data(vector: number): number {
    return this.#data[vector] ?? 0;
  }

  /** Takes a vector out of use, or back into it: then the message that is owed is sent, once. */
  setMasked(vector: number, masked: boolean): void {
    this.#masked[vector] = masked ? 1 : 0;
    this.#settle(vector);
  }

  /** Takes all vectors out of use, whatever their own masks, or gives them back to those. */
  setHeld(held: boolean): void {
    this.#held = held;
    if (!held) for (let vector = 0; vector < this.count; vector++) this.#settle(vector);
  }

  /** An event of this vector happened: sends its message, or remembers that one is owed. */
  fire(vector: number): void {
    if (this.#held || this.#masked[vector] !== 0) {
      if (this.#pending[vector] !== 0) this.#counters.merged++;
      this.#pending[vector] = 1;
      this.#counters.trace?.message(vector, this.addressLow(vector), this.data(vector), "held");
      return;
    }
    this.#send(vector);
  }

  isMasked(vector: number): boolean {
    return this.#masked[vector] === 1;
  }

  isPending(vector: number): boolean {
    return this.#pending[vector] === 1;
  }

  /** All vectors, for looking at. */
  inspect(): VectorView[] {
    return Array.from({ length: this.count }, (_, vector) => ({
      addressLow: this.addressLow(vector),
      addressHigh: this.addressHigh(vector),
      data: this.data(vector),
      masked: this.isMasked(vector),
      pending: this.isPending(vector),
      empty: this.#programmed[vector] !== 1,
    }));
  }

  /** Forgets what is owed: the events belong to a life of the device that is over. */
  clearPending(): void {
    this.#pending.fill(0);
  }

  /** Clears every message and pending bit; masks are as at the start, and nothing is held. */
  reset(): void {
    this.#addressLow.fill(0);
    this.#addressHigh.fill(0);
    this.#data.fill(0);
    this.#programmed.fill(0);
    this.#masked.fill(this.#maskedAtReset);
    this.#pending.fill(0);
    this.#held = false;
  }

  save(): MessagesState {
    return {
      held: this.#held,
      vectors: Array.from({ length: this.count }, (_, vector) => ({
        addressLow: this.addressLow(vector),
        addressHigh: this.addressHigh(vector),
        data: this.data(vector),
        programmed: this.#programmed[vector] === 1,
        masked: this.isMasked(vector),
        pending: this.isPending(vector),
      })),
    };
  }

  /** Sends nothing: what is owed stays owed. @throws StateError when there are other vectors. */
  restore(state: MessagesState): void {
    if (state.vectors.length !== this.count) throw new StateError("the device has other vectors");
    this.#held = state.held;
    for (const [vector, message] of state.vectors.entries()) {
      this.#addressLow[vector] = message.addressLow;
      this.#addressHigh[vector] = message.addressHigh;
      this.#data[vector] = message.data;
      this.#programmed[vector] = message.programmed ? 1 : 0;
      this.#masked[vector] = message.masked ? 1 : 0;
      this.#pending[vector] = message.pending ? 1 : 0;
    }
  }

  /** Sends what is owed, when it may be sent. */
  #settle(vector: number): void {
    if (this.#held || this.#masked[vector] !== 0 || this.#pending[vector] !== 1) return;
    this.#pending[vector] = 0;
    this.#send(vector);
  }

  #send(vector: number): void {
    const counters = this.#counters;
    const addressHigh = this.#addressHigh[vector];
    const addressLow = this.#addressLow[vector];
    const data = this.#data[vector];
    // A vector that was never programmed has no message to send: a driver leaves it so when it does not want to hear
    // of the queue. That is nothing refused. A vector that does not exist has no entry.
    if (
      this.#programmed[vector] !== 1 ||
      addressHigh === undefined ||
      addressLow === undefined ||
      data === undefined
    ) {
      return;
    }
    const outcome = this.#port.send(addressHigh, addressLow, data);
    counters.trace?.message(vector, addressLow, data, outcome);
    switch (outcome) {
      case "delivered":
        counters.msi++;
        break;
      case "merged":
        counters.merged++;
        break;
      default:
        counters.refused++;
        return;
    }
    counters.byVector[vector] = (counters.byVector[vector] ?? 0) + 1;
  }
}
