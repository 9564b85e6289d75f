/**
 * Plain data as bytes and back: how the parts of a machine keep their state. A part says once what its state is made of,
 * as a {@link Codec} that stands beside it; from that follow the TypeScript type, the bytes, the checks on the way in
 * and a description. All numbers are little-endian, nothing is aligned, and no length is believed before it is checked:
 * what is read may come from anybody.
 */

/** Bytes that cannot be the state they claim to be; the message says which part of it. */
export class StateError extends Error {
  override readonly name = "StateError";
}

/** One kind of value: how it is written, how it is read and checked, and what the description calls it. */
export interface Codec<T> {
  readonly description: string;
  write(writer: StateWriter, value: T): void;
  /** @throws StateError */
  read(reader: StateReader): T;
}

/** The type of what a codec reads. */
export type StateOf<C> = C extends Codec<infer T> ? T : never;

const FIRST_CAPACITY = 4096;

/** Bytes that grow. */
export class StateWriter {
  #bytes = new Uint8Array(FIRST_CAPACITY);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** What was written, as a window that is valid until more is. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Room for so many bytes more, with where they begin. */
  extend(count: number): { readonly view: DataView; readonly at: number } {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      bytes.set(this.#bytes);
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
    return { view: this.#view, at };
  }

  append(bytes: Uint8Array): void {
    const { at } = this.extend(bytes.length);
    this.#bytes.set(bytes, at);
  }
}

/** Bytes that are taken from front to back. */
export class StateReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes not yet taken. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Takes so many bytes; returns where they begin in {@link view}. */
  take(count: number): number {
    if (count > this.left) throw new StateError("it ends early");
    const at = this.#at;
    this.#at += count;
    return at;
  }

  get view(): DataView {
    return this.#view;
  }

  /** Takes so many bytes as a window. */
  window(count: number): Uint8Array {
    const at = this.take(count);
    return this.#bytes.subarray(at, at + count);
  }
}

/** `value` as bytes. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array<ArrayBuffer> {
  const writer = new StateWriter();
  codec.write(writer, value);
  return writer.bytes;
}

/** All of `bytes` as a value. @throws StateError also when bytes are left over. */
export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const reader = new StateReader(bytes);
  const value = codec.read(reader);
  if (reader.left > 0) throw new StateError("it does not end where it should");
  return value;
}

function scalar(
  description: string,
  size: number,
  set: (view: DataView, at: number, value: number) => void,
  get: (view: DataView, at: number) => number,
): Codec<number> {
  return {
    description,
    write: (writer, value) => {
      const { view, at } = writer.extend(size);
      set(view, at, value);
    },
    read: (reader) => get(reader.view, reader.take(size)),
  };
}

export const u8 = scalar(
  "u8",
  1,
  (view, at, value) => view.setUint8(at, value),
  (view, at) => view.getUint8(at),
);
export const u16 = scalar(
  "u16",
  2,
  (view, at, value) => view.setUint16(at, value, true),
  (view, at) => view.getUint16(at, true),
);
export const u32 = scalar(
  "u32",
  4,
  (view, at, value) => view.setUint32(at, value, true),
  (view, at) => view.getUint32(at, true),
);
/** Any finite number. */
export const f64: Codec<number> = checked(
  scalar(
    "f64",
    8,
    (view, at, value) => view.setFloat64(at, value, true),
    (view, at) => view.getFloat64(at, true),
  ),
  "f64",
  Number.isFinite,
);
/** A whole number, not negative and exact: what counters hold. */
export const count: Codec<number> = checked(
  f64,
  "count",
  (value) => Number.isSafeInteger(value) && value >= 0,
);

/** A codec whose values have to pass `legal` as well. */
export function checked<T>(codec: Codec<T>, description: string, legal: (value: T) => boolean): Codec<T> {
  return {
    description,
    write: codec.write,
    read: (reader) => {
      const value = codec.read(reader);
      if (!legal(value)) throw new StateError(`${JSON.stringify(value)} is no ${description}`);
      return value;
    },
  };
}

export const bool: Codec<boolean> = {
  description: "bool",
  write: (writer, value) => u8.write(writer, value ? 1 : 0),
  read: (reader) => {
    const value = u8.read(reader);
    if (value > 1) throw new StateError(`${value} is neither yes nor no`);
    return value === 1;
  },
};

/** A count of bytes or elements that may not pass `most`. */
function length(most: number): Codec<number> {
  return checked(u32, `length up to ${most}`, (value) => value <= most);
}

/** Bytes, at most so many. What is read is a copy. */
export function bytes(most: number): Codec<Uint8Array> {
  const size = length(most);
  return {
    description: `bytes<${most}`,
    write: (writer, value) => {
      size.write(writer, value.length);
      writer.append(value);
    },
    read: (reader) => reader.window(size.read(reader)).slice(),
  };
}

/** Exactly so many bytes. What is read is a copy. */
export function fixedBytes(size: number): Codec<Uint8Array> {
  return {
    description: `bytes=${size}`,
    write: (writer, value) => {
      if (value.length !== size) throw new RangeError(`${value.length} bytes where ${size} belong`);
      writer.append(value);
    },
    read: (reader) => reader.window(size).slice(),
  };
}

/** UTF-8 text of at most so many bytes. */
export function text(most: number): Codec<string> {
  const utf8 = bytes(most);
  return {
    description: `text<${most}`,
    write: (writer, value) => utf8.write(writer, new TextEncoder().encode(value)),
    read: (reader) => {
      const encoded = utf8.read(reader);
      try {
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(encoded);
      } catch {
        throw new StateError("a text is not UTF-8");
      }
    },
  };
}

/** One of a few words, as its index. */
export function oneOf<const T extends string>(...words: readonly T[]): Codec<T> {
  return {
    description: words.join("|"),
    write: (writer, value) => u8.write(writer, words.indexOf(value)),
    read: (reader) => {
      const index = u8.read(reader);
      const word = words[index];
      if (word === undefined) throw new StateError(`${index} is none of ${words.join(", ")}`);
      return word;
    },
  };
}

/** At most so many of a kind. */
export function list<T>(item: Codec<T>, most: number): Codec<T[]> {
  const size = length(most);
  return {
    description: `[${item.description}]<${most}`,
    write: (writer, values) => {
      size.write(writer, values.length);
      for (const value of values) item.write(writer, value);
    },
    read: (reader) => {
      const values: T[] = [];
      for (let left = size.read(reader); left > 0; left--) values.push(item.read(reader));
      return values;
    },
  };
}

/** There, or undefined. */
export function optional<T>(item: Codec<T>): Codec<T | undefined> {
  return {
    description: `${item.description}?`,
    write: (writer, value) => {
      bool.write(writer, value !== undefined);
      if (value !== undefined) item.write(writer, value);
    },
    read: (reader) => (bool.read(reader) ? item.read(reader) : undefined),
  };
}

/** Fields in the order in which they are given. */
export function record<F extends Readonly<Record<string, Codec<unknown>>>>(
  fields: F,
): Codec<{ [K in keyof F]: StateOf<F[K]> }> {
  const entries: [string, Codec<unknown>][] = Object.entries(fields);
  return {
    description: `{${entries.map(([name, { description }]) => `${name}:${description}`).join(",")}}`,
    write: (writer, value) => {
      for (const [name, codec] of entries) codec.write(writer, value[name]);
    },
    read: (reader) => {
      const value = Object.fromEntries(entries.map(([name, codec]) => [name, named(name, codec, reader)]));
      return value as { [K in keyof F]: StateOf<F[K]> };
    },
  };
}

/** Says where in a record it went wrong. */
function named(name: string, codec: Codec<unknown>, reader: StateReader): unknown {
  try {
    return codec.read(reader);
  } catch (error) {
    if (error instanceof StateError) throw new StateError(`${name}: ${error.message}`);
    throw error;
  }
}

const REASONS_MOST = 256;
const REASON_BYTES = 256;
const reasonList = list(record({ reason: text(REASON_BYTES), count }), REASONS_MOST);

/** Counters by reason or name. */
export const tally: Codec<Readonly<Record<string, number>>> = {
  description: "tally",
  write: (writer, value) =>
    reasonList.write(
      writer,
      Object.entries(value).map(([reason, counted]) => ({ reason, count: counted })),
    ),
  read: (reader) =>
    Object.fromEntries(reasonList.read(reader).map(({ reason, count: counted }) => [reason, counted])),
};
