import { describe, expect, it } from "vitest";
import { renderComparison } from "./compare.ts";
import type { Report } from "./report.ts";

function report(summary: Report["summary"], benchmark: Report["benchmark"] = "tcp_rr"): Report {
  return {
    schema: 1,
    benchmark,
    environment: {
      date: "2026-01-02T03:04:05.678Z",
      cpu: "a CPU",
      cores: 2,
      memoryGiB: 8,
      platform: "linux x64",
      node: "v20.19.0",
      v86: "0.5.462",
      kernel: "6.1.1",
      commit: "abc",
      loadBefore: 0,
    },
    modelledExitCostNs: [0],
    notes: [],
    summary,
    details: {},
  };
}

describe("the comparison of two results", () => {
  it("puts figures of the same name side by side, with B by A", () => {
    const text = renderComparison(
      report({ "mmio-msi": { "transactions/s": 8000, "exits/transaction": 1.01 } }),
      report({ "mmio-msi": { "transactions/s": 10000, "exits/transaction": 1.01 } }),
    );
    expect(text).toMatch(/mmio-msi, transactions\/s +\| +8000 \| +10000 \| +1\.25 \|/);
    expect(text).toMatch(/mmio-msi, exits\/transaction +\| +1\.010 \| +1\.010 \| +1\.00 \|/);
    expect(text).toContain("2026-01-02 03:04 UTC, commit abc.");
    expect(text).not.toContain("In one of them only");
  });

  it("names what only one of them has, and says when they are different benchmarks", () => {
    const text = renderComparison(
      report({ a: { ms: 1 }, b: { ms: 2 } }),
      report({ a: { ms: 1 }, c: { ms: 3 } }, "boot"),
    );
    expect(text).toContain("In one of them only: b ms (A); c ms (B).");
    expect(text).toContain("different benchmarks: tcp_rr (A) and boot (B)");
  });
});
