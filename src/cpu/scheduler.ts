/** How v86 gives way to the page between two slices. */
import type { V86Emulator } from "./v86-internals.ts";

declare const process: unknown;

/**
 * In a page v86 yields through a Worker's postMessage after each 1 ms slice; the round trip makes throughput low and
 * unsteady. A MessageChannel stays in the page.
 * In Node it uses setImmediate, which is as good as it gets.
 *
 * Returns what ends it: a port with a listener is never collected by itself, and would keep the machine and its memory.
 */
export function useMessageChannel(emulator: V86Emulator): () => void {
  if (typeof process !== "undefined") return () => {};
  const v86 = emulator.v86;
  const channel = new MessageChannel();
  let due = 0;
  channel.port1.onmessage = () => v86.yield_callback(due);
  v86.yield = (milliseconds, tick) => {
    // Only the newest tick counts (v86 compares), so one slot is enough.
    due = tick;
    if (milliseconds < 1) channel.port2.postMessage(null);
    else setTimeout(() => v86.yield_callback(tick), milliseconds);
  };
  return () => channel.port1.close();
}
