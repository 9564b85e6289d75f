/** Which steps of which lessons a person has done, kept in the browser. */
import { remember, remembered } from "../theme.ts";

const KEY = "doorbell-lessons";

/** Indices of the steps that are done, by lesson. */
type Progress = Readonly<Record<string, readonly number[]>>;

function read(): Progress {
  let stored: unknown;
  try {
    stored = JSON.parse(remembered(KEY) ?? "{}");
  } catch {
    return {};
  }
  if (typeof stored !== "object" || stored === null) return {};
  return Object.fromEntries(
    Object.entries(stored).map(([lesson, steps]: [string, unknown]) => [
      lesson,
      Array.isArray(steps) ? steps.filter((step): step is number => Number.isInteger(step)) : [],
    ]),
  );
}

export function stepsDone(lesson: string): ReadonlySet<number> {
  const progress = read();
  return new Set(Object.hasOwn(progress, lesson) ? progress[lesson] : []);
}

export function markDone(lesson: string, step: number): void {
  const done = stepsDone(lesson);
  if (!done.has(step)) remember(KEY, JSON.stringify({ ...read(), [lesson]: [...done, step] }));
}

/** Forgets a lesson's progress. */
export function forget(lesson: string): void {
  remember(KEY, JSON.stringify({ ...read(), [lesson]: [] }));
}
