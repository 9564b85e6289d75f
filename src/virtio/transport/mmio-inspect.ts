/** The register file of virtio-mmio, for looking at. */
import type { InterruptMode } from "../../metrics/counters.ts";
import {
  VIRTIO_MMIO_CONFIG_GENERATION,
  VIRTIO_MMIO_DEVICE_FEATURES,
  VIRTIO_MMIO_DEVICE_FEATURES_SEL,
  VIRTIO_MMIO_DEVICE_ID,
  VIRTIO_MMIO_DOORBELL_BASE,
  VIRTIO_MMIO_DOORBELL_STRIDE,
  VIRTIO_MMIO_DRIVER_FEATURES,
  VIRTIO_MMIO_DRIVER_FEATURES_SEL,
  VIRTIO_MMIO_INTERRUPT_STATUS,
  VIRTIO_MMIO_MAGIC,
  VIRTIO_MMIO_MAGIC_VALUE,
  VIRTIO_MMIO_MSI_ADDRESS_HIGH,
  VIRTIO_MMIO_MSI_ADDRESS_LOW,
  VIRTIO_MMIO_MSI_DATA,
  VIRTIO_MMIO_MSI_STATUS,
  VIRTIO_MMIO_QUEUE_DESC_HIGH,
  VIRTIO_MMIO_QUEUE_DESC_LOW,
  VIRTIO_MMIO_QUEUE_DEVICE_HIGH,
  VIRTIO_MMIO_QUEUE_DEVICE_LOW,
  VIRTIO_MMIO_QUEUE_DRIVER_HIGH,
  VIRTIO_MMIO_QUEUE_DRIVER_LOW,
  VIRTIO_MMIO_QUEUE_NOTIFY,
  VIRTIO_MMIO_QUEUE_NUM,
  VIRTIO_MMIO_QUEUE_NUM_MAX,
  VIRTIO_MMIO_QUEUE_READY,
  VIRTIO_MMIO_QUEUE_SEL,
  VIRTIO_MMIO_SHM_BASE_HIGH,
  VIRTIO_MMIO_SHM_BASE_LOW,
  VIRTIO_MMIO_SHM_LEN_HIGH,
  VIRTIO_MMIO_SHM_LEN_LOW,
  VIRTIO_MMIO_STATUS,
  VIRTIO_MMIO_VENDOR,
  VIRTIO_MMIO_VENDOR_ID,
  VIRTIO_MMIO_VERSION,
  VIRTIO_MMIO_VERSION_EXTENDED,
} from "../defs.ts";
import type { VirtioCore } from "./core.ts";
import { inspectCore, mmioVectorUse, type TransportView } from "./inspect.ts";
import type { MmioOffer } from "./mmio.ts";
import type { MsiTable } from "./msi.ts";
import { MMIO_REGISTERS } from "./registers.ts";

/** What the transport itself holds. */
export interface MmioView {
  readonly version: number;
  readonly offered: MmioOffer;
  readonly interrupts: InterruptMode;
  readonly interruptStatus: number;
  readonly msiStatus: number;
  readonly deviceFeaturesSel: number;
  readonly driverFeaturesSel: number;
  readonly queueSel: number;
}

const ALL_ONES = 0xffff_ffff;

export function inspectMmio(core: VirtioCore, msi: MsiTable, state: MmioView): TransportView {
  const queue = core.queueConfig(state.queueSel);
  const doorbells = state.offered.doorbell === "per-queue";
  const values: ReadonlyMap<number, number> = new Map([
    [VIRTIO_MMIO_MAGIC_VALUE, VIRTIO_MMIO_MAGIC],
    [VIRTIO_MMIO_VERSION, state.version],
    [VIRTIO_MMIO_DEVICE_ID, core.device.type],
    [VIRTIO_MMIO_VENDOR_ID, VIRTIO_MMIO_VENDOR],
    [VIRTIO_MMIO_DEVICE_FEATURES, core.deviceFeatures(state.deviceFeaturesSel)],
    [VIRTIO_MMIO_DEVICE_FEATURES_SEL, state.deviceFeaturesSel],
    [VIRTIO_MMIO_DRIVER_FEATURES, core.driverFeatures(state.driverFeaturesSel)],
    [VIRTIO_MMIO_DRIVER_FEATURES_SEL, state.driverFeaturesSel],
    [VIRTIO_MMIO_QUEUE_SEL, state.queueSel],
    [VIRTIO_MMIO_QUEUE_NUM_MAX, core.queueMaximum(state.queueSel)],
    [VIRTIO_MMIO_QUEUE_NUM, queue?.size ?? 0],
    [VIRTIO_MMIO_QUEUE_READY, queue?.ready ? 1 : 0],
    [
      VIRTIO_MMIO_QUEUE_NOTIFY,
      doorbells ? VIRTIO_MMIO_DOORBELL_BASE | (VIRTIO_MMIO_DOORBELL_STRIDE << 16) : 0,
    ],
    [VIRTIO_MMIO_INTERRUPT_STATUS, state.interruptStatus],
    [VIRTIO_MMIO_STATUS, core.status],
    [VIRTIO_MMIO_QUEUE_DESC_LOW, queue?.descriptorLow ?? 0],
    [VIRTIO_MMIO_QUEUE_DESC_HIGH, queue?.descriptorHigh ?? 0],
    [VIRTIO_MMIO_QUEUE_DRIVER_LOW, queue?.driverLow ?? 0],
    [VIRTIO_MMIO_QUEUE_DRIVER_HIGH, queue?.driverHigh ?? 0],
    [VIRTIO_MMIO_QUEUE_DEVICE_LOW, queue?.deviceLow ?? 0],
    [VIRTIO_MMIO_QUEUE_DEVICE_HIGH, queue?.deviceHigh ?? 0],
    [VIRTIO_MMIO_SHM_LEN_LOW, ALL_ONES],
    [VIRTIO_MMIO_SHM_LEN_HIGH, ALL_ONES],
    [VIRTIO_MMIO_SHM_BASE_LOW, ALL_ONES],
    [VIRTIO_MMIO_SHM_BASE_HIGH, ALL_ONES],
    [VIRTIO_MMIO_MSI_STATUS, state.msiStatus],
    [VIRTIO_MMIO_MSI_ADDRESS_LOW, msi.staged.addressLow],
    [VIRTIO_MMIO_MSI_ADDRESS_HIGH, msi.staged.addressHigh],
    [VIRTIO_MMIO_MSI_DATA, msi.staged.data],
    [VIRTIO_MMIO_CONFIG_GENERATION, core.generation],
  ]);
  const extended = state.version === VIRTIO_MMIO_VERSION_EXTENDED;
  return {
    ...inspectCore(core),
    transport: "mmio",
    version: state.version,
    interrupts: state.interrupts,
    doorbell: state.offered.doorbell,
    registers: MMIO_REGISTERS.filter(
      // The MSI block is version 3's.
      ([offset]) => extended || offset < VIRTIO_MMIO_MSI_STATUS || offset > VIRTIO_MMIO_MSI_DATA,
    ).map(([offset, width, name, access]) => ({
      name,
      offset,
      width,
      access,
      // Registers that keep nothing, as InterruptACK and MsiCommand: an access is all there is.
      value: (values.get(offset) ?? 0) >>> 0,
    })),
    vectors: state.offered.interrupts === "msi" ? msi.inspect() : [],
    vectorUse: mmioVectorUse(core.device.queueSizes.length),
  };
}
