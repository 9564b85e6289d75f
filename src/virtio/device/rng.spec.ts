import { describe, expect, it } from "vitest";
import { VIRTIO_CONFIG_S_NEEDS_RESET, VIRTIO_ID_RNG, VIRTIO_MMIO_DEVICE_ID } from "../defs.ts";
import { RNG_REQUEST_MAX, RNG_REQUEST_QUEUE, RNG_SEED_SIZE, RngDevice } from "./rng.ts";
import { specMachine } from "./testing/spec-machine.ts";

/** A device whose "random" bytes count up from 1 over all requests, so that each byte shows where it came from. */
function rngMachine() {
  const asked: number[] = [];
  let next = 0;
  const device = new RngDevice({
    random: (target) => {
      asked.push(target.length);
      for (let i = 0; i < target.length; i++) target[i] = (next++ % 251) + 1;
    },
  });
  const machine = specMachine(device);
  const request = (): void => {
    machine.driver.queue(RNG_REQUEST_QUEUE).publish();
    machine.driver.kick(RNG_REQUEST_QUEUE);
  };
  return { ...machine, device, asked, request };
}

function started() {
  const machine = rngMachine();
  machine.driver.initialise();
  return { ...machine, queue: machine.driver.queue(RNG_REQUEST_QUEUE) };
}

describe("RngDevice", () => {
  it("RNG-03: has one queue, and a seed that is zero as long as the machine was not restored", () => {
    const { driver, device } = rngMachine();
    expect(driver.read32(VIRTIO_MMIO_DEVICE_ID)).toBe(VIRTIO_ID_RNG);
    expect([driver.queueMaximum(0), driver.queueMaximum(1)]).toEqual([16, 0]);
    expect([device.name, device.features, device.configSize]).toEqual(["rng", 0n, RNG_SEED_SIZE]);
    expect([...driver.config(0, RNG_SEED_SIZE)]).toEqual(new Array(RNG_SEED_SIZE).fill(0));
  });

  it("RNG-01, RNG-02: fills the buffer, and the used length is the number of bytes written", () => {
    const { queue, memory, request } = started();
    const { head, address } = queue.addWritable(64);
    request();
    expect(queue.takeUsed()).toEqual([{ id: head, length: 64 }]);
    expect([...memory.bytes(address, 64)]).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
    expect(memory.gapsIntact() && memory.guardsIntact()).toBe(true);
  });

  it("SVQ-03: fills buffers of any split, down to one byte each", () => {
    const { queue, memory, request } = started();
    const buffers = [1, 1, 0, 7, 1, 20].map((length) => ({
      address: memory.alloc(length),
      length,
      writable: true,
    }));
    queue.add(buffers);
    request();
    expect(queue.takeUsed()).toEqual([{ id: expect.any(Number), length: 30 }]);
    expect(buffers.flatMap(({ address, length }) => [...memory.bytes(address, length)])).toEqual(
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
  });

  it("answers all requests of a batch with different bytes and tells the driver once", () => {
    const { queue, memory, messages, request } = started();
    const first = queue.addWritable(4);
    const second = queue.addWritable(4);
    request();
    expect(queue.takeUsed().map(({ length }) => length)).toEqual([4, 4]);
    expect([...memory.bytes(first.address, 4)]).toEqual([1, 2, 3, 4]);
    expect([...memory.bytes(second.address, 4)]).toEqual([5, 6, 7, 8]);
    expect(messages.take()).toEqual([0x42]);
  });

  it("goes on through full queues and wrapped indices", () => {
    const { queue, driver, request, asked } = started();
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 16; i++) queue.addWritable(8);
      request();
      expect(queue.takeUsed()).toHaveLength(16);
      queue.rearm();
      expect(driver.queue(RNG_REQUEST_QUEUE).availEvent).toBe(queue.nextAvail);
    }
    expect(asked).toHaveLength(80);
  });

  it("RNG-04, A50: gives 64 KiB at most for one request, however much the chain claims", () => {
    const { queue, memory, request, asked, transport } = started();
    queue.add(new Array(16).fill({ address: 0x10_0000, length: 0x20_0000, writable: true }));
    const before = memory.bytes(0x10_0000 + RNG_REQUEST_MAX, 16);
    request();
    expect(asked).toEqual([RNG_REQUEST_MAX]);
    expect(queue.takeUsed()).toEqual([{ id: expect.any(Number), length: RNG_REQUEST_MAX }]);
    expect(memory.bytes(0x10_0000 + RNG_REQUEST_MAX, 16)).toEqual(before);
    expect(transport.ready).toBe(true);
  });

  it("A50: gives a request without a byte of room back with length 0, without asking for bytes", () => {
    const { queue, memory, request, asked } = started();
    queue.add([{ address: memory.alloc(4), length: 0, writable: true }]);
    request();
    expect([queue.takeUsed(), asked]).toEqual([[{ id: expect.any(Number), length: 0 }], []]);
  });

  it("RNG-04, A21: a readable buffer, which the driver must not give (5.4.6.1), is neither read nor written", () => {
    const { queue, memory, request } = started();
    const readable = memory.store([9, 9, 9, 9]);
    const writable = memory.alloc(4);
    queue.add([{ address: readable, length: 4, writable: false }]);
    queue.add([
      { address: readable, length: 4, writable: false },
      { address: writable, length: 4, writable: true },
    ]);
    request();
    expect(queue.takeUsed().map(({ length }) => length)).toEqual([0, 4]);
    expect([...memory.bytes(readable, 4)]).toEqual([9, 9, 9, 9]);
    expect([...memory.bytes(writable, 4)]).toEqual([1, 2, 3, 4]);
  });

  it("A04: a buffer outside RAM puts the device into DEVICE_NEEDS_RESET, and a reset brings it back", () => {
    const { queue, driver, memory, request, transport, log } = started();
    queue.add([{ address: memory.size - 4, length: 8, writable: true }]);
    request();
    expect(driver.status & VIRTIO_CONFIG_S_NEEDS_RESET).not.toBe(0);
    expect(transport.counters.faults).toEqual({ "buffer outside RAM": 1 });
    expect(log).toHaveLength(1);
    driver.initialise();
    driver.queue(0).addWritable(8);
    request();
    expect(driver.queue(0).takeUsed()).toEqual([{ id: expect.any(Number), length: 8 }]);
  });

  it("RST-02, RST-03: answers nothing after a reset; a reset before activation is harmless", () => {
    const { driver, queue, request, device, asked } = started();
    queue.addWritable(8);
    driver.reset();
    queue.publish();
    driver.kick(0);
    device.reset();
    device.notify(0);
    expect([queue.usedIdx, asked]).toEqual([0, []]);
    driver.initialise();
    driver.queue(0).addWritable(8);
    request();
    expect(asked).toEqual([8]);
  });

  it("has nothing to wait for before a switch", () => {
    expect(started().transport.quiesce()).toBe(true);
  });
});
