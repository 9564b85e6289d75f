import { count, list, record, StateError, type StateOf, u16 } from "../../state/codec.ts";
import { VIRTIO_ID_CONSOLE } from "../defs.ts";
import type { DescriptorChain, Virtqueue } from "../queue/virtqueue.ts";
import type { DeviceContext, VirtioDevice } from "../types.ts";
import type { ConsolePort, ConsolePortOptions } from "./console-port.ts";
import { CONSOLE_PORT_STATE, Port } from "./console-port.ts";
import { featureMask, hasFeature } from "./feature-bits.ts";
import { takeChains } from "./take-chains.ts";

/** Feature bits by number, virtio 1.2 section 5.3.3. */
export const VIRTIO_CONSOLE_F_SIZE = 0;
export const VIRTIO_CONSOLE_F_MULTIPORT = 1;

/** Control events, virtio 1.2 section 5.3.6.2. */
export const VIRTIO_CONSOLE_DEVICE_READY = 0;
export const VIRTIO_CONSOLE_DEVICE_ADD = 1;
export const VIRTIO_CONSOLE_DEVICE_REMOVE = 2;
export const VIRTIO_CONSOLE_PORT_READY = 3;
export const VIRTIO_CONSOLE_CONSOLE_PORT = 4;
export const VIRTIO_CONSOLE_RESIZE = 5;
export const VIRTIO_CONSOLE_PORT_OPEN = 6;
export const VIRTIO_CONSOLE_PORT_NAME = 7;

/** Control queues, virtio 1.2 section 5.3.2; they exist with VIRTIO_CONSOLE_F_MULTIPORT only. */
export const CONSOLE_CONTROL_RECEIVE_QUEUE = 2;
export const CONSOLE_CONTROL_TRANSMIT_QUEUE = 3;

/** struct virtio_console_control: le32 id, le16 event, le16 value. */
export const VIRTIO_CONSOLE_CONTROL_SIZE = 8;

/** struct virtio_console_config without emerg_wr, virtio 1.2 section 5.3.4. */
const CONFIG_COLS = 0;
const CONFIG_ROWS = 2;
const CONFIG_MAX_NR_PORTS = 4;
const CONFIG_SIZE = 8;

const RECEIVE_QUEUE_SIZE = 32;
const TRANSMIT_QUEUE_SIZE = 64;
const CONTROL_QUEUE_SIZE = 32;

/** More ports than the device has. */
const PORTS_MOST = 16;
/** At most one of each kind waits for each port. */
const MESSAGES_MOST = 8 * PORTS_MOST;

/** What is kept of a {@link ConsoleDevice}. */
export const CONSOLE_STATE = record({
  columns: u16,
  rows: u16,
  ports: list(CONSOLE_PORT_STATE, PORTS_MOST),
  pending: list(record({ port: u16, event: u16 }), MESSAGES_MOST),
  malformed: count,
});
export type ConsoleState = StateOf<typeof CONSOLE_STATE>;

/** Options of {@link ConsoleDevice}. */
export interface ConsoleDeviceOptions {
  /** Size of the terminal in characters, 0 to 65535. */
  readonly columns: number;
  readonly rows: number;
  /** At least one; port 0 is the one that a driver without VIRTIO_CONSOLE_F_MULTIPORT has. */
  readonly ports: readonly ConsolePortOptions[];
}

/** One message to the driver that waits for a buffer: what it says is looked up when it goes. */
interface PendingMessage {
  readonly port: Port;
  readonly event: number;
}

/**
 * The console device, virtio 1.2 section 5.3, with several ports.
 *
 * Output is taken within the notification. Input waits in its port, bounded, until the driver has buffers
 * and, with VIRTIO_CONSOLE_F_MULTIPORT, has opened the port: what comes earlier Linux throws away.
 * Messages to the driver are states, not events, so that at most one of each kind waits for each port.
 */
export class ConsoleDevice implements VirtioDevice {
  readonly type = VIRTIO_ID_CONSOLE;
  readonly name = "console";
  readonly features = featureMask(VIRTIO_CONSOLE_F_SIZE, VIRTIO_CONSOLE_F_MULTIPORT);
  readonly queueSizes: readonly number[];
  readonly configSize = CONFIG_SIZE;

  readonly #ports: readonly Port[];
  readonly #config = new DataView(new ArrayBuffer(CONFIG_SIZE));
  readonly #control = new DataView(new ArrayBuffer(VIRTIO_CONSOLE_CONTROL_SIZE));

  #context: DeviceContext | undefined;
  #multiport = false;
  #sized = false;
  #quiescing = false;
  #pending: PendingMessage[] = [];
  /** Ports that the driver was to be told of when a live switch reset it: it will not ask for them again. */
  #owed: Port[] = [];
  #malformed = 0;

  constructor(options: ConsoleDeviceOptions) {
    if (options.ports.length === 0) throw new RangeError("a console device has at least one port");
    checkSize(options.columns, options.rows);
    this.#ports = options.ports.map((port, id) => new Port(id, port, (at) => this.#inputCame(at)));
    this.queueSizes = [
      ...[RECEIVE_QUEUE_SIZE, TRANSMIT_QUEUE_SIZE, CONTROL_QUEUE_SIZE, CONTROL_QUEUE_SIZE],
      ...options.ports.slice(1).flatMap(() => [RECEIVE_QUEUE_SIZE, TRANSMIT_QUEUE_SIZE]),
    ];
    this.#config.setUint16(CONFIG_COLS, options.columns, true);
    this.#config.setUint16(CONFIG_ROWS, options.rows, true);
    this.#config.setUint32(CONFIG_MAX_NR_PORTS, options.ports.length, true);
  }

  /** Port `id`, counted from 0. @throws RangeError when there is none. */
  port(id: number): ConsolePort {
    const port = this.#ports[id];
    if (port === undefined) throw new RangeError(`the console device has no port ${id}`);
    return port;
  }

  /** Control messages of the driver that were ignored: too short, of an unknown event or for an unknown port. */
  get malformed(): number {
    return this.#malformed;
  }

  /** The terminal's size changed, in characters, 0 to 65535. The driver learns it in whichever way it knows. */
  resize(columns: number, rows: number): void {
    checkSize(columns, rows);
    const same =
      this.#config.getUint16(CONFIG_COLS, true) === columns &&
      this.#config.getUint16(CONFIG_ROWS, true) === rows;
    if (same) return;
    this.#config.setUint16(CONFIG_COLS, columns, true);
    this.#config.setUint16(CONFIG_ROWS, rows, true);
    const context = this.#context;
    if (context === undefined || !this.#sized) return;
    context.configChanged();
    for (const port of this.#ports) if (port.console && port.ready) this.#say(port, VIRTIO_CONSOLE_RESIZE);
    context.run(this.#sendPending);
  }

  readConfig(offset: number): number {
    return this.#config.getUint8(offset);
  }

  /** Nothing can be written: VIRTIO_CONSOLE_F_EMERG_WRITE is not offered. */
  writeConfig(_offset: number, _size: number, _value: number): void {}

  /** Nothing is kept of {@link quiesce}: it has come to its end when a machine is saved. */
  save(): ConsoleState {
    return {
      columns: this.#config.getUint16(CONFIG_COLS, true),
      rows: this.#config.getUint16(CONFIG_ROWS, true),
      ports: this.#ports.map((port) => port.save()),
      pending: this.#pending.map(({ port, event }) => ({ port: port.id, event })),
      malformed: this.#malformed,
    };
  }

  /** @throws StateError when there are other ports, or a message is none of the device's. */
  restore(state: ConsoleState, context: DeviceContext | undefined): void {
    if (state.ports.length !== this.#ports.length) throw new StateError("the console has other ports");
    this.#config.setUint16(CONFIG_COLS, state.columns, true);
    this.#config.setUint16(CONFIG_ROWS, state.rows, true);
    for (const [id, port] of state.ports.entries()) this.#ports[id]?.restore(port);
    this.#pending = state.pending.map(({ port: id, event }) => {
      const port = this.#ports[id];
      if (port === undefined || event > VIRTIO_CONSOLE_PORT_NAME)
        throw new StateError("a message of the console is unknown");
      return { port, event };
    });
    this.#malformed = state.malformed;
    if (context !== undefined) this.#negotiated(context);
  }

  #negotiated(context: DeviceContext): void {
    this.#context = context;
    this.#multiport = hasFeature(context.features, VIRTIO_CONSOLE_F_MULTIPORT);
    this.#sized = hasFeature(context.features, VIRTIO_CONSOLE_F_SIZE);
  }

  activate(context: DeviceContext): void {
    this.#negotiated(context);
    for (const port of this.#owed.splice(0)) this.#add(port);
    context.run(this.#fillAll);
  }

  reset(): void {
    this.#context = undefined;
    this.#owed = this.#quiescing ? this.#ports.filter((port) => port.added && !port.answered) : [];
    this.#quiescing = false;
    this.#pending = [];
    for (const port of this.#ports) port.reset();
  }

  quiesce(): boolean {
    this.#quiescing = true;
    let drained = true;
    this.#context?.run(() => {
      drained = this.#controlSettled() && this.#ports.every((port) => this.#inputHandedOn(port));
    });
    return drained;
  }

  /** Takes {@link quiesce} back without a reset: a switch was given up. */
  resume(): void {
    this.#quiescing = false;
    this.#context?.run(this.#fillAll);
  }

  notify(index: number): void {
    const context = this.#context;
    const queue = context?.queues[index];
    if (context === undefined || queue === undefined) return;
    if (index === CONSOLE_CONTROL_RECEIVE_QUEUE || index === CONSOLE_CONTROL_TRANSMIT_QUEUE) {
      if (!this.#multiport) return;
      if (index === CONSOLE_CONTROL_TRANSMIT_QUEUE) this.#takeMessages(context, queue);
      this.#sendPending();
      return;
    }
    const port = this.#ports[index < CONSOLE_CONTROL_RECEIVE_QUEUE ? 0 : (index >> 1) - 1];
    if (port === undefined || !this.#exists(port)) return;
    if (index === port.receiveQueue) this.#fill(port);
    else if (port.drain(queue)) context.notifyUsed(index);
  }

  /** Without VIRTIO_CONSOLE_F_MULTIPORT there is port 0 only (virtio 1.2 section 5.3.2). */
  #exists(port: Port): boolean {
    return port.id === 0 || this.#multiport;
  }

  // ---- Input ----

  #inputCame(port: Port): void {
    this.#context?.run(() => this.#fill(port));
  }

  readonly #fillAll = (): void => {
    for (const port of this.#ports) this.#fill(port);
  };

  #fill(port: Port): void {
    const context = this.#context;
    const queue = context?.queues[port.receiveQueue];
    if (context === undefined || queue === undefined || this.#quiescing || !this.#exists(port)) return;
    // Linux discards what arrives in a port that is not open, a console port included.
    if (this.#multiport && !port.open) return;
    if (port.fill(queue)) context.notifyUsed(port.receiveQueue);
  }

  #inputHandedOn(port: Port): boolean {
    const queue = this.#context?.queues[port.receiveQueue];
    return queue === undefined || !this.#exists(port) || port.handedOn(queue);
  }

  // ---- Control ----

  /**
   * Whether nothing is under way that a reset would lose: a driver that comes back from a live switch tells again of the
   * ports it has, and is told their state again, but does not ask again for those it was not yet told of.
   */
  #controlSettled(): boolean {
    if (!this.#multiport) return true;
    if (this.#pending.length > 0 || this.#ports.some((port) => port.added && !port.answered)) return false;
    return this.#context?.queues[CONSOLE_CONTROL_RECEIVE_QUEUE]?.driverCaughtUp() ?? true;
  }

  #takeMessages(context: DeviceContext, queue: Virtqueue): void {
    const taken = takeChains(queue, (chain) => {
      const understood = this.#takeMessage(chain);
      queue.push(chain, 0);
      if (!understood) this.#malformed++;
    });
    if (taken > 0) context.notifyUsed(CONSOLE_CONTROL_TRANSMIT_QUEUE);
  }

  /** One message of the driver, virtio 1.2 section 5.3.6.2; false when it is none of those that a driver sends. */
  #takeMessage(chain: DescriptorChain): boolean {
    const message = this.#control;
    const bytes = new Uint8Array(message.buffer);
    // What follows the fixed part is not looked at, however long it is.
    if (chain.read(0, bytes) < VIRTIO_CONSOLE_CONTROL_SIZE) return false;
    const event = message.getUint16(4, true);
    const value = message.getUint16(6, true);
    if (event === VIRTIO_CONSOLE_DEVICE_READY) {
      if (value === 1) this.#deviceReady();
      return true;
    }
    const port = this.#ports[message.getUint32(0, true)];
    if (port === undefined) return false;
    if (event === VIRTIO_CONSOLE_PORT_READY) this.#portReady(port, value === 1);
    else if (event === VIRTIO_CONSOLE_PORT_OPEN) this.#portOpen(port, value === 1);
    else return false;
    return true;
  }

  /** The driver wants to know its ports; of each it is told once (5.3.6.2.1). */
  #deviceReady(): void {
    for (const port of this.#ports) this.#add(port);
  }

  #add(port: Port): void {
    if (port.added) return;
    port.added = true;
    this.#say(port, VIRTIO_CONSOLE_DEVICE_ADD);
  }

  /** The driver has the port, or cannot have it. After a live switch it says so without having been told of the port. */
  #portReady(port: Port, ready: boolean): void {
    port.added = true;
    port.answered = true;
    port.ready = ready;
    if (!ready) return;
    if (port.console) this.#say(port, VIRTIO_CONSOLE_CONSOLE_PORT);
    if (port.name !== "") this.#say(port, VIRTIO_CONSOLE_PORT_NAME);
    if (port.console && this.#sized) this.#say(port, VIRTIO_CONSOLE_RESIZE);
    this.#say(port, VIRTIO_CONSOLE_PORT_OPEN);
  }

  #portOpen(port: Port, open: boolean): void {
    port.setOpen(open);
    if (open) this.#fill(port);
  }

  #say(port: Port, event: number): void {
    if (this.#pending.some((message) => message.port === port && message.event === event)) return;
    this.#pending.push({ port, event });
  }

  /** Puts messages into the driver's control receive buffers; those without a buffer wait. */
  readonly #sendPending = (): void => {
    const context = this.#context;
    const queue = context?.queues[CONSOLE_CONTROL_RECEIVE_QUEUE];
    if (context === undefined || queue === undefined || !this.#multiport) return;
    let taken = 0;
    while (taken < queue.size) {
      const message = this.#pending[0];
      const chain = message === undefined ? undefined : queue.pop();
      if (message === undefined || chain === undefined) break;
      taken++;
      const bytes = this.#encode(message);
      // A message is never cut: a buffer that cannot hold it goes back empty and the next one is tried.
      if (chain.writableLength < bytes.length) {
        queue.push(chain, 0);
        continue;
      }
      queue.push(chain, chain.write(0, bytes));
      this.#pending.shift();
    }
    if (taken > 0) context.notifyUsed(CONSOLE_CONTROL_RECEIVE_QUEUE);
  };

  #encode({ port, event }: PendingMessage): Uint8Array {
    const tail =
      event === VIRTIO_CONSOLE_PORT_NAME
        ? new TextEncoder().encode(port.name)
        : event === VIRTIO_CONSOLE_RESIZE
          ? new Uint8Array(this.#config.buffer, CONFIG_COLS, 4) // le16 cols, le16 rows, as in the configuration
          : new Uint8Array(0);
    const bytes = new Uint8Array(VIRTIO_CONSOLE_CONTROL_SIZE + tail.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, port.id, true);
    view.setUint16(4, event, true);
    // The value means something for CONSOLE_PORT and PORT_OPEN only: yes.
    view.setUint16(6, event === VIRTIO_CONSOLE_DEVICE_ADD ? 0 : 1, true);
    bytes.set(tail, VIRTIO_CONSOLE_CONTROL_SIZE);
    return bytes;
  }
}

function checkSize(columns: number, rows: number): void {
  for (const count of [columns, rows]) {
    if (!Number.isInteger(count) || count < 0 || count > 0xffff) {
      throw new RangeError(`a terminal of ${columns} x ${rows} characters`);
    }
  }
}
