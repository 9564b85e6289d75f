import { expect, it } from "vitest";
import { baselineSummary, measureBaseline, regressions } from "../../bench/baseline.ts";
import { BASELINE_FILE } from "../../bench/flags.ts";
import { readReport } from "../../bench/report.ts";

it("takes at most 5 % more guest instructions and exits for a tcp_rr transaction than the committed baseline, in every column", async () => {
  const { summary } = await readReport(BASELINE_FILE);
  expect(Object.keys(summary)).toHaveLength(5);
  const { columns } = await measureBaseline();
  // `npm run -s bench -- baseline` writes the file anew, for a growth that has its reason.
  expect(regressions(summary, baselineSummary(columns))).toEqual([]);
});
