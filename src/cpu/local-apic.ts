/**
 * The local APIC's message port: where message-signalled interrupts arrive (Intel SDM vol. 3A, "Message Signalled
 * Interrupts"). v86 has no exported function that takes a message, so this does what v86's own IOAPIC does for an
 * edge-triggered interrupt: set the vector's bit in IRR, clear it in TMR.
 */
import type { MessageOutcome, MessagePort } from "../virtio/types.ts";
import { APIC_IRR, APIC_TMR, type V86Cpu } from "./v86-internals.ts";

/** Message address: bits 31..20 are 0xFEE, the rest names the destination (ignored: there is one CPU). */
const ADDRESS_MASK = 0xfff00000;
const ADDRESS_PREFIX = 0xfee00000;
/** Message data fields. */
const DATA_VECTOR = 0xff;
const DATA_DELIVERY_MODE = 0x700;
const DELIVERY_FIXED = 0x000;
const DELIVERY_LOWEST_PRIORITY = 0x100;
const DATA_TRIGGER_LEVEL = 0x8000;
/** Vectors below 0x10 are illegal for an APIC; 0xFF is v86's "none" and is refused too. */
const FIRST_VECTOR = 0x10;
const LAST_VECTOR = 0xfe;

/** How many messages became of each kind. */
export interface MessageCounters {
  delivered: number;
  merged: number;
  refused: number;
}

/** Whether a message may be delivered: a fixed or lowest-priority, edge-triggered interrupt to a legal vector. */
export function isLegalMessage(addressHigh: number, addressLow: number, data: number): boolean {
  const mode = data & DATA_DELIVERY_MODE;
  const vector = data & DATA_VECTOR;
  return (
    addressHigh === 0 &&
    (addressLow & ADDRESS_MASK) >>> 0 === ADDRESS_PREFIX &&
    (mode === DELIVERY_FIXED || mode === DELIVERY_LOWEST_PRIORITY) &&
    (data & DATA_TRIGGER_LEVEL) === 0 &&
    vector >= FIRST_VECTOR &&
    vector <= LAST_VECTOR
  );
}

/** Takes messages for the one local APIC. */
export class LocalApic implements MessagePort {
  readonly counters: MessageCounters = { delivered: 0, merged: 0, refused: 0 };
  readonly #memory: WebAssembly.Memory;
  readonly #address: number;
  readonly #attention: () => void;
  #words: Uint32Array;

  /** @param attention called after a message was delivered: makes the CPU look at it when it can. */
  constructor(cpu: V86Cpu, attention: () => void) {
    this.#memory = cpu.wasm_memory;
    this.#address = cpu.get_apic_addr();
    this.#attention = attention;
    this.#words = this.#bind();
  }

  send(addressHigh: number, addressLow: number, data: number): MessageOutcome {
    if (!isLegalMessage(addressHigh, addressLow, data)) {
      this.counters.refused += 1;
      return "refused";
    }
    if (this.#words.length === 0) this.#words = this.#bind();
    const words = this.#words;
    const vector = data & DATA_VECTOR;
    const word = vector >>> 5;
    const bit = 1 << (vector & 31);
    const pending = words[word] ?? 0;
    if ((pending & bit) !== 0) {
      this.counters.merged += 1;
      return "merged";
    }
    words[word] = pending | bit;
    const trigger = word + (APIC_TMR - APIC_IRR) / 4;
    words[trigger] = (words[trigger] ?? 0) & ~bit;
    this.counters.delivered += 1;
    this.#attention();
    return "delivered";
  }

  /** IRR, ISR and TMR follow one another in v86's state: 24 words from IRR on. */
  #bind(): Uint32Array {
    return new Uint32Array(this.#memory.buffer, this.#address + APIC_IRR, 24);
  }
}
