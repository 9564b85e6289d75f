/** Which clause of docs/virtio-mmio-v3.md a step stands on, and the clause's text, out of the document itself. */
import { marked, type Token } from "marked";
import specification from "../../docs/virtio-mmio-v3.md?raw";
import type { InterruptMode } from "../../src/index.ts";
import type { StepKey } from "./journey.ts";

/** A clause's id by step; where the two ways differ, by the way of interrupts. */
const CLAUSES: Readonly<Record<StepKey, string | Readonly<Record<InterruptMode, string>>>> = {
  send: "V3-GEN-05",
  publish: "V3-GEN-05",
  notify: "V3-BELL-02",
  "transmit-taken": "V3-GEN-05",
  "frame-out": "V3-GEN-05",
  "frame-in": "V3-GEN-05",
  "receive-taken": "V3-GEN-05",
  "receive-used": "V3-GEN-05",
  "transmit-used": "V3-GEN-05",
  raise: { wired: "V3-INT-03", msi: "V3-INT-01" },
  "line-up": { wired: "V3-INT-03", msi: "V3-MSI-04" },
  message: { wired: "V3-MSI-04", msi: "V3-MSI-09" },
  requested: { wired: "V3-INT-03", msi: "V3-MSI-13" },
  taken: { wired: "V3-INT-03", msi: "V3-MSI-14" },
  handler: { wired: "V3-MSI-04", msi: "V3-INT-01" },
  status: { wired: "V3-INT-03", msi: "V3-INT-01" },
  acknowledge: { wired: "V3-INT-03", msi: "V3-INT-02" },
  "line-down": { wired: "V3-INT-03", msi: "V3-MSI-04" },
  eoi: { wired: "V3-MSI-04", msi: "V3-INT-02" },
  poll: "V3-GEN-05",
  receive: "V3-GEN-05",
};

/** The id of the clause that a step stands on. */
export function clauseId(key: StepKey, interrupts: InterruptMode, shared: boolean): string {
  // QueueNotify and not a doorbell of the queue's own.
  if (key === "notify" && shared) return "V3-BELL-04";
  const clause = CLAUSES[key];
  return typeof clause === "string" ? clause : clause[interrupts];
}

/** Every clause that is named here; a test looks them all up. */
export const CLAUSE_IDS: readonly string[] = [
  ...new Set([
    ...Object.values(CLAUSES).flatMap((one) => (typeof one === "string" ? one : Object.values(one))),
    "V3-BELL-04",
  ]),
];

/** A clause's paragraph; undefined when the document has none of that id. */
export function clauseText(id: string): Token[] | undefined {
  const at = specification.indexOf(`<a id="${id}"></a>`);
  if (at < 0) return undefined;
  const text = specification
    .slice(at, specification.indexOf("\n\n", at))
    // From where the next clause begins on the same line it is that one's.
    .split(/(?<=.)<a id="/)[0]
    ?.replace(/<a id="[^"]*"><\/a>/g, "")
    // Links within the document lead nowhere from here.
    .replace(/\[([^\]]*)\]\(#[^)]*\)/g, "$1");
  return text === undefined ? undefined : marked.lexer(text);
}
