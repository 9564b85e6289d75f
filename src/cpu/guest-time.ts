/**
 * Guest time across gaps in which nothing ran. Between two slices lie milliseconds, in a hidden page up to a minute, and
 * that is time for the guest too. A longer gap is a frozen page, a computer that slept, or a pause: there guest time stands
 * still, as it does in a snapshot. For Linux charges such a gap to the process that it caught on the CPU, and that one then
 * waits until all others have had as much; and every timer would fire and every connection time out at once.
 */
import { APIC_TIMER_LAST_TICK, type V86Cpu } from "./v86-internals.ts";

/** Longer than browsers let a hidden page wait for a timer (a minute), in milliseconds. */
export const LONG_GAP = 90_000;

/** See the file's head. */
export class GuestTime {
  readonly #cpu: V86Cpu;
  /** The end of the latest slice, and the time stamp counter then. */
  #last: { readonly at: number; readonly low: number; readonly high: number } | undefined;

  constructor(cpu: V86Cpu) {
    this.#cpu = cpu;
  }

  /** A slice has ended. */
  mark(): void {
    const cpu = this.#cpu;
    cpu.store_current_tsc();
    this.#last = { at: performance.now(), low: cpu.current_tsc[0] ?? 0, high: cpu.current_tsc[1] ?? 0 };
  }

  /** Before a slice, and before a state is read: takes a long gap out of guest time. Whether there was one. */
  skipGap(): boolean {
    const last = this.#last;
    if (last === undefined) return false;
    const gap = performance.now() - last.at;
    if (gap <= LONG_GAP) return false;
    this.#cpu.set_tsc(last.low, last.high);
    shiftTimers(this.#cpu, gap);
    this.mark();
    return true;
  }
}

/** Moves what the timers began at, readings of v86's clock, by so many milliseconds. */
export function shiftTimers(cpu: V86Cpu, milliseconds: number): void {
  const apic = new DataView(cpu.wasm_memory.buffer, cpu.get_apic_addr());
  apic.setFloat64(APIC_TIMER_LAST_TICK, apic.getFloat64(APIC_TIMER_LAST_TICK, true) + milliseconds, true);
  const starts = cpu.devices.pit.counter_start_time;
  for (let counter = 0; counter < starts.length; counter++)
    starts[counter] = (starts[counter] ?? 0) + milliseconds;
}
