import { MockDriver } from "../../testing/mock-driver.ts";
import { MockLine, MockMessagePort } from "../../testing/mock-machine.ts";
import { MockMemory } from "../../testing/mock-memory.ts";
import { MmioTransport } from "../../transport/mmio.ts";
import type { VirtioDevice } from "../../types.ts";

/** One device on a real transport, with a driver's half to drive it. For specs. */
export interface SpecMachine {
  readonly memory: MockMemory;
  readonly line: MockLine;
  readonly messages: MockMessagePort;
  readonly transport: MmioTransport;
  readonly driver: MockDriver;
  readonly log: string[];
}

/** Puts a device behind virtio-mmio with MSI and doorbells; the driver is not initialised yet. */
export function specMachine(device: VirtioDevice, ram = 0x40_0000): SpecMachine {
  const memory = new MockMemory(ram);
  const line = new MockLine();
  const messages = new MockMessagePort();
  const log: string[] = [];
  const transport = new MmioTransport({
    device,
    memory,
    line,
    messages,
    log: (message) => log.push(message),
    interrupts: "msi",
    doorbell: "per-queue",
  });
  return { memory, line, messages, transport, driver: new MockDriver(memory, transport), log };
}
