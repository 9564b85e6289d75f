import type { InterruptMode } from "../../metrics/counters.ts";
import { PciTransport } from "../transport/pci.ts";
import { MockDevice } from "./mock-device.ts";
import { MockLine, MockMessagePort } from "./mock-machine.ts";
import { MockMemory } from "./mock-memory.ts";
import { MockPciDriver } from "./mock-pci-driver.ts";

/** Where the BAR of a {@link MockPci} lies, and the line of its INTA#. */
export const MOCK_BAR = 0xd002_0000;
export const MOCK_LINE = 10;

/** A device on PCI, with everything around it for a test to look at. The driver has looked at capabilities only. */
export class MockPci {
  readonly memory = new MockMemory();
  readonly line = new MockLine();
  readonly messages = new MockMessagePort();
  readonly log: string[] = [];
  readonly device: MockDevice;
  readonly transport: PciTransport;
  readonly driver: MockPciDriver;

  constructor(interrupts: InterruptMode = "wired", device: MockDevice = new MockDevice()) {
    this.device = device;
    this.transport = new PciTransport({
      device,
      memory: this.memory,
      line: this.line,
      lineNumber: MOCK_LINE,
      messages: this.messages,
      bar: MOCK_BAR,
      log: (message) => this.log.push(message),
      interrupts,
    });
    this.driver = new MockPciDriver(this.memory, this.transport.configuration, this.transport);
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
}
