import { describe, expect, it } from "vitest";
import { VIRTQ_DESC_F_INDIRECT, VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE, VIRTQ_DESC_SIZE } from "../defs.ts";
import { MockMemory } from "../testing/mock-memory.ts";
import { type MockBuffer, type MockDescriptor, MockQueue } from "../testing/mock-queue.ts";
import { type DescriptorChain, Virtqueue, VirtqueueError } from "./virtqueue.ts";

const NEXT = VIRTQ_DESC_F_NEXT;
const WRITE = VIRTQ_DESC_F_WRITE;
const INDIRECT = VIRTQ_DESC_F_INDIRECT;
const RAM = 0x10_0000;
const SIZE = 8;

interface Setup {
  memory: MockMemory;
  driver: MockQueue;
  queue: Virtqueue;
}

function setup(options: { size?: number; indirect?: boolean; ram?: number } = {}): Setup {
  const memory = new MockMemory(options.ram ?? RAM);
  const driver = new MockQueue(memory, options.size ?? SIZE);
  const queue = new Virtqueue(memory, driver.layout, {
    eventIndex: false,
    indirect: options.indirect ?? true,
  });
  return { memory, driver, queue };
}

/** Pops the one chain that `build` made. */
function popped(s: Setup): DescriptorChain {
  s.driver.publish();
  const chain = s.queue.pop();
  if (chain === undefined) throw new Error("nothing available");
  return chain;
}

function popBuffers(
  buffers: readonly MockBuffer[],
  options: { indirect?: boolean | number } = {},
): DescriptorChain {
  const s = setup();
  s.driver.add(buffers, options);
  return popped(s);
}

/** Why a chain of these direct descriptors, head 0, is refused; undefined when it is not. */
function refusal(
  descriptors: readonly MockDescriptor[],
  options: { indirect?: boolean; table?: readonly MockDescriptor[]; head?: number } = {},
): string | undefined {
  const s = setup(options);
  const table = s.memory.alloc(VIRTQ_DESC_SIZE * Math.max(1, options.table?.length ?? 0));
  options.table?.forEach((descriptor, index) => {
    s.driver.writeDescriptor(index, descriptor, table);
  });
  descriptors.forEach((descriptor, index) => {
    const isTable = ((descriptor.flags ?? 0) & INDIRECT) !== 0 && descriptor.address === TABLE;
    s.driver.writeDescriptor(index, isTable ? { ...descriptor, address: table } : descriptor);
  });
  s.driver.offer(options.head ?? 0);
  s.driver.publish();
  try {
    s.queue.pop();
  } catch (error) {
    if (error instanceof VirtqueueError) return error.reason;
    throw error;
  }
  return undefined;
}
/** Stands for the address of the indirect table that {@link refusal} makes. */
const TABLE = -1;

const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, k) => (k * 7 + 3) & 0xff);

describe("a descriptor chain that is legal", () => {
  it("counts its readable and writable bytes apart", () => {
    const chain = popBuffers([
      { address: 0x100, length: 3, writable: false },
      { address: 0x200, length: 5, writable: false },
      { address: 0x300, length: 7, writable: true },
    ]);
    expect(chain.readableLength).toBe(8);
    expect(chain.writableLength).toBe(7);
  });

  it("may split a message at any byte: 12 bytes read the same from one buffer, 1 + 11, and twelve of one", () => {
    const message = pattern(12);
    for (const cut of [[12], [1, 11], [8, 4], Array<number>(12).fill(1)]) {
      const s = setup({ size: 16 });
      let at = 0;
      s.driver.add(
        cut.map((length) => {
          const address = s.memory.store(message.subarray(at, at + length));
          at += length;
          return { address, length, writable: false };
        }),
      );
      const target = new Uint8Array(12);
      expect(popped(s).read(0, target)).toBe(12);
      expect(target).toEqual(message);
    }
  });

  it("reads from any offset, across buffers, and no more than there is", () => {
    const s = setup();
    const message = pattern(10);
    s.driver.add([
      { address: s.memory.store(message.subarray(0, 4)), length: 4, writable: false },
      { address: s.memory.store(message.subarray(4)), length: 6, writable: false },
    ]);
    const chain = popped(s);
    for (let offset = 0; offset <= 11; offset++) {
      for (const length of [0, 1, 3, 10, 20]) {
        const target = new Uint8Array(length).fill(0xee);
        const expected = message.subarray(offset, offset + length);
        expect(chain.read(offset, target)).toBe(expected.length);
        expect(target.subarray(0, expected.length)).toEqual(expected);
        expect(target.subarray(expected.length).every((byte) => byte === 0xee)).toBe(true);
      }
    }
  });

  it("writes at any offset, across buffers, and no more than fits", () => {
    for (let offset = 0; offset <= 11; offset++) {
      for (const length of [0, 1, 3, 10, 20]) {
        const s = setup();
        const first = s.memory.alloc(4);
        const second = s.memory.alloc(6);
        s.driver.add([
          { address: s.memory.store(pattern(5)), length: 5, writable: false },
          { address: first, length: 4, writable: true },
          { address: second, length: 6, writable: true },
        ]);
        const source = pattern(length);
        const fits = Math.max(0, Math.min(length, 10 - offset));
        expect(popped(s).write(offset, source)).toBe(fits);
        const expected = new Uint8Array(10);
        expected.set(source.subarray(0, fits), Math.min(offset, 10));
        expect([...s.memory.bytes(first, 4), ...s.memory.bytes(second, 6)]).toEqual([...expected]);
        expect(s.memory.gapsIntact()).toBe(true);
      }
    }
  });

  it("tells the memory of every range written through a view", () => {
    const s = setup();
    const first = s.memory.alloc(4);
    const second = s.memory.alloc(4);
    s.driver.add([
      { address: first, length: 4, writable: true },
      { address: second, length: 4, writable: true },
    ]);
    popped(s).write(0, pattern(6));
    expect(s.memory.writtenBytes).toBe(6);
    expect(s.memory.lastWritten).toEqual({ address: second, length: 2 });
  });

  it("never writes into a readable buffer and never reads from a writable one", () => {
    const s = setup();
    const readable = s.memory.store([1, 2, 3]);
    const writable = s.memory.store([9, 9, 9]);
    s.driver.add([
      { address: readable, length: 3, writable: false },
      { address: writable, length: 3, writable: true },
    ]);
    const chain = popped(s);
    const target = new Uint8Array(6);
    expect(chain.read(0, target)).toBe(3);
    expect([...target]).toEqual([1, 2, 3, 0, 0, 0]);
    expect(chain.write(0, Uint8Array.of(7, 7, 7, 7))).toBe(3);
    expect([...s.memory.bytes(readable, 3)]).toEqual([1, 2, 3]);
    expect([...s.memory.bytes(writable, 3)]).toEqual([7, 7, 7]);
  });

  it("may hold empty buffers, which point anywhere and hold nothing", () => {
    const chain = popBuffers([
      { address: 0xffff_ff00, length: 0, writable: false },
      { address: 0x100, length: 2, writable: false },
      { address: 0xffff_ff00, length: 0, writable: true },
    ]);
    expect([chain.readableLength, chain.writableLength]).toEqual([2, 0]);
  });

  it("may end exactly at the top of RAM", () => {
    const chain = popBuffers([{ address: RAM - 16, length: 16, writable: true }]);
    expect(chain.write(0, pattern(16))).toBe(16);
  });

  it("may be as long as the queue", () => {
    const chain = popBuffers(
      Array.from({ length: SIZE }, () => ({ address: 0, length: 1, writable: false })),
    );
    expect(chain.readableLength).toBe(SIZE);
  });

  it("ignores NEXT's index and unknown flags where they mean nothing", () => {
    expect(refusal([{ address: 0x100, length: 1, flags: 0xfff8, next: 0xffff }])).toBeUndefined();
  });
});

describe("an indirect descriptor that is legal", () => {
  const buffers: MockBuffer[] = [
    { address: 0x100, length: 3, writable: false },
    { address: 0x200, length: 4, writable: false },
    { address: 0x300, length: 5, writable: true },
  ];

  it("stands for the whole chain", () => {
    const chain = popBuffers(buffers, { indirect: true });
    expect([chain.readableLength, chain.writableLength]).toEqual([7, 5]);
  });

  it("may follow direct descriptors", () => {
    for (const inTable of [1, 2]) {
      const chain = popBuffers(buffers, { indirect: inTable });
      expect([chain.readableLength, chain.writableLength]).toEqual([7, 5]);
    }
  });

  it("may carry WRITE, which is ignored", () => {
    const flags = INDIRECT | WRITE;
    const table = [{ address: 0x100, length: 8 }];
    expect(refusal([{ address: TABLE, length: 16, flags }], { table })).toBeUndefined();
  });

  it("may lead into a table that needs no alignment and is longer than what it uses", () => {
    const s = setup();
    const table = s.memory.alloc(64) + 3;
    s.driver.writeDescriptor(0, { address: 0x100, length: 8 }, table);
    s.driver.writeDescriptor(0, { address: table, length: 48, flags: INDIRECT });
    s.driver.offer(0);
    expect(popped(s).readableLength).toBe(8);
  });

  it("may give as many buffers as the queue has descriptors", () => {
    const chain = popBuffers(
      Array.from({ length: SIZE }, () => ({ address: 0, length: 1, writable: true })),
      { indirect: true },
    );
    expect(chain.writableLength).toBe(SIZE);
  });
});

describe("a descriptor chain is refused", () => {
  const at = (address: number, length = 16): MockDescriptor => ({ address, length });

  it("when the driver breaks 'MUST NOT create a loop': to itself", () => {
    expect(refusal([{ ...at(0x100), flags: NEXT, next: 0 }])).toBe("descriptor loop");
  });

  it("when the driver breaks 'MUST NOT create a loop': to an earlier descriptor", () => {
    const loop = [
      { ...at(0x100), flags: NEXT, next: 1 },
      { ...at(0x100), flags: NEXT, next: 2 },
      { ...at(0x100), flags: NEXT, next: 1 },
    ];
    expect(refusal(loop)).toBe("descriptor loop");
  });

  it("when NEXT leads out of the table", () => {
    expect(refusal([{ ...at(0x100), flags: NEXT, next: SIZE }])).toBe("descriptor index out of range");
    expect(refusal([{ ...at(0x100), flags: NEXT, next: 0xffff }])).toBe("descriptor index out of range");
  });

  it("when the head is none of the queue's descriptors", () => {
    expect(refusal([at(0x100)], { head: SIZE })).toBe("head index out of range");
    expect(refusal([at(0x100)], { head: 0xffff })).toBe("head index out of range");
  });

  it("when a buffer is not wholly in RAM", () => {
    for (const [address, length] of [
      [RAM, 1],
      [RAM - 1, 2],
      [0xd000_0000, 16],
      [0xffff_ffff, 0xffff_ffff],
      [0, RAM + 1],
    ] as const) {
      expect(refusal([at(address, length)])).toBe("buffer outside RAM");
      expect(refusal([{ ...at(address, length), flags: WRITE }])).toBe("buffer outside RAM");
    }
  });

  it("when a buffer's address has an upper half, and when address + length wraps at 2^64", () => {
    expect(refusal([{ ...at(0x100), addressHigh: 1 }])).toBe("buffer outside RAM");
    expect(refusal([{ ...at(0x100), addressHigh: 0x8000_0000 }])).toBe("buffer outside RAM");
    expect(refusal([{ address: 0xffff_fff0, length: 0x20, addressHigh: 0xffff_ffff }])).toBe(
      "buffer outside RAM",
    );
  });

  it("when a later buffer of it is outside of RAM, though the first is fine", () => {
    const chain = [{ ...at(0x100), flags: NEXT, next: 1 }, at(RAM)];
    expect(refusal(chain)).toBe("buffer outside RAM");
  });

  it("when the driver breaks 'MUST place device-writable elements after device-readable ones'", () => {
    const chain = [{ ...at(0x100), flags: NEXT | WRITE, next: 1 }, at(0x200)];
    expect(refusal(chain)).toBe("readable descriptor after a writable one");
    const empty = [{ address: 0, length: 0, flags: NEXT | WRITE, next: 1 }, at(0x200)];
    expect(refusal(empty)).toBe("readable descriptor after a writable one");
  });

  it("when the driver breaks 'MUST NOT create a chain longer than 2^32 bytes'", () => {
    // RAM of which the same part is named over and over; the memory itself need not be that large.
    const memory = new MockMemory(RAM);
    const driver = new MockQueue(memory, 4);
    const huge = {
      size: 2 ** 32,
      contains: (address: number, length: number) => address + length <= 2 ** 32,
      readU8: (address: number) => memory.readU8(address),
      readU16: (address: number) => memory.readU16(address),
      readU32: (address: number) => memory.readU32(address),
      writeU8: (address: number, value: number) => memory.writeU8(address, value),
      writeU16: (address: number, value: number) => memory.writeU16(address, value),
      writeU32: (address: number, value: number) => memory.writeU32(address, value),
      view: (address: number, length: number) => memory.view(address, length),
      written: () => {},
    };
    const queue = new Virtqueue(huge, driver.layout, { eventIndex: false, indirect: false });
    driver.writeDescriptor(0, { address: 0, length: 0x8000_0000, flags: NEXT, next: 1 });
    driver.writeDescriptor(1, { address: 0, length: 0x8000_0000, flags: WRITE });
    driver.offer(0);
    driver.publish();
    const chain = queue.pop();
    expect([chain?.readableLength, chain?.writableLength]).toEqual([2 ** 31, 2 ** 31]);
    driver.writeDescriptor(2, { address: 0, length: 0x8000_0000, flags: NEXT, next: 3 });
    driver.writeDescriptor(3, { address: 0, length: 0x8000_0001, flags: WRITE });
    driver.offer(2);
    driver.publish();
    expect(() => queue.pop()).toThrowError("longer than 2^32 bytes");
  });

  it("when it uses an indirect descriptor that was not negotiated", () => {
    const chain = [{ address: TABLE, length: 16, flags: INDIRECT }];
    expect(refusal(chain, { indirect: false, table: [at(0x100)] })).toBe(
      "indirect descriptor not negotiated",
    );
  });

  it("when the driver breaks 'MUST NOT set INDIRECT within an indirect table'", () => {
    const chain = [{ address: TABLE, length: 16, flags: INDIRECT }];
    const table = [{ address: 0x100, length: 16, flags: INDIRECT }];
    expect(refusal(chain, { table })).toBe("nested indirect descriptor");
  });

  it("when the driver breaks 'MUST NOT set both INDIRECT and NEXT'", () => {
    const chain = [{ address: TABLE, length: 16, flags: INDIRECT | NEXT, next: 1 }, at(0x100)];
    expect(refusal(chain, { table: [at(0x100)] })).toBe("indirect descriptor with NEXT");
  });

  it("when an indirect table's length is 0 or no multiple of 16", () => {
    for (const length of [0, 1, 15, 17, 0xffff_ffff]) {
      const chain = [{ address: TABLE, length, flags: INDIRECT }];
      expect(refusal(chain, { table: [at(0x100)] })).toBe("indirect table length");
    }
  });

  it("when an indirect table is not wholly in RAM", () => {
    for (const [address, length] of [
      [RAM, 16],
      [RAM - 16, 32],
      [0x100, 0xffff_fff0],
      [0xd000_0000, 16],
    ] as const) {
      expect(refusal([{ address, length, flags: INDIRECT }])).toBe("indirect table outside RAM");
    }
  });

  it("when NEXT in an indirect table leads out of it", () => {
    const chain = [{ address: TABLE, length: 16, flags: INDIRECT }];
    const table = [{ ...at(0x100), flags: NEXT, next: 1 }];
    expect(refusal(chain, { table })).toBe("descriptor index out of range");
  });

  it("when an indirect table loops, even one that lies on itself", () => {
    const chain = [{ address: TABLE, length: 16, flags: INDIRECT }];
    expect(refusal(chain, { table: [{ ...at(0x100), flags: NEXT, next: 0 }] })).toBe("descriptor loop");
    // The queue's own descriptor table named as the indirect table: its first entry is the indirect one again.
    const s = setup();
    s.driver.writeDescriptor(0, { address: s.driver.layout.descriptorTable, length: 16, flags: INDIRECT });
    s.driver.offer(0);
    s.driver.publish();
    expect(() => s.queue.pop()).toThrowError("nested indirect descriptor");
  });

  it("when it is longer than the queue by way of an indirect table", () => {
    const table = Array.from({ length: SIZE + 1 }, (_, index) => ({
      ...at(0x100),
      flags: index < SIZE ? NEXT : 0,
      next: index + 1,
    }));
    const length = table.length * VIRTQ_DESC_SIZE;
    expect(refusal([{ address: TABLE, length, flags: INDIRECT }], { table })).toBe(
      "descriptor chain too long",
    );
    // One direct descriptor and a table as long as the queue.
    const chain = [
      { ...at(0x100), flags: NEXT, next: 1 },
      { address: TABLE, length: SIZE * VIRTQ_DESC_SIZE, flags: INDIRECT },
    ];
    const full = table.slice(1).map((entry, index) => ({
      ...entry,
      flags: index < SIZE - 1 ? NEXT : 0,
      next: index + 1,
    }));
    expect(refusal(chain, { table: full })).toBe("descriptor chain too long");
  });
});

describe("what the driver does to a chain after it was popped", () => {
  it("changes nothing: every descriptor was read once", () => {
    const s = setup();
    const { head, address } = s.driver.addWritable(8);
    const chain = popped(s);
    s.driver.writeDescriptor(head, { address: RAM, length: 0xffff_ffff, flags: WRITE });
    expect(chain.writableLength).toBe(8);
    expect(chain.write(0, pattern(8))).toBe(8);
    expect(s.memory.bytes(address, 8)).toEqual(pattern(8));
    expect(s.memory.guardsIntact()).toBe(true);
  });

  it("the descriptor table is never written to", () => {
    const s = setup();
    s.driver.addWritable(8);
    const table = s.memory.bytes(s.driver.layout.descriptorTable, SIZE * VIRTQ_DESC_SIZE);
    const chain = popped(s);
    chain.write(0, pattern(8));
    s.queue.push(chain, 8);
    expect(s.memory.bytes(s.driver.layout.descriptorTable, SIZE * VIRTQ_DESC_SIZE)).toEqual(table);
  });
});
