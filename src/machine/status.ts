/** The counters as text: what the in-page peer serves at http://10.0.2.2:8080/. */
import type { MetricsSnapshot } from "../metrics/counters.ts";

/** One line a figure, `name value`, sorted as the snapshot is. */
export function renderStatus(metrics: MetricsSnapshot): string {
  const lines: string[] = ["Doorbell: counters since the machine was created", ""];
  flatten("", metrics, lines);
  return `${lines.join("\n")}\n`;
}

function flatten(prefix: string, value: unknown, lines: string[]): void {
  if (typeof value !== "object" || value === null) {
    const shown = typeof value === "number" && !Number.isInteger(value) ? value.toFixed(3) : String(value);
    lines.push(`${prefix} ${shown}`);
    return;
  }
  for (const [key, inner] of Object.entries(value))
    flatten(prefix === "" ? key : `${prefix}.${key}`, inner, lines);
}
