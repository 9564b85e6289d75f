import type { DeviceCounters, DeviceMetrics, InterruptMode } from "../../metrics/counters.ts";

/** What a transport knows of itself that its counters do not say. */
export interface TransportState {
  readonly type: string;
  readonly transport: DeviceMetrics["transport"];
  readonly version: number;
  readonly status: number;
  readonly mode: InterruptMode;
  /** Accesses that were refused or meant nothing, by reason. */
  readonly ignored: Readonly<Record<string, number>>;
}

/** The counters of one device at this moment, as a copy that stays. */
export function deviceMetrics(counters: DeviceCounters, state: TransportState): DeviceMetrics {
  const byRegister: Record<string, number> = {};
  let total = 0;
  counters.registerNames.forEach((name, index) => {
    const count = counters.exits[index] ?? 0;
    total += count;
    if (count > 0) byRegister[name] = count;
  });
  const { net } = counters;
  return {
    type: state.type,
    transport: state.transport,
    version: state.version,
    status: state.status,
    interrupts: {
      mode: state.mode,
      wired: counters.wired,
      msi: counters.msi,
      merged: counters.merged,
      refused: counters.refused,
      byVector: [...counters.byVector],
    },
    exits: { total, byRegister },
    doorbells: counters.doorbells,
    faults: { ...counters.faults },
    ignored: { ...state.ignored },
    ...(net === undefined ? {} : { net: { ...net, dropReasons: { ...net.dropReasons } } }),
  };
}
