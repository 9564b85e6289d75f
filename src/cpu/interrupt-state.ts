/** Local APIC and IOAPIC as they stand, read from v86's own state: no access, no effect on the guest. */
import { APIC_IRR, APIC_ISR, APIC_TMR, APIC_TPR, type V86Cpu } from "./v86-internals.ts";

/** 256 bits, one for each vector: eight words, vector 0 is bit 0 of the first. */
export type VectorBits = readonly number[];

/** The local APIC (Intel SDM vol. 3A, "Advanced Programmable Interrupt Controller (APIC)"). */
export interface LocalApicState {
  readonly id: number;
  /** TPR: vectors of this class and below wait. */
  readonly taskPriority: number;
  /** Requested and not yet taken. */
  readonly irr: VectorBits;
  /** Taken and not yet ended. */
  readonly isr: VectorBits;
  /** Level-triggered: their EOI goes to the IOAPIC. */
  readonly tmr: VectorBits;
}

/** One entry of the IOAPIC's redirection table (Intel 82093AA, section 3.2.4). */
export interface RedirectionEntry {
  readonly pin: number;
  readonly vector: number;
  /** Delivery mode, 0 fixed, 1 lowest priority. */
  readonly delivery: number;
  /** Destination mode: logical in place of physical. */
  readonly logical: boolean;
  readonly destination: number;
  readonly activeLow: boolean;
  readonly level: boolean;
  readonly masked: boolean;
  /** A level-triggered interrupt was sent and its EOI has not come. */
  readonly remoteIrr: boolean;
}

/** Both controllers. */
export interface InterruptState {
  readonly localApic: LocalApicState;
  readonly ioapic: readonly RedirectionEntry[];
}

/** v86's IOAPIC state (its `Ioapic` struct): 24 words of configuration, then 24 of destination. */
export const IOAPIC_PINS = 24;
/** Bits of the lower half of an entry. */
const VECTOR = 0xff;
const DELIVERY_SHIFT = 8;
const LOGICAL = 1 << 11;
const ACTIVE_LOW = 1 << 13;
const REMOTE_IRR = 1 << 14;
const LEVEL = 1 << 15;
const MASKED = 1 << 16;
/** The destination is in the upper byte of the upper half. */
const DESTINATION_SHIFT = 24;
const WORDS = 8;

export function inspectInterrupts(cpu: V86Cpu): InterruptState {
  const { buffer } = cpu.wasm_memory;
  const apic = cpu.get_apic_addr();
  const word = (at: number): number => new DataView(buffer).getUint32(apic + at, true);
  const bits = (at: number): VectorBits => [...new Uint32Array(buffer, apic + at, WORDS)];
  const entries = new Uint32Array(buffer, cpu.get_ioapic_addr(), 2 * IOAPIC_PINS);
  return {
    localApic: {
      id: word(0),
      taskPriority: word(APIC_TPR),
      irr: bits(APIC_IRR),
      isr: bits(APIC_ISR),
      tmr: bits(APIC_TMR),
    },
    ioapic: Array.from({ length: IOAPIC_PINS }, (_, pin) => {
      const low = entries[pin] ?? 0;
      return {
        pin,
        vector: low & VECTOR,
        delivery: (low >>> DELIVERY_SHIFT) & 7,
        logical: (low & LOGICAL) !== 0,
        destination: (entries[pin + IOAPIC_PINS] ?? 0) >>> DESTINATION_SHIFT,
        activeLow: (low & ACTIVE_LOW) !== 0,
        level: (low & LEVEL) !== 0,
        masked: (low & MASKED) !== 0,
        remoteIrr: (low & REMOTE_IRR) !== 0,
      };
    }),
  };
}
