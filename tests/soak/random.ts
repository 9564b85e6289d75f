/** Random choices that a seed brings back. */

/** xorshift32 (Marsaglia, "Xorshift RNGs", 2003). */
export class Random {
  #state: number;

  constructor(seed: number) {
    // 0 is the one state that it never leaves.
    this.#state = seed >>> 0 || 1;
  }

  /** 0 up to, but not including, 1. */
  fraction(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state / 2 ** 32;
  }

  /** A number between the two, small ones as likely as large ones by order of magnitude. */
  between(least: number, most: number): number {
    return least * (most / least) ** this.fraction();
  }

  pick<const Choices extends readonly [unknown, ...unknown[]]>(choices: Choices): Choices[number] {
    return choices[Math.floor(this.fraction() * choices.length)];
  }
}
