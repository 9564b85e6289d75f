import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MemoryPages } from "../cpu/v86-state.ts";
import { bytes, record, u32 } from "../state/codec.ts";
import { readBody, readHeader, type SnapshotSubject, writeSnapshot } from "./snapshot-file.ts";
import { SnapshotError } from "./types.ts";

const PAGE = 4096;
const MIB = 0x100000;
const STATE = record({ number: u32, data: bytes(1000) });
const SUBJECT: SnapshotSubject = {
  image: "of the spec",
  memoryMiB: 16,
  transport: "mmio",
  interrupts: "msi",
  doorbell: "per-queue",
  eventIndex: true,
  queuePairs: 1,
  phase: "ready",
};

/** Memory of which these pages are filled, each with its own number. */
function memoryWith(...pages: readonly number[]): MemoryPages {
  const map = new Uint8Array((16 * MIB) / PAGE / 8);
  for (const page of pages) map[page >> 3] = (map[page >> 3] ?? 0) | (1 << (page & 7));
  return {
    map,
    length: pages.length * PAGE,
    copyTo: (target) => {
      pages.forEach((page, index) => {
        target.fill(page & 0xff, index * PAGE, (index + 1) * PAGE);
      });
    },
  };
}

const value = { number: 7, data: Uint8Array.of(1, 2, 3) };

function file(deflated: boolean, pages: readonly number[] = [1, 2, 500, 4095]): Promise<Uint8Array> {
  return writeSnapshot(STATE, deflated, () => ({
    subject: SUBJECT,
    state: value,
    memory: memoryWith(...pages),
  }));
}

async function read(snapshot: Uint8Array) {
  const header = await readHeader(snapshot, STATE);
  const { state, forEachPiece } = await readBody(snapshot, header, STATE);
  const memory = new Uint8Array(16 * MIB);
  forEachPiece((address, piece) => memory.set(piece, address));
  return { header, state, memory };
}

/** The hash as it has to be: whoever alters a file can do that too. */
async function rehash(snapshot: Uint8Array): Promise<Uint8Array> {
  const hash = await crypto.subtle.digest("SHA-256", snapshot.slice(44));
  const altered = snapshot.slice();
  altered.set(new Uint8Array(hash), 12);
  return altered;
}

describe.each([true, false])("a snapshot as a file (compressed: %s)", (deflated) => {
  it("holds the state and every page that is not zero, and nothing of those that are", async () => {
    const snapshot = await file(deflated);
    const { header, state, memory } = await read(snapshot);
    expect(header).toMatchObject(SUBJECT);
    expect(state).toEqual(value);
    for (const page of [1, 2, 500, 4095]) expect(memory[page * PAGE]).toBe(page & 0xff);
    expect(memory.filter((byte) => byte !== 0).length).toBe(4 * PAGE);
    expect(snapshot.length).toBeLessThan(5 * PAGE);
  });

  it("is read wherever it lies in a larger array", async () => {
    const snapshot = await file(deflated);
    const around = new Uint8Array(snapshot.length + 10);
    around.set(snapshot, 3);
    expect((await read(around.subarray(3, 3 + snapshot.length))).state).toEqual(value);
  });

  it("is refused with a sentence wherever a byte is another, and wherever it ends early", async () => {
    const snapshot = await file(deflated, [9]);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(snapshot.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (place, change) => {
          const altered = snapshot.slice();
          altered[place] = (altered[place] ?? 0) ^ change;
          for (const wrong of [altered, snapshot.subarray(0, place)]) {
            const refused = await read(wrong).catch((error: unknown) => error);
            expect(refused).toBeInstanceOf(SnapshotError);
            expect((refused as Error).message).toMatch(/^[A-Z].*\.$/);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("is read or refused with a sentence when its hash was made to fit", async () => {
    const snapshot = await file(deflated, [9]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 44, max: snapshot.length - 1 }), fc.nat(255)), {
          minLength: 1,
          maxLength: 3,
        }),
        async (changes) => {
          const altered = snapshot.slice();
          for (const [place, byte] of changes) altered[place] = byte;
          const result = await read(await rehash(altered)).catch((error: unknown) => error);
          if (result instanceof Error) expect(result).toBeInstanceOf(SnapshotError);
        },
      ),
      { numRuns: 120 },
    );
  });
});

describe("a snapshot", () => {
  it("of another format is foreign", async () => {
    await expect(readHeader(await file(true), record({ number: u32 }))).rejects.toThrow(/another version/);
  });

  it("that claims to inflate to more than its machine has is not inflated", async () => {
    const bomb = await writeSnapshot(STATE, true, () => ({
      subject: SUBJECT,
      state: value,
      memory: { map: new Uint8Array(512), length: 64 * MIB, copyTo: () => {} },
    }));
    await expect(read(bomb)).rejects.toThrow(/more bytes than the machine has/);
  });
});
