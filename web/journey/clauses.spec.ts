import { describe, expect, it } from "vitest";
import { CLAUSE_IDS, clauseText } from "./clauses.ts";

describe("the clauses that the journey's steps stand on", () => {
  it.each(CLAUSE_IDS)("%s is in the document, with its text and no link that leads nowhere", (id) => {
    const tokens = clauseText(id);
    const text = JSON.stringify(tokens);
    expect(text).toContain(id);
    expect(text).not.toMatch(/"type":"(?:link|html)"/);
  });

  it("are not made up: an id that is not in the document has no text", () => {
    expect(clauseText("V3-NONE-01")).toBeUndefined();
  });
});
