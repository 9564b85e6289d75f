import { bool, record, type StateOf, u32 } from "../../state/codec.ts";
import { VIRTIO_F_VERSION_1, VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC } from "../defs.ts";

/** What was accepted. */
export const FEATURES_STATE = record({ low: u32, high: u32, beyond: bool });
export type FeaturesState = StateOf<typeof FEATURES_STATE>;

const bit = (number: number): bigint => 1n << BigInt(number);
const INDIRECT = bit(VIRTIO_RING_F_INDIRECT_DESC);
const EVENT_INDEX = bit(VIRTIO_RING_F_EVENT_IDX);
const VERSION_1 = bit(VIRTIO_F_VERSION_1);

/**
 * Bits that a device may offer by itself: 0..23 and 50..63 (virtio 1.2 section 2.2). Those between belong to
 * the ring and the transport; RING_RESET and NOTIF_CONFIG_DATA among them are never offered (V3-GEN-04).
 */
const DEVICE_BITS = 0xfffc_0000_00ff_ffffn;

/** The offer of one device and what its driver has accepted of it, in words of 32 bits. */
export class Features {
  /** All that is offered: the device's features and the ones that every device gets. */
  readonly offered: bigint;
  readonly #offeredWords: Uint32Array;
  readonly #accepted = new Uint32Array(2);
  #acceptedBeyond = false;

  /**
   * `eventIndex` false withholds RING_EVENT_IDX: the rings' flags suppress notifications then (virtio 1.2 section 2.7.7).
   * @throws RangeError when `device` has bits that are not a device's to offer.
   */
  constructor(device: bigint, eventIndex = true) {
    if ((device & ~DEVICE_BITS) !== 0n) throw new RangeError("feature bits that are not a device's to offer");
    this.offered = device | VERSION_1 | INDIRECT | (eventIndex ? EVENT_INDEX : 0n);
    this.#offeredWords = Uint32Array.of(Number(this.offered & 0xffff_ffffn), Number(this.offered >> 32n));
  }

  /** Bits 32 * word .. 32 * word + 31 of the offer; words that do not exist read 0. */
  word(word: number): number {
    return this.#offeredWords[word] ?? 0;
  }

  /** The driver accepts 32 bits. */
  accept(word: number, value: number): void {
    if (word < this.#accepted.length) this.#accepted[word] = value;
    else if (value !== 0) this.#acceptedBeyond = true;
  }

  /** Bits 32 * word .. 32 * word + 31 of what was accepted; words that do not exist read 0. */
  acceptedWord(word: number): number {
    return this.#accepted[word] ?? 0;
  }

  get accepted(): bigint {
    return (BigInt(this.#accepted[1] ?? 0) << 32n) | BigInt(this.#accepted[0] ?? 0);
  }

  get indirect(): boolean {
    return (this.accepted & INDIRECT) !== 0n;
  }
  get eventIndex(): boolean {
    return (this.accepted & EVENT_INDEX) !== 0n;
  }

  /** Why what was accepted cannot be used, or undefined when it can (virtio 1.2 section 2.2.2). */
  refused(): string | undefined {
    if (this.#acceptedBeyond || (this.accepted & ~this.offered) !== 0n) {
      return "features: accepted what was not offered";
    }
    // There is no legacy interface here (virtio 1.2 section 6.2).
    return (this.accepted & VERSION_1) === 0n ? "features: VERSION_1 missing" : undefined;
  }

  save(): FeaturesState {
    return { low: this.acceptedWord(0), high: this.acceptedWord(1), beyond: this.#acceptedBeyond };
  }

  restore(state: FeaturesState): void {
    this.#accepted.set([state.low, state.high]);
    this.#acceptedBeyond = state.beyond;
  }

  reset(): void {
    this.#accepted.fill(0);
    this.#acceptedBeyond = false;
  }
}
