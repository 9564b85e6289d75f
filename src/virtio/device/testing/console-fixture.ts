import type { MockUsed } from "../../testing/mock-queue.ts";
import type { Rig } from "../../testing/mock-rig.ts";
import {
  CONSOLE_CONTROL_RECEIVE_QUEUE,
  CONSOLE_CONTROL_TRANSMIT_QUEUE,
  ConsoleDevice,
  VIRTIO_CONSOLE_DEVICE_READY,
  VIRTIO_CONSOLE_PORT_OPEN,
  VIRTIO_CONSOLE_PORT_READY,
} from "../console.ts";
import type { ConsolePortOptions } from "../console-port.ts";
import { type SpecMachine, specMachine } from "./spec-machine.ts";

/** What Linux writes into the id of a message about the whole device. */
export const BAD_ID = 0xffff_ffff;

export const PORTS: readonly ConsolePortOptions[] = [
  { name: "console", console: true },
  { name: "org.doorbell.agent", console: false },
];

/** A control message as the driver reads it. */
export interface ControlMessage {
  readonly id: number;
  readonly event: number;
  readonly value: number;
  readonly tail: number[];
}

export interface ConsoleParts {
  readonly device: ConsoleDevice;
  /** Gives receive queue `index` buffers of these lengths and kicks when that is asked for; whether it was. */
  addInput(index: number, ...lengths: readonly number[]): boolean;
  /** Used buffers of receive queue `index` since the last call: bytes of each. */
  takeInput(index: number): number[][];
  /** Sends bytes through transmit queue `index`, one chain for each argument; the used elements. */
  output(index: number, ...chains: readonly (readonly number[])[]): MockUsed[];
  /** Sends a control message. */
  tell(id: number, event: number, value: number): void;
  /** The control messages that came since the last call. */
  takeMessages(): ControlMessage[];
  /** A driver that has all its queues filled, but said nothing yet. */
  start(features?: bigint): void;
  /** Says what a Linux driver says at start and opens all ports; the messages that came are thrown away. */
  open(): void;
}

export type ConsoleMachine<R extends Rig = SpecMachine> = R & ConsoleParts;

/** A console device with a driver, not initialised yet; on virtio-mmio with messages unless something else is asked for. */
export function consoleMachine(ports?: readonly ConsolePortOptions[]): ConsoleMachine;
export function consoleMachine<R extends Rig>(
  ports: readonly ConsolePortOptions[],
  on: (device: ConsoleDevice) => R,
): ConsoleMachine<R>;
export function consoleMachine(
  ports: readonly ConsolePortOptions[] = PORTS,
  on: (device: ConsoleDevice) => Rig = specMachine,
): ConsoleMachine<Rig> {
  const device = new ConsoleDevice({ columns: 80, rows: 24, ports });
  const machine = on(device);
  const { driver, memory } = machine;
  const places = new Map<string, number>();

  const publish = (index: number): boolean => {
    const wanted = driver.queue(index).publish();
    if (wanted) driver.kick(index);
    return wanted;
  };
  const addInput = (index: number, ...lengths: readonly number[]): boolean => {
    for (const length of lengths) {
      const { head, address } = driver.queue(index).addWritable(length);
      places.set(`${index} ${head}`, address);
    }
    return publish(index);
  };
  const takeInput = (index: number): number[][] => {
    const used = driver.queue(index).takeUsed();
    driver.queue(index).rearm();
    return used.map(({ id, length }) => [...memory.bytes(places.get(`${index} ${id}`) ?? 0, length)]);
  };
  const tell = (id: number, event: number, value: number): void => {
    const message = new DataView(new ArrayBuffer(8));
    message.setUint32(0, id, true);
    message.setUint16(4, event, true);
    message.setUint16(6, value, true);
    driver.queue(CONSOLE_CONTROL_TRANSMIT_QUEUE).addReadable(new Uint8Array(message.buffer));
    publish(CONSOLE_CONTROL_TRANSMIT_QUEUE);
    driver.queue(CONSOLE_CONTROL_TRANSMIT_QUEUE).takeUsed();
  };
  const takeMessages = (): ControlMessage[] => {
    const messages = takeInput(CONSOLE_CONTROL_RECEIVE_QUEUE).map((bytes) => {
      const view = new DataView(Uint8Array.from(bytes).buffer);
      return {
        id: view.getUint32(0, true),
        event: view.getUint16(4, true),
        value: view.getUint16(6, true),
        tail: bytes.slice(8),
      };
    });
    // As a driver does: each buffer goes back.
    addInput(CONSOLE_CONTROL_RECEIVE_QUEUE, ...messages.map(() => 64));
    return messages;
  };
  return Object.assign(machine, {
    device,
    addInput,
    takeInput,
    output(index, ...chains) {
      for (const bytes of chains) driver.queue(index).addReadable(bytes);
      publish(index);
      return driver.queue(index).takeUsed();
    },
    tell,
    takeMessages,
    start(features) {
      driver.initialise(features === undefined ? {} : { features });
      addInput(CONSOLE_CONTROL_RECEIVE_QUEUE, ...new Array(16).fill(64));
    },
    open() {
      tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
      for (const id of ports.keys()) tell(id, VIRTIO_CONSOLE_PORT_READY, 1);
      for (const id of ports.keys()) tell(id, VIRTIO_CONSOLE_PORT_OPEN, 1);
      takeMessages();
    },
  } satisfies ConsoleParts);
}

export const text = (string: string): number[] => [...new TextEncoder().encode(string)];
