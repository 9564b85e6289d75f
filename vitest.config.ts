import { defineConfig } from "vitest/config";

/** Three kinds of tests. Whole guests and browsers share two cores badly, so those run one file at a time. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          environment: "node",
          // Milliseconds each on a quiet machine; on a busy one a search through many cases takes its time.
          testTimeout: 60_000,
          include: [
            "src/**/*.spec.ts",
            "web/**/*.spec.ts",
            "bench/**/*.spec.ts",
            "tests/soak/**/*.spec.ts",
            "tests/{unit,conformance,hostile,fuzz}/**/*.spec.ts",
          ],
        },
      },
      {
        test: {
          name: "guest",
          environment: "node",
          include: ["tests/guest/**/*.spec.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "page",
          environment: "node",
          include: ["tests/page/**/*.spec.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
