/** What each number on the page means, in a sentence or two. Shown by doorbell-hint. */
import type { TransportKind } from "../src/index.ts";
import { EXIT_COST_SENTENCE } from "./exit-cost.ts";

export interface Term {
  readonly name: string;
  readonly meaning: string;
}

const term = (name: string, meaning: string): Term => ({ name, meaning });

export const TERMS = {
  exitsPerTransaction: term(
    "Exits per transaction",
    "Trapped register accesses of the network card, divided by completed request/response exchanges with the in-page peer. Each exit stops the guest until the device has answered. The large figure is the last second; below it, the average of every second with traffic in each mode since the machine started.",
  ),
  interruptsPerTransaction: term(
    "Interrupts per transaction",
    "Interrupts that the network card delivered, by wire or by message, divided by completed request/response exchanges. Merged ones are not in it: the CPU took them as one.",
  ),
  transactions: term(
    "Transactions",
    "A transaction is one request from the guest and one response from the in-page peer, over TCP or UDP. tcp_rr and udp_rr do nothing else.",
  ),
  mips: term(
    "Guest MIPS",
    "Million guest instructions executed per second of host time. An idle guest halts its CPU and shows close to zero.",
  ),
  frames: term("Frames", "Ethernet frames between the guest and the in-page peer, both directions."),
  dropped: term(
    "Dropped",
    "Frames lost. A frame for which the guest has no receive buffer waits first; it is dropped when too many wait.",
  ),
  framesOut: term("Frames out", "Ethernet frames taken from the guest's transmit queue."),
  framesIn: term("Frames in", "Ethernet frames put into the guest's receive buffers."),
  bytesOut: term("Bytes out", "Bytes of the frames taken from the guest, without virtio headers."),
  bytesIn: term("Bytes in", "Bytes of the frames given to the guest, without virtio headers."),
  doorbells: term(
    "Doorbells",
    "Available buffer notifications: the driver told the device that a queue has new buffers, at QueueNotify or at the queue's own doorbell.",
  ),
  exits: term(
    "Exits",
    "An exit is a guest access to a device register. The CPU cannot complete it by itself: it leaves the guest, the device answers, the guest goes on.",
  ),
  interrupts: term(
    "Interrupts",
    "How a device calls the guest: it raises its one wire (then the driver has to ask what happened and to acknowledge it), or it sends a message that already names the queue.",
  ),
  wired: term(
    "Wired",
    "Times the device raised its one interrupt line, through the IOAPIC. The line says only that something happened; the driver reads InterruptStatus and writes InterruptACK to learn and to confirm what.",
  ),
  msi: term(
    "MSI",
    "Messages accepted by the CPU's local APIC, not counting merged ones. Each vector has its own address and data, so nothing has to be asked or acknowledged at the device.",
  ),
  merged: term(
    "Merged",
    "Interrupts that found the same one still pending. The CPU sees both as one, which saves work.",
  ),
  refused: term(
    "Refused",
    "Messages that the local APIC's port did not take, because the guest programmed an illegal address, vector or mode.",
  ),
  eoi: term(
    "IOAPIC EOIs",
    "End-of-interrupt broadcasts to the IOAPIC, machine-wide: one for each wired interrupt, none for messages. Under a hypervisor this can be one more exit; the emulated CPU does it by itself, so it is not among the exits here.",
  ),
  setup: term(
    "Set-up registers",
    "Registers that the driver uses to find, negotiate and configure the device: at boot, and again at each switch.",
  ),
  interruptsControl: term(
    "Interrupts",
    "Legacy: each device has one wire through the IOAPIC. MSI: each queue has a vector of its own, sent as a message. The switch goes through DEVICE_NEEDS_RESET: the guest's driver freezes the device, resets it, looks again at what is offered, and resumes. Connections stay open.",
  ),
  exitCost: term(
    "Exit cost",
    `${EXIT_COST_SENTENCE} At 0 the model is off. Anything else is a modelled figure, and is marked as such.`,
  ),
  transport: term(
    "Devices on",
    "What carries virtio between the guest's drivers and the same devices: windows in memory (virtio-mmio), or the PCI bus (virtio-pci). The guest finds its devices once, when it boots, so a change takes effect at the next restart.",
  ),
  doorbellControl: term(
    "Doorbell",
    "Shared: the driver writes the queue's number to one register, QueueNotify. Per queue: each queue has an address of its own, so the address alone says which queue is meant.",
  ),
} as const satisfies Record<string, Term>;

/** Registers by the names of the standard (virtio 1.2, section 4.2.2, and docs/virtio-mmio-v3.md). */
export const REGISTER_TERMS: Readonly<Record<string, string>> = {
  QueueNotify: "Written by the driver: buffers are available in the queue of this number.",
  Doorbell: "Written by the driver at the queue's own address: buffers are available in this queue.",
  InterruptStatus:
    "Read by the driver in the wired interrupt's handler, to learn why the line is up. Not used with MSI.",
  InterruptACK:
    "Written by the driver to confirm what it read in InterruptStatus; the line goes down. Not used with MSI.",
  Config: "The device's own configuration space: the network card's address, the terminal's size.",
  MagicValue: "Reads 'virt': here is a virtio device.",
  Version: "2 for today's virtio-mmio, 3 with per-queue doorbells or MSI.",
  DeviceID: "The type of the device.",
  VendorID: "The vendor of the device.",
  DeviceFeatures: "What the device offers, 32 bits at a time.",
  DeviceFeaturesSel: "Selects which 32 bits DeviceFeatures shows.",
  DriverFeatures: "What the driver accepts, 32 bits at a time.",
  DriverFeaturesSel: "Selects which 32 bits DriverFeatures sets.",
  QueueSel: "Selects the queue that the other queue registers speak of.",
  QueueNumMax: "The largest size that the device supports for the queue.",
  QueueNum: "The size that the driver chose for the queue.",
  QueueReady: "The driver enables the queue.",
  Status: "Device status: how far the driver has come, DEVICE_NEEDS_RESET, and the reset itself.",
  MsiStatus: "Read: MSI is offered, and how many vectors. Written: the driver enables or disables MSI.",
  MsiCommand: "Takes the staged message into a vector's entry; masks or unmasks a vector.",
  MsiAddressLow: "Staged message address.",
  MsiAddressHigh: "Staged message address, upper half.",
  MsiData: "Staged message data.",
  ConfigGeneration: "Changes whenever the configuration space does.",
  isr: "Read by the driver in the handler of INTx, to learn whether the wire is meant for it; the read itself lowers the wire. Not used with MSI-X.",
  MsixTable: "The table of messages and its pending bits, in the device's memory.",
  PciConfig: "The device's PCI configuration space.",
  Other: "Accesses to offsets without a register.",
};

/** Registers on the path of every packet; all others are for set-up. */
export const HOT_REGISTERS: Readonly<Record<TransportKind, readonly string[]>> = {
  mmio: ["QueueNotify", "Doorbell", "InterruptStatus", "InterruptACK"],
  pci: ["Doorbell", "isr"],
};

/** What vector `index` of a device of `type` is for: 0 is configuration, i + 1 is queue i. */
export function vectorName(type: string, index: number): string {
  if (index === 0) return "configuration";
  const queue = index - 1;
  if (type === "net") return ["receive", "transmit", "control"][queue] ?? `queue ${queue}`;
  if (type === "rng") return queue === 0 ? "requests" : `queue ${queue}`;
  // virtio 1.2 section 5.3.2: port 0, then the control queues, then one pair for each further port.
  if (type === "console") {
    const port = queue < 2 ? 0 : Math.floor(queue / 2) - 1;
    const direction = queue % 2 === 0 ? "in" : "out";
    return queue === 2 || queue === 3 ? `control ${direction}` : `port ${port} ${direction}`;
  }
  return `queue ${queue}`;
}
