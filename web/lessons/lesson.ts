/** A lesson as data: a Markdown file read into steps. The format is described in docs/lessons.md. */
import { marked, type Token, type Tokens } from "marked";
import { type Condition, ExpressionError, parseCondition } from "./expression.ts";
import { defaultSettings, inherited, onTop, parseSetting, type Setting } from "./settings.ts";

export interface Lesson {
  /** The file's name without number and ending: what the address says. */
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  /** How long it takes, in minutes. */
  readonly minutes: number;
  readonly steps: readonly Step[];
}

export interface Step {
  readonly title: string;
  /** What has to be in force: what the step sets, on top of what the steps before it did. */
  readonly settings: readonly Setting[];
  /** Text and actions in their order. */
  readonly parts: readonly Part[];
}

export type Part =
  | { readonly kind: "text"; readonly token: Token }
  | { readonly kind: "set" }
  | { readonly kind: "run"; readonly command: string }
  | { readonly kind: "check"; readonly checks: readonly Check[] }
  | { readonly kind: "ask"; readonly question: string; readonly answers: readonly Check[] };

/** A condition with the sentence that a person reads. */
export interface Check {
  readonly condition: Condition;
  readonly meaning: string;
}

/** The lesson cannot be read; the message names the file, the step and what to do. */
export class LessonError extends Error {
  override readonly name = "LessonError";
}

const ACTIONS = ["set", "run", "check", "ask"] as const;

/** Reads a lesson. `name` is its file's name. @throws LessonError */
export function parseLesson(name: string, text: string): Lesson {
  const fail = (what: string): never => {
    throw new LessonError(`${name}: ${what}`);
  };
  const id = /^(?:\d+-)?([a-z0-9-]+)\.md$/.exec(name)?.[1];
  if (id === undefined) return fail("name the file with small letters, digits and hyphens, and .md.");
  const head = /^---\n([\s\S]*?)\n---\n/.exec(text);
  if (head === null) return fail('begin with front matter between two lines "---".');
  const fields = new Map(
    (head[1] ?? "").split("\n").map((line): [string, string] => {
      const [, key = "", value = ""] = /^(\w+):\s*(.*)$/.exec(line) ?? [];
      return [key, value.trim()];
    }),
  );
  const field = (key: string) => fields.get(key) || fail(`the front matter lacks "${key}".`);
  const minutes = Number(field("minutes"));
  if (!(minutes > 0)) fail('"minutes" is not a number.');

  const steps: { title: string; settings: readonly Setting[]; parts: Part[] }[] = [];
  for (const token of marked.lexer(text.slice(head[0].length), { gfm: true })) {
    if (token.type === "space") continue;
    if (token.type === "heading" && token.depth === 2) {
      const settings = inherited(steps.at(-1)?.settings ?? defaultSettings());
      steps.push({ title: token.text, settings, parts: [] });
      continue;
    }
    const step =
      steps.at(-1) ?? fail('a step begins with a heading "## ...": there is text before the first one.');
    marked.walkTokens([token], ({ type }) => {
      if (type === "html") fail(`step "${step.title}" has HTML in it: write Markdown.`);
    });
    try {
      const part = readPart(token);
      if (part.kind === "set") step.settings = onTop(step.settings, settingsOf(token));
      if (part.kind !== "text" && step.parts.some(({ kind }) => kind === part.kind)) {
        fail(`step "${step.title}" has two blocks "${part.kind}": make two steps of it.`);
      }
      step.parts.push(part);
    } catch (error) {
      if (error instanceof ExpressionError) fail(`step "${step.title}": ${error.message}`);
      throw error;
    }
  }
  if (steps.length === 0) fail('there is no step: a step begins with a heading "## ...".');
  return { id, title: field("title"), summary: field("summary"), minutes, steps };
}

function readPart(token: Token): Part {
  if (token.type !== "code") return { kind: "text", token };
  const { lang = "", text } = token as Tokens.Code;
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const action = ACTIONS.find((name) => name === lang);
  switch (action) {
    case undefined:
      return { kind: "text", token };
    case "set":
      return { kind: "set" };
    case "run":
      if (lines.length !== 1) throw new ExpressionError('a block "run" is one command on one line.');
      return { kind: "run", command: lines[0] ?? "" };
    case "check":
      return { kind: "check", checks: lines.map(readCheck) };
    case "ask": {
      const [question = "", ...answers] = lines;
      if (answers.length < 2 || !answers.every((line) => line.startsWith("- "))) {
        throw new ExpressionError('a block "ask" is a question and at least two answers "- ...".');
      }
      return { kind: "ask", question, answers: answers.map(readAnswer) };
    }
  }
}

function settingsOf(token: Token): readonly Setting[] {
  const { text } = token as Tokens.Code;
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map(parseSetting);
}

/** `condition | what it means`. */
function readCheck(line: string): Check {
  const [condition, meaning] = twoParts(line, "condition | meaning");
  return { condition: parseCondition(condition), meaning };
}

/** `- answer | the condition under which the machine says that it is right`. */
function readAnswer(line: string): Check {
  const [meaning, condition] = twoParts(line.slice(2), "- answer | condition");
  return { condition: parseCondition(condition), meaning };
}

function twoParts(line: string, form: string): [string, string] {
  const [first = "", second = "", ...more] = line.split(" | ").map((part) => part.trim());
  if (first === "" || second === "" || more.length > 0) {
    throw new ExpressionError(`"${line}" is not "${form}".`);
  }
  return [first, second];
}
