/** A wired interrupt line into v86's controllers. */
import type { InterruptLine } from "../virtio/types.ts";

/** Keeps a line's level, so that driving it to where it is costs nothing. */
export class Line implements InterruptLine {
  #level = false;
  readonly #drive: (level: boolean) => void;

  constructor(drive: (level: boolean) => void) {
    this.#drive = drive;
  }

  get level(): boolean {
    return this.#level;
  }

  /** Where v86 has it already, by its own state. */
  restore(level: boolean): void {
    this.#level = level;
  }

  set(level: boolean): void {
    if (level === this.#level) return;
    this.#level = level;
    this.#drive(level);
  }
}
