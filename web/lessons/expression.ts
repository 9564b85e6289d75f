/**
 * Arithmetic over counters, for lessons: `net0.exits.total / peer.transactions >= 2.8`.
 *
 * Names are those of docs/counters.md, without the leading `devices.`; each stands for the counter's growth between
 * two snapshots. A name that several counters share (`net0.faults`, `net0.exits.byRegister`) is their sum. Numbers,
 * + - * / and parentheses; one comparison. There is nothing else, so a lesson can compute and do no more.
 */
import type { MetricsSnapshot } from "../../src/index.ts";

/** Growth of the counters between two moments. */
export interface Growth {
  readonly before: MetricsSnapshot;
  readonly after: MetricsSnapshot;
}

/** A number computed from counters; NaN where something was divided by nothing. */
export type Expression = (growth: Growth) => number;

const COMPARISONS = {
  "==": (a: number, b: number) => a === b,
  "!=": (a: number, b: number) => a !== b,
  "<=": (a: number, b: number) => a <= b,
  ">=": (a: number, b: number) => a >= b,
  "<": (a: number, b: number) => a < b,
  ">": (a: number, b: number) => a > b,
} as const;

/** A comparison that holds or does not. */
export interface Condition {
  /** As it was written. */
  readonly text: string;
  /** The left side: what a person wants to see. */
  readonly value: Expression;
  holds(growth: Growth): boolean;
}

/** What is written cannot be read; the message is a sentence. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
}

const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|([A-Za-z][\w.]*)|(==|!=|<=|>=|[<>+\-*/()]))/y;
/** Deeper nesting than anybody would write. */
const DEEPEST = 50;

/** Reads one comparison. @throws ExpressionError */
export function parseCondition(text: string): Condition {
  const parser = new Parser(text);
  const value = parser.sum(0);
  const operator = parser.next();
  const compare = COMPARISONS[operator as keyof typeof COMPARISONS];
  if (compare === undefined) throw new ExpressionError(`"${text}" compares nothing: write ==, <=, > or so.`);
  const bound = parser.sum(0);
  parser.end();
  return { text, value, holds: (growth) => compare(value(growth), bound(growth)) };
}

/** Recursive descent: sum, product, atom. */
class Parser {
  readonly #text: string;
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokens(text);
  }

  next(): string {
    return this.#tokens[this.#at++] ?? "";
  }

  end(): void {
    const rest = this.#tokens[this.#at];
    if (rest !== undefined) throw new ExpressionError(`"${this.#text}" has "${rest}" too many.`);
  }

  sum(depth: number): Expression {
    let left = this.#product(depth);
    for (;;) {
      const operator = this.#tokens[this.#at];
      if (operator !== "+" && operator !== "-") return left;
      this.#at++;
      const [a, b, sign] = [left, this.#product(depth), operator === "+" ? 1 : -1];
      left = (growth) => a(growth) + sign * b(growth);
    }
  }

  #product(depth: number): Expression {
    let left = this.#atom(depth);
    for (;;) {
      const operator = this.#tokens[this.#at];
      if (operator !== "*" && operator !== "/") return left;
      this.#at++;
      const [a, b] = [left, this.#atom(depth)];
      left =
        operator === "*"
          ? (growth) => a(growth) * b(growth)
          : (growth) => (b(growth) === 0 ? Number.NaN : a(growth) / b(growth));
    }
  }

  #atom(depth: number): Expression {
    const token = this.next();
    if (depth > DEEPEST) throw new ExpressionError(`"${this.#text}" is nested too deeply.`);
    if (token === "(") {
      const inner = this.sum(depth + 1);
      if (this.next() !== ")") throw new ExpressionError(`"${this.#text}" lacks a closing parenthesis.`);
      return inner;
    }
    if (/^\d/.test(token)) {
      const value = Number(token);
      return () => value;
    }
    if (!/^[A-Za-z]/.test(token)) throw new ExpressionError(`"${this.#text}" lacks a number or a name.`);
    const path = counterPath(token);
    return ({ before, after }) => counter(after, path) - counter(before, path);
  }
}

function tokens(text: string): string[] {
  const found: string[] = [];
  TOKEN.lastIndex = 0;
  const end = text.trimEnd().length;
  while (TOKEN.lastIndex < end) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new ExpressionError(`"${text}" cannot be read from "${text.slice(at)}" on.`);
    found.push(match[0].trim());
  }
  return found;
}

const GROWING = ["wallMs", "guestInstructions", "switches", "ioapicEois", "peer.transactions"];
const OF_DEVICE =
  /^[a-z]+\d+\.(?:exits\.total|exits\.byRegister(?:\.\w+)?|doorbells|interrupts\.(?:wired|msi|merged|refused|byVector(?:\.\d+)?)|faults|ignored|net\.(?:txFrames|rxFrames|txBytes|rxBytes|dropped))$/;

/** The way to a counter in a snapshot. @throws ExpressionError when docs/counters.md knows no such name. */
function counterPath(name: string): readonly string[] {
  if (GROWING.includes(name)) return name.split(".");
  if (OF_DEVICE.test(name)) return ["devices", ...name.split(".")];
  throw new ExpressionError(`"${name}" is no counter: see docs/counters.md.`);
}

/** A number, or the sum of the numbers there; 0 for what is not there, as for a register that was never touched. */
function counter(snapshot: MetricsSnapshot, path: readonly string[]): number {
  let value: unknown = snapshot;
  for (const key of path) {
    value =
      typeof value === "object" && value !== null ? Object.entries(value).find(([k]) => k === key)?.[1] : 0;
  }
  if (typeof value === "object" && value !== null) {
    return Object.values(value).reduce(
      (sum: number, one: unknown) => sum + (typeof one === "number" ? one : 0),
      0,
    );
  }
  return typeof value === "number" ? value : 0;
}
