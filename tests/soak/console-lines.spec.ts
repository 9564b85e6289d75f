import { describe, expect, it } from "vitest";
import { ConsoleCheck, consoleLine } from "./console-lines.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => consoleLine(from + index)).join("");

describe("the check of the console's lines", () => {
  it("takes lines in any pieces, from the first one on, whatever stood before it", () => {
    const check = new ConsoleCheck();
    for (const byte of encode(`Welcome\r\n# ${text(0, 200)}`)) check.take(Uint8Array.of(byte));
    check.end(200);
    expect(check).toMatchObject({ lines: 200, bytes: text(0, 200).length, problem: undefined });
  });

  it.each([
    ["a line is missing", text(0, 5) + text(6, 9)],
    ["a line comes twice", text(0, 5) + text(4, 9)],
    ["a byte is another", text(0, 9).replace("000000004 E", "000000004 e")],
    ["a byte is missing", text(0, 9).replace("000000004 E", "00000004 E")],
  ])("says when %s", (_what, printed) => {
    const check = new ConsoleCheck();
    check.take(encode(printed));
    expect(check.problem).toMatch(/^console line [45] is .* in place of /);
  });

  it("says when the end is missing", () => {
    const check = new ConsoleCheck();
    check.take(encode(text(0, 9)));
    check.end(10);
    expect(check.problem).toBe("the guest printed 10 lines on its console, and 9 came");
  });
});
