import type { DeviceCounters } from "../../metrics/counters.ts";
import { bool, list, optional, record, StateError, type StateOf, tally, u8 } from "../../state/codec.ts";
import {
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FAILED,
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_CONFIG_S_NEEDS_RESET,
} from "../defs.ts";
import { inspectRings, type RingsView } from "../queue/inspect.ts";
import { VIRTQUEUE_STATE, Virtqueue, VirtqueueError, type VirtqueueState } from "../queue/virtqueue.ts";
import {
  type DeviceContext,
  type GuestMemory,
  GuestMemoryError,
  type LogSink,
  type VirtioDevice,
} from "../types.ts";
import { CONFIG_SPACE_STATE, ConfigSpace } from "./config-space.ts";
import { Context } from "./device-context.ts";
import { FEATURES_STATE, Features } from "./features.ts";
import { QUEUE_CONFIG_STATE, type QueueAddressField, QueueConfig } from "./queue-config.ts";
import {
  DRIVER_BITS,
  refusedTransition,
  STATE_DRIVER,
  STATE_DRIVER_OK,
  STATE_FEATURES_OK,
} from "./status.ts";

/** How a core tells its transport of something that the driver is to hear of. */
export interface InterruptSink {
  /** A used buffer notification of queue `index`, wanted by the driver. */
  queueInterrupt(index: number): void;
  /** A configuration change notification; DEVICE_NEEDS_RESET comes this way too. */
  configInterrupt(): void;
}

/** What a {@link VirtioCore} is made of. */
export interface VirtioCoreOptions {
  readonly device: VirtioDevice;
  readonly memory: GuestMemory;
  readonly counters: DeviceCounters;
  readonly log: LogSink;
  /** Whether RING_EVENT_IDX is offered; default true. */
  readonly eventIndex?: boolean;
  readonly interrupts: InterruptSink;
  /** Called at the end of a reset, when Status reads 0 again. */
  readonly onReset: () => void;
}

/** More queues than any device has. */
const QUEUES_MOST = 64;

/** What is kept of a {@link VirtioCore}. */
export const CORE_STATE = record({
  status: u8,
  running: bool,
  resetRequested: bool,
  features: FEATURES_STATE,
  config: CONFIG_SPACE_STATE,
  queues: list(record({ config: QUEUE_CONFIG_STATE, live: optional(VIRTQUEUE_STATE) }), QUEUES_MOST),
  ignored: tally,
});
export type CoreState = StateOf<typeof CORE_STATE>;

/** Gives a device its state back; with its context when the driver had it activated. */
export type RestoreDevice = (context: DeviceContext | undefined) => void;

/**
 * What every virtio transport has in common: device status, features, queue configuration, activation,
 * notification, configuration space and reset (virtio 1.2 sections 2 and 3). A transport maps registers
 * onto it and gives it a way to interrupt.
 *
 * Nothing that a guest writes makes it throw. What is out of order is refused, counted in {@link ignored}
 * and logged once for each reason; a ring that breaks the standard puts the device into DEVICE_NEEDS_RESET
 * (section 2.1.2), where it stays deaf until the driver resets it.
 */
export class VirtioCore {
  readonly device: VirtioDevice;
  readonly counters: DeviceCounters;
  /** Register accesses that were refused or had no meaning, by reason. */
  readonly ignored: Record<string, number> = {};

  readonly #memory: GuestMemory;
  readonly #log: LogSink;
  readonly #logged = new Set<string>();
  readonly #interrupts: InterruptSink;
  readonly #onReset: () => void;
  readonly #features: Features;
  readonly #config: ConfigSpace;
  readonly #queues: readonly QueueConfig[];

  #status = 0;
  /** Live queues by index; undefined where a queue is not enabled. Empty unless activated. */
  #live: (Virtqueue | undefined)[] = [];
  #context: Context | undefined;
  /** DRIVER_OK was set and nothing has stopped the device since. */
  #running = false;
  /** A reset is taking the last buffers: no notification any more. */
  #muted = false;
  /** DEVICE_NEEDS_RESET stands because we want the reset, not because anything is wrong. */
  #resetRequested = false;

  /** @throws RangeError when the device offers features that are not a device's to offer. */
  constructor(options: VirtioCoreOptions) {
    const { device } = options;
    this.device = device;
    this.counters = options.counters;
    this.#memory = options.memory;
    this.#log = options.log;
    this.#interrupts = options.interrupts;
    this.#onReset = options.onReset;
    this.#features = new Features(device.features, options.eventIndex);
    this.#config = new ConfigSpace(device);
    this.#queues = device.queueSizes.map((maximum) => new QueueConfig(maximum));
  }

  // Device status.

  /** The device status field. */
  get status(): number {
    return this.#status;
  }

  /** DRIVER_OK is set, and the device neither failed nor waits for a reset. */
  get ready(): boolean {
    return this.#running && !this.#resetRequested;
  }

  /** The driver writes the device status field: 0 resets, the rest follows the table in status.ts. */
  writeStatus(value: number): void {
    if (value === 0) {
      this.#reset();
      return;
    }
    // The driver writes back what it read: the device's own bit means nothing in a write.
    const wanted = value & ~VIRTIO_CONFIG_S_NEEDS_RESET;
    const now = this.#status & DRIVER_BITS;
    if (wanted === now) return;
    const refused =
      refusedTransition(now, wanted) ?? (wanted === STATE_FEATURES_OK ? this.#features.refused() : undefined);
    if (refused !== undefined) {
      this.ignore(refused);
    } else if ((wanted & VIRTIO_CONFIG_S_FAILED) !== 0) {
      // The driver has given up: the rings are its own again, until it resets us.
      this.#status |= VIRTIO_CONFIG_S_FAILED;
      this.#stop();
      this.#logOnce("FAILED", "the driver set FAILED");
    } else {
      this.#status |= wanted;
      if (wanted === STATE_DRIVER_OK) this.#activate();
    }
  }

  /** After FAILED, or after DEVICE_NEEDS_RESET for cause (a reset that we only asked for does not stop the device). */
  get #stopped(): boolean {
    if ((this.#status & VIRTIO_CONFIG_S_FAILED) !== 0) return true;
    return (this.#status & VIRTIO_CONFIG_S_DRIVER_OK) !== 0 && !this.#running;
  }

  // Features.

  /** 32 offered feature bits; words that do not exist read 0. */
  deviceFeatures(word: number): number {
    return this.#features.word(word);
  }

  /** The driver accepts 32 feature bits. Judged when it sets FEATURES_OK. */
  writeDriverFeatures(word: number, value: number): void {
    if (this.#status === STATE_DRIVER) this.#features.accept(word, value);
    else this.ignore("features written outside of negotiation");
  }

  /** 32 feature bits as accepted so far; words that do not exist read 0. */
  driverFeatures(word: number): number {
    return this.#features.acceptedWord(word);
  }

  // Queues.

  /** What the driver has configured so far; undefined for a queue that does not exist. */
  queueConfig(index: number): Readonly<QueueConfig> | undefined {
    return this.#queues[index];
  }

  /** Largest size of a queue; 0 for one that does not exist. */
  queueMaximum(index: number): number {
    return this.#queues[index]?.maximum ?? 0;
  }

  queueReady(index: number): boolean {
    return this.#queues[index]?.ready ?? false;
  }

  /** The rings of a live queue, for looking at. */
  inspectQueue(index: number): RingsView | undefined {
    const queue = this.#running ? this.#live[index] : undefined;
    return queue && inspectRings(this.#memory, queue.position);
  }

  /** Size in descriptors; whether it is legal is judged at DRIVER_OK. */
  writeQueueSize(index: number, value: number): void {
    const queue = this.#configurable(index);
    if (queue !== undefined) queue.size = value;
  }

  /** One half of one of the three addresses. */
  writeQueueAddress(index: number, field: QueueAddressField, value: number): void {
    const queue = this.#configurable(index);
    if (queue !== undefined) queue[field] = value;
  }

  /** Enables a queue, or takes it out of use until the next reset. */
  writeQueueReady(index: number, value: number): void {
    if (value === 1) {
      const queue = this.#configurable(index);
      if (queue !== undefined) queue.ready = true;
      return;
    }
    const queue = this.#queues[index];
    if (queue === undefined) this.ignore("queue does not exist");
    else if (value !== 0) this.ignore("QueueReady: undefined value");
    else {
      // Allowed in every state; from here on the device leaves the rings alone (virtio 1.2 section 4.2.2.1).
      queue.ready = false;
      this.#live[index]?.retire();
      if (index < this.#live.length) this.#live[index] = undefined;
    }
  }

  /** A queue is configured between FEATURES_OK and DRIVER_OK while it is not enabled, and at no other time. */
  #configurable(index: number): QueueConfig | undefined {
    const queue = this.#queues[index];
    if (queue === undefined) this.ignore("queue does not exist");
    else if (this.#status !== STATE_FEATURES_OK)
      this.ignore("queue configured outside of FEATURES_OK to DRIVER_OK");
    else if (queue.ready) this.ignore("queue configured while ready");
    else return queue;
    return undefined;
  }

  // Life.

  #activate(): void {
    const features = this.#features;
    this.#running = true;
    this.guard(() => {
      this.#live = this.#queues.map((queue, index) =>
        queue.ready ? this.#virtqueue(index, queue) : undefined,
      );
      this.#context = new Context(this, this.#live, features.accepted, this.counters);
      this.device.activate(this.#context);
      // A driver may fill its queues and notify before DRIVER_OK, where a notification means nothing:
      // whatever is there by now is announced here, so that no buffer waits for a notification that was lost.
      for (let index = 0; index < this.#live.length && this.#running; index++) {
        const queue = this.#live[index];
        if (queue !== undefined && queue.available() > 0) this.device.notify(index);
      }
    });
  }

  /** @param state of a queue that goes on; without one it begins anew. */
  #virtqueue(index: number, queue: QueueConfig, state?: VirtqueueState): Virtqueue {
    const { eventIndex, indirect } = this.#features;
    const options = { eventIndex, indirect, index, traced: this.counters };
    return new Virtqueue(this.#memory, queue.layout(), options, state);
  }

  /** Available buffer notification of a queue, whatever register it came by. */
  notify(index: number): void {
    this.counters.doorbells++;
    this.counters.trace?.doorbell(index);
    if (!this.#running || this.#live[index] === undefined) {
      this.ignore("notification of a queue not live");
      return;
    }
    try {
      this.device.notify(index);
    } catch (error) {
      this.#caught(error);
    }
  }

  /** Runs device code while the device is running; what the guest caused becomes DEVICE_NEEDS_RESET. */
  guard(work: () => void): void {
    if (!this.#running) return;
    try {
      work();
    } catch (error) {
      this.#caught(error);
    }
  }

  #caught(error: unknown): void {
    if (error instanceof VirtqueueError) this.needsReset(error.reason);
    else if (error instanceof GuestMemoryError) this.needsReset("access outside RAM");
    else throw error; // not the guest's doing
  }

  /** The guest did what cannot be served: DEVICE_NEEDS_RESET, and deaf until the reset (virtio 1.2 section 2.1.2). */
  needsReset(reason: string): void {
    if (!this.#running) return;
    this.counters.faults[reason] = (this.counters.faults[reason] ?? 0) + 1;
    this.#logOnce(`fault: ${reason}`, `needs a reset: ${reason}`);
    this.#stop();
    if (this.#muted) return; // found in the last look at the rings, in a reset that is under way
    this.#status |= VIRTIO_CONFIG_S_NEEDS_RESET;
    this.#interrupts.configInterrupt();
  }

  /**
   * Asks the driver for a reset of our own accord (V3-SWITCH-03): DEVICE_NEEDS_RESET with a configuration
   * interrupt, but the device goes on serving its queues until the reset comes.
   */
  requestReset(): void {
    if (!this.#running) return;
    this.#resetRequested = true;
    this.#status |= VIRTIO_CONFIG_S_NEEDS_RESET;
    this.#interrupts.configInterrupt();
  }

  /** Takes {@link requestReset} and {@link quiesce} back: the driver does not answer. No reset is needed any more. */
  withdrawReset(): void {
    if (this.#running && this.#resetRequested) {
      this.#resetRequested = false;
      this.#status &= ~VIRTIO_CONFIG_S_NEEDS_RESET;
    }
    this.guard(() => this.device.resume?.());
  }

  /** Nothing of the rings is touched any more, not even by device code that is still on its way out. */
  #stop(): void {
    this.#running = false;
    for (const queue of this.#live) queue?.retire();
  }

  #reset(): void {
    if (this.#resetRequested) {
      // We asked for this reset: what the driver made available up to now is not to be lost by it (V3-SWITCH-05).
      this.#muted = true;
      for (let index = 0; index < this.#live.length; index++) {
        if (this.#live[index] !== undefined) this.guard(() => this.device.notify(index));
      }
    }
    this.#stop();
    this.#context?.end();
    this.#context = undefined;
    this.#live = [];
    this.#muted = false;
    this.#resetRequested = false;
    this.#status = 0;
    this.#features.reset();
    for (const queue of this.#queues) queue.reset();
    this.device.reset();
    this.#onReset();
  }

  /** See {@link VirtioDevice.quiesce}; a device that is not running has nothing to wait for. */
  quiesce(): boolean {
    let done = true;
    this.guard(() => {
      done = this.device.quiesce();
    });
    return done;
  }

  // Keeping the state.

  save(): CoreState {
    return {
      status: this.#status,
      running: this.#running,
      resetRequested: this.#resetRequested,
      features: this.#features.save(),
      config: this.#config.save(),
      queues: this.#queues.map((config, index) => ({
        config: config.save(),
        // A retired queue has nothing that is worth keeping.
        live: this.#running ? this.#live[index]?.save() : undefined,
      })),
      ignored: { ...this.ignored },
    };
  }

  /**
   * Takes a state over, with guest memory in place already. The core must be as it was made.
   * @throws StateError when the state is none that a core can be in.
   */
  restore(state: CoreState, device: RestoreDevice): void {
    const activated = (state.status & VIRTIO_CONFIG_S_DRIVER_OK) !== 0;
    if (state.queues.length !== this.#queues.length) throw new StateError("the device has other queues");
    if (state.running && (!activated || (state.status & VIRTIO_CONFIG_S_FAILED) !== 0))
      throw new StateError("the device runs without DRIVER_OK");
    this.#status = state.status;
    this.#resetRequested = state.resetRequested;
    this.#features.restore(state.features);
    if (activated && this.#features.refused() !== undefined)
      throw new StateError("the device has features that it never offered");
    this.#config.restore(state.config);
    for (const [index, { config }] of state.queues.entries()) this.#queues[index]?.restore(config);
    Object.assign(this.ignored, state.ignored);
    if (activated) this.#resume(state);
    device(this.#context);
  }

  #resume(state: CoreState): void {
    try {
      this.#live = this.#queues.map((queue, index) => {
        const live = state.running ? state.queues[index]?.live : undefined;
        return queue.ready && live ? this.#virtqueue(index, queue, live) : undefined;
      });
    } catch (error) {
      if (error instanceof VirtqueueError) throw new StateError(`a queue is broken: ${error.reason}`);
      throw error;
    }
    this.#context = new Context(this, this.#live, this.#features.accepted, this.counters);
    this.#running = state.running;
  }

  // Notifications to the driver, for the context.

  /** Used buffer notification, if the driver wants one. */
  notifyUsed(index: number): void {
    if (!this.#running || this.#muted) return;
    if (this.#live[index]?.needsNotification()) this.#interrupts.queueInterrupt(index);
  }

  /** Configuration change notification. */
  configChanged(): void {
    this.#config.changed();
    if (this.#running && !this.#muted) this.#interrupts.configInterrupt();
  }

  // Configuration space.

  readConfig(offset: number, size: number): number {
    return this.#config.read(offset, size);
  }

  /** Refused past the end, and before FEATURES_OK (virtio 1.2 section 3.1.1). */
  writeConfig(offset: number, size: number, value: number): void {
    if (!this.#config.contains(offset, size)) {
      this.ignore("configuration written past its end");
    } else if ((this.#status & VIRTIO_CONFIG_S_FEATURES_OK) === 0 || this.#stopped) {
      this.ignore("configuration written outside of FEATURES_OK");
    } else {
      try {
        this.device.writeConfig(offset, size, value);
      } catch (error) {
        this.#caught(error);
      }
    }
  }

  get generation(): number {
    return this.#config.generation;
  }

  // Counting what is refused.

  /** Counts an access that has no effect, and logs the first of its kind. */
  ignore(reason: string): void {
    this.ignored[reason] = (this.ignored[reason] ?? 0) + 1;
    this.#logOnce(reason, `ignored: ${reason}`);
  }

  #logOnce(key: string, message: string): void {
    if (this.#logged.has(key)) return;
    this.#logged.add(key);
    this.#log(`${this.device.name}: ${message}`);
  }
}
