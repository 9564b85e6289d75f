import { describe, expect, it } from "vitest";
import {
  VIRTIO_CONFIG_S_NEEDS_RESET,
  VIRTIO_F_VERSION_1,
  VIRTIO_ID_CONSOLE,
  VIRTIO_MMIO_CONFIG,
  VIRTIO_MMIO_CONFIG_GENERATION,
  VIRTIO_MMIO_DEVICE_ID,
} from "../defs.ts";
import {
  CONSOLE_CONTROL_RECEIVE_QUEUE,
  CONSOLE_CONTROL_TRANSMIT_QUEUE,
  ConsoleDevice,
  VIRTIO_CONSOLE_CONSOLE_PORT,
  VIRTIO_CONSOLE_DEVICE_ADD,
  VIRTIO_CONSOLE_DEVICE_READY,
  VIRTIO_CONSOLE_DEVICE_REMOVE,
  VIRTIO_CONSOLE_F_MULTIPORT,
  VIRTIO_CONSOLE_F_SIZE,
  VIRTIO_CONSOLE_PORT_NAME,
  VIRTIO_CONSOLE_PORT_OPEN,
  VIRTIO_CONSOLE_PORT_READY,
  VIRTIO_CONSOLE_RESIZE,
} from "./console.ts";
import { featureMask } from "./feature-bits.ts";
import { BAD_ID, type ConsoleMachine, consoleMachine, PORTS, text } from "./testing/console-fixture.ts";

const CONFIG_MESSAGE = 0x41;
const SINGLE = featureMask(VIRTIO_F_VERSION_1, VIRTIO_CONSOLE_F_SIZE);
const UNSIZED = featureMask(VIRTIO_F_VERSION_1, VIRTIO_CONSOLE_F_MULTIPORT);

const message = (id: number, event: number, value: number, tail: number[] = []) => ({
  id,
  event,
  value,
  tail,
});
const SIZE = [80, 0, 24, 0];
/** What the device says to a driver that has the console port, and the agent port. */
const CONSOLE_PORT_MESSAGES = [
  message(0, VIRTIO_CONSOLE_CONSOLE_PORT, 1),
  message(0, VIRTIO_CONSOLE_PORT_NAME, 1, text("console")),
  message(0, VIRTIO_CONSOLE_RESIZE, 1, SIZE),
  message(0, VIRTIO_CONSOLE_PORT_OPEN, 1),
];
const AGENT_PORT_MESSAGES = [
  message(1, VIRTIO_CONSOLE_PORT_NAME, 1, text("org.doorbell.agent")),
  message(1, VIRTIO_CONSOLE_PORT_OPEN, 1),
];

function started(features?: bigint): ConsoleMachine {
  const machine = consoleMachine();
  machine.start(features);
  return machine;
}

describe("ConsoleDevice, features and configuration", () => {
  it("CON-06: has rx0, tx0, control rx, control tx, rx1, tx1", () => {
    const { driver, device } = consoleMachine();
    expect(driver.read32(VIRTIO_MMIO_DEVICE_ID)).toBe(VIRTIO_ID_CONSOLE);
    expect([0, 1, 2, 3, 4, 5, 6].map((index) => driver.queueMaximum(index))).toEqual([
      32, 64, 32, 32, 32, 64, 0,
    ]);
    expect(device.name).toBe("console");
    expect(new ConsoleDevice({ columns: 1, rows: 1, ports: [...PORTS, ...PORTS] }).queueSizes).toHaveLength(
      10,
    );
  });

  it("FEAT-03, CON-01: offers SIZE and MULTIPORT, and no emergency write", () => {
    expect(consoleMachine().device.features).toBe(
      featureMask(VIRTIO_CONSOLE_F_SIZE, VIRTIO_CONSOLE_F_MULTIPORT),
    );
  });

  it("CFG-01: has cols, rows and max_nr_ports before FEATURES_OK, and 0 behind them", () => {
    expect([...consoleMachine().driver.config(0, 12)]).toEqual([80, 0, 24, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("all configuration is read-only for the driver", () => {
    const { driver } = started();
    for (let offset = 0; offset < 12; offset += 4) {
      driver.registers.write(VIRTIO_MMIO_CONFIG + offset, 4, 0xffff_ffff);
    }
    expect([...driver.config(0, 8)]).toEqual([80, 0, 24, 0, 2, 0, 0, 0]);
  });

  it.each([
    [-1, 24],
    [80, 65536],
    [80.5, 24],
  ])("refuses a terminal of %d x %d", (columns, rows) => {
    expect(() => consoleMachine().device.resize(columns, rows)).toThrow(RangeError);
    expect(() => new ConsoleDevice({ columns, rows, ports: PORTS })).toThrow(RangeError);
  });

  it("refuses to be without a port, and to give one that it does not have", () => {
    expect(() => new ConsoleDevice({ columns: 80, rows: 24, ports: [] })).toThrow(RangeError);
    expect(() => consoleMachine().device.port(2)).toThrow(RangeError);
  });
});

describe("ConsoleDevice, control protocol", () => {
  it("says nothing before DEVICE_READY", () => {
    expect(started().takeMessages()).toEqual([]);
  });

  it("CON-09, CON-04: DEVICE_READY is answered by DEVICE_ADD for each port", () => {
    const { tell, takeMessages } = started();
    tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    expect(takeMessages()).toEqual([
      message(0, VIRTIO_CONSOLE_DEVICE_ADD, 0),
      message(1, VIRTIO_CONSOLE_DEVICE_ADD, 0),
    ]);
  });

  it("CON-03: a second DEVICE_READY adds no port again", () => {
    const { tell, takeMessages } = started();
    tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    expect(takeMessages()).toHaveLength(2);
    tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    expect(takeMessages()).toEqual([]);
  });

  it("adds no port when the driver says that it failed", () => {
    const { tell, takeMessages } = started();
    tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 0);
    expect(takeMessages()).toEqual([]);
  });

  it("CON-07, CON-09: the console port is told CONSOLE_PORT, its name, its size and that it is open", () => {
    const { tell, takeMessages } = started();
    tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    takeMessages();
    tell(0, VIRTIO_CONSOLE_PORT_READY, 1);
    expect(takeMessages()).toEqual(CONSOLE_PORT_MESSAGES);
  });

  it("CON-07, CON-09: another port is told its name, without a NUL, and that it is open", () => {
    const { tell, takeMessages } = started();
    tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    takeMessages();
    tell(1, VIRTIO_CONSOLE_PORT_READY, 1);
    expect(takeMessages()).toEqual(AGENT_PORT_MESSAGES);
  });

  it("tells nothing of a port that the driver could not add, and no name where there is none", () => {
    const machine = consoleMachine([{ name: "", console: true }]);
    machine.start(UNSIZED);
    machine.tell(0, VIRTIO_CONSOLE_PORT_READY, 0);
    expect(machine.takeMessages()).toEqual([]);
    machine.tell(0, VIRTIO_CONSOLE_PORT_READY, 1);
    expect(machine.takeMessages()).toEqual([
      message(0, VIRTIO_CONSOLE_CONSOLE_PORT, 1),
      message(0, VIRTIO_CONSOLE_PORT_OPEN, 1),
    ]);
  });

  it("messages wait for buffers, one of each kind for each port, however often the driver asks (A49)", () => {
    const { driver, tell, addInput, takeInput } = consoleMachine();
    driver.initialise();
    tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    for (let i = 0; i < 1000; i++) tell(i % 2, VIRTIO_CONSOLE_PORT_READY, 1);
    let messages = 0;
    for (let i = 0; i < 12; i++) {
      addInput(CONSOLE_CONTROL_RECEIVE_QUEUE, 64);
      messages += takeInput(CONSOLE_CONTROL_RECEIVE_QUEUE).length;
    }
    expect(messages).toBe(2 + CONSOLE_PORT_MESSAGES.length + AGENT_PORT_MESSAGES.length);
  });

  it("a message is never cut: a buffer too small for it goes back empty", () => {
    const { driver, tell, addInput, takeInput } = consoleMachine();
    driver.initialise();
    tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    addInput(CONSOLE_CONTROL_RECEIVE_QUEUE, 7, 8, 0, 9);
    expect(takeInput(CONSOLE_CONTROL_RECEIVE_QUEUE).map(({ length }) => length)).toEqual([0, 8, 0, 8]);
  });

  it.each([
    ["an empty message", []],
    ["a message one byte short", [0, 0, 0, 0, 3, 0, 1]],
    ["an unknown port", [2, 0, 0, 0, 3, 0, 1, 0]],
    ["port 2^32 - 1", [255, 255, 255, 255, 6, 0, 1, 0]],
    ["an unknown event", [0, 0, 0, 0, 99, 0, 1, 0]],
    ["an event that only a device sends", [0, 0, 0, 0, VIRTIO_CONSOLE_DEVICE_ADD, 0, 1, 0]],
    ["another one", [0, 0, 0, 0, VIRTIO_CONSOLE_DEVICE_REMOVE, 0, 1, 0]],
  ])("A49: %s is counted, changes nothing, and its buffer comes back", (_name, bytes) => {
    const { driver, memory, device, takeMessages, transport } = started();
    const queue = driver.queue(CONSOLE_CONTROL_TRANSMIT_QUEUE);
    queue.add([{ address: memory.store(bytes), length: bytes.length, writable: false }]);
    queue.publish();
    driver.kick(CONSOLE_CONTROL_TRANSMIT_QUEUE);
    expect(queue.takeUsed()).toEqual([{ id: expect.any(Number), length: 0 }]);
    expect([device.malformed, takeMessages(), transport.ready]).toEqual([1, [], true]);
  });

  it("A49, A07: of a huge message only the first 8 bytes are looked at", () => {
    const { driver, memory, device, takeMessages } = started();
    const queue = driver.queue(CONSOLE_CONTROL_TRANSMIT_QUEUE);
    const start = memory.store([0, 0, 0, 0, VIRTIO_CONSOLE_PORT_READY, 0, 1, 0]);
    queue.add([
      { address: start, length: 8, writable: false },
      ...new Array(15).fill({ address: 0, length: memory.size, writable: false }),
    ]);
    queue.publish();
    driver.kick(CONSOLE_CONTROL_TRANSMIT_QUEUE);
    expect([takeMessages(), device.malformed]).toEqual([CONSOLE_PORT_MESSAGES, 0]);
  });

  it("SVQ-03: a message in pieces of one byte is understood", () => {
    const { driver, memory, takeMessages } = started();
    const queue = driver.queue(CONSOLE_CONTROL_TRANSMIT_QUEUE);
    const bytes = [1, 0, 0, 0, VIRTIO_CONSOLE_PORT_READY, 0, 1, 0];
    queue.add(bytes.map((byte) => ({ address: memory.store([byte]), length: 1, writable: false })));
    queue.publish();
    driver.kick(CONSOLE_CONTROL_TRANSMIT_QUEUE);
    expect(takeMessages()).toEqual(AGENT_PORT_MESSAGES);
  });

  it("CON-10, A20: a writable buffer in the control transmit queue is not written and says nothing", () => {
    const { driver, memory, device } = started();
    const queue = driver.queue(CONSOLE_CONTROL_TRANSMIT_QUEUE);
    const address = memory.store(new Array(8).fill(0x44));
    queue.add([{ address, length: 8, writable: true }]);
    queue.publish();
    driver.kick(CONSOLE_CONTROL_TRANSMIT_QUEUE);
    expect([...memory.bytes(address, 8)]).toEqual(new Array(8).fill(0x44));
    expect([queue.takeUsed().length, device.malformed]).toEqual([1, 1]);
  });
});

describe("ConsoleDevice, size of the terminal", () => {
  it("CON-08: a change is a configuration change and, after PORT_READY, a RESIZE for the console port only", () => {
    const { driver, device, messages, tell, takeMessages } = started();
    messages.take();
    const generation = driver.read32(VIRTIO_MMIO_CONFIG_GENERATION);
    device.resize(132, 43);
    expect([...driver.config(0, 4)]).toEqual([132, 0, 43, 0]);
    expect(driver.read32(VIRTIO_MMIO_CONFIG_GENERATION)).not.toBe(generation);
    expect([messages.take(), takeMessages()]).toEqual([[CONFIG_MESSAGE], []]);
    tell(0, VIRTIO_CONSOLE_PORT_READY, 1);
    tell(1, VIRTIO_CONSOLE_PORT_READY, 1);
    takeMessages();
    device.resize(300, 50);
    expect(takeMessages()).toEqual([message(0, VIRTIO_CONSOLE_RESIZE, 1, [44, 1, 50, 0])]);
  });

  it("the same size again is no change", () => {
    const { device, messages } = started();
    messages.take();
    device.resize(80, 24);
    expect(messages.take()).toEqual([]);
  });

  it("of several changes that wait for a buffer the driver gets the last", () => {
    const { driver, device, tell, addInput, takeInput } = consoleMachine();
    driver.initialise();
    addInput(CONSOLE_CONTROL_RECEIVE_QUEUE, 64, 64, 64, 64);
    tell(0, VIRTIO_CONSOLE_PORT_READY, 1);
    takeInput(CONSOLE_CONTROL_RECEIVE_QUEUE);
    for (let columns = 1; columns <= 100; columns++) device.resize(columns, 10);
    addInput(CONSOLE_CONTROL_RECEIVE_QUEUE, 64, 64);
    expect(takeInput(CONSOLE_CONTROL_RECEIVE_QUEUE).map((bytes) => bytes.slice(8))).toEqual([
      [100, 0, 10, 0],
    ]);
  });

  it("a driver without SIZE is told of no size, one without MULTIPORT by the configuration only", () => {
    const unsized = started(UNSIZED);
    unsized.open();
    unsized.messages.take();
    unsized.device.resize(1, 1);
    expect([unsized.takeMessages(), unsized.messages.take()]).toEqual([[], []]);
    const single = started(SINGLE);
    single.messages.take();
    single.device.resize(1, 1);
    expect(single.messages.take()).toEqual([CONFIG_MESSAGE]);
  });

  it("a size set while no driver is there is the one that the driver finds", () => {
    const { driver, device } = consoleMachine();
    device.resize(5, 6);
    expect([...driver.config(0, 4)]).toEqual([5, 0, 6, 0]);
  });
});

describe("ConsoleDevice, resets and the live switch", () => {
  /** What Linux does when it comes back from a reset that a live switch asked for: no DEVICE_READY. */
  function restore(machine: ConsoleMachine, { agentOpen = true } = {}): void {
    machine.start();
    machine.addInput(0, 64, 64);
    machine.tell(0, VIRTIO_CONSOLE_PORT_READY, 1);
    machine.tell(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
    machine.addInput(4, 64, 64);
    machine.tell(1, VIRTIO_CONSOLE_PORT_READY, 1);
    if (agentOpen) machine.tell(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
  }
  function opened(): ConsoleMachine {
    const machine = started();
    machine.addInput(0, 64, 64);
    machine.addInput(4, 64, 64);
    machine.open();
    return machine;
  }

  it("a driver that comes back without DEVICE_READY is told that its ports are open, and added none", () => {
    const machine = opened();
    restore(machine);
    expect(machine.takeMessages()).toEqual([...CONSOLE_PORT_MESSAGES, ...AGENT_PORT_MESSAGES]);
    expect([machine.device.port(0).open, machine.device.port(1).open]).toEqual([true, true]);
    machine.tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    expect(machine.takeMessages()).toEqual([]);
  });

  it("after a reset too, no buffer notification is wanted while no input waits", () => {
    const machine = consoleMachine();
    for (let life = 0; life < 2; life++) {
      machine.start(featureMask(VIRTIO_F_VERSION_1, VIRTIO_CONSOLE_F_MULTIPORT));
      machine.open();
      expect([machine.driver.queue(0).usedFlags, machine.addInput(0, 64)]).toEqual([1, false]);
    }
  });

  it("after a reset quiesce does not wait for buffers of the driver's former life", () => {
    const machine = opened();
    machine.addInput(0, 64, 64, 64);
    expect(machine.transport.quiesce()).toBe(true);
    restore(machine);
    machine.takeMessages();
    expect(machine.transport.quiesce()).toBe(true);
  });

  it("a fresh driver after a reset is added its ports again", () => {
    const machine = opened();
    machine.start();
    machine.tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    expect(machine.takeMessages().map(({ event }) => event)).toEqual([
      VIRTIO_CONSOLE_DEVICE_ADD,
      VIRTIO_CONSOLE_DEVICE_ADD,
    ]);
  });

  it("messages that waited for buffers are forgotten at a reset", () => {
    const machine = consoleMachine();
    machine.driver.initialise();
    machine.tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    machine.start();
    expect(machine.takeMessages()).toEqual([]);
  });

  it("a reset closes the guest's side of every port and keeps input that waits", () => {
    const { driver, device } = opened();
    const changes: boolean[] = [];
    device.port(1).onOpenChange((open) => changes.push(open));
    device.port(1).write(new Uint8Array(200));
    driver.reset();
    expect([changes, device.port(0).open, device.port(1).waiting]).toEqual([[false], false, 200 - 128]);
  });

  it("a reset of a device that was never activated is harmless", () => {
    const { device } = consoleMachine();
    device.reset();
    expect(device.quiesce()).toBe(true);
    device.resume();
    device.notify(0);
    device.notify(99);
    device.resize(1, 2);
  });

  it("quiesce keeps input back and goes on taking output", () => {
    const machine = opened();
    const seen: number[] = [];
    machine.device.port(0).onOutput((bytes) => seen.push(...bytes));
    machine.transport.quiesce();
    machine.device.port(0).write(Uint8Array.of(1));
    machine.device.port(1).write(Uint8Array.of(2));
    machine.driver.kick(0);
    expect([machine.takeInput(0), machine.takeInput(4)]).toEqual([[], []]);
    expect(machine.output(1, text("bye"))).toHaveLength(1);
    expect(seen).toEqual(text("bye"));
    restore(machine);
    expect([machine.takeInput(0), machine.takeInput(4)]).toEqual([[[1]], [[2]]]);
  });

  it("resume delivers what was kept back when a switch was given up", () => {
    const machine = opened();
    machine.transport.quiesce();
    machine.device.port(0).write(Uint8Array.of(1));
    machine.transport.withdraw();
    expect(machine.takeInput(0)).toEqual([[1]]);
  });

  it("quiesce waits until the driver has taken its input and given the buffers back", () => {
    const machine = opened();
    expect(machine.transport.quiesce()).toBe(true);
    machine.transport.withdraw();
    machine.device.port(1).write(Uint8Array.of(1, 2));
    expect(machine.transport.quiesce()).toBe(false);
    machine.takeInput(4);
    // Read from the ring, but still in the driver's hands: a reset would throw it away.
    expect(machine.transport.quiesce()).toBe(false);
    machine.addInput(4, 64);
    expect(machine.transport.quiesce()).toBe(true);
  });

  it("quiesce waits for input that the driver took before it was first asked", () => {
    const machine = opened();
    machine.device.port(1).write(Uint8Array.of(1));
    machine.takeInput(4);
    expect(machine.transport.quiesce()).toBe(false);
    machine.addInput(4, 64);
    expect(machine.transport.quiesce()).toBe(true);
  });

  it("quiesce waits for control messages: a port that the driver was not told of would be lost for good", () => {
    const machine = started();
    machine.tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    expect(machine.transport.quiesce()).toBe(false);
    machine.takeMessages();
    expect(machine.transport.quiesce()).toBe(false);
    machine.tell(0, VIRTIO_CONSOLE_PORT_READY, 1);
    machine.tell(1, VIRTIO_CONSOLE_PORT_READY, 0);
    expect(machine.transport.quiesce()).toBe(false);
    expect(machine.takeMessages()).toEqual(CONSOLE_PORT_MESSAGES);
    expect(machine.transport.quiesce()).toBe(true);
  });

  it("a port whose DEVICE_ADD a switch took away is added when the driver is back, once", () => {
    const machine = started();
    machine.tell(BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
    machine.tell(0, VIRTIO_CONSOLE_PORT_READY, 1);
    expect(machine.transport.quiesce()).toBe(false);
    machine.start();
    expect(machine.takeMessages()).toEqual([message(1, VIRTIO_CONSOLE_DEVICE_ADD, 0)]);
    machine.tell(0, VIRTIO_CONSOLE_PORT_READY, 1);
    machine.tell(1, VIRTIO_CONSOLE_PORT_READY, 1);
    expect(machine.takeMessages()).toEqual([...CONSOLE_PORT_MESSAGES, ...AGENT_PORT_MESSAGES]);
    machine.transport.quiesce();
    machine.start();
    expect(machine.takeMessages()).toEqual([]);
  });

  it("loses no byte over switches, in either direction", () => {
    const machine = opened();
    const { device, transport } = machine;
    const out: number[] = [];
    const into: number[] = [];
    device.port(1).onOutput((bytes) => out.push(...bytes));
    const collect = (): void => {
      const pieces = machine.takeInput(4);
      into.push(...pieces.flat());
      machine.addInput(4, ...pieces.map(() => 64));
    };
    let sent = 0;
    const send = (): void => {
      device.port(1).write(Uint8Array.from({ length: 50 }, () => sent++ & 255));
    };
    let written = 0;
    for (let round = 0; round < 10; round++) {
      send();
      for (let i = 0; i < 5 && !transport.quiesce(); i++) {
        collect();
        machine.takeMessages();
      }
      send();
      expect(transport.quiesce()).toBe(true);
      transport.offer({ interrupts: round % 2 === 0 ? "wired" : "msi", doorbell: "per-queue" });
      expect(machine.driver.status & VIRTIO_CONFIG_S_NEEDS_RESET).not.toBe(0);
      machine.output(5, [written++ & 255], [written++ & 255]);
      machine.driver.queue(5).addReadable([written++ & 255]);
      machine.driver.queue(5).publish();
      restore(machine);
      collect();
    }
    expect(into).toEqual(Array.from({ length: sent }, (_, i) => i & 255));
    expect(out).toEqual(Array.from({ length: written }, (_, i) => i & 255));
  });
});
