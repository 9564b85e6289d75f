import { expect, it } from "vitest";
import { VIEWS, type View, viewOf } from "./views.ts";

const views: readonly View[] = VIEWS;
/** Keys that the page itself takes: see keyboard.ts. */
const TAKEN = ["t", "?"];

it("every view has an id, a title and a key of its own", () => {
  for (const field of ["id", "title", "key"] as const) {
    expect(new Set(views.map((view) => view[field])).size, field).toBe(views.length);
  }
  expect(views.filter(({ key }) => !/^[a-z]$/.test(key) || TAKEN.includes(key))).toEqual([]);
});

it("an address that names no view, or one that there is not, opens the counters", () => {
  expect(viewOf(undefined).id).toBe("counters");
  expect(viewOf("nonsense").id).toBe("counters");
});
