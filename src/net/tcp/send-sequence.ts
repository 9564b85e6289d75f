import { bool, bytes, checked, record, StateError, type StateOf, u16, u32 } from "../../state/codec.ts";
import { advance, distance, FIN, MAX_SEGMENT, MAX_WINDOW_SHIFT, PSH, type TcpSegment } from "./segment.ts";
import { SendBuffer } from "./send-buffer.ts";

/** Most that a connection may hold, whatever bound its service has. */
const BUFFER_MOST = 16 * 1024 * 1024;

/** What is kept of a {@link SendSequence}. */
export const SEND_SEQUENCE_STATE = record({
  unacknowledged: u32,
  next: u32,
  highest: u32,
  window: u32,
  largestWindow: u32,
  windowSequence: u32,
  windowAcknowledgement: u32,
  shift: checked(u16, "shift of a window", (shift) => shift <= MAX_WINDOW_SHIFT),
  segmentSize: checked(u16, "segment size", (size) => size > 0 && size <= MAX_SEGMENT),
  finWanted: bool,
  buffer: bytes(BUFFER_MOST),
});
export type SendSequenceState = StateOf<typeof SEND_SEQUENCE_STATE>;

/** What {@link SendSequence.next} returns when nothing may be sent. */
export const NOTHING = -1;

/**
 * Send sequence space, RFC 9293 section 3.3.1: what is sent, acknowledged and waiting, and how much of it the
 * guest's window lets out. Many segments are under way at once. No congestion control: the cable loses nothing.
 */
export class SendSequence {
  /** All that is not acknowledged. Its first byte is #unacknowledged's (once the connection is established). */
  readonly buffer = new SendBuffer();

  // The segment that take() has made.
  sequence = 0;
  /** Where in {@link buffer} its data begin. */
  offset = 0;
  /** PSH and FIN, as they belong. */
  flags = 0;
  /** Some of it was sent before. */
  repeated = false;

  /** SND.UNA. */
  #unacknowledged: number;
  /** SND.NXT, which falls back when something is sent again. */
  #next: number;
  /** The highest SND.NXT there was. */
  #highest: number;
  /** SND.WND. */
  #window: number;
  #largestWindow = 0;
  /** SND.WL1 and SND.WL2: sequence and acknowledgement number of the segment that set the window. */
  #windowSequence: number;
  #windowAcknowledgement: number;
  readonly #shift: number;
  /** Most data bytes of one segment on a wire. */
  readonly segmentSize: number;
  #finWanted = false;

  /**
   * @param initial sequence number of our SYN.
   * @param syn the guest's SYN. Its window counts as it stands; those of later segments are shifted.
   * @param segmentSize most data bytes of one segment.
   */
  constructor(
    initial: number,
    syn: Pick<TcpSegment, "sequence" | "window" | "windowShift">,
    segmentSize: number,
  ) {
    this.#unacknowledged = initial;
    this.#highest = advance(initial, 1);
    this.#next = this.#highest;
    this.#window = syn.window;
    this.#windowSequence = syn.sequence;
    this.#windowAcknowledgement = initial;
    this.#shift = Math.max(0, syn.windowShift);
    this.segmentSize = segmentSize;
  }

  /** One that goes on. @throws StateError when its numbers contradict each other. */
  static restore(state: SendSequenceState): SendSequence {
    const { unacknowledged, next, highest, buffer, shift } = state;
    const outstanding = distance(unacknowledged, highest);
    // A FIN is one number more than there are bytes.
    if (distance(unacknowledged, next) < 0 || distance(next, highest) < 0 || outstanding > buffer.length + 1)
      throw new StateError("sequence numbers of a connection contradict each other");
    const opening = { sequence: state.windowSequence, window: state.window, windowShift: shift };
    const send = new SendSequence(unacknowledged, opening, state.segmentSize);
    send.#next = next;
    send.#highest = highest;
    send.#largestWindow = state.largestWindow;
    send.#windowAcknowledgement = state.windowAcknowledgement;
    send.#finWanted = state.finWanted;
    send.buffer.append(buffer);
    return send;
  }

  save(): SendSequenceState {
    return {
      unacknowledged: this.#unacknowledged,
      next: this.#next,
      highest: this.#highest,
      window: this.#window,
      largestWindow: this.#largestWindow,
      windowSequence: this.#windowSequence,
      windowAcknowledgement: this.#windowAcknowledgement,
      shift: this.#shift,
      segmentSize: this.segmentSize,
      finWanted: this.#finWanted,
      buffer: this.buffer.contents(),
    };
  }

  get unacknowledged(): number {
    return this.#unacknowledged;
  }

  get highest(): number {
    return this.#highest;
  }

  get windowClosed(): boolean {
    return this.#window === 0;
  }

  /** Whether anything is sent and not acknowledged, or waits to be sent. */
  get outstanding(): boolean {
    return this.#unacknowledged !== this.#highest || this.buffer.length > 0;
  }

  /**
   * What a segment without data carries: the highest number sent, or a lower one that still lies in the guest's window,
   * for a guest does not heed what lies outside (a probe of its closed window does).
   */
  get position(): number {
    const outstanding = distance(this.#unacknowledged, this.#highest);
    return advance(this.#unacknowledged, Math.min(outstanding, this.#window));
  }

  /** How many sequence numbers `acknowledgement` acknowledges anew; negative when it is old. */
  gain(acknowledgement: number): number {
    return distance(this.#unacknowledged, acknowledgement);
  }

  /** Whether `gain` acknowledges what was never sent. */
  isBeyond(gain: number): boolean {
    return gain > distance(this.#unacknowledged, this.#highest);
  }

  /** `gain` sequence numbers of data, and of our FIN, are acknowledged; returns whether our FIN is. */
  acknowledge(gain: number): boolean {
    const bytes = Math.min(gain, this.buffer.length);
    this.buffer.drop(bytes);
    this.#advanceTo(advance(this.#unacknowledged, gain));
    if (bytes === gain) return false;
    this.#finWanted = false;
    return true;
  }

  /** Our SYN is acknowledged. */
  acknowledgeSyn(): void {
    this.#advanceTo(this.#highest);
  }

  #advanceTo(sequence: number): void {
    this.#unacknowledged = sequence;
    if (distance(this.#next, sequence) > 0) this.#next = sequence;
  }

  /** RFC 9293 section 3.10.7.4, fifth step: an old segment does not set the window. */
  updateWindow(sequence: number, acknowledgement: number, field: number): void {
    const newer = distance(this.#windowSequence, sequence);
    if (newer < 0 || (newer === 0 && distance(this.#windowAcknowledgement, acknowledgement) < 0)) return;
    this.#windowSequence = sequence;
    this.#windowAcknowledgement = acknowledgement;
    const window = field << this.#shift;
    // What went out while the window was closed, probes above all, was thrown away.
    if (this.#window === 0 && window > 0) this.#next = this.#unacknowledged;
    this.#window = window;
    this.#largestWindow = Math.max(this.#largestWindow, window);
  }

  /** A FIN is to follow what waits. */
  close(): void {
    this.#finWanted = true;
  }

  /**
   * How many data bytes the next segment is to carry, 0 for a FIN alone, or {@link NOTHING}. With `most` beyond the
   * segment size it may be several segments in one, full ones but for the end of what waits.
   */
  next(most = this.segmentSize): number {
    const inFlight = distance(this.#unacknowledged, this.#next);
    const unsent = this.buffer.length - inFlight;
    // One less than none: the FIN is out too.
    if (unsent < 0) return NOTHING;
    const limit = Math.max(this.segmentSize, most - (most % this.segmentSize));
    const length = Math.min(unsent, limit, Math.max(0, this.#window - inFlight));
    if (length === unsent) return length > 0 || this.#finWanted ? length : NOTHING;
    if (length === 0) return NOTHING;
    if (length >= this.segmentSize) return length - (length % this.segmentSize);
    // RFC 9293 section 3.8.6.2.1 (MUST-38): no small segment into a window that is about to grow. If it does not
    // grow, the retransmission timer sends.
    return length >= this.#largestWindow / 2 ? length : NOTHING;
  }

  /**
   * Falls back to the oldest segment and returns its length. What follows goes when the guest has answered
   * (go-back-N). Into a closed window one byte goes all the same (RFC 9293 section 3.8.6.1, zero-window probing).
   */
  again(): number {
    this.#next = this.#unacknowledged;
    return Math.min(this.buffer.length, this.segmentSize, Math.max(1, this.#window));
  }

  /** Makes the next segment, with so many data bytes. */
  take(length: number): void {
    this.sequence = this.#next;
    this.offset = distance(this.#unacknowledged, this.#next);
    this.repeated = distance(this.#next, this.#highest) > 0;
    const last = this.offset + length === this.buffer.length;
    const fin = last && this.#finWanted ? FIN : 0;
    this.flags = fin | (last && length > 0 ? PSH : 0);
    this.#next = advance(this.#next, length + fin);
    if (distance(this.#highest, this.#next) > 0) this.#highest = this.#next;
  }
}
