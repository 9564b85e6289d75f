/**
 * The time of a guest that was restored, or that nothing ran of for long, goes on where it stood; the time of day does not,
 * and only the guest can set its own clock. It does so first of all, and commands wait for it.
 */

/** See the file's head. Open from the start in a machine that was booted. */
export class CommandGate {
  #setClock: (() => void) | undefined;
  #clockSet: Promise<void> | undefined;

  readonly #exec: (command: string) => Promise<unknown>;

  /** `exec` runs a command in the guest. */
  constructor(exec: (command: string) => Promise<unknown>) {
    this.#exec = exec;
  }

  /** Holds commands back until the guest has set its clock, which it does when it runs. */
  close(): void {
    this.#clockSet = new Promise((resolve) => {
      this.#setClock = () => {
        this.#setClock = undefined;
        const done = (): void => {
          this.#clockSet = undefined;
          resolve();
        };
        this.#exec(`date -u -s @${Math.round(Date.now() / 1000)}`).then(done, done);
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
