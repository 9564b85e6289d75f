import { describe, expect, it } from "vitest";
import { MockMemory } from "../testing/mock-memory.ts";
import { MockQueue } from "../testing/mock-queue.ts";
import { type DescriptorChain, Virtqueue, VirtqueueError, type VirtqueueLayout } from "./virtqueue.ts";

const SIZE = 4;

interface Setup {
  memory: MockMemory;
  driver: MockQueue;
  queue: Virtqueue;
}

function setup(options: { size?: number; eventIndex?: boolean } = {}): Setup {
  const memory = new MockMemory();
  const eventIndex = options.eventIndex ?? false;
  const driver = new MockQueue(memory, options.size ?? SIZE, { eventIndex });
  return { memory, driver, queue: new Virtqueue(memory, driver.layout, { eventIndex, indirect: true }) };
}

function pop(queue: Virtqueue): DescriptorChain {
  const chain = queue.pop();
  if (chain === undefined) throw new Error("nothing available");
  return chain;
}

/** Lets `count` one-buffer chains go through the queue. */
function cycle(s: Setup, count: number): void {
  for (let i = 0; i < count; i++) {
    s.driver.add([{ address: 0, length: 1, writable: false }]);
    s.driver.publish();
    s.queue.push(pop(s.queue), 0);
    s.driver.takeUsed();
  }
}

function reasonOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof VirtqueueError) return error.reason;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("a virtqueue is refused", () => {
  const memory = new MockMemory(0x10_0000);
  const layout: VirtqueueLayout = {
    size: 8,
    descriptorTable: 0x1000,
    availableRing: 0x2000,
    usedRing: 0x3000,
  };
  const refused = (change: Partial<VirtqueueLayout>): string =>
    reasonOf(() => new Virtqueue(memory, { ...layout, ...change }, { eventIndex: true, indirect: true }));

  it("when its size is 0, no power of two, or above 32768", () => {
    for (const size of [0, 3, 6, 100, 32769, 65536, 0xffff_ffff, -8, 1.5, Number.NaN]) {
      expect(refused({ size })).toBe("queue size");
    }
  });

  it("when a part of it is misaligned", () => {
    expect(refused({ descriptorTable: 0x1008 })).toBe("descriptor table misaligned");
    expect(refused({ availableRing: 0x2001 })).toBe("available ring misaligned");
    expect(refused({ usedRing: 0x3002 })).toBe("used ring misaligned");
  });

  it("when a part of it is not wholly in RAM", () => {
    expect(refused({ descriptorTable: 0x10_0000 - 16 * 7 })).toBe("descriptor table outside RAM");
    expect(refused({ availableRing: 0x10_0000 - 20 })).toBe("available ring outside RAM");
    expect(refused({ usedRing: 0x10_0000 - 68 })).toBe("used ring outside RAM");
    expect(refused({ descriptorTable: 2 ** 63 })).toBe("descriptor table outside RAM");
    expect(refused({ usedRing: 0xd000_0000 })).toBe("used ring outside RAM");
    expect(memory.guardsIntact()).toBe(true);
  });

  it("but not when each part ends exactly at the top of RAM, and not at the sizes 1 and 32768", () => {
    const make = (change: Partial<VirtqueueLayout>): Virtqueue =>
      new Virtqueue(memory, { ...layout, ...change }, { eventIndex: true, indirect: true });
    expect(make({ descriptorTable: 0x10_0000 - 16 * 8 }).size).toBe(8);
    expect(make({ availableRing: 0x10_0000 - (6 + 2 * 8) }).size).toBe(8);
    expect(make({ usedRing: 0x10_0000 - (8 + 8 * 8) }).size).toBe(8);
    expect(make({ size: 1 }).size).toBe(1);
    expect(make({ size: 32768, availableRing: 0xa0000, usedRing: 0xb2000 }).size).toBe(32768);
  });
});

describe("popping and pushing", () => {
  it("finds nothing in an empty queue", () => {
    const { queue } = setup();
    expect(queue.available()).toBe(0);
    expect(queue.pop()).toBeUndefined();
  });

  it("takes chains in the order in which they were made available", () => {
    const s = setup();
    const heads = [1, 2, 3].map(() => s.driver.addWritable(1).head);
    expect(s.queue.available()).toBe(0);
    s.driver.publish();
    expect(s.queue.available()).toBe(3);
    expect(heads.map(() => pop(s.queue).head)).toEqual(heads);
    expect(s.queue.available()).toBe(0);
  });

  it("gives chains back in the device's order, with the head as id and the bytes written as len", () => {
    const s = setup();
    const heads = [1, 2, 3].map(() => s.driver.addWritable(100).head);
    s.driver.publish();
    const chains = heads.map(() => pop(s.queue));
    const written = [100, 0, 7];
    [2, 0, 1].forEach((which) => {
      const chain = chains[which];
      if (chain !== undefined) s.queue.push(chain, written[which] ?? 0);
    });
    expect(s.driver.takeUsed()).toEqual([
      { id: heads[2], length: 7 },
      { id: heads[0], length: 100 },
      { id: heads[1], length: 0 },
    ]);
  });

  it("writes the used element before the index that makes it visible", () => {
    const s = setup();
    s.driver.addWritable(8);
    s.driver.publish();
    const order: string[] = [];
    const { memory } = s;
    const original = { u16: memory.writeU16.bind(memory), u32: memory.writeU32.bind(memory) };
    memory.writeU32 = (address, value) => {
      order.push(address === s.driver.layout.usedRing + 4 ? "id" : "len");
      original.u32(address, value);
    };
    memory.writeU16 = (address, value) => {
      if (address === s.driver.layout.usedRing + 2) order.push("idx");
      original.u16(address, value);
    };
    s.queue.push(pop(s.queue), 8);
    expect(order).toEqual(["id", "len", "idx"]);
  });

  it("makes several chains used by one update of the index", () => {
    const s = setup();
    const heads = [1, 2, 3].map(() => s.driver.addWritable(10).head);
    s.driver.publish();
    const chains = heads.map(() => pop(s.queue));
    let updates = 0;
    const write = s.memory.writeU16.bind(s.memory);
    s.memory.writeU16 = (address, value) => {
      if (address === s.driver.layout.usedRing + 2) updates++;
      write(address, value);
    };
    s.queue.pushAll(chains, [10, 10, 4]);
    expect(updates).toBe(1);
    expect(s.driver.takeUsed()).toEqual(heads.map((id, k) => ({ id, length: [10, 10, 4][k] })));
    s.queue.pushAll([], []);
    expect(updates).toBe(1);
  });

  it("wraps both indices at 65536 and the slots at the queue's size", () => {
    const s = setup();
    cycle(s, 65536 + 10);
    expect(s.driver.usedIdx).toBe(10);
    expect(s.driver.nextUsed).toBe(10);
    expect(s.queue.available()).toBe(0);
    expect(s.memory.gapsIntact()).toBe(true);
  });

  it("is full with as many chains in flight as it has descriptors, and goes on when one comes back", () => {
    const s = setup();
    for (let i = 0; i < SIZE; i++) s.driver.addWritable(1);
    s.driver.publish();
    const chains = Array.from({ length: SIZE }, () => pop(s.queue));
    expect(s.queue.pop()).toBeUndefined();
    const first = chains[0];
    if (first !== undefined) s.queue.push(first, 1);
    s.driver.takeUsed();
    s.driver.addWritable(1);
    s.driver.publish();
    expect(pop(s.queue).head).toBe(first?.head);
  });

  it("uses one chain object for each head, so that traffic allocates nothing", () => {
    const s = setup();
    s.driver.addWritable(1);
    s.driver.publish();
    const chain = pop(s.queue);
    s.queue.push(chain, 0);
    s.driver.takeUsed();
    s.driver.addWritable(2);
    s.driver.publish();
    expect(pop(s.queue)).toBe(chain);
    expect(chain.writableLength).toBe(2);
  });

  it("holds a device to what it popped: a chain twice, a strange chain or too many bytes are its error", () => {
    const s = setup();
    const other = setup();
    s.driver.addWritable(4);
    s.driver.publish();
    other.driver.addWritable(4);
    other.driver.publish();
    const chain = pop(s.queue);
    expect(() => s.queue.push(pop(other.queue), 0)).toThrow(RangeError);
    expect(() => s.queue.push(chain, 5)).toThrow(RangeError);
    expect(() => s.queue.pushAll([chain], [])).toThrow(RangeError);
    s.queue.push(chain, 4);
    expect(() => s.queue.push(chain, 4)).toThrow(RangeError);
    expect(s.driver.takeUsed()).toHaveLength(1);
  });
});

describe("giving popped chains back", () => {
  it("pops them again in their order", () => {
    const s = setup();
    const heads = [1, 2, 3].map(() => s.driver.addWritable(1).head);
    s.driver.publish();
    for (const _ of heads) pop(s.queue);
    s.queue.undoPop(2);
    expect(s.queue.available()).toBe(2);
    expect([pop(s.queue).head, pop(s.queue).head]).toEqual(heads.slice(1));
  });

  it("works across the wrap of the index", () => {
    const s = setup();
    cycle(s, 65535);
    const heads = [1, 2].map(() => s.driver.addWritable(1).head);
    s.driver.publish();
    for (const _ of heads) pop(s.queue);
    s.queue.undoPop(2);
    expect(heads.map(() => pop(s.queue).head)).toEqual(heads);
  });

  it("does not trust the ring for what was popped", () => {
    const s = setup();
    s.driver.addWritable(1);
    s.driver.publish();
    pop(s.queue);
    s.memory.writeU16(s.driver.layout.availableRing + 4, 3);
    s.queue.undoPop(1);
    expect(s.queue.available()).toBe(1);
  });

  it("is a device's error for chains that are not in flight", () => {
    const s = setup();
    expect(() => s.queue.undoPop(1)).toThrow(RangeError);
    s.driver.addWritable(1);
    s.driver.publish();
    s.queue.push(pop(s.queue), 0);
    expect(() => s.queue.undoPop(1)).toThrow(RangeError);
  });

  it("asks to be notified of the buffer after those that were given back", () => {
    const s = setup({ eventIndex: true });
    s.driver.addWritable(1);
    s.driver.addWritable(1);
    s.driver.publish();
    pop(s.queue);
    s.queue.undoPop(1);
    s.driver.addWritable(1);
    expect(s.driver.publish()).toBe(true);
  });
});

describe("a driver that breaks its ring", () => {
  it("by moving the available index on by more than the queue holds ends in an error", () => {
    for (const jump of [SIZE + 1, 100, 0x8000, 0xffff]) {
      const s = setup();
      s.driver.availIdx = jump;
      expect(reasonOf(() => s.queue.available())).toBe("available index jump");
      expect(reasonOf(() => s.queue.pop())).toBe("available index jump");
      expect(reasonOf(() => s.queue.setNotificationsWanted(true))).toBe("available index jump");
    }
  });

  it("by moving the available index backwards ends in an error ('MUST NOT decrement the available idx')", () => {
    const s = setup();
    cycle(s, 5);
    s.driver.availIdx = 4;
    expect(reasonOf(() => s.queue.pop())).toBe("available index jump");
  });

  it("by making a chain available that is in flight ends in an error, and nothing is taken", () => {
    const s = setup();
    const { head } = s.driver.addWritable(1);
    s.driver.publish();
    pop(s.queue);
    s.driver.offer(head);
    s.driver.publish();
    expect(reasonOf(() => s.queue.pop())).toBe("head already in flight");
    expect(s.queue.available()).toBe(1);
  });

  it("by rings that overlap each other and their buffers harms only itself", () => {
    const memory = new MockMemory(0x1_0000);
    const layout = { size: 8, descriptorTable: 0x1000, availableRing: 0x1000, usedRing: 0x1000 };
    const queue = new Virtqueue(memory, layout, { eventIndex: true, indirect: true });
    memory.writeU16(0x1002, 1);
    memory.view(0x1004, 64).fill(0);
    for (let i = 0; i < 100; i++) {
      try {
        const chain = queue.pop();
        if (chain === undefined) break;
        chain.write(0, new Uint8Array(64).fill(0xff));
        queue.push(chain, 0);
        queue.needsNotification();
      } catch (error) {
        expect(error).toBeInstanceOf(VirtqueueError);
        break;
      }
    }
    expect(memory.guardsIntact()).toBe(true);
  });
});

describe("used buffer notification suppression without EVENT_IDX", () => {
  function pushOne(s: Setup): void {
    s.driver.addWritable(1);
    s.driver.publish();
    s.queue.push(pop(s.queue), 0);
    s.driver.takeUsed();
  }

  it("notifies after each used buffer while the flag is 0, and not again for the same ones", () => {
    const s = setup();
    expect(s.queue.needsNotification()).toBe(false);
    for (let i = 0; i < 3; i++) {
      pushOne(s);
      expect(s.queue.needsNotification()).toBe(true);
      expect(s.queue.needsNotification()).toBe(false);
    }
  });

  it("does not notify while NO_INTERRUPT is set", () => {
    const s = setup();
    s.driver.availFlags = 1;
    pushOne(s);
    expect(s.queue.needsNotification()).toBe(false);
    s.driver.availFlags = 0;
    expect(s.queue.needsNotification()).toBe(false);
    pushOne(s);
    expect(s.queue.needsNotification()).toBe(true);
  });

  it("looks at the low bit of the flags only, and ignores used_event", () => {
    const s = setup();
    s.driver.availFlags = 0xfffe;
    s.driver.usedEvent = 0x1234;
    pushOne(s);
    expect(s.queue.needsNotification()).toBe(true);
  });
});

describe("used buffer notification suppression with EVENT_IDX", () => {
  function push(s: Setup, count: number): void {
    for (let i = 0; i < count; i++) s.driver.addWritable(1);
    s.driver.publish();
    for (let i = 0; i < count; i++) s.queue.push(pop(s.queue), 0);
    s.driver.takeUsed();
  }

  it("with used_event 0 notifies of the 1st and of the 65537th buffer only, as the standard's example has it", () => {
    const s = setup({ eventIndex: true });
    const notified: number[] = [];
    for (let n = 1; n <= 65537 + 5; n++) {
      s.driver.add([{ address: 0, length: 1, writable: false }]);
      s.driver.publish();
      s.queue.push(pop(s.queue), 0);
      s.driver.takeUsed();
      if (s.queue.needsNotification()) notified.push(n);
    }
    expect(notified).toEqual([1, 65537]);
  });

  it("notifies of a batch when the element named by used_event is in it, first, last or between", () => {
    for (const [event, expected] of [
      [9, false],
      [10, true],
      [11, true],
      [12, true],
      [13, false],
      [0xffff, false],
    ] as const) {
      const s = setup({ eventIndex: true });
      cycle(s, 10);
      s.queue.needsNotification();
      s.driver.usedEvent = event;
      push(s, 3);
      expect(s.queue.needsNotification(), `used_event ${event}`).toBe(expected);
    }
  });

  it("notifies of a batch across the wrap at 65536", () => {
    for (const [event, expected] of [
      [65533, false],
      [65534, true],
      [65535, true],
      [0, true],
      [1, true],
      [2, false],
      [3, false],
    ] as const) {
      const s = setup({ eventIndex: true });
      cycle(s, 65534);
      s.queue.needsNotification();
      s.driver.usedEvent = event;
      push(s, 4);
      expect(s.queue.needsNotification(), `used_event ${event}`).toBe(expected);
    }
  });

  it("notifies of whatever came when more than 65535 buffers went by unasked", () => {
    const s = setup({ eventIndex: true });
    s.driver.usedEvent = 3;
    cycle(s, 65536);
    expect(s.queue.needsNotification()).toBe(true);
  });

  it("ignores the flag NO_INTERRUPT", () => {
    const s = setup({ eventIndex: true });
    s.driver.availFlags = 1;
    push(s, 1);
    expect(s.queue.needsNotification()).toBe(true);
  });

  it("survives a driver that moves used_event about: no storm, no exception", () => {
    const s = setup({ eventIndex: true });
    let notified = 0;
    for (let i = 0; i < 1000; i++) {
      s.driver.usedEvent = (i * 7919) & 0xffff;
      push(s, 1);
      if (s.queue.needsNotification()) notified++;
    }
    expect(notified).toBeLessThanOrEqual(1000);
  });
});

describe("available buffer notification suppression", () => {
  it("without EVENT_IDX sets and clears the flag, and nothing else of it", () => {
    const s = setup();
    expect(s.driver.usedFlags).toBe(0);
    s.queue.setNotificationsWanted(false);
    expect(s.driver.usedFlags).toBe(1);
    s.queue.setNotificationsWanted(true);
    expect(s.driver.usedFlags).toBe(0);
  });

  it("with EVENT_IDX leaves the flags 0 ('MUST set flags to 0')", () => {
    const s = setup({ eventIndex: true });
    s.queue.setNotificationsWanted(false);
    expect(s.driver.usedFlags).toBe(0);
    s.queue.setNotificationsWanted(true);
    expect(s.driver.usedFlags).toBe(0);
  });

  it("starts out wanting notifications, whatever stood in the ring", () => {
    for (const eventIndex of [false, true]) {
      const memory = new MockMemory();
      const driver = new MockQueue(memory, SIZE, { eventIndex });
      memory.writeU16(driver.layout.usedRing, 1);
      memory.writeU16(driver.layout.usedRing + 4 + 8 * SIZE, 0x7777);
      new Virtqueue(memory, driver.layout, { eventIndex, indirect: false });
      driver.addWritable(1);
      expect(driver.publish()).toBe(true);
    }
  });

  for (const eventIndex of [false, true]) {
    describe(eventIndex ? "with EVENT_IDX" : "without EVENT_IDX", () => {
      it("is not notified while it does not want to be", () => {
        const s = setup({ eventIndex });
        s.queue.setNotificationsWanted(false);
        for (let i = 0; i < 100; i++) {
          s.driver.add([{ address: 0, length: 1, writable: false }]);
          expect(s.driver.publish()).toBe(false);
          s.queue.push(pop(s.queue), 0);
          s.driver.takeUsed();
        }
      });

      it("is notified of the next buffer after each time it has drained the queue, also across the wrap", () => {
        const s = setup({ eventIndex });
        for (let i = 0; i < 65536 + 100; i++) {
          s.driver.add([{ address: 0, length: 1, writable: false }]);
          if (!s.driver.publish()) throw new Error(`buffer ${i} was not notified of`);
          s.queue.push(pop(s.queue), 0);
          s.driver.takeUsed();
        }
      });

      it("is notified once of several buffers, and again after it took them all", () => {
        const s = setup({ eventIndex });
        s.driver.addWritable(1);
        s.driver.addWritable(1);
        expect(s.driver.publish()).toBe(true);
        s.queue.push(pop(s.queue), 0);
        s.queue.push(pop(s.queue), 0);
        s.driver.takeUsed();
        s.driver.addWritable(1);
        expect(s.driver.publish()).toBe(true);
      });

      it("says when buffers came while it did not want to be notified, and asks for the next after them", () => {
        const s = setup({ eventIndex });
        s.queue.setNotificationsWanted(false);
        s.driver.addWritable(1);
        s.driver.addWritable(1);
        expect(s.driver.publish()).toBe(false);
        expect(s.queue.setNotificationsWanted(true)).toBe(true);
        s.driver.addWritable(1);
        expect(s.driver.publish()).toBe(true);
        pop(s.queue);
        pop(s.queue);
        pop(s.queue);
        expect(s.queue.setNotificationsWanted(true)).toBe(false);
      });
    });
  }
});

describe("whether the driver has caught up", () => {
  it("with EVENT_IDX: it asks for the very next used buffer", () => {
    const s = setup({ eventIndex: true });
    expect(s.queue.driverCaughtUp()).toBe(true);
    s.driver.addWritable(1);
    s.driver.publish();
    s.queue.push(pop(s.queue), 0);
    expect(s.queue.driverCaughtUp()).toBe(false);
    s.driver.takeUsed();
    expect(s.queue.driverCaughtUp()).toBe(false);
    s.driver.rearm();
    expect(s.queue.driverCaughtUp()).toBe(true);
  });

  it("without it: it wants notifications", () => {
    const s = setup();
    expect(s.queue.driverCaughtUp()).toBe(true);
    s.driver.availFlags = 1;
    expect(s.queue.driverCaughtUp()).toBe(false);
    s.driver.rearm();
    expect(s.queue.driverCaughtUp()).toBe(true);
  });
});

describe("a retired virtqueue", () => {
  it("has nothing, takes nothing and touches nothing, and its chains neither read nor write", () => {
    const s = setup({ eventIndex: true });
    const { address } = s.driver.addWritable(4);
    s.driver.addWritable(4);
    s.driver.publish();
    const chain = pop(s.queue);
    const before = s.memory.bytes(0, s.memory.size);
    s.queue.retire();
    expect(s.queue.available()).toBe(0);
    expect(s.queue.pop()).toBeUndefined();
    expect(chain.write(0, Uint8Array.of(1, 2, 3, 4))).toBe(0);
    expect(chain.writableLength).toBe(0);
    s.queue.push(chain, 4);
    s.queue.pushAll([chain], [4]);
    s.queue.undoPop(1);
    expect(s.queue.needsNotification()).toBe(false);
    expect(s.queue.setNotificationsWanted(true)).toBe(false);
    expect(s.queue.driverCaughtUp()).toBe(true);
    expect(s.memory.view(0, s.memory.size).every((byte, at) => byte === before[at])).toBe(true);
    expect([...s.memory.bytes(address, 4)]).toEqual([0, 0, 0, 0]);
  });
});
