import { describe, expect, it } from "vitest";
import { figure, hundredths, markdownTable, spreadText } from "./table.ts";

describe("a table", () => {
  it("is Markdown that reads well as plain text, too: names left, numbers right", () => {
    expect(
      markdownTable(
        ["column", "median", "ratio"],
        [
          ["mmio-wired", "7029", "1.00"],
          ["mmio-msi", "9500", "1.36"],
        ],
      ),
    ).toBe(
      [
        "| column     | median | ratio |",
        "| ---------- | -----: | ----: |",
        "| mmio-wired |   7029 |  1.00 |",
        "| mmio-msi   |   9500 |  1.36 |",
      ].join("\n"),
    );
  });

  it("fills up rows that are too short", () => {
    expect(markdownTable(["a", "b"], [["x"]])).toContain("| x   |     |");
  });
});

describe("figures", () => {
  it("are as exact as they are worth", () => {
    expect(figure(9499.6)).toBe("9500");
    expect(figure(12.34)).toBe("12.3");
    expect(figure(Number.NaN)).toBe("-");
    expect(hundredths(1.356)).toBe("1.36");
    expect(hundredths(Number.POSITIVE_INFINITY)).toBe("-");
  });

  it("show their range when there is one", () => {
    expect(spreadText({ median: 1.36, least: 1.31, most: 1.4 }, hundredths)).toBe("1.36 (1.31 to 1.40)");
    expect(spreadText({ median: 1, least: 1, most: 1 }, hundredths)).toBe("1.00");
    expect(spreadText(undefined, hundredths)).toBe("-");
  });
});
