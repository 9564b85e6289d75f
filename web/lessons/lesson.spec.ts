import { describe, expect, it } from "vitest";
import { LessonError, parseLesson } from "./lesson.ts";
import { LESSONS } from "./library.ts";

function lesson(body: string, head = "title: T\nsummary: S\nminutes: 5") {
  return parseLesson("1-test.md", `---\n${head}\n---\n${body}`);
}

describe("the lessons of the repository", () => {
  it.each(LESSONS.map((one) => [one.id, one] as const))("%s sets, runs, checks and asks", (_, one) => {
    expect(one.steps.length).toBeGreaterThanOrEqual(5);
    expect(one.minutes).toBeGreaterThanOrEqual(5);
    expect(one.minutes).toBeLessThanOrEqual(10);
    expect(one.steps.filter(({ parts }) => parts.length === 0)).toEqual([]);
    const kinds = one.steps.flatMap(({ parts }) => parts.map(({ kind }) => kind));
    for (const kind of ["set", "run", "check", "ask"]) expect(kinds).toContain(kind);
  });

  it("have names of their own", () => {
    expect(new Set(LESSONS.map(({ id }) => id)).size).toBe(LESSONS.length);
  });
});

describe("a lesson", () => {
  it("is read into steps of text and actions", () => {
    const { id, title, steps } = lesson(
      "## One\n\nSome *text*.\n\n```set\ninterrupts: wired\n```\n\n```run\nping -c 1 10.0.2.2\n```\n\n" +
        "```check\nnet0.doorbells == 1 | one ring\n```\n\n## Two\n\n```ask\nWhy?\n- a | switches == 0\n- b | switches > 0\n```\n\n```sh\nls\n```\n",
    );
    expect([id, title]).toEqual(["test", "T"]);
    expect(steps.map((step) => step.parts.map(({ kind }) => kind))).toEqual([
      ["text", "set", "run", "check"],
      ["ask", "text"],
    ]);
    const [, , run, check] = steps[0]?.parts ?? [];
    expect(steps.map(({ settings }) => settings.map(({ name, implied }) => [name, implied]))).toEqual([
      [
        ["transport", true],
        ["eventidx", true],
        ["interrupts", false],
      ],
      [
        ["transport", true],
        ["eventidx", true],
        ["interrupts", true],
      ],
    ]);
    expect(run?.kind === "run" && run.command).toBe("ping -c 1 10.0.2.2");
    expect(check?.kind === "check" && check.checks[0]?.meaning).toBe("one ring");
  });

  it.each([
    ["text before a step", "Hello.\n", /before the first one/],
    ["no step", "\n", /there is no step/],
    ["HTML", "## A\n\n<b>x</b>\n", /HTML/],
    ["HTML in a paragraph", "## A\n\nSome <img src=x onerror=alert(1)> here\n", /HTML/],
    ["two commands", "## A\n\n```run\nls\n```\n\n```run\nls\n```\n", /two blocks "run"/],
    ["a command of two lines", "## A\n\n```run\nls\nls\n```\n", /one command/],
    ["a setting that there is not", "## A\n\n```set\ncolour: red\n```\n", /cannot be set/],
    ["a setting with a value that there is not", "## A\n\n```set\ninterrupts: both\n```\n", /cannot be set/],
    ["a setting by an inherited name", "## A\n\n```set\nconstructor: x\n```\n", /cannot be set/],
    ["a check without meaning", "## A\n\n```check\nswitches == 0\n```\n", /is not "condition \| meaning"/],
    ["an unknown counter", "## A\n\n```check\nnet0.bells == 1 | x\n```\n", /"net0.bells" is no counter/],
    [
      "a question with one answer",
      "## A\n\n```ask\nWhy?\n- a | switches == 0\n```\n",
      /at least two answers/,
    ],
  ])("with %s is refused with a sentence", (_, body, message) => {
    expect(() => lesson(body)).toThrow(LessonError);
    expect(() => lesson(body)).toThrow(message);
    expect(() => lesson(body)).toThrow(/^1-test\.md: /);
  });

  it.each([
    ["title: T\nsummary: S", /lacks "minutes"/],
    ["title: T\nsummary: S\nminutes: soon", /not a number/],
    ["summary: S\nminutes: 5", /lacks "title"/],
  ])("with the front matter %j is refused", (head, message) => {
    expect(() => lesson("## A\n\nx\n", head)).toThrow(message);
  });
});
