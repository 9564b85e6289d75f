/** The state of a whole machine, part by part: what is kept in a snapshot beside guest memory. */
import { CPU_STATE, type Cpu } from "../cpu/cpu.ts";
import { type InPagePeer, PEER_STATE } from "../net/peer.ts";
import { count, f64, oneOf, optional, record, StateError, type StateOf } from "../state/codec.ts";
import { CONSOLE_STATE, type ConsoleDevice } from "../virtio/device/console.ts";
import { NET_STATE, type NetDevice } from "../virtio/device/net.ts";
import type { RngDevice } from "../virtio/device/rng.ts";
import { MMIO_STATE, MmioTransport } from "../virtio/transport/mmio.ts";
import { PCI_STATE, PciTransport } from "../virtio/transport/pci.ts";
import type { DeviceContext } from "../virtio/types.ts";
import { AGENT_STATE, type Agent } from "./agent.ts";
import type { LiveSwitch } from "./live-switch.ts";
import type { DeviceName } from "./memory-map.ts";

const TRANSPORT_STATE = record({ mmio: optional(MMIO_STATE), pci: optional(PCI_STATE) });
type TransportState = StateOf<typeof TRANSPORT_STATE>;

/** The one description of the format: everything that is kept, in its order. */
export const MACHINE_STATE = record({
  /** Milliseconds since the machine was created. */
  wallMs: f64,
  exitCostNs: f64,
  mode: record({ interrupts: oneOf("wired", "msi"), doorbell: oneOf("shared", "per-queue") }),
  switches: count,
  cpu: CPU_STATE,
  console0: TRANSPORT_STATE,
  net0: TRANSPORT_STATE,
  rng0: TRANSPORT_STATE,
  console: CONSOLE_STATE,
  net: NET_STATE,
  peer: PEER_STATE,
  agent: AGENT_STATE,
});
export type MachineState = StateOf<typeof MACHINE_STATE>;

/** The parts of a machine that have a state. */
export interface MachineParts {
  readonly cpu: Cpu;
  readonly transports: ReadonlyMap<DeviceName, MmioTransport | PciTransport>;
  readonly console: ConsoleDevice;
  readonly net: NetDevice;
  readonly rng: RngDevice;
  readonly peer: InPagePeer;
  readonly agent: Agent;
  readonly liveSwitch: LiveSwitch;
}

/** The state of all parts at this moment, which must lie between two slices of the CPU. */
export function saveMachine(parts: MachineParts, wallMs: number): MachineState {
  const { cpu, console, net, peer, agent, liveSwitch } = parts;
  return {
    wallMs,
    exitCostNs: cpu.exitCost.nanoseconds,
    mode: liveSwitch.mode,
    switches: liveSwitch.completed,
    cpu: cpu.save(),
    console0: saveTransport(parts, "console0"),
    net0: saveTransport(parts, "net0"),
    rng0: saveTransport(parts, "rng0"),
    console: console.save(),
    net: net.save(),
    peer: peer.save(),
    agent: agent.save(),
  };
}

/**
 * Gives all parts, as they were made, their state; guest memory is in place already.
 * @throws StateError
 */
export function restoreMachine(parts: MachineParts, state: MachineState): void {
  const { cpu, console, net, rng, peer, agent, liveSwitch } = parts;
  cpu.restore(state.cpu);
  cpu.exitCost.set(state.exitCostNs);
  liveSwitch.restore(state.mode, state.switches);
  agent.restore(state.agent);
  restoreTransport(parts, "console0", state.console0, (context) => console.restore(state.console, context));
  restoreTransport(parts, "net0", state.net0, (context) => net.restore(state.net, context));
  peer.restore(state.peer);
  // Last: it interrupts the CPU, whose first step is to take the new seed.
  restoreTransport(parts, "rng0", state.rng0, (context) => rng.restore(context));
}

function saveTransport({ transports }: MachineParts, name: DeviceName): TransportState {
  const transport = transports.get(name);
  return {
    mmio: transport instanceof MmioTransport ? transport.save() : undefined,
    pci: transport instanceof PciTransport ? transport.save() : undefined,
  };
}

function restoreTransport(
  { transports }: MachineParts,
  name: DeviceName,
  { mmio, pci }: TransportState,
  device: (context: DeviceContext | undefined) => void,
): void {
  const transport = transports.get(name);
  if (transport instanceof MmioTransport && mmio !== undefined) transport.restore(mmio, device);
  else if (transport instanceof PciTransport && pci !== undefined) transport.restore(pci, device);
  else throw new StateError(`${name} is on another transport`);
}
