/** The machine as plain data, for looking at: devices, queues, message tables and interrupt controllers. */
import type { InterruptState, RedirectionEntry, VectorBits } from "../cpu/interrupt-state.ts";
import type { TransportView } from "../virtio/transport/inspect.ts";
import { DEVICE_LINES } from "./interrupt-map.ts";

/** One device and where the guest finds it. */
export interface DeviceInspection extends TransportView {
  /** "net0", "console0", "rng0". */
  readonly name: string;
  /** Guest-physical address of its window or BAR. */
  readonly base: number;
  /** Its wired line, which is also its pin at the IOAPIC. */
  readonly line: number;
}

/** Everything that there is to look at, at one moment. Taking it costs the guest nothing: no exit, no instruction. */
export interface MachineInspection extends InterruptState {
  readonly guestInstructions: number;
  readonly running: boolean;
  readonly devices: readonly DeviceInspection[];
}

export type { InterruptState, RedirectionEntry, VectorBits };

/** What the inspection reads. */
export interface InspectionSources {
  readonly interrupts: InterruptState;
  readonly guestInstructions: number;
  readonly running: boolean;
  readonly transports: ReadonlyMap<string, { inspect(): TransportView }>;
  readonly bases: Readonly<Record<string, number>>;
}

export function inspectMachine(sources: InspectionSources): MachineInspection {
  const lines: Readonly<Record<string, number>> = DEVICE_LINES;
  return {
    ...sources.interrupts,
    guestInstructions: sources.guestInstructions,
    running: sources.running,
    devices: [...sources.transports].map(([name, transport]) => ({
      ...transport.inspect(),
      name,
      base: sources.bases[name] ?? 0,
      line: lines[name] ?? 0,
    })),
  };
}
