import { describe, expect, it } from "vitest";
import { parseRrReport } from "./rr-run.ts";

const LINE =
  '{"tool":"tcp_rr","request":32,"response":1024,"seconds":5.000,"transactions":45062,"transactionsPerSecond":9012.4,"meanMicroseconds":110.2,"p50Microseconds":104.0,"p99Microseconds":201.0,"verified":false}\n';

describe("the report of tcp_rr", () => {
  it("is read from its JSON", () => {
    expect(parseRrReport(LINE)).toEqual({
      transactions: 45062,
      transactionsPerSecond: 9012.4,
      meanMicroseconds: 110.2,
      p50Microseconds: 104,
      p99Microseconds: 201,
    });
  });

  it.each([
    "",
    "tcp_rr: no such host",
    "null",
    "[]",
    "{}",
    LINE.replace("9012.4", '"many"'),
    LINE.replace("110.2", "-1"),
  ])("is refused when the guest printed something else: %j", (text) =>
    expect(parseRrReport(text)).toBeUndefined(),
  );
});
