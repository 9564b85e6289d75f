/**
 * The private members of v86 that this folder relies on, and the checks that they are what we think they are.
 * None of it is v86's public interface: the version is pinned, and {@link checkInternals} refuses to go on with one
 * clear sentence when anything has moved.
 */
import v86Package from "v86/package.json" with { type: "json" };
import type { V86Network } from "./web-fetch.ts";

/** The version these notes were taken from. */
export const V86_VERSION = "0.5.462";

/** v86's small typed arrays over its own state, in WebAssembly memory. */
interface StateView {
  [index: number]: number;
  readonly byteOffset: number;
  readonly length: number;
}

/** What we use of v86's PCI bus. */
export interface V86PciBus {
  /** What was written to port 0xCF8. */
  readonly pci_addr32: { readonly [index: number]: number };
  /** Configuration spaces of v86's own functions, by device number times 8 plus function. */
  readonly device_spaces: { readonly [index: number]: Int32Array | undefined };
  /** v86's functions, by the same numbers; a BAR that a function does not have is undefined. */
  readonly devices: { readonly [index: number]: { readonly pci_bars: (object | undefined)[] } | undefined };
  pci_write8(address: number, value: number): void;
  pci_write16(address: number, value: number): void;
  pci_write32(address: number, value: number): void;
}

/** What we use of v86's CPU object. */
export interface V86Cpu {
  readonly wasm_memory: WebAssembly.Memory;
  readonly mem8: StateView;
  readonly memory_size: StateView;
  readonly cr: StateView;
  readonly reg32: StateView;
  readonly sreg: StateView;
  readonly segment_is_null: StateView;
  readonly segment_offsets: StateView;
  readonly segment_limits: StateView;
  readonly segment_access_bytes: StateView;
  readonly protected_mode: StateView;
  readonly is_32: StateView;
  readonly stack_size_32: StateView;
  readonly gdtr_size: StateView;
  readonly gdtr_offset: StateView;
  readonly flags: StateView;
  readonly in_hlt: StateView;
  readonly instruction_pointer: StateView;
  readonly instruction_counter: StateView;
  readonly io: {
    mmap_register(
      address: number,
      size: number,
      read8: (address: number) => number,
      write8: (address: number, value: number) => void,
      read32: (address: number) => number,
      write32: (address: number, value: number) => void,
    ): void;
    /** `device` is `this` in the handlers. */
    register_read(
      port: number,
      device: object,
      read8: () => number,
      read16?: () => number,
      read32?: () => number,
    ): void;
    register_write(
      port: number,
      device: object,
      write8: (value: number) => void,
      write16?: (value: number) => void,
      write32?: (value: number) => void,
    ): void;
  };
  readonly devices: {
    readonly pci: V86PciBus;
    /** When each counter was set, by v86's clock. */
    readonly pit: { readonly counter_start_time: Float64Array };
  };
  mmap_write16: (address: number, value: number) => void;
  main_loop: () => number;
  reboot_internal: () => void;
  pack_memory: () => { packed_memory: Uint8Array; bitmap: { get_buffer(): ArrayBuffer } };
  unpack_memory: (bitmap: unknown, packed: Uint8Array) => void;
  is_memory_zeroed(address: number, length: number): number;
  update_state_flags(): void;
  handle_irqs(): void;
  device_raise_irq(line: number): void;
  device_lower_irq(line: number): void;
  get_apic_addr(): number;
  get_ioapic_addr(): number;
  run_hardware_timers(acpi: boolean, now: number): number;
  /** Where store_current_tsc puts the time stamp counter. */
  readonly current_tsc: Uint32Array;
  store_current_tsc(): void;
  set_tsc(low: number, high: number): void;
  read32s(address: number): number;
  write32(address: number, value: number): void;
  jit_dirty_cache(start: number, end: number): void;
  set_jit_config(index: number, value: number): void;
}

/** What we use of the emulator object, its buses and its scheduler. */
export interface V86Emulator {
  readonly v86: {
    readonly cpu: V86Cpu;
    yield: (milliseconds: number, tick: number) => void;
    yield_callback(tick: number): void;
    save_state(): ArrayBuffer;
    restore_state(state: ArrayBuffer): void;
  };
  /** The devices' side of the bus; add_listener listens on the other side. */
  readonly emulator_bus: {
    send(name: string, value: unknown): void;
    register(name: string, handler: (value: Uint8Array) => void): void;
  };
  /** What is at the end of the network card's cable. */
  readonly network_adapter: V86Network;
  /** The other side. */
  readonly bus: { send(name: string, value: unknown): void };
  add_listener(name: string, handler: (value: never) => void): void;
  run(): Promise<void>;
  stop(): Promise<void>;
  destroy(): Promise<void>;
}

/** Byte offsets in v86's local APIC state (its `Apic` struct), read in its source and probed at start. */
export const APIC_TIMER_LAST_TICK = 24;
export const APIC_TPR = 52;
export const APIC_IRR = 64;
export const APIC_ISR = 96;
export const APIC_TMR = 128;

/** Where the local APIC's registers are (Intel SDM vol. 3A, "Local APIC Register Address Map"). */
const LOCAL_APIC_BASE = 0xfee00000;
const LOCAL_APIC_TPR = 0x80;
const LOCAL_APIC_IRR0 = 0x200;
/** The IOAPIC's two registers (Intel 82093AA, section 3.1), and the first of its redirection table. */
const IOAPIC_REGSEL = 0xfec00000;
const IOAPIC_WIN = 0xfec00010;
const IOAPIC_REDTBL = 0x10;

/** v86 is not as this version of Doorbell expects it. */
export class V86MismatchError extends Error {
  override readonly name = "V86MismatchError";
  constructor(detail: string) {
    super(
      `This build of v86 (${v86Package.version}) does not fit: ${detail}. Install v86 ${V86_VERSION}, the version in package.json.`,
    );
  }
}

const VIEWS = [
  "mem8 memory_size cr reg32 sreg segment_is_null segment_offsets segment_limits segment_access_bytes",
  "protected_mode is_32 stack_size_32 gdtr_size gdtr_offset flags in_hlt instruction_pointer instruction_counter current_tsc",
].flatMap((names) => names.split(" "));
const FUNCTIONS = [
  "mmap_write16 main_loop reboot_internal update_state_flags handle_irqs device_raise_irq device_lower_irq",
  "get_apic_addr get_ioapic_addr run_hardware_timers store_current_tsc set_tsc read32s write32 pack_memory unpack_memory is_memory_zeroed",
  "jit_dirty_cache set_jit_config",
].flatMap((names) => names.split(" "));

/**
 * Checks the version, the names and the local APIC's layout (by writing through one side and reading through the
 * other). Throws {@link V86MismatchError}. Call before the guest runs: the probe leaves the state as it found it.
 */
export function checkInternals(emulator: V86Emulator): void {
  if (!v86Package.version.startsWith(V86_VERSION)) throw new V86MismatchError("its version is another");
  const cpu = emulator.v86?.cpu as (V86Cpu & Record<string, unknown>) | undefined;
  if (!cpu) throw new V86MismatchError("the CPU object is not where it was");
  for (const name of VIEWS) {
    const view = cpu[name] as StateView | undefined;
    if (typeof view?.byteOffset !== "number") throw new V86MismatchError(`cpu.${name} is missing`);
  }
  for (const name of FUNCTIONS) {
    if (typeof cpu[name] !== "function") throw new V86MismatchError(`cpu.${name} is missing`);
  }
  for (const name of ["mmap_register", "register_read", "register_write"] as const) {
    if (typeof cpu.io?.[name] !== "function") throw new V86MismatchError(`cpu.io.${name} is missing`);
  }
  for (const name of ["save_state", "restore_state"] as const) {
    if (typeof emulator.v86[name] !== "function") throw new V86MismatchError(`v86.${name} is missing`);
  }
  for (const name of ["fetch", "form_response_head"] as const) {
    if (typeof emulator.network_adapter?.[name] !== "function")
      throw new V86MismatchError(`network_adapter.${name} is missing`);
  }
  if (!(cpu.devices?.pit?.counter_start_time instanceof Float64Array)) {
    throw new V86MismatchError("the interval timer is not as it was");
  }
  checkPciBus(cpu);
  probeLocalApic(cpu);
  probeIoapic(cpu);
}

function checkPciBus(cpu: V86Cpu): void {
  const bus: Partial<V86PciBus> | undefined = cpu.devices?.pci;
  for (const name of ["pci_write8", "pci_write16", "pci_write32"] as const) {
    if (typeof bus?.[name] !== "function") throw new V86MismatchError(`cpu.devices.pci.${name} is missing`);
  }
  if (
    typeof bus?.pci_addr32?.[0] !== "number" ||
    !(bus.device_spaces?.[0] instanceof Int32Array) ||
    !bus.devices
  ) {
    throw new V86MismatchError("the PCI bus is not as it was");
  }
}

function probeLocalApic(cpu: V86Cpu): void {
  const state = new DataView(cpu.wasm_memory.buffer, cpu.get_apic_addr(), APIC_TMR + 32);
  const priority = 0x50;
  const before = cpu.read32s(LOCAL_APIC_BASE + LOCAL_APIC_TPR);
  cpu.write32(LOCAL_APIC_BASE + LOCAL_APIC_TPR, priority);
  const seen = state.getUint32(APIC_TPR, true);
  cpu.write32(LOCAL_APIC_BASE + LOCAL_APIC_TPR, before);
  if (seen !== priority) throw new V86MismatchError("the local APIC's task priority is not where it was");

  // One bit in each of two words: the array's start and its stride are both as expected, or the probe fails.
  for (const [word, bit] of [
    [1, 0x00000002],
    [6, 0x00010000],
  ] as const) {
    const at = APIC_IRR + 4 * word;
    const old = state.getUint32(at, true);
    state.setUint32(at, old | bit, true);
    const read = cpu.read32s(LOCAL_APIC_BASE + LOCAL_APIC_IRR0 + 0x10 * word);
    state.setUint32(at, old, true);
    if (((read ^ old) & bit) === 0) throw new V86MismatchError("the local APIC's IRR is not where it was");
  }
}

/** The redirection table's two halves, by writing an entry as a guest does: masked, so that nothing comes of it. */
function probeIoapic(cpu: V86Cpu): void {
  const pin = 5;
  const pins = 24;
  const words = new Uint32Array(cpu.wasm_memory.buffer, cpu.get_ioapic_addr(), 2 * pins);
  for (const [half, value] of [
    [0, 0x1_0055],
    [1, 0x0700_0000],
  ] as const) {
    const at = half * pins + pin;
    const before = words[at] ?? 0;
    cpu.write32(IOAPIC_REGSEL, IOAPIC_REDTBL + 2 * pin + half);
    cpu.write32(IOAPIC_WIN, value);
    const seen = words[at] ?? 0;
    cpu.write32(IOAPIC_WIN, before | 0);
    cpu.write32(IOAPIC_REGSEL, 0);
    if (seen !== value) throw new V86MismatchError("the IOAPIC's redirection table is not where it was");
  }
}
