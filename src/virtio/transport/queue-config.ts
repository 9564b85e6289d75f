import { bool, record, type StateOf, u32 } from "../../state/codec.ts";
import { VirtqueueError, type VirtqueueLayout } from "../queue/virtqueue.ts";

/** The address registers of a queue, by field of {@link QueueConfig}. */
export type QueueAddressField =
  | "descriptorLow"
  | "descriptorHigh"
  | "driverLow"
  | "driverHigh"
  | "deviceLow"
  | "deviceHigh";

/** What the driver has written. */
export const QUEUE_CONFIG_STATE = record({
  size: u32,
  ready: bool,
  descriptorLow: u32,
  descriptorHigh: u32,
  driverLow: u32,
  driverHigh: u32,
  deviceLow: u32,
  deviceHigh: u32,
});
export type QueueConfigState = StateOf<typeof QUEUE_CONFIG_STATE>;

/** One queue as the driver configures it. Nothing is judged while it is written: DRIVER_OK is where it counts. */
export class QueueConfig {
  /** QueueNumMax. */
  readonly maximum: number;
  size: number;
  ready = false;
  descriptorLow = 0;
  descriptorHigh = 0;
  driverLow = 0;
  driverHigh = 0;
  deviceLow = 0;
  deviceHigh = 0;

  constructor(maximum: number) {
    this.maximum = maximum;
    this.size = maximum;
  }

  /** @throws VirtqueueError when the size is above the maximum; the rest is the virtqueue's to check. */
  layout(): VirtqueueLayout {
    if (this.size > this.maximum) throw new VirtqueueError("queue size");
    return {
      size: this.size,
      descriptorTable: join(this.descriptorHigh, this.descriptorLow),
      availableRing: join(this.driverHigh, this.driverLow),
      usedRing: join(this.deviceHigh, this.deviceLow),
    };
  }

  save(): QueueConfigState {
    const { size, ready, descriptorLow, descriptorHigh, driverLow, driverHigh, deviceLow, deviceHigh } = this;
    return { size, ready, descriptorLow, descriptorHigh, driverLow, driverHigh, deviceLow, deviceHigh };
  }

  restore(state: QueueConfigState): void {
    Object.assign(this, state);
  }

  reset(): void {
    this.size = this.maximum;
    this.ready = false;
    this.descriptorLow = this.descriptorHigh = 0;
    this.driverLow = this.driverHigh = 0;
    this.deviceLow = this.deviceHigh = 0;
  }
}

function join(high: number, low: number): number {
  return high * 0x1_0000_0000 + low;
}
