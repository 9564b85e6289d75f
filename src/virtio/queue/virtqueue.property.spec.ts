import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MockMemory } from "../testing/mock-memory.ts";
import { type MockBuffer, MockQueue } from "../testing/mock-queue.ts";
import { GuestMemoryError } from "../types.ts";
import { type DescriptorChain, Virtqueue, VirtqueueError } from "./virtqueue.ts";

const RAM = 0x1_0000;

/** Numbers near the places where an error would hide, and any others. */
const word = fc.oneof(
  fc.integer({ min: 0, max: 64 }),
  fc.integer({ min: RAM - 32, max: RAM + 32 }),
  fc.integer({ min: 0, max: RAM }),
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(0xffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff),
);
const addressHigh = fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: word });
const index = (size: number): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: size - 1 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff }) },
  );
const descriptor = (size: number) =>
  fc.record({
    address: word,
    addressHigh,
    length: fc.oneof(fc.integer({ min: 0, max: 256 }), word),
    flags: fc.oneof(fc.integer({ min: 0, max: 7 }), fc.constantFrom(0, 1, 2, 3)),
    next: index(size),
  });

const garbage = fc.constantFrom(1, 2, 8, 32).chain((size) =>
  fc.record({
    size: fc.constant(size),
    eventIndex: fc.boolean(),
    indirect: fc.boolean(),
    table: fc.array(descriptor(size), { minLength: size, maxLength: size }),
    // A second table somewhere in RAM that indirect descriptors may hit.
    indirectTable: fc.array(descriptor(size), { maxLength: 8 }),
    heads: fc.array(index(size), { minLength: size, maxLength: size }),
    availIdx: fc.oneof(fc.integer({ min: 0, max: size }), fc.integer({ min: 0, max: 0xffff })),
    usedEvent: fc.integer({ min: 0, max: 0xffff }),
    overlap: fc.boolean(),
    steps: fc.array(
      fc.record({
        what: fc.constantFrom(
          "pop",
          "push",
          "pushAll",
          "undo",
          "notify",
          "want",
          "unwant",
          "available",
          "more",
        ),
        bytes: fc.integer({ min: 0, max: 300 }),
      }),
      { maxLength: 40 },
    ),
  }),
);

describe("random rings", () => {
  it("throw nothing but VirtqueueError and GuestMemoryError, and touch nothing outside of RAM", () => {
    fc.assert(
      fc.property(garbage, (g) => {
        const memory = new MockMemory(RAM, 0x1000);
        const driver = new MockQueue(memory, g.size, { eventIndex: g.eventIndex });
        for (const [k, entry] of g.indirectTable.entries()) driver.writeDescriptor(k, entry, 0x20);
        for (const [k, entry] of g.table.entries()) driver.writeDescriptor(k, entry);
        for (const head of g.heads) driver.offer(head);
        driver.availIdx = g.availIdx;
        driver.usedEvent = g.usedEvent;
        const layout = g.overlap
          ? { ...driver.layout, usedRing: driver.layout.descriptorTable }
          : driver.layout;
        try {
          const queue = new Virtqueue(memory, layout, { eventIndex: g.eventIndex, indirect: g.indirect });
          const held: DescriptorChain[] = [];
          for (const { what, bytes } of g.steps) {
            if (what === "pop") {
              const chain = queue.pop();
              if (chain === undefined) continue;
              held.push(chain);
              expect(chain.readableLength + chain.writableLength).toBeLessThanOrEqual(2 ** 32);
              const target = new Uint8Array(bytes);
              expect(chain.read(bytes % 3, target)).toBeLessThanOrEqual(bytes);
              expect(chain.write(bytes % 5, target)).toBeLessThanOrEqual(bytes);
            } else if (what === "push") {
              const chain = held.shift();
              if (chain !== undefined) queue.push(chain, Math.min(bytes, chain.writableLength));
            } else if (what === "pushAll") {
              const chains = held.splice(0, 3);
              queue.pushAll(
                chains,
                chains.map((chain) => Math.min(bytes, chain.writableLength)),
              );
            } else if (what === "undo") {
              // Only the last chain popped can be given back; after a push of a later one it would be another.
              if (held.length > 0) {
                queue.undoPop(1);
                held.pop();
              }
            } else if (what === "more") driver.availIdx = (driver.availIdx + (bytes % 3)) & 0xffff;
            else if (what === "notify") queue.needsNotification();
            else if (what === "available") expect(queue.available()).toBeLessThanOrEqual(g.size);
            else queue.setNotificationsWanted(what === "want");
            expect(held.length).toBeLessThanOrEqual(g.size);
          }
        } catch (error) {
          if (!(error instanceof VirtqueueError || error instanceof GuestMemoryError)) throw error;
        }
        expect(memory.guardsIntact()).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it("never let a chain reach further than its own buffers", () => {
    fc.assert(
      fc.property(garbage, (g) => {
        const memory = new MockMemory(RAM, 0x1000);
        const driver = new MockQueue(memory, g.size);
        for (const [k, entry] of g.indirectTable.entries()) driver.writeDescriptor(k, entry, 0x20);
        for (const [k, entry] of g.table.entries()) driver.writeDescriptor(k, entry);
        for (const head of g.heads) driver.offer(head);
        driver.availIdx = g.availIdx;
        const queue = new Virtqueue(memory, driver.layout, { eventIndex: false, indirect: g.indirect });
        try {
          const chain = queue.pop();
          if (chain === undefined) return;
          const before = memory.bytes(0, RAM);
          memory.writtenBytes = 0;
          const all = chain.write(0, new Uint8Array(Math.min(chain.writableLength, 2 * RAM)).fill(0xcc));
          expect(all).toBe(Math.min(chain.writableLength, 2 * RAM));
          expect(memory.writtenBytes).toBe(all);
          let changed = 0;
          const after = memory.view(0, RAM);
          for (let k = 0; k < RAM; k++) if (after[k] !== before[k]) changed++;
          expect(changed).toBeLessThanOrEqual(all);
        } catch (error) {
          if (!(error instanceof VirtqueueError)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});

const traffic = fc.record({
  size: fc.constantFrom(2, 4, 16, 64),
  eventIndex: fc.boolean(),
  /** Chains to send before those looked at, to stand anywhere on the way to the wrap. */
  ahead: fc.constantFrom(0, 0, 0, 0, 1, 65530),
  rounds: fc.array(
    fc.array(
      fc.record({
        readable: fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 3 }),
        writable: fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 3 }),
        indirect: fc.integer({ min: 0, max: 6 }),
        undo: fc.boolean(),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    { maxLength: 6 },
  ),
});

describe("random legal traffic", () => {
  it("keeps order, lengths and contents, and changes nothing but what the driver gave to be written", () => {
    fc.assert(
      fc.property(traffic, (t) => {
        const memory = new MockMemory(0x8_0000);
        const driver = new MockQueue(memory, t.size, { eventIndex: t.eventIndex });
        const queue = new Virtqueue(memory, driver.layout, { eventIndex: t.eventIndex, indirect: true });
        // Stand at `ahead` without walking there: both sides count modulo 65536.
        for (let k = 0; k < t.ahead; k++) {
          driver.add([{ address: 0, length: 1, writable: false }]);
          driver.publish();
          const chain = queue.pop();
          if (chain !== undefined) queue.push(chain, 0);
          driver.takeUsed();
        }
        queue.needsNotification();
        let seed = 1;
        const nextByte = (): number => {
          seed = (seed * 1103515245 + 12345) & 0x7fff_ffff;
          return (seed >>> 8) & 0xff;
        };
        for (const round of t.rounds) {
          const sent: { head: number; bytes: Uint8Array; writable: MockBuffer[]; room: number }[] = [];
          for (const item of round) {
            const total = item.readable.length + item.writable.length;
            const inTable = Math.min(item.indirect, total);
            if (total === 0 || total > t.size || total - inTable + (inTable > 0 ? 1 : 0) > driver.free)
              continue;
            const bytes: number[] = [];
            const readable = item.readable.map((length) => {
              const part = Array.from({ length }, nextByte);
              bytes.push(...part);
              return { address: memory.store(part), length, writable: false };
            });
            const writable = item.writable.map((length) => ({
              address: memory.alloc(length),
              length,
              writable: true,
            }));
            const head = driver.add([...readable, ...writable], { indirect: inTable });
            const room = item.writable.reduce((sum, length) => sum + length, 0);
            sent.push({ head, bytes: Uint8Array.from(bytes), writable, room });
          }
          driver.rearm();
          const kicked = driver.publish();
          expect(kicked).toBe(sent.length > 0);
          const used: { id: number; length: number }[] = [];
          for (const [k, one] of sent.entries()) {
            let chain = queue.pop();
            if (round[k]?.undo) {
              queue.undoPop(1);
              chain = queue.pop();
            }
            if (chain === undefined) throw new Error("a chain is missing");
            expect(chain.head).toBe(one.head);
            const read = new Uint8Array(chain.readableLength + 1);
            expect(chain.read(0, read)).toBe(one.bytes.length);
            expect(read.subarray(0, one.bytes.length)).toEqual(one.bytes);
            expect(chain.writableLength).toBe(one.room);
            const answer = Uint8Array.from({ length: one.room }, (_, n) => (n * 3 + k) & 0xff);
            expect(chain.write(0, answer)).toBe(one.room);
            queue.push(chain, one.room);
            used.push({ id: one.head, length: one.room });
            const got = one.writable.flatMap((buffer) => [...memory.bytes(buffer.address, buffer.length)]);
            expect(got).toEqual([...answer]);
          }
          expect(queue.pop()).toBeUndefined();
          // A driver that has armed for the next buffer is told of the batch, once.
          expect(queue.needsNotification()).toBe(used.length > 0);
          expect(queue.needsNotification()).toBe(false);
          expect(driver.takeUsed()).toEqual(used);
          expect(memory.gapsIntact()).toBe(true);
          expect(memory.guardsIntact()).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("suppression as the standard writes it", () => {
  it("agrees with vring_need_event for every used_event, old and new index", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff }),
        fc.integer({ min: 0, max: 70000 }),
        fc.integer({ min: 1, max: 8 }),
        (usedEvent, start, batch) => {
          const memory = new MockMemory();
          const driver = new MockQueue(memory, 8, { eventIndex: true });
          const queue = new Virtqueue(memory, driver.layout, { eventIndex: true, indirect: false });
          const send = (count: number): void => {
            for (let k = 0; k < count; k++) driver.add([{ address: 0, length: 1, writable: false }]);
            driver.publish();
            for (let k = 0; k < count; k++) {
              const chain = queue.pop();
              if (chain !== undefined) queue.push(chain, 0);
            }
            driver.takeUsed();
          };
          for (let left = start; left > 0; left -= 8) send(Math.min(8, left));
          queue.needsNotification();
          driver.usedEvent = usedEvent;
          send(batch);
          const oldIdx = start & 0xffff;
          const newIdx = (start + batch) & 0xffff;
          const need = ((newIdx - usedEvent - 1) & 0xffff) < ((newIdx - oldIdx) & 0xffff);
          expect(queue.needsNotification()).toBe(need);
        },
      ),
      { numRuns: 40 },
    );
  });
});
