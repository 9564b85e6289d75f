import {
  VIRTIO_MMIO_MSI_ADDRESS_HIGH,
  VIRTIO_MMIO_MSI_ADDRESS_LOW,
  VIRTIO_MMIO_MSI_COMMAND,
  VIRTIO_MMIO_MSI_STATUS,
  VIRTIO_MMIO_MSI_STATUS_ENABLE,
  VIRTIO_MMIO_MSI_STATUS_OFFERED,
  VIRTIO_MMIO_MSI_STATUS_VECTOR_MASK,
} from "../defs.ts";
import type { MessagePort } from "../types.ts";
import { MsiTable } from "./msi.ts";

/** What the MSI registers need of the transport that they are part of. */
export interface MsiHost {
  /** MSI is on offer: else the block does nothing. */
  offered(): boolean;
  driverOk(): boolean;
  /** Counts an access that was refused. */
  ignore(reason: string): void;
}

/** The registers of version 3 by which a driver enables and programs messages: docs/virtio-mmio-v3.md, V3-MSI-*. */
export class MsiRegisters {
  readonly table: MsiTable;
  /** The driver has chosen messages. */
  enabled = false;
  readonly #host: MsiHost;

  constructor(
    vectors: number,
    messages: MessagePort,
    counters: ConstructorParameters<typeof MsiTable>[2],
    host: MsiHost,
  ) {
    this.table = new MsiTable(vectors, messages, counters);
    this.#host = host;
  }

  reset(): void {
    this.enabled = false;
    this.table.reset();
  }

  /** MsiStatus as read: offered, and the largest vector index; 0 when MSI is not offered (V3-MSI-01). */
  status(): number {
    if (!this.#host.offered()) return 0;
    return VIRTIO_MMIO_MSI_STATUS_OFFERED | ((this.table.vectors - 1) & VIRTIO_MMIO_MSI_STATUS_VECTOR_MASK);
  }

  /**
   * MsiStatus is the one register that is read 16 bits wide. A CPU without 16-bit bus reads asks for its bytes one by
   * one, low byte first. Undefined for any other access.
   */
  read(offset: number, size: 1 | 2 | 4): number | undefined {
    const at = offset - VIRTIO_MMIO_MSI_STATUS;
    if (at < 0 || at + size > 2) return undefined;
    const status = this.status();
    if (size === 2) return status;
    return at === 0 ? status & 0xff : status >>> 8;
  }

  /** MsiStatus and MsiCommand, 16 bits wide. False when it is neither. */
  write(offset: number, size: 1 | 2 | 4, value: number): boolean {
    if (size !== 2) return false;
    if (offset === VIRTIO_MMIO_MSI_STATUS) {
      if (this.#there()) this.#enable((value & VIRTIO_MMIO_MSI_STATUS_ENABLE) !== 0);
      return true;
    }
    if (offset !== VIRTIO_MMIO_MSI_COMMAND) return false;
    const refused = this.#there() ? this.table.command(value & 0xffff) : undefined;
    if (refused !== undefined) this.#host.ignore(refused);
    return true;
  }

  /** One of the three registers that hold the message until MsiCommand takes it. */
  stage(offset: number, word: number): void {
    if (!this.#there()) return;
    const { staged } = this.table;
    if (offset === VIRTIO_MMIO_MSI_ADDRESS_LOW) staged.addressLow = word;
    else if (offset === VIRTIO_MMIO_MSI_ADDRESS_HIGH) staged.addressHigh = word;
    else staged.data = word;
  }

  #there(): boolean {
    if (this.#host.offered()) return true;
    this.#host.ignore("MSI register written while MSI is not offered");
    return false;
  }

  #enable(enable: boolean): void {
    if (enable === this.enabled) return;
    // The way of interrupts is settled before DRIVER_OK: no event can then fall between the two ways (V3-MSI-03).
    if (this.#host.driverOk()) this.#host.ignore("MSI enabled or disabled after DRIVER_OK");
    else this.enabled = enable;
  }
}
