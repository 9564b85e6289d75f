/**
 * Keys that work wherever the keyboard is not needed for typing. A single letter can be said by accident to a computer
 * that listens, so they can be turned off (WCAG 2.2, success criterion 2.1.4).
 */
import { remember, remembered } from "./theme.ts";

const OFF_KEY = "doorbell-keys";

/** Fields that take letters themselves; the guest's terminal is a textarea. */
const TYPING = "textarea, select, [contenteditable], input:not([type=radio], [type=checkbox], [type=range])";

export function keysEnabled(): boolean {
  return remembered(OFF_KEY) !== "off";
}

export function enableKeys(on: boolean): void {
  remember(OFF_KEY, on ? "on" : "off");
}

/** The key that a person pressed outside of every field, as typed; undefined when it is none of ours. */
export function pageKey(event: KeyboardEvent): string | undefined {
  const [target] = event.composedPath();
  const typing = target instanceof Element && target.closest(TYPING) !== null;
  const chord = event.ctrlKey || event.altKey || event.metaKey;
  if (typing || chord || event.isComposing || event.defaultPrevented || !keysEnabled()) return undefined;
  return event.key;
}
