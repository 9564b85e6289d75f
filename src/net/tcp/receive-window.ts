import { bool, record, type StateOf, u32 } from "../../state/codec.ts";
import { advance, distance, MAX_SEGMENT, sequenceLength, type TcpSegment } from "./segment.ts";

/**
 * Most bytes that the guest may send ahead. What waits for the guest is taken from it: an echo's queue cannot
 * grow beyond this, and a guest that does not read is not read from either.
 */
export const RECEIVE_WINDOW = 256 * 1024;
/** 2^3 is the smallest unit in which {@link RECEIVE_WINDOW} fits 16 bits. */
export const RECEIVE_SHIFT = 3;
/** The largest number in the header's field, and the window that goes with SYN (never scaled: RFC 7323 section 2.2). */
export const LARGEST_WINDOW_FIELD = 0xffff;

/** What is kept of a {@link ReceiveWindow}. */
export const RECEIVE_WINDOW_STATE = record({ next: u32, edge: u32, scaled: bool });
export type ReceiveWindowState = StateOf<typeof RECEIVE_WINDOW_STATE>;

/** Receive sequence space, RFC 9293 section 3.3.1: what is expected next, and how much the guest may send. */
export class ReceiveWindow {
  /** RCV.NXT. */
  next: number;
  /** End of the window that the guest was told of. It is never taken back. */
  #edge: number;
  readonly #shift: number;
  readonly #size: number;

  /**
   * @param next the sequence number behind the guest's SYN.
   * @param scaled whether both sides scale windows.
   * @param edge end of the window that the guest was told of.
   */
  constructor(next: number, scaled: boolean, edge = advance(next, LARGEST_WINDOW_FIELD)) {
    this.next = next;
    this.#edge = edge;
    this.#shift = scaled ? RECEIVE_SHIFT : 0;
    this.#size = Math.min(RECEIVE_WINDOW, LARGEST_WINDOW_FIELD << this.#shift);
  }

  save(): ReceiveWindowState {
    return { next: this.next, edge: this.#edge, scaled: this.#shift > 0 };
  }

  /** Bytes that the guest may still send, as far as it knows. A FIN may lie behind the edge. */
  get room(): number {
    return Math.max(0, distance(this.next, this.#edge));
  }

  /**
   * RFC 9293 section 3.4, and at the very edge too: that is where a guest's acknowledgements are when it has filled
   * the window (section 3.10.7.4 wants them heeded).
   */
  accepts(segment: TcpSegment): boolean {
    const start = distance(this.next, segment.sequence);
    if (start < 0) return start + sequenceLength(segment) > 0;
    return start <= this.room;
  }

  /** So many sequence numbers have come. */
  advance(count: number): void {
    this.next = advance(this.next, count);
  }

  /** Moves the end of the window, with `queued` bytes waiting for the guest, and returns the header's field. */
  open(queued: number): number {
    const gain = this.#gain(queued);
    // RFC 9293 section 3.8.6.2.2 (MUST-39): not by driblets, unless nothing is in the way.
    if (gain >= MAX_SEGMENT || (gain > 0 && queued === 0)) this.#edge = advance(this.#edge, gain);
    return Math.min(LARGEST_WINDOW_FIELD, this.room >>> this.#shift);
  }

  /** Whether a guest that was held up is to be told, with nothing else to say: much is free, and it has little left. */
  needsUpdate(queued: number): boolean {
    return this.room < this.#size / 8 && this.#gain(queued) >= this.#size / 2;
  }

  #gain(queued: number): number {
    return distance(this.#edge, advance(this.next, Math.max(0, this.#size - queued)));
  }
}
