import { describe, expect, it } from "vitest";
import { Scrollback } from "./scrollback.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe("the terminal's scrollback", () => {
  it("keeps all of what came, as long as it is little", () => {
    const scrollback = new Scrollback(100);
    for (const text of ["# ", "ls\r\n", "a b\r\n# "]) scrollback.push(encode(text));
    expect(decode(scrollback.copy())).toBe("# ls\r\na b\r\n# ");
  });

  it("keeps the latest whole lines of much, however it came", () => {
    const scrollback = new Scrollback(100);
    for (let line = 0; line < 10_000; line++) scrollback.push(encode(`line ${line}\r\n`));
    const kept = decode(scrollback.copy());
    expect(kept.length).toBeLessThanOrEqual(100);
    expect(kept).toMatch(/^(line \d+\r\n)+$/);
    expect(kept.endsWith("line 9999\r\n")).toBe(true);
  });

  it("is empty again when it was cleared", () => {
    const scrollback = new Scrollback();
    scrollback.push(encode("x"));
    scrollback.clear();
    expect(scrollback.copy()).toHaveLength(0);
  });
});
