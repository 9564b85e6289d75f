/**
 * When v86 translates guest code to WebAssembly.
 *
 * A kernel's boot runs most of its code a few times only, so it is over before what was translated pays off. Worse: the
 * engine optimises v86's interpreter in the background during that same second, and modules of guest code stand
 * before it in the queue. So the first instructions are interpreted (docs/decisions/0041-interpreted-first.md).
 */
import type { V86Cpu } from "./v86-internals.ts";

/** What v86's set_jit_config sets. */
const JIT_DISABLED = 0;

/** So many guest instructions of a machine are interpreted at first: our own guest is at its prompt after 7 million. */
export const INTERPRETED = 16_000_000;

/** Holds v86's translator back at first. */
export class Translator {
  readonly #cpu: V86Cpu;
  #left: number;

  /** `interpreted` guest instructions come first; 0: none do. */
  constructor(cpu: V86Cpu, interpreted = INTERPRETED) {
    this.#cpu = cpu;
    this.#left = interpreted;
    cpu.set_jit_config(JIT_DISABLED, interpreted > 0 ? 1 : 0);
  }

  /** Between slices: `executed` instructions more have been executed. */
  count(executed: number): void {
    if (this.#left <= 0) return;
    this.#left -= executed;
    if (this.#left <= 0) this.#cpu.set_jit_config(JIT_DISABLED, 0);
  }
}
