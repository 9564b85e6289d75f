/**
 * PCI bus 0, as configuration mechanism #1 reaches it (PCI Local Bus Specification 3.0, section 3.2.2.3.2): our own
 * functions, and those of v86's that are let through. The address port 0xCF8, and the reset register 0xCF9 within it,
 * stay v86's; the data port 0xCFC is ours, because v86 reads at the write of the address (a register whose reading has
 * an effect cannot be had that way), fails on 8-bit writes to a slot where nothing is, and shows devices that no guest
 * of ours is to probe.
 */
import type { PciFunction } from "../virtio/types.ts";
import type { V86Cpu, V86PciBus } from "./v86-internals.ts";

/** The data port; its four bytes are four ports. */
const CONFIG_DATA = 0xcfc;
/** The address as latched: enable bit, reserved bits, bus, device, function, register. */
const ENABLE = 0x8000_0000;
const DEVICES = 32;

/** Runs a configuration cycle in such a way that an interrupt it raises is taken when the CPU can take one. */
export type CycleGuard = <T>(cycle: () => T) => T;

/** See the file's head. */
export class PciBus {
  readonly #bus: V86PciBus;
  readonly #guard: CycleGuard;
  /** By device number; each has function 0 only. */
  readonly #functions: (PciFunction | undefined)[] = new Array<undefined>(DEVICES).fill(undefined);

  constructor(cpu: V86Cpu, guard: CycleGuard) {
    this.#bus = cpu.devices.pci;
    this.#guard = guard;
    for (let byte = 0; byte < 4; byte++) {
      const read = (size: 1 | 2 | 4) => () => this.#read(byte, size);
      const write = (size: 1 | 2 | 4) => (value: number) => this.#write(byte, size, value);
      // Accesses of 2 and 4 bytes are aligned, as far as this port goes.
      const half = byte % 2 === 0;
      const port = CONFIG_DATA + byte;
      cpu.io.register_read(port, this.#bus, read(1), half ? read(2) : undefined, byte ? undefined : read(4));
      cpu.io.register_write(
        port,
        this.#bus,
        write(1),
        half ? write(2) : undefined,
        byte ? undefined : write(4),
      );
    }
  }

  /**
   * Puts a function at a device number, 0..31.
   * @throws RangeError when there is no such number, or it is taken.
   */
  insert(device: number, pciFunction: PciFunction): void {
    if (!Number.isInteger(device) || device < 0 || device >= DEVICES) {
      throw new RangeError(`there is no device number ${device} on a PCI bus`);
    }
    if (this.#functions[device] !== undefined) throw new RangeError(`PCI device ${device} is taken`);
    this.#functions[device] = pciFunction;
  }

  /** Lets one of v86's own devices be seen. Throws as {@link insert} does, and when v86 has none there. */
  reveal(device: number): void {
    const address = ENABLE + device * 0x800;
    const space = this.#bus.device_spaces[device << 3];
    if (space === undefined) throw new RangeError(`v86 has no PCI device ${device}`);
    this.insert(device, {
      read32: (offset) => (space[offset >>> 2] ?? 0) >>> 0,
      write: (offset, size, value) => {
        // v86 wants what a port write would have: a signed word.
        const at = (address + offset) | 0;
        if (size === 1) this.#bus.pci_write8(at, value);
        else if (size === 2) this.#bus.pci_write16(at, value);
        else this.#bus.pci_write32(at, value | 0);
      },
    });
  }

  /** The function that the latched address names. */
  #selected(address: number): PciFunction | undefined {
    if ((address & ENABLE) === 0) return undefined;
    const bus = (address >>> 16) & 0xff;
    const device = (address >>> 11) & 0x1f;
    const number = (address >>> 8) & 7;
    return bus === 0 && number === 0 ? this.#functions[device] : undefined;
  }

  #address(): number {
    return this.#bus.pci_addr32[0] ?? 0;
  }

  /** What port_read wants: unsigned for 1 and 2 bytes, signed for 4. Where nothing is, all ones are read. */
  #read(byte: number, size: 1 | 2 | 4): number {
    const address = this.#address();
    const selected = this.#selected(address);
    const word = selected === undefined ? -1 : this.#guard(() => selected.read32(address & 0xfc)) | 0;
    if (size === 4) return word;
    return (word >>> (8 * byte)) & (size === 2 ? 0xffff : 0xff);
  }

  #write(byte: number, size: 1 | 2 | 4, value: number): void {
    const address = this.#address();
    const selected = this.#selected(address);
    if (selected === undefined) return;
    const unsigned = size === 4 ? value >>> 0 : value & (size === 2 ? 0xffff : 0xff);
    this.#guard(() => selected.write((address & 0xfc) + byte, size, unsigned));
  }
}
