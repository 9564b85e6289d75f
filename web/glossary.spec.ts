import { expect, it } from "vitest";
import { vectorName } from "./glossary.ts";

it("names the vectors of each device by what their queues are for", () => {
  const names = (type: string, count: number) =>
    Array.from({ length: count }, (_, index) => vectorName(type, index));
  expect(names("net", 4)).toEqual(["configuration", "receive", "transmit", "control"]);
  expect(names("rng", 2)).toEqual(["configuration", "requests"]);
  expect(names("console", 7)).toEqual([
    "configuration",
    "port 0 in",
    "port 0 out",
    "control in",
    "control out",
    "port 1 in",
    "port 1 out",
  ]);
});
