/** The lessons: every Markdown file in docs/lessons/, in the order of their names. */
import { type Lesson, parseLesson } from "./lesson.ts";

const FILES: Readonly<Record<string, string>> = import.meta.glob("../../docs/lessons/*.md", {
  query: "?raw",
  import: "default",
  eager: true,
});

export const LESSONS: readonly Lesson[] = Object.entries(FILES)
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([path, text]) => parseLesson(path.slice(path.lastIndexOf("/") + 1), text));
