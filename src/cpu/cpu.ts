/**
 * v86 as a CPU with RAM, interrupt controllers, a serial port and nothing else: the one seam between Doorbell and
 * v86. Everything above this folder sees these interfaces only.
 */
import { V86 } from "v86";
import type { RouterPort } from "../net/router.ts";
import { bytes, count, f64, record, type StateOf, u16 } from "../state/codec.ts";
import type { GuestMemory, InterruptLine } from "../virtio/types.ts";
import { ExitCost } from "./exit-cost.ts";
import { V86GuestMemory } from "./guest-memory.ts";
import { GuestTime } from "./guest-time.ts";
import { type InterruptState, inspectInterrupts } from "./interrupt-state.ts";
import { type InterruptObserver, InterruptWatch } from "./interrupt-watch.ts";
import { Line } from "./line.ts";
import { LocalApic } from "./local-apic.ts";
import { withoutWorker } from "./no-worker.ts";
import { PciBus } from "./pci-bus.ts";
import { V86Router } from "./router.ts";
import { type Schedule, type Scheduler, schedule } from "./scheduler.ts";
import { Translator } from "./translator.ts";
import { V86Card } from "./v86-card.ts";
import { checkInternals, type V86Cpu, type V86Emulator } from "./v86-internals.ts";
import {
  keepMemoryOut,
  type MemoryPages,
  restoreV86,
  saveMemory,
  saveV86,
  V86_STATE_MOST,
} from "./v86-state.ts";

/** v86 maps devices in whole blocks of this many bytes. */
export const MMIO_BLOCK_SIZE = 0x20000;
/** EFLAGS.IF (Intel SDM vol. 1, "EFLAGS Register"). */
const FLAGS_IF = 0x200;
/** v86 looks around after so many instructions (its LOOP_COUNTER). */
const SLICE_INSTRUCTIONS = 100_003;
/** Wired lines that exist at both the PIC and the IOAPIC. */
const LINES = 16;

/** What answers in a memory-mapped block. Sizes are in bytes; a guest's 16-bit read arrives as two 8-bit ones. */
export interface MmioHandler {
  /** Returns an unsigned value of `size` bytes. */
  read(address: number, size: 1 | 4): number;
  /** `value` is unsigned. */
  write(address: number, size: 1 | 2 | 4, value: number): void;
}

/** The state in which a 32-bit kernel is entered (Linux boot protocol, "32-bit Boot Protocol"). */
export interface EntryState {
  /** Physical address of the first instruction. */
  readonly entry: number;
  /** Physical address of boot_params, given in ESI. */
  readonly bootParams: number;
  /** Physical address of a GDT that holds flat code at `codeSelector` and flat data at `dataSelector`. */
  readonly gdt: { readonly address: number; readonly bytes: number };
  readonly codeSelector: number;
  readonly dataSelector: number;
}

/** Options of {@link Cpu.create}. */
export interface CpuOptions {
  readonly wasm: Uint8Array | ArrayBuffer | WebAssembly.Module;
  readonly memoryBytes: number;
  /** Addresses of v86's in-page router. */
  readonly network: { readonly routerIp: string; readonly routerMac: string; readonly guestIp: string };
  /** Whether v86's own network card is there, {@link Cpu.card}. Default false. */
  readonly networkCard?: boolean;
  /** Default "doorbell". With "v86" its translator is left as it comes, too. */
  readonly scheduler?: Scheduler;
  /** How many guest instructions are interpreted before v86 translates. Default: enough for our guest's boot. */
  readonly interpreted?: number;
}

/** What is kept of a CPU, guest memory aside. */
export const CPU_STATE = record({
  v86: bytes(V86_STATE_MOST),
  /** v86's clock, to which the readings in its state are relative: milliseconds. */
  clock: f64,
  instructions: count,
  /** Levels of the wired lines, a bit each. */
  lines: u16,
  messages: record({ delivered: count, merged: count, refused: count }),
});
export type CpuState = StateOf<typeof CPU_STATE>;

/** Why the CPU stopped by itself. */
export type CpuEvent = "halted" | "reboot" | "fault";

/** See the file's head. */
export class Cpu {
  readonly memory: GuestMemory;
  /** The local APIC's message port, with its counters. */
  readonly apic: LocalApic;
  /** v86's in-page router. */
  readonly router: RouterPort;
  /** PCI bus 0: empty until something is put on it. */
  readonly pci: PciBus;
  /** v86's own network card, where it was asked for. */
  readonly card: V86Card | undefined;
  /** What a trapped access, and the EOI of a wired interrupt, cost on top. */
  readonly exitCost = new ExitCost();
  readonly #emulator: V86Emulator;
  readonly #cpu: V86Cpu;
  readonly #lines: Line[];
  readonly #time: GuestTime;
  readonly #blocks = new Map<number, MmioHandler>();
  readonly #flagsIndex: number;
  readonly #counterIndex: number;
  #words: Int32Array;
  /** How many register accesses are under way; interrupts must not be taken inside one. */
  #depth = 0;
  #instructions = 0;
  #lastCounter = 0;
  #running = false;
  readonly #schedule: Schedule;
  readonly #translator: Translator | undefined;
  #destroyed = false;
  #onFirstAccess: (() => void) | undefined;
  #watch: InterruptWatch | undefined;
  /** The slice under way is to end before its time: {@link stopSoon}. */
  #cutShort = false;
  #onEvent: (event: CpuEvent, detail: string) => void = () => {};
  #onGap: () => void = () => {};
  #onSerial: (byte: number) => void = () => {};

  /** Loads v86 and checks that it is the v86 we know; the guest's RAM is zero and nothing runs yet. */
  static async create(options: CpuOptions): Promise<Cpu> {
    let loadFailed: (error: unknown) => void = () => {};
    const failed = new Promise<never>((_, reject) => {
      loadFailed = reject;
    });
    const emulator = new V86({
      wasm_fn: async (imports: Record<string, Record<string, unknown>>) => {
        try {
          const { wasm } = options;
          const { exports } =
            wasm instanceof WebAssembly.Module
              ? await WebAssembly.instantiate(wasm, imports)
              : (await WebAssembly.instantiate(wasm, imports)).instance;
          // v86's own scheduler yields through its Worker.
          return options.scheduler === "v86" ? exports : withoutWorker(exports);
        } catch (error) {
          loadFailed(new Error("v86's WebAssembly module could not be loaded.", { cause: error }));
          throw error;
        }
      },
      memory_size: options.memoryBytes,
      // The smallest frame buffer: there is no display.
      vga_memory_size: 1024 * 1024,
      // Switches the local APIC and the IOAPIC on; no ACPI tables come with it, for they would come with a BIOS.
      acpi: true,
      autostart: false,
      disable_speaker: true,
      disable_keyboard: true,
      disable_mouse: true,
      net_device: {
        type: options.networkCard ? "virtio" : "none",
        relay_url: "fetch",
        router_ip: options.network.routerIp,
        router_mac: options.network.routerMac,
        vm_ip: options.network.guestIp,
      },
    } as unknown as ConstructorParameters<typeof V86>[0]) as unknown as V86Emulator;
    const loaded = new Promise<void>((resolve) => emulator.add_listener("emulator-loaded", () => resolve()));
    await Promise.race([loaded, failed]);
    checkInternals(emulator);
    return new Cpu(emulator, options);
  }

  private constructor(emulator: V86Emulator, options: CpuOptions) {
    const cpu = emulator.v86.cpu;
    this.#emulator = emulator;
    this.#cpu = cpu;
    this.#words = new Int32Array(cpu.wasm_memory.buffer);
    this.#flagsIndex = cpu.flags.byteOffset >>> 2;
    this.#counterIndex = cpu.instruction_counter.byteOffset >>> 2;
    this.memory = new V86GuestMemory(cpu);
    this.#time = new GuestTime(cpu);
    this.apic = new LocalApic(cpu, () => this.#attend());
    this.router = new V86Router(emulator);
    this.pci = new PciBus(cpu, (cycle) => this.#inside(cycle));
    this.card = options.networkCard ? new V86Card(emulator, this.exitCost) : undefined;
    this.#lines = Array.from({ length: LINES }, (_, line) => new Line((level) => this.#drive(line, level)));
    if (options.scheduler !== "v86") this.#translator = new Translator(cpu, options.interpreted);
    this.#takeOver();
    this.#schedule = schedule(emulator, options.scheduler ?? "doorbell");
  }

  /** Puts `handler` at a block of {@link MMIO_BLOCK_SIZE} bytes. */
  mapMmio(base: number, handler: MmioHandler): void {
    if (base % MMIO_BLOCK_SIZE !== 0)
      throw new RangeError(`0x${base.toString(16)} is not the start of a block`);
    this.#blocks.set(base / MMIO_BLOCK_SIZE, handler);
    this.#cpu.io.mmap_register(
      base | 0,
      MMIO_BLOCK_SIZE,
      (address) => this.#read(handler, address, 1),
      (address, value) => this.#write(handler, address, 1, value & 0xff),
      (address) => this.#read(handler, address, 4) | 0,
      (address, value) => this.#write(handler, address, 4, value >>> 0),
    );
  }

  /** The wired line `number`, 0..15. What it means (level, polarity) is the IOAPIC's to say, from the MP table. */
  line(number: number): InterruptLine {
    const line = this.#lines[number];
    if (!line) throw new RangeError(`there is no interrupt line ${number}`);
    return line;
  }

  /** Shows {@link card} to the guest, as device {@link V86_CARD_DEVICE} with its INTA# at a line. */
  attachCard(line: number): void {
    this.card?.attach(this.#cpu, this.pci, line);
  }

  /** Calls back once: at the first access of the guest to anything that was mapped or put on PCI. */
  onFirstAccess(callback: () => void): void {
    this.#onFirstAccess = callback;
  }

  /** Tells `observer` of interrupts from now on, as far as they can be seen; undefined ends it. */
  observeInterrupts(observer: InterruptObserver | undefined): void {
    this.#watch = observer && new InterruptWatch(this.#cpu, observer);
  }

  /** The interrupt controllers as they stand. */
  inspectInterrupts(): InterruptState {
    return inspectInterrupts(this.#cpu);
  }

  /** Puts the CPU where a 32-bit boot loader would: flat protected mode, interrupts off, ESI at boot_params. */
  enter(state: EntryState): void {
    const cpu = this.#cpu;
    cpu.gdtr_offset[0] = state.gdt.address;
    cpu.gdtr_size[0] = state.gdt.bytes - 1;
    cpu.cr[0] = 1;
    cpu.protected_mode[0] = 1;
    cpu.is_32[0] = 1;
    cpu.stack_size_32[0] = 1;
    cpu.flags[0] = 2;
    const codeSegment = 1;
    for (let segment = 0; segment < 6; segment++) {
      cpu.sreg[segment] = segment === codeSegment ? state.codeSelector : state.dataSelector;
      cpu.segment_is_null[segment] = 0;
      cpu.segment_offsets[segment] = 0;
      cpu.segment_limits[segment] = 0xffffffff;
      cpu.segment_access_bytes[segment] = segment === codeSegment ? 0x9b : 0x93;
    }
    for (let register = 0; register < 8; register++) cpu.reg32[register] = 0;
    const esi = 6;
    cpu.reg32[esi] = state.bootParams;
    cpu.instruction_pointer[0] = state.entry | 0;
    cpu.update_state_flags();
  }

  get running(): boolean {
    return this.#running;
  }

  /** Bytes of WebAssembly memory: the guest's RAM and v86's own state. It only ever grows. */
  get wasmBytes(): number {
    return this.#cpu.wasm_memory.buffer.byteLength;
  }

  run(): void {
    if (this.#running || this.#destroyed) return;
    this.#running = true;
    this.#cutShort = false;
    void this.#emulator.run();
  }

  /** Stops after the current slice (about a millisecond). */
  stop(): void {
    if (!this.#running) return;
    this.#running = false;
    void this.#emulator.stop();
  }

  /**
   * Stops as soon as v86 lets go, also from within an access: not at the slice's end but where the translated code that runs
   * now looks up. That is some tens of instructions on in a kernel, and 100003 at most, in a loop that was translated as
   * a whole. Resolves when the CPU stands.
   */
  async stopSoon(): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    this.#cutShort = true;
    // v86 counts the slice's instructions by this counter: it takes the slice to be over. Ours does not see the jump.
    void this.instructions;
    const words = this.#state();
    words[this.#counterIndex] = ((words[this.#counterIndex] ?? 0) + SLICE_INSTRUCTIONS) | 0;
    this.#lastCounter = (this.#lastCounter + SLICE_INSTRUCTIONS) >>> 0;
    await this.#emulator.stop();
  }

  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    this.#running = false;
    this.#destroyed = true;
    await this.#emulator.destroy();
    this.#schedule.end();
  }

  /** The state, guest memory aside. Not from within a register access: only between slices it is whole. */
  save(): CpuState {
    this.#time.skipGap();
    return {
      v86: saveV86(this.#emulator),
      clock: performance.now(),
      instructions: this.instructions,
      lines: this.#lines.reduce((bits, { level }, line) => (level ? bits | (1 << line) : bits), 0),
      messages: { ...this.apic.counters },
    };
  }

  /** Guest memory at the same moment as {@link save}. */
  saveMemory(): MemoryPages {
    return saveMemory(this.#cpu);
  }

  /**
   * Takes a state over, in place of {@link enter}: guest memory is for the caller to fill. Guest time goes on where it
   * stood, but for the real-time clock, which tells the time of day.
   * @throws StateError
   */
  restore(state: CpuState): void {
    restoreV86(this.#emulator, state.v86, performance.now() - state.clock);
    this.#lastCounter = (this.#state()[this.#counterIndex] ?? 0) >>> 0;
    this.#instructions = state.instructions;
    for (const [number, line] of this.#lines.entries()) line.restore((state.lines & (1 << number)) !== 0);
    Object.assign(this.apic.counters, state.messages);
    this.#time.mark();
  }

  /** Guest instructions executed so far (v86's 32-bit counter, unwrapped). */
  get instructions(): number {
    const words = this.#state();
    const counter = (words[this.#counterIndex] ?? 0) >>> 0;
    this.#instructions += (counter - this.#lastCounter) >>> 0;
    this.#lastCounter = counter;
    return this.#instructions;
  }

  /** Calls back when the guest halted for good, asked for a reboot, or the emulated CPU failed. */
  onEvent(callback: (event: CpuEvent, detail: string) => void): void {
    this.#onEvent = callback;
  }

  /** Calls back when a gap was left out of guest time ({@link GuestTime}): the guest's time of day is behind. */
  onGap(callback: () => void): void {
    this.#onGap = callback;
  }

  /** Calls back for each byte the guest writes to its first serial port. */
  onSerialOutput(callback: (byte: number) => void): void {
    this.#onSerial = callback;
  }

  serialInput(byte: number): void {
    this.#emulator.emulator_bus.send("serial0-input", byte);
  }

  /** An access begins. */
  #trap(): void {
    this.exitCost.charge();
    this.#watch?.look();
    this.#depth += 1;
    if (this.#onFirstAccess === undefined) return;
    this.#onFirstAccess();
    this.#onFirstAccess = undefined;
  }

  #read(handler: MmioHandler, address: number, size: 1 | 4): number {
    this.#trap();
    try {
      return handler.read(address >>> 0, size);
    } finally {
      this.#depth -= 1;
      this.#watch?.look();
    }
  }

  #write(handler: MmioHandler, address: number, size: 1 | 2 | 4, value: number): void {
    this.#trap();
    try {
      handler.write(address >>> 0, size, value);
    } finally {
      this.#depth -= 1;
      this.#watch?.look();
    }
  }

  /** Anything else that the guest does which device code answers, a configuration cycle for one. */
  #inside<T>(access: () => T): T {
    this.#trap();
    try {
      return access();
    } finally {
      this.#depth -= 1;
      this.#watch?.look();
    }
  }

  /**
   * Inside a register access translated code has not stored its instruction pointer yet, so an interrupt taken
   * there would return to the wrong place: the CPU finds it at its next check (STI, POPF, IRET, HLT, or the end of
   * its slice). Outside of one, and with interrupts enabled, it is taken now, which also wakes a halted CPU.
   */
  #attend(): void {
    if (this.#depth !== 0 || this.#destroyed) return;
    this.#watch?.look();
    this.#cpu.handle_irqs();
    this.#watch?.look();
    if (this.#running) this.#schedule.kick();
  }

  /** v86 looks for interrupts in raise and lower itself: inside a register access, hide IF from it meanwhile. */
  #drive(line: number, level: boolean): void {
    if (this.#destroyed) return;
    // v86 handles the EOI of a level-triggered interrupt out of sight; there is one each time the line has been up.
    if (!level) this.exitCost.charge();
    this.#watch?.observer.line(line, level);
    const cpu = this.#cpu;
    if (this.#depth === 0) {
      this.#watch?.look();
      if (level) cpu.device_raise_irq(line);
      else cpu.device_lower_irq(line);
      this.#watch?.look();
      if (level && this.#running) this.#schedule.kick();
      return;
    }
    const words = this.#state();
    const flags = words[this.#flagsIndex] ?? 0;
    words[this.#flagsIndex] = flags & ~FLAGS_IF;
    if (level) cpu.device_raise_irq(line);
    else cpu.device_lower_irq(line);
    words[this.#flagsIndex] = flags;
  }

  /** v86's state words; taken anew when WebAssembly memory has grown. */
  #state(): Int32Array {
    if (this.#words.length === 0) this.#words = new Int32Array(this.#cpu.wasm_memory.buffer);
    return this.#words;
  }

  /** Replaces what v86 does by default for 16-bit writes, faults, halts and reboots. */
  #takeOver(): void {
    const cpu = this.#cpu;
    keepMemoryOut(cpu);
    // v86 splits a 16-bit write into two 8-bit ones; registers that are 16 bits wide need it whole.
    const split = cpu.mmap_write16;
    cpu.mmap_write16 = (address, value) => {
      const handler = this.#blocks.get(Math.floor((address >>> 0) / MMIO_BLOCK_SIZE));
      if (handler) this.#write(handler, address, 2, value & 0xffff);
      else split.call(cpu, address, value);
    };
    // Between two stretches of a slice v86 asks for its timers. A CPU that halts there ends the slice; it is no halt of
    // the guest's, and is taken back when the slice has ended. What is pending is taken first, as it would be.
    const timers = cpu.run_hardware_timers;
    let halted = false;
    cpu.run_hardware_timers = (acpi, now) => {
      const idle = timers.call(cpu, acpi, now);
      if (!this.#cutShort) return idle;
      cpu.handle_irqs();
      if (cpu.in_hlt[0] === 0) {
        halted = true;
        cpu.in_hlt[0] = 1;
      }
      return 0;
    };
    const slice = cpu.main_loop;
    cpu.main_loop = () => {
      try {
        if (this.#time.skipGap()) queueMicrotask(() => this.#onGap());
        const idle = slice.call(cpu);
        this.#time.mark();
        if (halted) cpu.in_hlt[0] = 0;
        halted = this.#cutShort = false;
        const before = this.#instructions;
        this.#translator?.count(this.instructions - before);
        this.#watch?.look();
        return idle;
      } catch (error) {
        this.#stopBy("fault", error instanceof Error ? error.message : String(error));
        return 1000;
      }
    };
    // The guest's reset button (keyboard controller, PCI reset): without a BIOS there is nothing to restart into.
    cpu.reboot_internal = () => this.#stopBy("reboot", "the guest asked for a reset");
    this.#emulator.add_listener("cpu-event-halt", () => this.#stopBy("halted", "the guest halted its CPU"));
    this.#emulator.add_listener("serial0-output-byte", (byte: number) => this.#onSerial(byte));
  }

  #stopBy(event: CpuEvent, detail: string): void {
    if (this.#destroyed) return;
    this.stop();
    // Not from inside v86: what listens may destroy the machine.
    queueMicrotask(() => this.#onEvent(event, detail));
  }
}
