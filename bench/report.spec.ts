import { expect, it } from "vitest";
import { json } from "./report.ts";

it("writes small things on one line, and everything as it was", () => {
  const value = {
    text: 'a "quoted" {brace}\n  and a line',
    turns: [
      { transactions: 1, milliseconds: 2.5 },
      { transactions: 3, milliseconds: 4 },
    ],
    none: [],
  };
  const text = json(value);
  expect(JSON.parse(text)).toEqual(value);
  expect(text).toContain('\n    { "transactions": 1, "milliseconds": 2.5 },\n');
});
