/** What a machine has around its CPU, made and joined: devices on their transport, and the peer behind the card. */
import type { Cpu } from "../cpu/cpu.ts";
import type { MetricsSnapshot } from "../metrics/counters.ts";
import { NETWORK, parseMac } from "../net/addresses.ts";
import { InPagePeer } from "../net/peer.ts";
import { ConsoleDevice } from "../virtio/device/console.ts";
import { NetDevice } from "../virtio/device/net.ts";
import { RngDevice } from "../virtio/device/rng.ts";
import type { MmioTransport } from "../virtio/transport/mmio.ts";
import type { PciTransport } from "../virtio/transport/pci.ts";
import type { Clock } from "../virtio/types.ts";
import { AGENT_PORT_NAME } from "./agent.ts";
import { attachMmio, attachPci, attachV86Card } from "./attach.ts";
import type { Mode } from "./live-switch.ts";
import type { DeviceName } from "./memory-map.ts";
import type { CheckedOptions } from "./options.ts";
import { renderStatus } from "./status.ts";
import { type CardServices, serveOnCard } from "./v86-card.ts";

/** What decides about the devices; nothing of it is about files. */
export type DeviceOptions = Omit<CheckedOptions, "wasm" | "kernel" | "initrd">;

/** The parts, joined. */
export interface Assembly {
  readonly mode: Mode;
  readonly eventIndex: boolean;
  readonly peer: InPagePeer;
  readonly net: NetDevice;
  readonly console: ConsoleDevice;
  readonly rng: RngDevice;
  readonly transports: ReadonlyMap<DeviceName, MmioTransport | PciTransport>;
  /** Those of them that can be switched live: all on mmio, none on PCI. */
  readonly switchable: ReadonlyMap<DeviceName, MmioTransport>;
  /** All of them, and `spare0` if there is one: no kernel is told of that, and no live switch concerns it. */
  readonly every: ReadonlyMap<string, MmioTransport | PciTransport>;
  /** With v86's own card: the services behind it. */
  readonly cardServices: CardServices | undefined;
}

/** `status`: the counters for the peer's status page. */
export function assemble(
  cpu: Cpu,
  options: DeviceOptions,
  clock: Clock,
  status: () => MetricsSnapshot,
): Assembly {
  const { queuePairs, terminal, transport, eventIndex = true, log = () => {} } = options;
  const mode: Mode = {
    interrupts: options.interrupts ?? "msi",
    doorbell: options.doorbell ?? "per-queue",
  };
  const peer = new InPagePeer({
    router: cpu.router,
    clock,
    web: options.web ?? false,
    status: () => renderStatus(status()),
    log: (message) => log(`peer: ${message}`),
  });
  const net = new NetDevice({
    mac: parseMac(NETWORK.guest.mac),
    mtu: NETWORK.mtu,
    link: peer,
    queuePairs,
    clock,
  });
  const console = new ConsoleDevice({
    columns: terminal?.columns ?? 80,
    rows: terminal?.rows ?? 24,
    ports: [
      { name: "console", console: true },
      { name: AGENT_PORT_NAME, console: false },
    ],
  });
  const random = (target: Uint8Array): Uint8Array => crypto.getRandomValues(target);
  const rng = new RngDevice({ random });
  const { card } = cpu;
  const cardServices = card && serveOnCard(card);
  if (card) {
    attachV86Card(cpu, transport ?? "mmio");
    // Ours is on no transport: it is not to keep what is the other one's.
    net.setLink(false);
  }
  const devices = { console0: console, ...(card ? {} : { net0: net }), rng0: rng };
  const offer = { ...mode, eventIndex };
  const spareDevice = options.spareDevice ? new RngDevice({ random }) : undefined;
  const parts = { mode, eventIndex, peer, net, console, rng, cardServices };
  if (transport === "pci") {
    const transports = attachPci(cpu, devices, offer, log);
    return { ...parts, transports, switchable: new Map(), every: transports };
  }
  const { transports, spare } = attachMmio(cpu, devices, offer, log, spareDevice);
  const every = new Map<string, MmioTransport>(transports);
  if (spare) every.set("spare0", spare);
  return { ...parts, transports, switchable: transports, every };
}
