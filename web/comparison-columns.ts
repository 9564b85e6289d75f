/** The columns of "Reproduce the table", by the definitions of the benchmark, in the page's order and words. */
import { type Column, type ColumnName, column } from "../bench/columns.ts";
import type { MicroVmOptions } from "../src/index.ts";

/** Columns that the page measures: v86's own card and the check of the method are left to the terminal. */
export type TableColumn = Exclude<ColumnName, "v86-virtio-net" | "mmio-wired-again">;

/** In the order of 2019: PCI first. */
export const TABLE_COLUMNS: readonly TableColumn[] = [
  "pci-intx",
  "pci-msix",
  "mmio-wired",
  "mmio-v3-wired",
  "mmio-msi",
];

export const COLUMN_SHORT: Record<TableColumn, string> = {
  "pci-intx": "PCI INTx",
  "pci-msix": "PCI MSI-X",
  "mmio-wired": "MMIO wired (version 2)",
  "mmio-v3-wired": "MMIO wired, doorbells (version 3)",
  "mmio-msi": "MMIO MSI (version 3)",
};

/** How a column's machine differs from the others. */
export type ColumnMode = Pick<MicroVmOptions, "transport" | "interrupts" | "doorbell">;

export function columnMode(name: TableColumn): ColumnMode {
  const { options }: Column = column(name);
  const { transport, interrupts, doorbell } = options;
  return {
    ...(transport === undefined ? {} : { transport }),
    ...(interrupts === undefined ? {} : { interrupts }),
    ...(doorbell === undefined ? {} : { doorbell }),
  };
}

/** The guest that a column is measured in: one for each on PCI, one for all on MMIO, which is switched live. */
export function guestOf(name: TableColumn): string {
  return columnMode(name).transport === "pci" ? name : "mmio";
}
