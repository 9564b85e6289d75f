import { VirtqueueError, type VirtqueueLayout } from "../queue/virtqueue.ts";

/** The address registers of a queue, by field of {@link QueueConfig}. */
export type QueueAddressField =
  | "descriptorLow"
  | "descriptorHigh"
  | "driverLow"
  | "driverHigh"
  | "deviceLow"
  | "deviceHigh";

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
