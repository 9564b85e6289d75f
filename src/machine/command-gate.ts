/**
 * A restored guest's time goes on where it stood; the time of day does not, and only the guest can set its own clock.
 * It does so first of all, and commands wait for it.
 */

/** See the file's head. Open from the start in a machine that was booted. */
export class CommandGate {
  #setClock: (() => void) | undefined;
  #clockSet: Promise<void> | undefined;

  /** Holds commands back until a guest that begins to run has set its clock by `exec`. */
  close(exec: (command: string) => Promise<unknown>): void {
    this.#clockSet = new Promise((resolve) => {
      this.#setClock = () => {
        this.#setClock = undefined;
        const done = (): void => {
          this.#clockSet = undefined;
          resolve();
        };
        exec(`date -u -s @${Math.round(Date.now() / 1000)}`).then(done, done);
      };
    });
  }

  /** The guest runs. */
  running(): void {
    this.#setClock?.();
  }

  /** Resolves when commands may go in; undefined when they may now. */
  get opened(): Promise<void> | undefined {
    return this.#clockSet;
  }
}
