import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_RING_F_EVENT_IDX,
} from "../defs.ts";
import type { VirtqueueLayout } from "../queue/virtqueue.ts";
import type { MockMemory } from "./mock-memory.ts";
import { MockQueue } from "./mock-queue.ts";

/** Registers of one device, a window or a BAR, as a bus or a transport gives them. */
export interface RegisterAccess {
  read(offset: number, size: 1 | 2 | 4): number;
  write(offset: number, size: 1 | 2 | 4, value: number): void;
}

/** What {@link MockDriver.initialise} does differently from taking all that is offered. */
export interface MockDriverOptions {
  /** Features to accept; default all offered. */
  readonly features?: bigint;
  /** Queue sizes; default the maximum of each, at most 16. 0 leaves a queue alone. */
  readonly sizes?: readonly number[];
  /** Set up messages when they are offered; default true. */
  readonly msi?: boolean;
}

/** Local APIC vector that {@link MockDriver.enableMessages} programs for vector index 0; index i gets this + i. */
export const MOCK_VECTOR_BASE = 0x41;
export const MOCK_LOCAL_APIC = 0xfee0_0000;

/**
 * The driver's half of a virtio transport, in the order of a Linux driver: each step can be called alone, so that a
 * test can leave one out or repeat it. What registers the steps go by is the transport's.
 */
export abstract class MockDriver {
  readonly memory: MockMemory;
  readonly registers: RegisterAccess;
  /** Queues set up by {@link setupQueue}. */
  readonly queues: MockQueue[] = [];
  /** Features written last. */
  features = 0n;
  /** Whether messages were enabled. */
  msi = false;

  constructor(memory: MockMemory, registers: RegisterAccess) {
    this.memory = memory;
    this.registers = registers;
  }

  // What transports differ in.

  abstract get status(): number;
  abstract writeStatus(value: number): void;
  /** 32 offered feature bits. */
  abstract readFeatureWord(word: number): number;
  /** Accepts 32 feature bits. */
  abstract writeFeatureWord(word: number, value: number): void;
  /** Largest size of a queue that is not set up yet: 0 when it does not exist. */
  abstract queueMaximum(index: number): number;
  /** 1 when the queue is enabled. */
  abstract queueReady(index: number): number;
  /** Writes a queue's registers and enables it. */
  abstract writeQueue(index: number, layout: VirtqueueLayout): void;
  /** Available buffer notification of a queue. */
  abstract kick(index: number): void;
  /** Offset of configuration space. */
  abstract get configOffset(): number;
  abstract get generation(): number;
  /** Reads what happened and acknowledges it, as a wired interrupt handler does: 1 used buffers, 2 configuration. */
  abstract acknowledgeInterrupt(): number;
  /** Vectors that messages may be programmed for; 0 when they are not offered. */
  abstract get vectors(): number;
  /** Programs one vector, and takes it into use where vectors start masked. */
  abstract programVector(vector: number, addressLow: number, data: number, addressHigh?: number): void;
  abstract maskVector(vector: number, masked: boolean): void;
  /** Programs every vector with its own interrupt vector, 0 for configuration and i + 1 for queue i, and enables messages. */
  abstract enableMessages(): void;
  /** What a driver does before its first reset. */
  abstract find(): void;

  /** Bytes of configuration space, read one by one. */
  config(offset: number, length: number): Uint8Array {
    const base = this.configOffset + offset;
    return Uint8Array.from({ length }, (_, k) => this.registers.read(base + k, 1) & 0xff);
  }

  // The steps of virtio 1.2 section 3.1.1, in order.

  reset(): void {
    this.writeStatus(0);
    this.queues.length = 0;
  }
  addStatus(bits: number): void {
    this.writeStatus(this.status | bits);
  }
  acknowledge(): void {
    this.addStatus(VIRTIO_CONFIG_S_ACKNOWLEDGE);
  }
  driver(): void {
    this.addStatus(VIRTIO_CONFIG_S_DRIVER);
  }
  readFeatures(): bigint {
    return BigInt(this.readFeatureWord(0)) | (BigInt(this.readFeatureWord(1)) << 32n);
  }
  writeFeatures(features: bigint): void {
    for (let word = 0; word < 2; word++) {
      this.writeFeatureWord(word, Number((features >> BigInt(32 * word)) & 0xffff_ffffn));
    }
    this.features = features;
  }
  /** Sets FEATURES_OK; returns whether the device let it stand. */
  featuresOk(): boolean {
    this.addStatus(VIRTIO_CONFIG_S_FEATURES_OK);
    return (this.status & VIRTIO_CONFIG_S_FEATURES_OK) !== 0;
  }
  /** Everything up to the negotiated features. Throws when the device refuses them. */
  negotiate(features?: bigint): void {
    this.find();
    this.reset();
    this.acknowledge();
    this.driver();
    this.writeFeatures(features ?? this.readFeatures());
    if (!this.featuresOk()) throw new Error("mock driver: features refused");
  }
  /** Builds an empty queue in guest memory and gives it to the device. */
  setupQueue(index: number, size: number): MockQueue {
    const eventIndex = (this.features & (1n << BigInt(VIRTIO_RING_F_EVENT_IDX))) !== 0n;
    const queue = new MockQueue(this.memory, size, { eventIndex });
    this.queues[index] = queue;
    this.writeQueue(index, queue.layout);
    return queue;
  }
  driverOk(): void {
    this.addStatus(VIRTIO_CONFIG_S_DRIVER_OK);
  }

  /** Everything up to, but without, DRIVER_OK. Throws when the device refuses the features. */
  prepare(options: MockDriverOptions = {}): void {
    this.negotiate(options.features);
    if ((options.msi ?? true) && this.vectors > 0) this.enableMessages();
    for (let index = 0; ; index++) {
      const maximum = this.queueMaximum(index);
      if (maximum === 0) break;
      const size = options.sizes?.[index] ?? Math.min(16, maximum);
      if (size !== 0) this.setupQueue(index, size);
    }
  }

  /** The whole initialisation. */
  initialise(options: MockDriverOptions = {}): void {
    this.prepare(options);
    this.driverOk();
  }

  /** A queue set up before, or an error that says which is missing. */
  queue(index: number): MockQueue {
    const queue = this.queues[index];
    if (queue === undefined) throw new Error(`mock driver: queue ${index} was not set up`);
    return queue;
  }
}
