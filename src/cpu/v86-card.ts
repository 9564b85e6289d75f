/**
 * v86's own network card: virtio-net on PCI with one wired interrupt, at the end of whose cable v86's own router answers.
 * Nobody needs it but the benchmark, which measures it beside ours. Here it is given what a BIOS would have given it, and
 * its accesses and interrupts are counted from outside, as those of our devices are.
 */
import type { ExitCost } from "./exit-cost.ts";
import type { PciBus } from "./pci-bus.ts";
import { type V86Cpu, type V86Emulator, V86MismatchError } from "./v86-internals.ts";

/** Its device number on PCI bus 0 (v86's virtio_net.js: pci_id 0x0A << 3). */
export const V86_CARD_DEVICE = 10;
/** The ISA bridge routes the four PCI interrupts by four bytes from this offset on (PIIX3, PIRQRC[A:D]). */
const ISA_BRIDGE_FUNCTION = 1 << 3;
const PIRQ_ROUTES = 0x60;
/** v86 takes (pin + device number - 2) modulo 4 for the route, pin A being 1. */
const PIRQ = (1 + V86_CARD_DEVICE - 2) & 3;

/** What its BARs hold, in their order (v86's virtio.js). */
const BARS = ["Common", "Doorbell", "isr", "Config"] as const;

/** A port of v86's I/O space: handlers by width, called with `device` as `this`. */
type Port = Record<PortHandler, (this: unknown, value: number) => number | undefined> & {
  readonly device: unknown;
};
const PORT_HANDLERS = ["read8", "read16", "read32", "write8", "write16", "write32"] as const;
type PortHandler = (typeof PORT_HANDLERS)[number];

/** What we use of v86's virtio device. */
interface V86Virtio {
  readonly pci_bars: readonly { readonly entries: readonly (Port | undefined)[] }[];
  readonly device_status: number;
  readonly isr_status: number;
  raise_irq: (type: number) => void;
  lower_irq: () => void;
}

/** A TCP connection of the guest's that v86's router offers. */
interface V86Tcp {
  /** The port that the guest asked for. */
  readonly sport: number;
  /** Next sequence number expected from the guest; v86 lets it grow past 2^32. */
  ack: number;
  accept(): void;
  write(bytes: Uint8Array): void;
  close(): void;
  on(event: "data", handler: (bytes: Uint8Array) => void): void;
  on(event: "shutdown", handler: () => void): void;
}

/** What a service needs of a connection, and what it is told. */
export interface CardConnection {
  write(bytes: Uint8Array): void;
  close(): void;
}
export interface CardService {
  readonly port: number;
  open(connection: CardConnection): { data(bytes: Uint8Array): void; end?(): void };
}

/** What was counted; fields only grow. */
export interface CardCounters {
  /** Trapped accesses by what was accessed. */
  readonly exits: Record<(typeof BARS)[number], number>;
  /** Times the line went up, and events that found it up. */
  wired: number;
  merged: number;
  txFrames: number;
  rxFrames: number;
  txBytes: number;
  rxBytes: number;
}

/** See the file's head. */
export class V86Card {
  readonly counters: CardCounters = {
    exits: { Common: 0, Doorbell: 0, isr: 0, Config: 0 },
    wired: 0,
    merged: 0,
    txFrames: 0,
    rxFrames: 0,
    txBytes: 0,
    rxBytes: 0,
  };
  readonly #emulator: V86Emulator;
  readonly #virtio: V86Virtio;

  /** @throws V86MismatchError when v86 was created without the card, or it is not as it was. */
  constructor(emulator: V86Emulator, exitCost: ExitCost) {
    this.#emulator = emulator;
    const devices = emulator.v86.cpu.devices as { readonly virtio_net?: { readonly virtio: V86Virtio } };
    const virtio = devices.virtio_net?.virtio;
    if (
      typeof emulator.bus?.send !== "function" ||
      typeof virtio?.raise_irq !== "function" ||
      virtio.pci_bars.length !== BARS.length
    )
      throw new V86MismatchError("its network card is not as it was");
    this.#virtio = virtio;
    this.#countAccesses(exitCost);
    this.#countInterrupts(exitCost);
    // v86's card is not at our end of the bus: what it sends is heard by add_listener, what it gets is registered for.
    emulator.add_listener("net0-send", (frame: Uint8Array) => {
      this.counters.txFrames += 1;
      this.counters.txBytes += frame.length;
    });
    emulator.emulator_bus.register("net0-receive", (frame) => {
      this.counters.rxFrames += 1;
      this.counters.rxBytes += frame.length;
    });
  }

  /** The device status register. */
  get status(): number {
    return this.#virtio.device_status;
  }

  /** Shows the card to the guest, with its INTA# wired to `line`. Its bridges must be shown as well. */
  attach(cpu: V86Cpu, pci: PciBus, line: number): void {
    const bridge = cpu.devices.pci.device_spaces[ISA_BRIDGE_FUNCTION];
    if (bridge === undefined) throw new V86MismatchError("it has no ISA bridge");
    new Uint8Array(bridge.buffer, bridge.byteOffset)[PIRQ_ROUTES + PIRQ] = line;
    pci.reveal(V86_CARD_DEVICE);
  }

  /** Answers connections to the services' ports; others are reset. */
  serve(services: readonly CardService[]): void {
    const byPort = new Map(services.map((service) => [service.port, service]));
    this.#emulator.add_listener("tcp-connection", (tcp: V86Tcp) => {
      const service = byPort.get(tcp.sport);
      if (service === undefined) return;
      const handler = service.open({
        write: (bytes) => tcp.write(bytes),
        close: () => tcp.close(),
      });
      tcp.on("data", (bytes) => {
        // Without wrapping it at 2^32, no segment is in sequence any more.
        tcp.ack >>>= 0;
        handler.data(bytes);
      });
      tcp.on("shutdown", () => (handler.end ? handler.end() : tcp.close()));
      tcp.accept();
      tcp.ack >>>= 0;
    });
  }

  /** Calls back with each frame that the guest sends, valid during the call only. The router gets it too. */
  onFrame(callback: (frame: Uint8Array) => void): void {
    this.#emulator.add_listener("net0-send", callback);
  }

  /** A frame for the guest, as if it came from the router; it is read during the call only. */
  deliver(frame: Uint8Array): void {
    this.#emulator.bus.send("net0-receive", frame);
  }

  #countAccesses(exitCost: ExitCost): void {
    const { exits } = this.counters;
    this.#virtio.pci_bars.forEach(({ entries }, bar) => {
      const name = BARS[bar];
      if (name === undefined) return;
      for (const port of entries) {
        // What belongs to nobody is one object's handlers for all such ports.
        if (port?.device !== this.#virtio) continue;
        for (const handler of PORT_HANDLERS) {
          const handle = port[handler];
          port[handler] = function (value) {
            exitCost.charge();
            exits[name] += 1;
            return handle.call(this, value);
          };
        }
      }
    });
  }

  #countInterrupts(exitCost: ExitCost): void {
    const { counters } = this;
    const virtio = this.#virtio;
    const { raise_irq, lower_irq } = virtio;
    virtio.raise_irq = (type) => {
      if (virtio.isr_status === 0) counters.wired += 1;
      else counters.merged += 1;
      raise_irq.call(virtio, type);
    };
    virtio.lower_irq = () => {
      if (virtio.isr_status !== 0) exitCost.charge();
      lower_irq.call(virtio);
    };
  }
}
