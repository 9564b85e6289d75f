import { beforeEach, describe, expect, it } from "vitest";
import { DeviceCounters } from "../../metrics/counters.ts";
import { VIRTQ_DESC_F_NEXT } from "../defs.ts";
import { MockDevice } from "../testing/mock-device.ts";
import { MockMemory } from "../testing/mock-memory.ts";
import { MockQueue } from "../testing/mock-queue.ts";
import { GuestMemoryError } from "../types.ts";
import { VirtioCore } from "./core.ts";

const ACKNOWLEDGE = 1;
const DRIVER = 3;
const FEATURES_OK = 11;
const DRIVER_OK = 15;
const NEEDS_RESET = 64;
const FAILED = 128;

let memory: MockMemory;
let device: MockDevice;
let core: VirtioCore;
let interrupts: (number | "config")[];
let log: string[];
let resets: number;

beforeEach(() => {
  make(new MockDevice());
});

function make(mock: MockDevice): void {
  memory = new MockMemory();
  device = mock;
  interrupts = [];
  log = [];
  resets = 0;
  core = new VirtioCore({
    device,
    memory,
    counters: new DeviceCounters([], device.queueSizes.length + 1),
    log: (message) => log.push(message),
    interrupts: {
      queueInterrupt: (index) => interrupts.push(index),
      configInterrupt: () => interrupts.push("config"),
    },
    onReset: () => {
      resets++;
    },
  });
}

/** Goes as far as `status`, with all that is offered unless told otherwise. */
function progress(status: number, features: { word0?: number; word1?: number } = {}): void {
  core.writeStatus(0);
  if (status >= ACKNOWLEDGE) core.writeStatus(ACKNOWLEDGE);
  if (status >= DRIVER) core.writeStatus(DRIVER);
  if (status >= FEATURES_OK) {
    core.writeDriverFeatures(0, features.word0 ?? core.deviceFeatures(0));
    core.writeDriverFeatures(1, features.word1 ?? core.deviceFeatures(1));
    core.writeStatus(FEATURES_OK);
  }
  if (status >= DRIVER_OK) core.writeStatus(DRIVER_OK);
  expect(core.status).toBe(status);
}

/** Builds a queue in memory and writes its registers. */
function configure(index: number, size = 8): MockQueue {
  const queue = new MockQueue(memory, size, { eventIndex: true });
  core.writeQueueSize(index, size);
  core.writeQueueAddress(index, "descriptorLow", queue.layout.descriptorTable);
  core.writeQueueAddress(index, "driverLow", queue.layout.availableRing);
  core.writeQueueAddress(index, "deviceLow", queue.layout.usedRing);
  core.writeQueueReady(index, 1);
  return queue;
}

/** A device in operation, with queue 0 live. */
function running(): MockQueue {
  progress(FEATURES_OK);
  const queue = configure(0);
  core.writeStatus(DRIVER_OK);
  expect(core.ready).toBe(true);
  return queue;
}

/** Puts a chain into the queue that loops, and notifies of it. */
function breakRing(queue: MockQueue): void {
  queue.writeDescriptor(0, { address: 0, length: 1, flags: VIRTQ_DESC_F_NEXT, next: 0 });
  queue.offer(0);
  queue.publish();
  core.notify(0);
}

const echo = (queue: MockQueue): { id: number; length: number }[] => {
  const source = memory.store([1, 2, 3]);
  const target = memory.alloc(8);
  queue.add([
    { address: source, length: 3, writable: false },
    { address: target, length: 8, writable: true },
  ]);
  queue.rearm();
  queue.publish();
  core.notify(0);
  return queue.takeUsed();
};

describe("device status", () => {
  it("is 0 at the start and reads back what the driver set", () => {
    expect(core.status).toBe(0);
    for (const status of [ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK]) progress(status);
  });

  it("is not changed by a write that is refused, which is counted and logged once", () => {
    progress(DRIVER);
    for (let i = 0; i < 5; i++) core.writeStatus(DRIVER | 4);
    core.writeStatus(ACKNOWLEDGE);
    expect(core.status).toBe(DRIVER);
    expect(core.ignored).toEqual({ "status: step skipped": 5, "status: bit cleared without a reset": 1 });
    expect(log).toHaveLength(2);
  });

  it("does not take DEVICE_NEEDS_RESET from the driver, which writes back what it read", () => {
    progress(DRIVER);
    core.writeStatus(DRIVER | NEEDS_RESET);
    expect(core.status).toBe(DRIVER);
    expect(core.ignored).toEqual({});
  });

  it("ends with FAILED: the device stops, and only a reset leads on", () => {
    const queue = running();
    core.writeStatus(DRIVER_OK | FAILED);
    expect(core.status).toBe(DRIVER_OK | FAILED);
    expect(core.ready).toBe(false);
    const before = memory.bytes(queue.layout.usedRing, 64);
    expect(echo(queue)).toEqual([]);
    expect(memory.bytes(queue.layout.usedRing, 64)).toEqual(before);
    device.context?.configChanged();
    expect(interrupts).toEqual([]);
    core.writeStatus(0);
    expect(core.status).toBe(0);
    expect(echo(running())).toHaveLength(1);
  });
});

describe("feature negotiation", () => {
  it("leaves FEATURES_OK clear when the driver accepted what was not offered, and can be taken up again", () => {
    progress(DRIVER);
    core.writeDriverFeatures(0, 0xffff_ffff);
    core.writeDriverFeatures(1, 1);
    core.writeStatus(FEATURES_OK);
    expect(core.status).toBe(DRIVER);
    core.writeDriverFeatures(0, core.deviceFeatures(0));
    core.writeStatus(FEATURES_OK);
    expect(core.status).toBe(FEATURES_OK);
  });

  it("leaves FEATURES_OK clear without VERSION_1", () => {
    progress(DRIVER);
    core.writeDriverFeatures(0, core.deviceFeatures(0));
    core.writeStatus(FEATURES_OK);
    expect(core.status).toBe(DRIVER);
  });

  it("is over after FEATURES_OK and has not begun before DRIVER: writes then change nothing", () => {
    for (const status of [0, ACKNOWLEDGE]) {
      progress(status);
      core.writeDriverFeatures(0, 0xffff_ffff);
    }
    progress(FEATURES_OK, { word0: 0 });
    core.writeDriverFeatures(0, core.deviceFeatures(0));
    core.writeStatus(DRIVER_OK);
    core.writeDriverFeatures(0, core.deviceFeatures(0));
    expect(device.context?.features).toBe(1n << 32n);
    expect(core.ignored).toEqual({ "features written outside of negotiation": 4 });
  });

  it("gives the device what was accepted, and the same set again after a reset", () => {
    for (let i = 0; i < 2; i++) {
      progress(DRIVER_OK);
      expect(device.context?.features).toBe((1n << 32n) | (3n << 28n) | 0b101n);
    }
  });
});

describe("queue configuration", () => {
  it("says how large a queue may be, and 0 for one that does not exist", () => {
    expect([0, 1, 2, 0xffff_ffff].map((index) => core.queueMaximum(index))).toEqual([64, 16, 0, 0]);
  });

  it("reads QueueReady as written last, 0 for a queue that does not exist", () => {
    progress(FEATURES_OK);
    expect(core.queueReady(0)).toBe(false);
    core.writeQueueReady(0, 1);
    expect([core.queueReady(0), core.queueReady(1), core.queueReady(2)]).toEqual([true, false, false]);
    core.writeQueueReady(0, 0);
    expect(core.queueReady(0)).toBe(false);
  });

  it("is refused before FEATURES_OK", () => {
    for (const status of [0, ACKNOWLEDGE, DRIVER]) {
      progress(status);
      core.writeQueueSize(0, 8);
      core.writeQueueAddress(0, "descriptorLow", 0x1000);
      core.writeQueueReady(0, 1);
      expect(core.queueReady(0)).toBe(false);
    }
    expect(core.ignored).toEqual({ "queue configured outside of FEATURES_OK to DRIVER_OK": 9 });
  });

  it("is refused after DRIVER_OK: sizes, addresses and QueueReady of any queue stay as they are", () => {
    const queue = running();
    core.writeQueueSize(0, 2);
    core.writeQueueSize(1, 0);
    for (const field of [
      "descriptorLow",
      "descriptorHigh",
      "driverLow",
      "driverHigh",
      "deviceLow",
      "deviceHigh",
    ] as const) {
      core.writeQueueAddress(0, field, 0xffff_fff0);
    }
    core.writeQueueReady(1, 1);
    expect(core.queueReady(1)).toBe(false);
    expect(core.ignored).toEqual({ "queue configured outside of FEATURES_OK to DRIVER_OK": 9 });
    for (let i = 0; i < 20; i++) expect(echo(queue)).toEqual([{ id: expect.any(Number), length: 3 }]);
    expect(device.queue(0).size).toBe(8);
  });

  it("is refused while QueueReady is 1", () => {
    progress(FEATURES_OK);
    const queue = configure(0);
    core.writeQueueSize(0, 64);
    core.writeQueueAddress(0, "descriptorLow", 0);
    core.writeQueueReady(0, 1);
    expect(core.ignored).toEqual({ "queue configured while ready": 3 });
    core.writeStatus(DRIVER_OK);
    expect(echo(queue)).toHaveLength(1);
  });

  it("of a queue that does not exist does nothing", () => {
    progress(FEATURES_OK);
    for (const index of [2, 3, 0x7fff_ffff, 0xffff_ffff]) {
      core.writeQueueSize(index, 8);
      core.writeQueueAddress(index, "driverHigh", 1);
      core.writeQueueReady(index, 1);
      core.writeQueueReady(index, 0);
    }
    expect(core.ignored).toEqual({ "queue does not exist": 16 });
  });

  it("takes no value of QueueReady but 0 and 1", () => {
    progress(FEATURES_OK);
    core.writeQueueReady(0, 2);
    core.writeQueueReady(0, 0xffff_ffff);
    expect(core.queueReady(0)).toBe(false);
    expect(core.ignored).toEqual({ "QueueReady: undefined value": 2 });
  });

  it("takes QueueReady 0 in every state, after a reset too", () => {
    for (const status of [0, ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK]) {
      progress(status);
      core.writeQueueReady(0, 0);
      expect(core.queueReady(0)).toBe(false);
    }
    expect(core.ignored).toEqual({});
  });

  it("is back at its start after a reset: not ready, largest size, address 0", () => {
    running();
    core.writeStatus(0);
    expect(core.queueReady(0)).toBe(false);
    progress(FEATURES_OK);
    core.writeQueueReady(0, 1);
    core.writeStatus(DRIVER_OK);
    expect(core.status).toBe(DRIVER_OK);
    expect(device.queue(0).size).toBe(64);
  });
});

describe("activation", () => {
  it("comes with DRIVER_OK and gives the device the queues that are ready", () => {
    progress(FEATURES_OK);
    configure(1, 4);
    expect(device.calls).not.toContain("activate");
    core.writeStatus(DRIVER_OK);
    expect(device.calls.filter((call) => call === "activate")).toHaveLength(1);
    expect(device.context?.queues.map((queue) => queue?.size)).toEqual([undefined, 4]);
  });

  it("touches no ring before: the device consumes no buffer and sends no notification", () => {
    progress(FEATURES_OK);
    const queue = configure(0);
    queue.addWritable(8);
    queue.publish();
    const before = memory.bytes(queue.layout.descriptorTable, 0x400);
    core.notify(0);
    expect(memory.bytes(queue.layout.descriptorTable, 0x400)).toEqual(before);
    expect(device.calls).not.toContain("notify 0");
    expect(interrupts).toEqual([]);
    expect(core.ignored).toEqual({ "notification of a queue not live": 1 });
  });

  it("announces buffers that were made available before, whose notification came too early", () => {
    progress(FEATURES_OK);
    const first = configure(0);
    configure(1);
    first.addWritable(8);
    first.publish();
    core.notify(0);
    core.writeStatus(DRIVER_OK);
    expect(device.calls.slice(-2)).toEqual(["activate", "notify 0"]);
    expect(first.takeUsed()).toHaveLength(1);
    expect(interrupts).toEqual([0]);
  });

  for (const [name, spoil] of [
    ["size is 0", () => core.writeQueueSize(0, 0)],
    ["size is no power of two", () => core.writeQueueSize(0, 12)],
    ["size is above QueueNumMax, though a power of two", () => core.writeQueueSize(0, 128)],
    ["size does not even fit", () => core.writeQueueSize(0, 0x8000_0000)],
    ["descriptor table is misaligned", () => core.writeQueueAddress(0, "descriptorLow", 0x1008)],
    ["available ring is misaligned", () => core.writeQueueAddress(0, "driverLow", 0x1001)],
    ["used ring is misaligned", () => core.writeQueueAddress(0, "deviceLow", 0x1002)],
    ["descriptor table is outside of RAM", () => core.writeQueueAddress(0, "descriptorHigh", 1)],
    ["available ring is outside of RAM", () => core.writeQueueAddress(0, "driverLow", 0xd000_0000)],
    ["used ring is outside of RAM", () => core.writeQueueAddress(0, "deviceHigh", 0xffff_ffff)],
  ] as const) {
    it(`fails with DEVICE_NEEDS_RESET when a queue's ${name}`, () => {
      progress(FEATURES_OK);
      configure(0);
      core.writeQueueReady(0, 0);
      spoil();
      core.writeQueueReady(0, 1);
      core.writeStatus(DRIVER_OK);
      expect(core.status).toBe(DRIVER_OK | NEEDS_RESET);
      expect(core.ready).toBe(false);
      expect(interrupts).toEqual(["config"]);
      expect(device.calls).not.toContain("activate");
      expect(Object.values(core.counters.faults)).toEqual([1]);
      expect(memory.guardsIntact()).toBe(true);
      // A reset brings the device back.
      core.writeStatus(0);
      expect(echo(running())).toHaveLength(1);
    });
  }

  it("with a queue that is bad but not ready is fine", () => {
    progress(FEATURES_OK);
    core.writeQueueSize(1, 12345);
    core.writeStatus(DRIVER_OK);
    expect(core.ready).toBe(true);
  });

  it("with an available index that jumped before ends in DEVICE_NEEDS_RESET", () => {
    progress(FEATURES_OK);
    const queue = configure(0);
    queue.availIdx = 100;
    core.writeStatus(DRIVER_OK);
    expect(core.status).toBe(DRIVER_OK | NEEDS_RESET);
    expect(core.counters.faults).toEqual({ "available index jump": 1 });
  });
});

describe("available buffer notifications", () => {
  it("reach the device, one for one, also when nothing is there", () => {
    const queue = running();
    expect(echo(queue)).toEqual([{ id: 0, length: 3 }]);
    core.notify(0);
    core.notify(0);
    expect(queue.takeUsed()).toEqual([]);
    expect(core.counters.doorbells).toBe(3);
    expect(core.status).toBe(DRIVER_OK);
  });

  it("of a queue that does not exist or is not enabled have no effect", () => {
    running();
    const calls = device.calls.length;
    for (const index of [1, 2, 100, 0x8000_0000, 0xffff_ffff]) core.notify(index);
    expect(device.calls).toHaveLength(calls);
    expect(core.ignored).toEqual({ "notification of a queue not live": 5 });
  });

  it("stop with QueueReady 0: the queue's memory is left alone from then on", () => {
    const queue = running();
    const held = device.queue(0);
    core.writeQueueReady(0, 0);
    const before = memory.bytes(queue.layout.descriptorTable, 0x400);
    queue.addWritable(4);
    queue.publish();
    core.notify(0);
    device.context?.run(() => device.serve(0));
    expect(held.pop()).toBeUndefined();
    expect(queue.usedIdx).toBe(0);
    expect(memory.bytes(queue.layout.usedRing, 64)).toEqual(
      before.slice(queue.layout.usedRing - queue.layout.descriptorTable).slice(0, 64),
    );
    expect(core.status).toBe(DRIVER_OK);
  });
});

describe("used buffer notifications", () => {
  it("go out when the driver wants them, once for a batch", () => {
    const queue = running();
    for (let i = 0; i < 3; i++) queue.addWritable(4);
    queue.publish();
    core.notify(0);
    expect(interrupts).toEqual([0]);
  });

  it("do not go out when it does not", () => {
    const queue = running();
    queue.usedEvent = 100;
    queue.addWritable(4);
    queue.publish();
    core.notify(0);
    expect(queue.takeUsed()).toHaveLength(1);
    expect(interrupts).toEqual([]);
  });

  it("of a queue that does not exist are nothing", () => {
    running();
    device.context?.notifyUsed(1);
    device.context?.notifyUsed(99);
    expect(interrupts).toEqual([]);
  });
});

describe("a driver that breaks a ring", () => {
  it("sets DEVICE_NEEDS_RESET with a configuration interrupt, counted and logged", () => {
    breakRing(running());
    expect(core.status).toBe(DRIVER_OK | NEEDS_RESET);
    expect(core.ready).toBe(false);
    expect(interrupts).toEqual(["config"]);
    expect(core.counters.faults).toEqual({ "descriptor loop": 1 });
    expect(log).toEqual(["mock: needs a reset: descriptor loop"]);
  });

  it("makes the device deaf: no ring is touched, no interrupt is sent, until it is reset", () => {
    const queue = running();
    breakRing(queue);
    const { context } = device;
    const before = memory.bytes(0, 0x3000);
    for (let i = 0; i < 3; i++) core.notify(0);
    context?.run(() => {
      throw new Error("must not run");
    });
    context?.notifyUsed(0);
    context?.configChanged();
    context?.needsReset("again");
    core.writeConfig(4, 1, 1);
    expect(memory.bytes(0, 0x3000)).toEqual(before);
    expect(interrupts).toEqual(["config"]);
    expect(core.counters.faults).toEqual({ "descriptor loop": 1 });
    expect(core.quiesce()).toBe(true);
  });

  it("gets the device back by a reset, as often as it likes, and does not flood the log", () => {
    for (let i = 1; i <= 20; i++) {
      breakRing(running());
      expect(core.counters.faults).toEqual({ "descriptor loop": i });
      core.writeStatus(0);
      expect(core.status).toBe(0);
      expect(echo(running())).toHaveLength(1);
    }
    expect(log).toHaveLength(1);
  });

  it("is caught wherever device code runs: in notify, in work from outside, in a configuration write", () => {
    const failures: [string, () => void][] = [
      ["run", () => device.context?.run(() => memory.readU8(memory.size))],
      [
        "config",
        () => {
          device.writeConfig = () => {
            throw new GuestMemoryError(0, 1);
          };
          core.writeConfig(4, 1, 0);
        },
      ],
      ["needsReset", () => device.context?.needsReset("access outside RAM")],
    ];
    for (const [name, fail] of failures) {
      make(new MockDevice());
      running();
      fail();
      expect(core.status, name).toBe(DRIVER_OK | NEEDS_RESET);
      expect(core.counters.faults).toEqual({ "access outside RAM": 1 });
    }
  });

  it("but an error that is not the guest's doing comes out", () => {
    running();
    expect(() =>
      device.context?.run(() => {
        throw new TypeError("a bug of ours");
      }),
    ).toThrow(TypeError);
    device.serve = () => {
      throw new RangeError("another");
    };
    expect(() => core.notify(0)).toThrow(RangeError);
    expect(core.status).toBe(DRIVER_OK);
  });
});

describe("reset", () => {
  it("makes Status 0 at once and forgets everything negotiated", () => {
    running();
    core.writeStatus(0);
    expect(core.status).toBe(0);
    expect(core.ready).toBe(false);
    expect(device.calls.at(-1)).toBe("reset");
    progress(DRIVER);
    core.writeStatus(FEATURES_OK);
    expect(core.status).toBe(DRIVER);
  });

  it("can be done in every state, also twice and when nothing was activated", () => {
    for (const status of [0, ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK]) {
      progress(status);
      core.writeStatus(0);
      core.writeStatus(0);
      expect(core.status).toBe(0);
    }
    expect(resets).toBe(15);
  });

  it("kills the old context: late completions touch no ring and send no notification", () => {
    const queue = running();
    device.idle = true;
    const { address } = queue.addWritable(4);
    queue.publish();
    core.notify(0);
    const { context } = device;
    const held = device.queue(0);
    const chain = held.pop();
    if (chain === undefined || context === undefined) throw new Error("nothing popped");
    core.writeStatus(0);
    const before = memory.bytes(0, 0x3000);
    let ran = false;
    context.run(() => {
      ran = true;
    });
    chain.write(0, Uint8Array.of(1, 2, 3, 4));
    held.push(chain, 4);
    context.notifyUsed(0);
    context.configChanged();
    context.needsReset("late");
    expect(ran).toBe(false);
    expect(memory.bytes(0, 0x3000)).toEqual(before);
    expect([...memory.bytes(address, 4)]).toEqual([0, 0, 0, 0]);
    expect(interrupts).toEqual([]);
    expect(core.counters.faults).toEqual({});
    // Not even when the device lives again.
    running();
    context.notifyUsed(0);
    context.needsReset("late");
    expect(core.ready).toBe(true);
  });

  it("keeps ConfigGeneration, which never goes back", () => {
    running();
    device.context?.configChanged();
    const before = core.generation;
    core.writeStatus(0);
    expect(core.generation).toBe(before);
  });
});

describe("configuration space", () => {
  it("is readable in every state, before FEATURES_OK too", () => {
    expect(core.readConfig(0, 4)).toBe(0x04030201);
    breakRing(running());
    expect(core.readConfig(0, 4)).toBe(0x04030201);
  });

  it("is written after FEATURES_OK only ('MUST NOT write before FEATURES_OK')", () => {
    for (const status of [0, ACKNOWLEDGE, DRIVER]) {
      progress(status);
      core.writeConfig(4, 1, 0x99);
    }
    expect(device.configBytes[4]).toBe(5);
    progress(FEATURES_OK);
    core.writeConfig(4, 2, 0xabcd);
    expect([...device.configBytes.subarray(4)]).toEqual([0xcd, 0xab, 7, 8]);
    expect(core.ignored).toEqual({ "configuration written outside of FEATURES_OK": 3 });
  });

  it("ignores writes past its end, in whole or in part", () => {
    progress(FEATURES_OK);
    core.writeConfig(8, 1, 1);
    core.writeConfig(6, 4, 1);
    core.writeConfig(0xfff, 1, 1);
    expect([...device.configBytes]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(core.ignored).toEqual({ "configuration written past its end": 3 });
  });

  it("notifies the driver of a change once it is in operation", () => {
    running();
    device.configBytes[0] = 9;
    device.context?.configChanged();
    expect(interrupts).toEqual(["config"]);
  });
});

describe("a reset that we ask for", () => {
  it("sets DEVICE_NEEDS_RESET with a configuration interrupt and is no fault", () => {
    running();
    core.requestReset();
    expect(core.status).toBe(DRIVER_OK | NEEDS_RESET);
    expect(core.ready).toBe(false);
    expect(interrupts).toEqual(["config"]);
    expect(core.counters.faults).toEqual({});
  });

  it("does not make the device deaf: it serves what the driver still gives it", () => {
    const queue = running();
    core.requestReset();
    expect(echo(queue)).toEqual([{ id: 0, length: 3 }]);
    expect(interrupts).toEqual(["config", 0]);
  });

  it("takes what is left in the queues when the driver resets, without a notification", () => {
    const queue = running();
    core.requestReset();
    queue.addReadable([1, 2, 3]);
    queue.publish();
    const served = device.served;
    core.writeStatus(0);
    expect(device.served).toBe(served + 1);
    expect(device.calls.slice(-2)).toEqual(["notify 0", "reset"]);
    expect(interrupts).toEqual(["config"]);
    expect(core.status).toBe(0);
  });

  it("does so in a reset that was asked for only", () => {
    const queue = running();
    queue.addReadable([1, 2, 3]);
    queue.publish();
    core.writeStatus(0);
    expect(device.served).toBe(0);
  });

  it("counts a ring that turns out broken in that last look, and resets all the same", () => {
    const queue = running();
    core.requestReset();
    queue.availIdx = 1000;
    core.writeStatus(0);
    expect(core.status).toBe(0);
    expect(interrupts).toEqual(["config"]);
    expect(core.counters.faults).toEqual({ "available index jump": 1 });
    expect(echo(running())).toHaveLength(1);
  });

  it("becomes a real one when the driver breaks a ring meanwhile", () => {
    const queue = running();
    core.requestReset();
    breakRing(queue);
    expect(core.counters.faults).toEqual({ "descriptor loop": 1 });
    const calls = device.calls.length;
    core.notify(0);
    core.writeStatus(0);
    expect(device.calls.slice(calls)).toEqual(["reset"]);
  });

  it("can be taken back while the driver has not answered", () => {
    const queue = running();
    core.requestReset();
    core.withdrawReset();
    expect(core.status).toBe(DRIVER_OK);
    expect(core.ready).toBe(true);
    expect(echo(queue)).toHaveLength(1);
  });

  it("cannot be taken back when the device needs the reset by now", () => {
    const queue = running();
    core.requestReset();
    breakRing(queue);
    core.withdrawReset();
    expect(core.status).toBe(DRIVER_OK | NEEDS_RESET);
  });

  it("does nothing to a device that is not in operation", () => {
    progress(FEATURES_OK);
    core.requestReset();
    expect(core.status).toBe(FEATURES_OK);
    expect(interrupts).toEqual([]);
  });

  it("asks the device first to hold back what the driver could lose", () => {
    expect(core.quiesce()).toBe(true);
    expect(device.calls).not.toContain("quiesce");
    running();
    device.drained = false;
    expect(core.quiesce()).toBe(false);
    device.drained = true;
    expect(core.quiesce()).toBe(true);
  });
});
