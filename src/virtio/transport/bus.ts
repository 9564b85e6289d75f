/** What answers in a range of a bus. It sees offsets from its own start and never its address. */
export interface BusDevice {
  /** Returns an unsigned value of `size` bytes. */
  read(offset: number, size: 1 | 2 | 4): number;
  write(offset: number, size: 1 | 2 | 4, value: number): void;
}

/** Bytes of the block that one bus spans. */
export const BUS_BLOCK_SIZE = 0x2_0000;
/** Ranges start and end at multiples of this many bytes, so that one look in a table finds who answers. */
export const BUS_PAGE_SIZE = 0x1000;

interface Slot {
  readonly base: number;
  readonly device: BusDevice;
}

/**
 * A bus of device windows in one block of guest-physical addresses. An access where nothing is answers as an
 * unconnected bus does: it reads all ones, and a write is lost. Both are counted.
 */
export class MmioBus {
  /** Address of the block. */
  readonly base: number;
  missedReads = 0;
  missedWrites = 0;
  readonly #pages: (Slot | undefined)[];

  constructor(base: number, size: number = BUS_BLOCK_SIZE) {
    if (!wholePages(base) || !wholePages(size) || size === 0) {
      throw new RangeError("a bus spans whole pages");
    }
    this.base = base;
    this.#pages = new Array<Slot | undefined>(size / BUS_PAGE_SIZE).fill(undefined);
  }

  /**
   * Puts a device at [base, base + size), guest-physical.
   * @throws RangeError when the range is empty, not whole pages, outside of the block, or taken in part.
   */
  insert(base: number, size: number, device: BusDevice): void {
    const where = `0x${base.toString(16)} + 0x${size.toString(16)}`;
    if (size <= 0) throw new RangeError(`bus range ${where} is empty`);
    if (!wholePages(base) || !wholePages(size))
      throw new RangeError(`bus range ${where} is not of whole pages`);
    const first = (base - this.base) / BUS_PAGE_SIZE;
    const end = first + size / BUS_PAGE_SIZE;
    if (first < 0 || end > this.#pages.length)
      throw new RangeError(`bus range ${where} is outside of the block`);
    for (let page = first; page < end; page++) {
      const taken = this.#pages[page];
      if (taken !== undefined) {
        throw new RangeError(`bus range ${where} overlaps the device at 0x${taken.base.toString(16)}`);
      }
    }
    this.#pages.fill({ base, device }, first, end);
  }

  /** Reads `size` bytes at a guest-physical address, unsigned. */
  read(address: number, size: 1 | 2 | 4): number {
    const slot = this.#pages[Math.floor((address - this.base) / BUS_PAGE_SIZE)];
    if (slot !== undefined) return slot.device.read(address - slot.base, size);
    this.missedReads++;
    return size === 4 ? 0xffff_ffff : size === 2 ? 0xffff : 0xff;
  }

  /** Writes `size` bytes at a guest-physical address. */
  write(address: number, size: 1 | 2 | 4, value: number): void {
    const slot = this.#pages[Math.floor((address - this.base) / BUS_PAGE_SIZE)];
    if (slot !== undefined) slot.device.write(address - slot.base, size, value);
    else this.missedWrites++;
  }
}

function wholePages(bytes: number): boolean {
  return Number.isInteger(bytes) && bytes >= 0 && bytes % BUS_PAGE_SIZE === 0;
}
