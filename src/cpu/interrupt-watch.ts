/**
 * What can be seen of interrupts at the seam. v86 takes an interrupt and handles its EOI inside of WebAssembly, where
 * nothing calls back; what shows is the local APIC's state, IRR and ISR, at those moments when the guest is outside:
 * at the begin and the end of each access to a device, around each interrupt that is raised from outside, and at the
 * end of each slice. This compares it with the last look. What came and went between two looks was not seen.
 */
import { APIC_IRR, APIC_ISR, type V86Cpu } from "./v86-internals.ts";

/** Who is told of interrupts. Vectors are the CPU's, 0 to 255. */
export interface InterruptObserver {
  /** A wired line changed its level. */
  line(line: number, level: boolean): void;
  /** The vector's bit in IRR was set: the local APIC has accepted an interrupt. */
  requested(vector: number): void;
  /** The CPU has taken it since the last look: the bit went from IRR to ISR. */
  taken(vector: number): void;
  /** The guest has written EOI since the last look: the bit in ISR was cleared. */
  ended(vector: number): void;
  /** A look has ended: what changed before the next one happened after now. */
  looked(): void;
}

/** Words in each of IRR and ISR. */
const WORDS = 8;

/** Looks at IRR and ISR, while somebody observes. */
export class InterruptWatch {
  readonly observer: InterruptObserver;
  readonly #memory: WebAssembly.Memory;
  readonly #address: number;
  #words: Uint32Array;
  readonly #irr = new Uint32Array(WORDS);
  readonly #isr = new Uint32Array(WORDS);

  constructor(cpu: V86Cpu, observer: InterruptObserver) {
    this.observer = observer;
    this.#memory = cpu.wasm_memory;
    this.#address = cpu.get_apic_addr();
    this.#words = this.#bind();
    this.#irr.set(this.#words.subarray(0, WORDS));
    this.#isr.set(this.#words.subarray(WORDS));
  }

  /** Tells of what has changed since the last look. */
  look(): void {
    if (this.#words.length === 0) this.#words = this.#bind();
    const words = this.#words;
    for (let word = 0; word < WORDS; word++) {
      const irr = words[word] as number; // the array has 2 * WORDS words
      const isr = words[word + WORDS] as number;
      if (irr !== this.#irr[word] || isr !== this.#isr[word]) this.#changed(word, irr, isr);
    }
    this.observer.looked();
  }

  #changed(word: number, irr: number, isr: number): void {
    const irrBefore = this.#irr[word] as number; // word < WORDS
    const isrBefore = this.#isr[word] as number;
    this.#irr[word] = irr;
    this.#isr[word] = isr;
    let changed = (irr ^ irrBefore) | (isr ^ isrBefore);
    while (changed !== 0) {
      const bit = 31 - Math.clz32(changed);
      const mask = 1 << bit;
      changed &= ~mask;
      const vector = word * 32 + bit;
      const wasPending = (irrBefore & mask) !== 0;
      const isPending = (irr & mask) !== 0;
      const wasInService = (isrBefore & mask) !== 0;
      const isInService = (isr & mask) !== 0;
      // Taken: it is no longer pending, or it is in service and was not.
      const taken = (wasPending && !isPending) || (isInService && !wasInService);
      if (wasInService && (taken || !isInService)) this.observer.ended(vector);
      if (taken) {
        if (!wasPending) this.observer.requested(vector);
        this.observer.taken(vector);
        if (!isInService) this.observer.ended(vector);
      }
      if (isPending && (!wasPending || taken)) this.observer.requested(vector);
    }
  }

  /** ISR follows IRR in v86's state. */
  #bind(): Uint32Array {
    return new Uint32Array(this.#memory.buffer, this.#address + APIC_IRR, (APIC_ISR - APIC_IRR) / 4 + WORDS);
  }
}
