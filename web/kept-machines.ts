/**
 * Machines that the browser keeps for this page, in its origin private file system: one file for each, with what
 * the terminal showed. The files are the page's own, but they may be old or cut short: what cannot be read is not there.
 */
import type { DoorbellMode, InterruptMode, TransportKind } from "../src/index.ts";

/** The machine at its first prompt, for later visits; and the one that was used last. */
export type Place = "prompt" | "autosave";

/** A machine that is kept. */
export interface KeptMachine {
  /** What it was made of: image and code. */
  readonly identity: string;
  readonly transport: TransportKind;
  readonly interrupts: InterruptMode;
  readonly doorbell: DoorbellMode;
  readonly memoryMiB: number;
  readonly eventIndex: boolean;
  readonly queuePairs: number;
  /** Milliseconds since 1970. */
  readonly saved: number;
  /** What the terminal was given, the latest of it. */
  readonly scrollback: Uint8Array<ArrayBuffer>;
  readonly snapshot: Uint8Array<ArrayBuffer>;
}

type Description = Omit<KeptMachine, "scrollback" | "snapshot"> & { readonly scrollbackBytes: number };

const LENGTH_BYTES = 4;
const DESCRIPTION_MOST = 4096;

/** Whether the browser can keep anything. */
export function canKeep(): boolean {
  return (
    typeof navigator.storage?.getDirectory === "function" &&
    typeof FileSystemFileHandle !== "undefined" &&
    "createWritable" in FileSystemFileHandle.prototype
  );
}

/** Where something is kept; it can be looked up before it may be read. Undefined when there is nothing. */
export async function findKept(place: Place): Promise<FileSystemFileHandle | undefined> {
  try {
    const folder = await navigator.storage.getDirectory();
    return await folder.getFileHandle(`doorbell-${place}`);
  } catch {
    // There is none, or the browser keeps nothing.
    return undefined;
  }
}

/** What is kept there, or undefined. */
export async function readKept(found: FileSystemFileHandle | undefined): Promise<KeptMachine | undefined> {
  try {
    const file = await found?.getFile();
    return file && parse(new Uint8Array(await file.arrayBuffer()));
  } catch {
    // It is gone, or cut short.
    return undefined;
  }
}

/** Keeps a machine, in place of the one before; that one stays when the page goes in the middle of it. */
export async function writeKept(place: Place, machine: KeptMachine): Promise<void> {
  const { scrollback, snapshot, ...rest } = machine;
  const description = new TextEncoder().encode(
    JSON.stringify({ ...rest, scrollbackBytes: scrollback.length } satisfies Description),
  );
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setUint32(0, description.length, true);
  const folder = await navigator.storage.getDirectory();
  const handle = await folder.getFileHandle(`doorbell-${place}`, { create: true });
  const writable = await handle.createWritable();
  for (const part of [length, description, scrollback, snapshot]) await writable.write(part);
  await writable.close();
}

export async function forgetKept(place: Place): Promise<void> {
  try {
    const folder = await navigator.storage.getDirectory();
    await folder.removeEntry(`doorbell-${place}`);
  } catch {
    // It was not there.
  }
}

function parse(bytes: Uint8Array<ArrayBuffer>): KeptMachine {
  const length = new DataView(bytes.buffer).getUint32(0, true);
  if (length > DESCRIPTION_MOST) throw new RangeError("no description");
  const start = LENGTH_BYTES + length;
  const { scrollbackBytes, ...rest } = JSON.parse(
    new TextDecoder().decode(bytes.subarray(LENGTH_BYTES, start)),
  ) as Description;
  return {
    ...rest,
    scrollback: bytes.subarray(start, start + scrollbackBytes),
    snapshot: bytes.subarray(start + scrollbackBytes),
  };
}
