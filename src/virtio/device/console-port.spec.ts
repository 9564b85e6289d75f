import { describe, expect, it } from "vitest";
import { VIRTIO_CONFIG_S_NEEDS_RESET, VIRTIO_F_VERSION_1, VIRTIO_RING_F_EVENT_IDX } from "../defs.ts";
import { VIRTIO_CONSOLE_F_SIZE, VIRTIO_CONSOLE_PORT_OPEN, VIRTIO_CONSOLE_PORT_READY } from "./console.ts";
import { CONSOLE_INPUT_BOUND, CONSOLE_OUTPUT_MAX } from "./console-port.ts";
import { featureMask } from "./feature-bits.ts";
import { type ConsoleMachine, consoleMachine, text } from "./testing/console-fixture.ts";

const SINGLE = featureMask(VIRTIO_F_VERSION_1, VIRTIO_CONSOLE_F_SIZE, VIRTIO_RING_F_EVENT_IDX);

function opened(): ConsoleMachine {
  const machine = consoleMachine();
  machine.start();
  machine.open();
  return machine;
}

describe("ConsoleDevice, output", () => {
  it.each([
    ["port 0", 0, 1],
    ["port 1", 1, 5],
  ])("CON-06, CON-11: %s gives what was written, and the buffer back with length 0", (_name, id, index) => {
    const { device, output, messages } = opened();
    const seen: Uint8Array[] = [];
    device.port(id).onOutput((bytes) => seen.push(bytes));
    device.port(1 - id).onOutput(() => seen.push(Uint8Array.of(99)));
    messages.take();
    expect(output(index, text("hello"))).toEqual([{ id: expect.any(Number), length: 0 }]);
    expect(seen.map((bytes) => [...bytes])).toEqual([text("hello")]);
    expect(messages.take()).toEqual([0x42 + index]);
  });

  it("is taken before any control message, as an early console writes it", () => {
    const machine = consoleMachine();
    const seen: number[] = [];
    machine.device.port(0).onOutput((bytes) => seen.push(...bytes));
    machine.driver.initialise();
    for (const byte of text("early")) machine.output(1, [byte]);
    expect(seen).toEqual(text("early"));
  });

  it("CON-11: every buffer of a full queue comes back once, in order, with one interrupt", () => {
    const { device, output, messages, driver } = opened();
    const seen: number[] = [];
    device.port(0).onOutput((bytes) => seen.push(...bytes));
    messages.take();
    for (let round = 0; round < 4; round++) {
      const chains = Array.from({ length: 16 }, (_, i) => [round * 16 + i]);
      expect(output(1, ...chains).map(({ length }) => length)).toEqual(new Array(16).fill(0));
      driver.queue(1).rearm();
    }
    expect(seen).toEqual(Array.from({ length: 64 }, (_, i) => i));
    expect(messages.take()).toEqual(new Array(4).fill(0x43));
  });

  it("SVQ-03: is the same however the buffer is cut", () => {
    const { device, driver, memory } = opened();
    const seen: Uint8Array[] = [];
    device.port(0).onOutput((bytes) => seen.push(bytes));
    driver
      .queue(1)
      .add(text("in pieces").map((byte) => ({ address: memory.store([byte]), length: 1, writable: false })));
    driver.queue(1).publish();
    driver.kick(1);
    expect(seen.map((bytes) => [...bytes])).toEqual([text("in pieces")]);
  });

  it("gives every listener an array of its own, until it has enough", () => {
    const { device, output } = opened();
    const first: Uint8Array[] = [];
    const second: Uint8Array[] = [];
    const stop = device.port(0).onOutput((bytes) => first.push(bytes.fill(0)));
    device.port(0).onOutput((bytes) => second.push(bytes));
    output(1, [1, 2]);
    stop();
    stop();
    output(1, [3]);
    expect(first.map((bytes) => [...bytes])).toEqual([[0, 0]]);
    expect(second.map((bytes) => [...bytes])).toEqual([[1, 2], [3]]);
  });

  it("A07: takes 256 KiB at most of one chain and counts what is cut off", () => {
    const { device, driver, memory } = opened();
    let seen = 0;
    device.port(0).onOutput((bytes) => {
      seen += bytes.length;
    });
    driver.queue(1).add(new Array(16).fill({ address: 0, length: memory.size, writable: false }));
    driver.queue(1).publish();
    driver.kick(1);
    expect(seen).toBe(CONSOLE_OUTPUT_MAX);
    expect(device.port(0).truncated).toBe(16 * memory.size - CONSOLE_OUTPUT_MAX);
    expect(driver.queue(1).takeUsed()).toHaveLength(1);
  });

  it("CON-10, A20: a writable buffer is not written, an empty one says nothing, and both come back", () => {
    const { device, driver, memory, transport } = opened();
    const seen: Uint8Array[] = [];
    device.port(0).onOutput((bytes) => seen.push(bytes));
    const address = memory.store([7, 7, 7]);
    driver.queue(1).add([{ address, length: 3, writable: true }]);
    driver.queue(1).add([{ address, length: 0, writable: false }]);
    driver.queue(1).publish();
    driver.kick(1);
    expect(
      driver
        .queue(1)
        .takeUsed()
        .map(({ length }) => length),
    ).toEqual([0, 0]);
    expect([seen, [...memory.bytes(address, 3)], transport.ready]).toEqual([[], [7, 7, 7], true]);
  });

  it("A01: a looping chain puts the device into DEVICE_NEEDS_RESET, and a reset brings it back", () => {
    const machine = opened();
    const seen: number[] = [];
    machine.device.port(0).onOutput((bytes) => seen.push(...bytes));
    const queue = machine.driver.queue(1);
    queue.writeDescriptor(0, { address: machine.memory.store([1]), length: 1, flags: 1, next: 0 });
    queue.offer(0);
    queue.publish();
    machine.driver.kick(1);
    expect(machine.driver.status & VIRTIO_CONFIG_S_NEEDS_RESET).not.toBe(0);
    machine.start();
    machine.output(1, [5]);
    expect(seen).toEqual([5]);
  });
});

describe("ConsoleDevice, input", () => {
  it("goes into the driver's buffers, as much as each can hold", () => {
    const { device, memory, addInput, takeInput, messages } = opened();
    addInput(0, 4, 4, 4);
    messages.take();
    expect(device.port(0).write(Uint8Array.of(1, 2, 3, 4, 5, 6))).toBe(true);
    expect(messages.take()).toEqual([0x42]);
    expect(takeInput(0)).toEqual([
      [1, 2, 3, 4],
      [5, 6],
    ]);
    expect(memory.gapsIntact()).toBe(true);
  });

  it("SVQ-03: goes into buffers of any split", () => {
    const { device, driver, memory } = opened();
    const buffers = [1, 0, 2, 1].map((length) => ({ address: memory.alloc(length), length, writable: true }));
    driver.queue(0).add(buffers);
    driver.queue(0).publish();
    device.port(0).write(Uint8Array.of(1, 2, 3, 4));
    expect(buffers.flatMap(({ address, length }) => [...memory.bytes(address, length)])).toEqual([
      1, 2, 3, 4,
    ]);
    expect(driver.queue(0).takeUsed()).toEqual([{ id: expect.any(Number), length: 4 }]);
  });

  it("waits for buffers, in its order, and asks to be notified of them only then", () => {
    const { device, addInput, takeInput } = opened();
    expect(addInput(0, 2)).toBe(false);
    device.port(0).write(Uint8Array.of(1, 2, 3));
    expect([device.port(0).waiting, takeInput(0)]).toEqual([1, [[1, 2]]]);
    device.port(0).write(Uint8Array.of(4));
    expect(addInput(0, 8)).toBe(true);
    expect([device.port(0).waiting, takeInput(0)]).toEqual([0, [[3, 4]]]);
    expect(addInput(0, 8)).toBe(false);
  });

  it("more than the ring holds arrives in full, a ring at a time", () => {
    const { device, addInput, takeInput } = opened();
    device.port(0).write(Uint8Array.from({ length: 1000 }, (_, i) => i & 255));
    const seen: number[] = [];
    while (seen.length < 1000) {
      addInput(0, ...new Array(16).fill(7));
      const pieces = takeInput(0);
      expect(pieces.length).toBeGreaterThan(0);
      seen.push(...pieces.flat());
    }
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => i & 255));
  });

  it("waits until the driver has opened the port: what comes earlier a driver throws away", () => {
    const machine = consoleMachine();
    machine.start();
    for (const [id, index] of [
      [0, 0],
      [1, 4],
    ] as const) {
      machine.addInput(index, 8);
      machine.device.port(id).write(Uint8Array.of(id + 1));
      machine.tell(id, VIRTIO_CONSOLE_PORT_READY, 1);
      expect(machine.takeInput(index)).toEqual([]);
      machine.tell(id, VIRTIO_CONSOLE_PORT_OPEN, 1);
      expect(machine.takeInput(index)).toEqual([[id + 1]]);
    }
  });

  it("waits while the driver has closed the port, and comes when it is opened again", () => {
    const { device, tell, addInput, takeInput } = opened();
    const changes: boolean[] = [];
    const stop = device.port(1).onOpenChange((open) => changes.push(open));
    addInput(4, 8);
    tell(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
    tell(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
    device.port(1).write(Uint8Array.of(1));
    expect([device.port(1).open, takeInput(4)]).toEqual([false, []]);
    tell(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
    expect([device.port(1).open, takeInput(4)]).toEqual([true, [[1]]]);
    stop();
    tell(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
    expect(changes).toEqual([false, true]);
  });

  it("is answered within the callback that tells of the opened port", () => {
    const { device, tell, addInput, takeInput } = opened();
    addInput(4, 8);
    tell(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
    device.port(1).onOpenChange((open) => {
      if (open) device.port(1).write(Uint8Array.of(42));
    });
    tell(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
    expect(takeInput(4)).toEqual([[42]]);
  });

  it("may be written within the callback of output, as a terminal answers a question", () => {
    const { device, output, addInput, takeInput } = opened();
    addInput(0, 8, 8);
    device.port(0).onOutput((bytes) => device.port(0).write(bytes));
    output(1, [1], [2]);
    expect(takeInput(0)).toEqual([[1], [2]]);
  });

  it("is bounded: a write that would pass 1 MiB is refused whole and counted", () => {
    const { device } = consoleMachine();
    const port = device.port(0);
    expect(port.write(new Uint8Array(CONSOLE_INPUT_BOUND - 1))).toBe(true);
    expect(port.write(new Uint8Array(2))).toBe(false);
    expect(port.write(new Uint8Array(1))).toBe(true);
    expect([port.waiting, port.refused]).toEqual([CONSOLE_INPUT_BOUND, 2]);
    expect(device.port(1).write(new Uint8Array(1))).toBe(true);
  });

  it("the caller may use its array again", () => {
    const { device, addInput, takeInput } = opened();
    const bytes = Uint8Array.of(1);
    device.port(0).write(bytes);
    bytes[0] = 9;
    addInput(0, 8);
    expect(takeInput(0)).toEqual([[1]]);
  });

  it("an empty write does nothing", () => {
    const { device, addInput, takeInput } = opened();
    addInput(0, 8);
    expect(device.port(0).write(new Uint8Array(0))).toBe(true);
    expect(takeInput(0)).toEqual([]);
  });

  it("CON-10, A21: a readable buffer in a receive queue is not written and goes back empty", () => {
    const { device, driver, memory, addInput } = opened();
    const address = memory.store([7, 7, 7]);
    driver.queue(0).add([{ address, length: 3, writable: false }]);
    addInput(0, 8);
    device.port(0).write(Uint8Array.of(1));
    expect(
      driver
        .queue(0)
        .takeUsed()
        .map(({ length }) => length),
    ).toEqual([0, 1]);
    expect([...memory.bytes(address, 3)]).toEqual([7, 7, 7]);
  });

  it("A15: a broken ring found while a key is pressed is DEVICE_NEEDS_RESET, and no byte is lost", () => {
    const machine = opened();
    machine.driver.queue(0).availIdx = 500;
    machine.device.port(0).write(Uint8Array.of(1));
    expect(machine.driver.status & VIRTIO_CONFIG_S_NEEDS_RESET).not.toBe(0);
    machine.device.port(0).write(Uint8Array.of(2));
    machine.start();
    machine.addInput(0, 8);
    machine.open();
    expect(machine.takeInput(0)).toEqual([[1, 2]]);
  });
});

describe("ConsoleDevice without MULTIPORT", () => {
  it("CON-06: has queues 0 and 1 only: nothing of the others is taken", () => {
    const { driver, device, output } = consoleMachine();
    const seen: number[] = [];
    device.port(0).onOutput((bytes) => seen.push(...bytes));
    device.port(1).onOutput((bytes) => seen.push(...bytes));
    driver.initialise({ features: SINGLE });
    expect(output(1, [1])).toHaveLength(1);
    expect(output(3, [0, 0, 0, 0, 0, 0, 1, 0])).toEqual([]);
    expect(output(5, [2])).toEqual([]);
    expect(seen).toEqual([1]);
  });

  it("puts input into queue 0 as soon as there are buffers, no port being opened", () => {
    const { driver, device, addInput, takeInput } = consoleMachine();
    device.port(0).write(Uint8Array.of(1));
    device.port(1).write(Uint8Array.of(2));
    driver.initialise({ features: SINGLE });
    addInput(0, 8, 8);
    addInput(4, 8);
    expect([takeInput(0), takeInput(4)]).toEqual([[[1]], []]);
    device.port(0).write(Uint8Array.of(3));
    device.port(1).write(Uint8Array.of(4));
    expect([takeInput(0), takeInput(4)]).toEqual([[[3]], []]);
  });

  it("quiesce looks at the one port that exists", () => {
    const { driver, device, transport, addInput, takeInput } = consoleMachine();
    driver.initialise({ features: SINGLE });
    addInput(0, 8);
    device.port(0).write(Uint8Array.of(3));
    expect(transport.quiesce()).toBe(false);
    takeInput(0);
    addInput(0, 8);
    expect(transport.quiesce()).toBe(true);
  });
});
