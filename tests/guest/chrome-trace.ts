/**
 * A small validator of the Trace Event Format: what Perfetto's and Chrome's importers want of the phases that we use
 * ("Trace Event Format", Google, sections "JSON Object Format" and "Event Descriptions").
 */

const PHASES = new Set(["X", "i", "b", "e", "M"]);

/** Everything that is wrong with a parsed file, in words; empty when it is valid. */
export function chromeTraceProblems(file: unknown): string[] {
  const problems: string[] = [];
  if (!isRecord(file) || !Array.isArray(file.traceEvents)) return ["traceEvents is no array"];
  if (file.displayTimeUnit !== "ms" && file.displayTimeUnit !== "ns") problems.push("displayTimeUnit");
  const named = new Set<unknown>();
  const open = new Set<string>();
  let last = 0;
  file.traceEvents.forEach((event: unknown, index) => {
    const wrong = (what: string): void => void problems.push(`event ${index}: ${what}`);
    if (!isRecord(event)) {
      wrong("is no object");
      return;
    }
    const { name, ph, ts, pid, tid, args } = event;
    if (typeof name !== "string" || name === "") wrong("name");
    if (typeof ph !== "string" || !PHASES.has(ph)) wrong(`ph ${String(ph)}`);
    if (typeof ts !== "number" || !Number.isFinite(ts) || ts < 0) wrong("ts");
    if (!Number.isInteger(pid) || !Number.isInteger(tid)) wrong("pid, tid");
    if (!isRecord(args)) wrong("args");
    if (ph === "M") {
      if (name === "thread_name") named.add(tid);
      if (!isRecord(args) || typeof args.name !== "string") wrong("metadata without a name");
      return;
    }
    if (!named.has(tid)) wrong(`track ${String(tid)} has no name`);
    if (typeof ts === "number") {
      if (ts < last) wrong("goes back in time");
      last = ts;
    }
    if (ph === "X" && !(typeof event.dur === "number" && event.dur >= 0)) wrong("X without dur");
    if (ph === "i" && event.s !== "t") wrong("i without scope");
    if (ph === "b" || ph === "e") {
      if (typeof event.id !== "string" || typeof event.cat !== "string") wrong("async without id and cat");
      const key = `${String(event.cat)} ${String(event.id)}`;
      if (ph === "b") open.add(key);
      else if (!open.delete(key)) wrong("ends what has not begun");
    }
  });
  return problems;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
