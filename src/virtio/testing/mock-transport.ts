import type { DoorbellMode, InterruptMode } from "../../metrics/counters.ts";
import { MockDevice } from "./mock-device.ts";
import { MmioRig, PciRig } from "./mock-rig.ts";

/** The device for tests on virtio-mmio: version 2 unless something else is asked for. */
export class MockTransport extends MmioRig<MockDevice> {
  constructor(
    interrupts: InterruptMode = "wired",
    doorbell: DoorbellMode = "shared",
    device = new MockDevice(),
  ) {
    super(device, { interrupts, doorbell });
  }
}

/** The device for tests on PCI. */
export class MockPci extends PciRig<MockDevice> {
  constructor(interrupts: InterruptMode = "wired", device = new MockDevice()) {
    super(device, interrupts);
  }
}
