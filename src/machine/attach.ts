/** Puts the machine's devices on a transport and the transport where the guest finds it: windows of a bus, or PCI. */
import type { Cpu } from "../cpu/cpu.ts";
import type { InterruptMode, TransportKind } from "../metrics/counters.ts";
import { MmioBus } from "../virtio/transport/bus.ts";
import { type MmioOffer, MmioTransport } from "../virtio/transport/mmio.ts";
import { PciTransport } from "../virtio/transport/pci.ts";
import { mmioRegisterAt, pciRegisterAt, TracedWindow, tracedFunction } from "../virtio/transport/traced.ts";
import type { VirtioDevice } from "../virtio/types.ts";
import { DEVICE_LINES, PCI_DEVICES } from "./interrupt-map.ts";
import {
  BAR_SIZE,
  BARS,
  type DeviceName,
  MEMORY_MAP,
  SPARE_WINDOW,
  WINDOW_SIZE,
  WINDOWS,
} from "./memory-map.ts";

/** The devices by name: those that the machine has. */
export type Devices = Readonly<Partial<Record<DeviceName, VirtioDevice>>>;

/** How devices on mmio are offered, ring features included. */
type Offer = MmioOffer & { readonly eventIndex: boolean };

/** What the devices of the virtio bus have in common. */
interface MmioPlace {
  readonly cpu: Cpu;
  readonly bus: MmioBus;
  readonly offer: Offer;
  readonly log: (message: string) => void;
}

/** Each on a window of the virtio bus, where the kernel command line says; the spare one where it does not. */
export function attachMmio(
  cpu: Cpu,
  devices: Devices,
  offer: Offer,
  log: (message: string) => void,
  spareDevice?: VirtioDevice,
): { transports: Map<DeviceName, MmioTransport>; spare: MmioTransport | undefined } {
  const bus = new MmioBus(MEMORY_MAP.virtio.base, MEMORY_MAP.virtio.size);
  cpu.mapMmio(MEMORY_MAP.virtio.base, bus);
  const place = { cpu, bus, offer, log };
  return {
    transports: forEach(devices, (name, device) => onWindow(place, name, WINDOWS[name], device)),
    spare: spareDevice && onWindow(place, "spare0", SPARE_WINDOW, spareDevice),
  };
}

function onWindow(
  { cpu, bus, offer, log }: MmioPlace,
  name: DeviceName | "spare0",
  base: number,
  device: VirtioDevice,
): MmioTransport {
  const transport = new MmioTransport({
    device,
    memory: cpu.memory,
    line: cpu.line(DEVICE_LINES[name]),
    messages: cpu.apic,
    log: (message) => log(`${name}: ${message}`),
    ...offer,
  });
  bus.insert(base, WINDOW_SIZE, new TracedWindow(transport, transport.counters, mmioRegisterAt));
  return transport;
}

/** Each a device of PCI bus 0, beside v86's host bridge and ISA bridge. */
export function attachPci(
  cpu: Cpu,
  devices: Devices,
  offer: { readonly interrupts: InterruptMode; readonly eventIndex: boolean },
  log: (message: string) => void,
): Map<DeviceName, PciTransport> {
  const bus = new MmioBus(MEMORY_MAP.pci.base, MEMORY_MAP.pci.size);
  cpu.mapMmio(MEMORY_MAP.pci.base, bus);
  revealBridges(cpu);
  return forEach(devices, (name, device) => {
    const transport = new PciTransport({
      device,
      memory: cpu.memory,
      line: cpu.line(DEVICE_LINES[name]),
      lineNumber: DEVICE_LINES[name],
      messages: cpu.apic,
      bar: BARS[name],
      log: (message) => log(`${name}: ${message}`),
      ...offer,
    });
    const { counters } = transport;
    bus.insert(BARS[name], BAR_SIZE, new TracedWindow(transport, counters, pciRegisterAt));
    cpu.pci.insert(PCI_DEVICES[name], tracedFunction(transport.configuration, counters));
    return transport;
  });
}

/** v86's own network card, on PCI in place of ours. */
export function attachV86Card(cpu: Cpu, transport: TransportKind): void {
  if (transport !== "pci") revealBridges(cpu);
  cpu.attachCard(DEVICE_LINES.net0);
}

/** Without a host bridge Linux does not believe in the bus. */
function revealBridges(cpu: Cpu): void {
  cpu.pci.reveal(PCI_DEVICES.hostBridge);
  cpu.pci.reveal(PCI_DEVICES.isaBridge);
}

function forEach<T>(
  devices: Devices,
  attach: (name: DeviceName, device: VirtioDevice) => T,
): Map<DeviceName, T> {
  const attached = new Map<DeviceName, T>();
  for (const name of Object.keys(WINDOWS) as DeviceName[]) {
    const device = devices[name];
    if (device) attached.set(name, attach(name, device));
  }
  return attached;
}
