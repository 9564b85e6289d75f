import { bool, bytes, count, record, type StateOf, u32 } from "../../state/codec.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";
import { ByteQueue } from "./byte-queue.ts";
import { takeChains } from "./take-chains.ts";

/** Most bytes taken from one transmit chain: 64 pages, as much as a driver can put into a queue of 64 entries. */
export const CONSOLE_OUTPUT_MAX = 64 * 4096;
/** Most bytes of input that wait for the driver in one port. */
export const CONSOLE_INPUT_BOUND = 1024 * 1024;

/** What is kept of a port. */
export const CONSOLE_PORT_STATE = record({
  open: bool,
  added: bool,
  answered: bool,
  ready: bool,
  kicksWanted: bool,
  mostBuffers: u32,
  refused: count,
  truncated: count,
  input: bytes(CONSOLE_INPUT_BOUND),
});
export type ConsolePortState = StateOf<typeof CONSOLE_PORT_STATE>;

/** Which port of a console device, and what it is for. */
export interface ConsolePortOptions {
  /** What the driver learns by VIRTIO_CONSOLE_PORT_NAME. */
  readonly name: string;
  /** A console port is made a terminal by the driver; any other one is a byte stream for a program. */
  readonly console: boolean;
}

/** One port of a {@link ConsoleDevice} as the host sees it. */
export interface ConsolePort {
  readonly name: string;
  readonly console: boolean;
  /** Whether the guest's side is open (VIRTIO_CONSOLE_PORT_OPEN); false until the driver says so, and after a reset. */
  readonly open: boolean;
  /** Bytes given by {@link ConsolePort.write} that the driver did not take yet. */
  readonly waiting: number;
  /** Bytes refused by {@link ConsolePort.write}. */
  readonly refused: number;
  /** Bytes of output lost because one transmit chain held more than {@link CONSOLE_OUTPUT_MAX}. */
  readonly truncated: number;
  /** Calls back with what the guest wrote; the array is the callback's own. Returns a function that ends it. */
  onOutput(callback: (bytes: Uint8Array) => void): () => void;
  /** Calls back when the guest's side opens or closes. Returns a function that ends it. */
  onOpenChange(callback: (open: boolean) => void): () => void;
  /**
   * Gives bytes to the guest, all of them or none: false when more than {@link CONSOLE_INPUT_BOUND} bytes would wait.
   * The array stays the caller's.
   */
  write(bytes: Uint8Array): boolean;
}

/** The device's own view of a port: the public one and the state of the control protocol. */
export class Port implements ConsolePort {
  readonly id: number;
  readonly name: string;
  readonly console: boolean;
  readonly receiveQueue: number;
  readonly transmitQueue: number;
  open = false;
  refused = 0;
  truncated = 0;
  /** The driver was told of the port by VIRTIO_CONSOLE_DEVICE_ADD, or knew of it. */
  added = false;
  /** The driver has answered, by VIRTIO_CONSOLE_PORT_READY, that it has it or that it cannot. */
  answered = false;
  /** The driver has the port. */
  ready = false;

  readonly #input = new ByteQueue(CONSOLE_INPUT_BOUND);
  readonly #output: ((bytes: Uint8Array) => void)[] = [];
  readonly #openChange: ((open: boolean) => void)[] = [];
  readonly #inputCame: (port: Port) => void;
  /** Whether the driver was asked to notify of receive buffers: only while input waits for them. */
  #kicksWanted = true;
  /** Most receive buffers seen available at a time: how many the driver has when it has given all back. */
  #mostBuffers = 0;

  constructor(id: number, options: ConsolePortOptions, inputCame: (port: Port) => void) {
    this.id = id;
    this.name = options.name;
    this.console = options.console;
    // Virtio 1.2 section 5.3.2: port 0, the control queues, then the other ports.
    this.receiveQueue = id === 0 ? 0 : 2 + 2 * id;
    this.transmitQueue = this.receiveQueue + 1;
    this.#inputCame = inputCame;
  }

  get waiting(): number {
    return this.#input.length;
  }

  onOutput(callback: (bytes: Uint8Array) => void): () => void {
    return subscribe(this.#output, callback);
  }

  onOpenChange(callback: (open: boolean) => void): () => void {
    return subscribe(this.#openChange, callback);
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#input.push(bytes)) {
      this.refused += bytes.length;
      return false;
    }
    if (bytes.length > 0) this.#inputCame(this);
    return true;
  }

  setOpen(open: boolean): void {
    if (open === this.open) return;
    this.open = open;
    for (const callback of [...this.#openChange]) callback(open);
  }

  save(): ConsolePortState {
    const { open, added, answered, ready, refused, truncated } = this;
    return {
      ...{ open, added, answered, ready, refused, truncated },
      kicksWanted: this.#kicksWanted,
      mostBuffers: this.#mostBuffers,
      input: this.#input.copy(),
    };
  }

  restore(state: ConsolePortState): void {
    const { kicksWanted, mostBuffers, input, ...fields } = state;
    Object.assign(this, fields);
    this.#kicksWanted = kicksWanted;
    this.#mostBuffers = mostBuffers;
    this.#input.push(input);
  }

  /** Forgets what the driver said; input that waits goes on waiting. */
  reset(): void {
    this.added = false;
    this.answered = false;
    this.ready = false;
    this.#kicksWanted = true;
    this.#mostBuffers = 0;
    this.setOpen(false);
  }

  /** Puts input into the driver's receive buffers, as far as there are any; whether a buffer became used. */
  fill(queue: Virtqueue): boolean {
    this.#mostBuffers = Math.max(this.#mostBuffers, queue.available());
    let taken = 0;
    while (this.#input.length > 0 && taken < queue.size) {
      const chain = queue.pop();
      if (chain === undefined) break;
      taken++;
      let written = 0;
      // A buffer without a writable byte goes back empty; readable ones (5.3.6.2) are not looked at.
      while (written < chain.writableLength && this.#input.length > 0) {
        const bytes = this.#input.peek(chain.writableLength - written);
        written += chain.write(written, bytes);
        this.#input.shift(bytes.length);
      }
      queue.push(chain, written);
    }
    this.#wantKicks(queue, this.#input.length > 0);
    return taken > 0;
  }

  /** No kicks for buffers while there is nothing to put into them: refilling costs the driver no exit. */
  #wantKicks(queue: Virtqueue, wanted: boolean): void {
    if (wanted === this.#kicksWanted) return;
    this.#kicksWanted = wanted;
    queue.setNotificationsWanted(wanted);
  }

  /** Whether the driver has handed on all input it got: it has seen it and has given the buffers back. */
  handedOn(queue: Virtqueue): boolean {
    const available = queue.available();
    this.#mostBuffers = Math.max(this.#mostBuffers, available);
    return queue.driverCaughtUp() && available === this.#mostBuffers;
  }

  /** Takes output from the driver; whether a buffer became used. Bounded by the queue's size. */
  drain(queue: Virtqueue): boolean {
    const taken = takeChains(queue, (chain) => {
      const length = chain.readableLength;
      const bytes = new Uint8Array(this.#output.length > 0 ? Math.min(length, CONSOLE_OUTPUT_MAX) : 0);
      chain.read(0, bytes);
      queue.push(chain, 0);
      if (length > CONSOLE_OUTPUT_MAX) this.truncated += length - CONSOLE_OUTPUT_MAX;
      if (bytes.length === 0) return;
      const [first, ...others] = this.#output;
      for (const callback of others) callback(bytes.slice());
      first?.(bytes);
    });
    return taken > 0;
  }
}

function subscribe<T>(list: T[], callback: T): () => void {
  list.push(callback);
  return () => {
    const at = list.indexOf(callback);
    if (at >= 0) list.splice(at, 1);
  };
}
