/** The columns of the benchmark's tables: machines that differ in how guest and network card talk, and in nothing else. */
import type { MachineOptions } from "./protocol.ts";

/** A column of the table of 2019: transactions per second of its three runs. */
export interface SeedColumn {
  readonly title: string;
  readonly runs: readonly number[];
}

/** netperf -t TCP_RR -l 30 -- -r 32,1024, three runs each, on hardware virtualisation (docs/benchmarks.md). */
export const SEED = {
  pci: { title: "Virtio-PCI", runs: [9536, 9734, 9894] },
  wired: { title: "Virtio-MMIO", runs: [6939, 7029, 7095] },
  msi: { title: "Virtio-MMIO (MSI)", runs: [9500, 9749, 9318] },
} as const satisfies Record<string, SeedColumn>;

export interface Column {
  readonly title: string;
  readonly options: MachineOptions;
  /** The column of the table of 2019 that this one reproduces. */
  readonly seed?: SeedColumn;
}

/** The column that ratios are against. */
export const BASE_COLUMN = "mmio-wired";

/** The same once more: what the method makes of two columns that do not differ is its own error. */
export const AGAIN_COLUMN = "mmio-wired-again";

/** What ours is measured beside. */
export const PEER_COLUMN = "v86-virtio-net";

export const COLUMNS = {
  "mmio-wired": {
    title: "virtio-mmio version 2: one wired interrupt, one notification register",
    options: { interrupts: "wired", doorbell: "shared" },
    seed: SEED.wired,
  },
  "mmio-v3-wired": {
    title: "virtio-mmio version 3: wired interrupt, a doorbell for each queue",
    options: { interrupts: "wired", doorbell: "per-queue" },
  },
  "mmio-msi": {
    title: "virtio-mmio version 3: MSI, a doorbell for each queue",
    options: { interrupts: "msi", doorbell: "per-queue" },
    seed: SEED.msi,
  },
  "pci-intx": {
    title: "virtio-pci: INTx",
    options: { transport: "pci", interrupts: "wired" },
  },
  "pci-msix": {
    title: "virtio-pci: MSI-X",
    options: { transport: "pci", interrupts: "msi" },
    seed: SEED.pci,
  },
  [AGAIN_COLUMN]: {
    title: "mmio-wired once more: the method's own error",
    options: { interrupts: "wired", doorbell: "shared" },
  },
  [PEER_COLUMN]: {
    title: "peer: v86's own virtio-net on PCI (INTx), its own router and, in a page, its own scheduler",
    options: { networkCard: "v86", scheduler: "v86" },
  },
} as const satisfies Record<string, Column>;

export type ColumnName = keyof typeof COLUMNS;

export const COLUMN_NAMES = Object.keys(COLUMNS) as ColumnName[];

/** The same, without the literal types. */
export function column(name: ColumnName): Column {
  return COLUMNS[name];
}
