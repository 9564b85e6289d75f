import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CLAUSES } from "./clauses.ts";
import { render, resultsOf } from "./report.ts";

const committed = readFileSync(new URL("../../docs/conformance.md", import.meta.url), "utf8");

describe("docs/conformance.md", () => {
  it("is what the table of clauses makes it, no row failing: else run `npm run conformance`", () => {
    expect(committed).toBe(render(() => "holds"));
  });

  it("has a row for each clause", () => {
    const rows = [...committed.matchAll(/^\| ([A-Z]+[A-Z0-9-]*) \|/gm)].map(([, id]) => id);
    expect(rows.sort()).toEqual(CLAUSES.map(({ id }) => id).sort());
  });
});

describe("the report", () => {
  const test = (clause: string, status: string) => ({ ancestorTitles: [`${clause}: text`], status });

  it("says of a clause that it holds when all of its tests pass, and which do not", () => {
    const resultOf = resultsOf({
      testResults: [
        {
          assertionResults: [test("STAT-01", "passed"), test("STAT-02", "passed"), test("STAT-02", "failed")],
        },
        { assertionResults: [test("STAT-02", "passed"), test("STAT-03", "skipped")] },
      ],
    });
    expect(["STAT-01", "STAT-02", "STAT-03", "STAT-04"].map(resultOf)).toEqual([
      "holds",
      "FAILS",
      "FAILS",
      "was not tested",
    ]);
    expect(render(resultOf)).toContain("FAIL.**");
  });
});
