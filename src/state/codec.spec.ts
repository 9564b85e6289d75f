import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bool,
  bytes,
  count,
  decode,
  encode,
  f64,
  fixedBytes,
  list,
  oneOf,
  optional,
  record,
  StateError,
  type StateOf,
  tally,
  text,
  u8,
  u16,
  u32,
} from "./codec.ts";

const SAMPLE = record({
  small: u8,
  middle: u16,
  large: u32,
  time: f64,
  counted: count,
  flag: bool,
  name: text(64),
  hash: fixedBytes(4),
  data: bytes(100),
  mode: oneOf("wired", "msi"),
  maybe: optional(u16),
  rows: list(record({ a: u8, b: u8 }), 8),
  reasons: tally,
});
type Sample = StateOf<typeof SAMPLE>;

const sample: fc.Arbitrary<Sample> = fc.record({
  small: fc.integer({ min: 0, max: 0xff }),
  middle: fc.integer({ min: 0, max: 0xffff }),
  large: fc.integer({ min: 0, max: 0xffff_ffff }),
  time: fc.double({ noNaN: true, noDefaultInfinity: true }),
  counted: fc.maxSafeNat(),
  flag: fc.boolean(),
  name: fc.string({ maxLength: 20 }),
  hash: fc.uint8Array({ minLength: 4, maxLength: 4 }),
  data: fc.uint8Array({ maxLength: 100 }),
  mode: fc.constantFrom("wired" as const, "msi" as const),
  maybe: fc.option(fc.integer({ min: 0, max: 0xffff }), { nil: undefined }),
  rows: fc.array(fc.record({ a: fc.integer({ min: 0, max: 255 }), b: fc.integer({ min: 0, max: 255 }) }), {
    maxLength: 8,
  }),
  reasons: fc.dictionary(fc.string({ maxLength: 20 }), fc.nat(), { noNullPrototype: true, maxKeys: 5 }),
});

describe("a state's codec", () => {
  it("reads back what it wrote", () => {
    fc.assert(
      fc.property(sample, (value) => {
        expect(decode(SAMPLE, encode(SAMPLE, value))).toEqual(value);
      }),
    );
  });

  it("takes any bytes for a value that it could have written, or refuses them with a sentence", () => {
    fc.assert(
      fc.property(
        sample,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.nat(20),
        (value, place, change, cut) => {
          const encoded = encode(SAMPLE, value);
          const altered = encoded.slice(0, encoded.length - (cut > 10 ? 0 : cut));
          altered[place % altered.length] = (altered[place % altered.length] ?? 0) ^ change;
          try {
            const read = decode(SAMPLE, altered);
            expect(decode(SAMPLE, encode(SAMPLE, read))).toEqual(read);
          } catch (error) {
            expect(error).toBeInstanceOf(StateError);
          }
        },
      ),
    );
  });

  it("believes no length before it has seen that there are so many bytes", () => {
    expect(() => decode(list(u8, 10), encode(u32, 11))).toThrow(/11 is no length up to 10/);
    expect(() => decode(bytes(1000), encode(u32, 1000))).toThrow(/ends early/);
    expect(() => decode(u8, encode(u16, 1))).toThrow(/does not end/);
  });

  it("names the field in which something is wrong", () => {
    const nested = record({ outer: record({ flag: bool }) });
    expect(() => decode(nested, Uint8Array.of(7))).toThrow("outer: flag: 7 is neither yes nor no");
  });

  it("refuses numbers that are none, and words that it does not know", () => {
    const number = new Uint8Array(8);
    new DataView(number.buffer).setFloat64(0, Number.NaN, true);
    expect(() => decode(f64, number)).toThrow(StateError);
    expect(() => decode(count, encode(f64, -1))).toThrow(StateError);
    expect(() => decode(count, encode(f64, 1.5))).toThrow(StateError);
    expect(() => decode(oneOf("a", "b"), Uint8Array.of(2))).toThrow(/none of a, b/);
    expect(() => decode(text(4), encode(bytes(4), Uint8Array.of(0xff)))).toThrow(/UTF-8/);
  });

  it("describes all that it keeps, so that another format has another description", () => {
    expect(record({ a: u8, b: list(bool, 3) }).description).toBe("{a:u8,b:[bool]<3}");
    expect(record({ a: u16, b: list(bool, 3) }).description).not.toBe("{a:u8,b:[bool]<3}");
  });
});
