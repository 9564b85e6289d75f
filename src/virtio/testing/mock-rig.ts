import type { DoorbellMode, InterruptMode } from "../../metrics/counters.ts";
import { MmioTransport } from "../transport/mmio.ts";
import { PciTransport } from "../transport/pci.ts";
import type { VirtioDevice } from "../types.ts";
import type { MockDriver } from "./mock-driver.ts";
import { MOCK_VECTOR_BASE } from "./mock-driver.ts";
import { MockLine, MockMessagePort } from "./mock-machine.ts";
import { MockMemory } from "./mock-memory.ts";
import { MockMmioDriver } from "./mock-mmio-driver.ts";
import { MockPciDriver } from "./mock-pci-driver.ts";

/** Where the BAR of a {@link PciRig} lies, and the line of its INTA#. */
export const MOCK_BAR = 0xd002_0000;
export const MOCK_LINE = 10;

/** Notifications of the driver since the last look: used buffers and configuration changes. */
export interface Notifications {
  /** With messages how many came; on the wire 1 when any did. */
  readonly used: number;
  readonly config: number;
}

/** A device on a transport, with everything around it for a test to look at. The driver has not begun. */
export abstract class Rig<D extends VirtioDevice = VirtioDevice> {
  readonly memory: MockMemory;
  readonly line = new MockLine();
  readonly messages = new MockMessagePort();
  readonly log: string[] = [];
  readonly device: D;
  abstract readonly transport: MmioTransport | PciTransport;
  abstract readonly driver: MockDriver;

  constructor(device: D, memory: MockMemory) {
    this.device = device;
    this.memory = memory;
  }

  /** What every transport is made of. */
  protected get parts() {
    const { device, memory, line, messages } = this;
    return { device, memory, line, messages, log: (message: string) => this.log.push(message) };
  }

  /** One chain of three bytes through queue 0 and back; returns how many chains came back. */
  echo(): number {
    const queue = this.driver.queue(0);
    const source = this.memory.store([1, 2, 3]);
    const target = this.memory.alloc(8);
    queue.add([
      { address: source, length: 3, writable: false },
      { address: target, length: 8, writable: true },
    ]);
    queue.rearm();
    if (queue.publish()) this.driver.kick(0);
    return queue.takeUsed().length;
  }

  /** One used buffer in a queue, which the driver wants to hear of. */
  event(index: number): void {
    const queue = this.driver.queue(index);
    queue.rearm();
    queue.addWritable(4);
    queue.publish();
    this.driver.kick(index);
    queue.takeUsed();
  }

  /** What the driver was told since the last call; on the wire it is acknowledged. */
  takeNotifications(): Notifications {
    if (this.driver.msi) {
      const vectors = this.messages.take();
      const config = vectors.filter((data) => data === MOCK_VECTOR_BASE).length;
      return { used: vectors.length - config, config };
    }
    if (!this.line.level) return { used: 0, config: 0 };
    const happened = this.driver.acknowledgeInterrupt();
    return { used: happened & 1, config: (happened >> 1) & 1 };
  }
}

/** A device on virtio-mmio. */
export class MmioRig<D extends VirtioDevice = VirtioDevice> extends Rig<D> {
  readonly transport: MmioTransport;
  readonly driver: MockMmioDriver;

  constructor(
    device: D,
    offer: { interrupts: InterruptMode; doorbell: DoorbellMode },
    memory = new MockMemory(),
  ) {
    super(device, memory);
    this.transport = new MmioTransport({ ...this.parts, ...offer });
    this.driver = new MockMmioDriver(memory, this.transport);
  }
}

/** A device on PCI. The driver has looked at capabilities only. */
export class PciRig<D extends VirtioDevice = VirtioDevice> extends Rig<D> {
  readonly transport: PciTransport;
  readonly driver: MockPciDriver;

  constructor(device: D, interrupts: InterruptMode, memory = new MockMemory()) {
    super(device, memory);
    this.transport = new PciTransport({ ...this.parts, interrupts, lineNumber: MOCK_LINE, bar: MOCK_BAR });
    this.driver = new MockPciDriver(memory, this.transport.configuration, this.transport);
  }
}

/** Every transport that there is, with every way of interrupts. */
export const TRANSPORT_NAMES = ["mmio 2", "mmio 3 wired", "mmio 3 msi", "pci intx", "pci msi-x"] as const;
export type TransportName = (typeof TRANSPORT_NAMES)[number];

/** A device on the transport of that name. */
export function rigFor<D extends VirtioDevice>(
  device: D,
  transport: TransportName,
  memory = new MockMemory(),
): MmioRig<D> | PciRig<D> {
  switch (transport) {
    case "mmio 2":
      return new MmioRig(device, { interrupts: "wired", doorbell: "shared" }, memory);
    case "mmio 3 wired":
      return new MmioRig(device, { interrupts: "wired", doorbell: "per-queue" }, memory);
    case "mmio 3 msi":
      return new MmioRig(device, { interrupts: "msi", doorbell: "per-queue" }, memory);
    case "pci intx":
      return new PciRig(device, "wired", memory);
    case "pci msi-x":
      return new PciRig(device, "msi", memory);
  }
}
