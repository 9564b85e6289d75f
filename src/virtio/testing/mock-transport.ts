import type { DoorbellMode, InterruptMode } from "../../metrics/counters.ts";
import { MmioTransport } from "../transport/mmio.ts";
import { MockDevice } from "./mock-device.ts";
import { MockDriver } from "./mock-driver.ts";
import { MockLine, MockMessagePort } from "./mock-machine.ts";
import { MockMemory } from "./mock-memory.ts";

/** A device on a transport, with everything around it for a test to look at. The driver has not begun. */
export class MockTransport {
  readonly memory = new MockMemory();
  readonly line = new MockLine();
  readonly messages = new MockMessagePort();
  readonly log: string[] = [];
  readonly device: MockDevice;
  readonly transport: MmioTransport;
  readonly driver: MockDriver;

  constructor(
    interrupts: InterruptMode = "wired",
    doorbell: DoorbellMode = "shared",
    device: MockDevice = new MockDevice(),
  ) {
    this.device = device;
    this.transport = new MmioTransport({
      device,
      memory: this.memory,
      line: this.line,
      messages: this.messages,
      log: (message) => this.log.push(message),
      interrupts,
      doorbell,
    });
    this.driver = new MockDriver(this.memory, this.transport);
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
}
