/** v86's WebAssembly module as it is shipped: without what is for debuggers alone, a quarter of what would travel. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Plugin } from "vite";

/** Of the WebAssembly binary format: magic number and version, and the id of sections that no engine needs. */
const PREAMBLE_BYTES = 8;
const CUSTOM_SECTION = 0;

/** The module without custom sections: debug information, and names that only stack traces show. */
export function emulator(): Uint8Array<ArrayBuffer> {
  const whole = readFileSync(createRequire(import.meta.url).resolve("v86/build/v86.wasm"));
  const kept = [whole.subarray(0, PREAMBLE_BYTES)];
  for (let start = PREAMBLE_BYTES; start < whole.length; ) {
    const { value: length, end: body } = leb128(whole, start + 1);
    if (whole[start] !== CUSTOM_SECTION) kept.push(whole.subarray(start, body + length));
    start = body + length;
  }
  return Buffer.concat(kept);
}

/** A number of the format, seven bits a byte, and where what follows it begins. */
function leb128(bytes: Uint8Array, start: number): { value: number; end: number } {
  let value = 0;
  for (let at = start, shift = 0; ; at++, shift += 7) {
    const byte = bytes[at];
    if (byte === undefined) throw new Error("v86.wasm is cut short: install the packages again.");
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return { value, end: at + 1 };
  }
}

/** `v86.wasm?url` in a build is that file; the development server gives out the one of the package. */
export const leanEmulator: Plugin = {
  name: "lean-emulator",
  apply: "build",
  enforce: "pre",
  load(id) {
    if (!id.endsWith("/v86.wasm?url")) return undefined;
    const file = this.emitFile({ type: "asset", name: "v86.wasm", source: emulator() });
    return `export default import.meta.ROLLUP_FILE_URL_${file};`;
  },
};
