/**
 * The live switch of interrupt and doorbell mode: the specification's own recovery path, without a side channel
 * (docs/virtio-mmio-v3.md, "Live switch"). For each device: stop giving it what a reset would throw away, wait until
 * the driver has seen the rest, change the offer and set DEVICE_NEEDS_RESET; the driver freezes the device, resets
 * it, reads Version and MsiStatus again, negotiates and goes on.
 */
import type { DoorbellMode, InterruptMode } from "../metrics/counters.ts";
import type { SwitchStep } from "../metrics/trace-events.ts";
import type { Clock } from "../virtio/types.ts";
import { SwitchError, type SwitchResult } from "./types.ts";

/** A pair of modes. */
export interface Mode {
  readonly interrupts: InterruptMode;
  readonly doorbell: DoorbellMode;
}

/** What the switch needs of a transport. */
export interface Switchable {
  readonly offered: Mode;
  /** The driver has set DRIVER_OK and no reset is asked for. */
  readonly ready: boolean;
  quiesce(): boolean;
  offer(mode: Mode): void;
  /** Takes a request for a reset back that the driver has not answered: the device goes on as it was. */
  withdraw(): void;
  onReady(callback: () => void): () => void;
}

/** How long a driver may take to consume what it has been given, in milliseconds; then it is asked to reset anyway. */
const DRAIN_LIMIT = 200;
/** How long a driver may take to come back, in milliseconds. */
const READY_LIMIT = 5000;
/** What the time limit is counted in, in milliseconds. */
const PIECE = 500;
/** Pause between two looks whether the driver has caught up, in milliseconds. */
const LOOK_EVERY = 1;

/** See the file's head. Switches follow one another: a second one waits for the first. */
export class LiveSwitch {
  readonly #transports: ReadonlyMap<string, Switchable>;
  readonly #clock: Clock;
  readonly #canRun: () => boolean;
  readonly #onStep: (device: string, step: SwitchStep) => void;
  #last: Promise<unknown> = Promise.resolve();
  #mode: Mode;
  #waiting = 0;
  /** Gives up what waits for a driver. */
  readonly #abandon = new Set<(why: string) => void>();
  #over: string | undefined;
  /** Switches that came to their end. */
  completed = 0;

  constructor(options: {
    transports: ReadonlyMap<string, Switchable>;
    clock: Clock;
    mode: Mode;
    /** Whether the guest runs: a driver that does not run cannot negotiate. */
    canRun: () => boolean;
    /** Told of each step of each device, and of begin and end of the "machine". */
    onStep?: (device: string, step: SwitchStep) => void;
  }) {
    this.#transports = options.transports;
    this.#clock = options.clock;
    this.#mode = options.mode;
    this.#canRun = options.canRun;
    this.#onStep = options.onStep ?? (() => {});
  }

  /** What was asked for last. */
  get mode(): Mode {
    return this.#mode;
  }

  /** Whether a switch is under way, or waits for another one. */
  get busy(): boolean {
    return this.#waiting > 0;
  }

  /** Resolves when the switches that were asked for up to now have ended, well or not. */
  async settled(): Promise<void> {
    await this.#last;
  }

  /** As it was in a machine that was saved; there no switch was under way. */
  restore(mode: Mode, completed: number): void {
    this.#mode = mode;
    this.completed = completed;
  }

  /** The machine has ended, for this reason: so does every switch, now and later. */
  end(why: string): void {
    this.#over = why;
    for (const abandon of [...this.#abandon]) abandon(why);
  }

  /** Changes one or both modes; rejects with {@link SwitchError}. */
  to(change: Partial<Mode>): Promise<SwitchResult> {
    this.#waiting += 1;
    const run = this.#last
      .then(() => this.#run({ ...this.#mode, ...change }))
      .finally(() => {
        this.#waiting -= 1;
      });
    this.#last = run.catch(() => {});
    return run;
  }

  async #run(mode: Mode): Promise<SwitchResult> {
    if (this.#over !== undefined) throw new SwitchError(this.#over);
    const started = this.#clock.now();
    const changed = [...this.#transports].filter(
      ([, { offered }]) => offered.interrupts !== mode.interrupts || offered.doorbell !== mode.doorbell,
    );
    if (changed.length > 0) {
      if (!this.#canRun()) {
        throw new SwitchError(
          "The machine is not running, so its drivers cannot negotiate: resume it first.",
        );
      }
      const before = this.#mode;
      this.#mode = mode;
      this.#onStep("machine", "begin");
      const outcomes = await Promise.allSettled(
        changed.map(([name, transport]) => this.#one(name, transport, mode)),
      );
      this.#onStep("machine", "end");
      const failed = outcomes.filter((outcome) => outcome.status === "rejected");
      if (failed.length > 0) {
        this.#mode = before;
        throw new SwitchError(this.#over ?? failed.map(({ reason }) => (reason as Error).message).join(" "));
      }
      this.completed += 1;
    }
    return { ...mode, milliseconds: this.#clock.now() - started };
  }

  async #one(name: string, transport: Switchable, mode: Mode): Promise<void> {
    if (!transport.ready) {
      // No driver is at work, or it is being reset just now: the next negotiation sees the new offer.
      transport.offer(mode);
      return;
    }
    const limit = this.#clock.now() + DRAIN_LIMIT;
    while (!transport.quiesce() && this.#clock.now() < limit) await this.#pause(LOOK_EVERY);
    if (this.#over !== undefined) throw new SwitchError(this.#over);
    this.#onStep(name, "quiesced");
    const ready = new Promise<void>((resolve, reject) => {
      let stopWaiting: () => void = () => {};
      const abandon = (why: string): void => {
        stopWaiting();
        stopListening();
        this.#abandon.delete(abandon);
        reject(new SwitchError(why));
      };
      const stopListening = transport.onReady(() => {
        if (!transport.ready) return;
        stopWaiting();
        stopListening();
        this.#abandon.delete(abandon);
        this.#onStep(name, "ready");
        resolve();
      });
      this.#abandon.add(abandon);
      stopWaiting = this.#patience(() => {
        transport.withdraw();
        this.#onStep(name, "withdrawn");
        abandon(
          `${name}'s driver did not come back within ${READY_LIMIT / 1000} s after it was asked to reset.`,
        );
      });
    });
    transport.offer(mode);
    this.#onStep(name, "reset-requested");
    await ready;
  }

  /**
   * Calls back after {@link READY_LIMIT}, in pieces: a page that was frozen for an hour loses one of them, and not all the
   * time that its driver has.
   */
  #patience(callback: () => void): () => void {
    let left = READY_LIMIT;
    let cancel: () => void;
    const wait = (): void => {
      cancel = this.#clock.after(PIECE, () => {
        left -= PIECE;
        if (left > 0) wait();
        else callback();
      });
    };
    wait();
    return () => cancel();
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(milliseconds, () => resolve());
    });
  }
}
