import {
  VIRTIO_F_VERSION_1,
  VIRTIO_MMIO_DRIVER_FEATURES,
  VIRTIO_MMIO_QUEUE_DESC_LOW,
  VIRTIO_MMIO_QUEUE_DEVICE_HIGH,
  VIRTIO_MMIO_QUEUE_NOTIFY,
  VIRTIO_MMIO_QUEUE_NUM,
  VIRTQ_AVAIL_ELEMENT_SIZE,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_DESC_SIZE,
  VIRTQ_RING_HEADER_SIZE,
} from "../../src/virtio/defs.ts";
import { MockMemory } from "../../src/virtio/testing/mock-memory.ts";
import { MmioRig, PciRig, rigFor } from "../../src/virtio/testing/mock-rig.ts";
import {
  PCI_STD_HEADER_SIZEOF,
  VIRTIO_PCI_COMMON_GF,
  VIRTIO_PCI_COMMON_MSIX,
  VIRTIO_PCI_COMMON_Q_SIZE,
  VIRTIO_PCI_COMMON_SIZE,
} from "../../src/virtio/transport/pci-defs.ts";
import { Oracle, Violation } from "../hostile/oracle.ts";
import { SUBJECTS, type Subject } from "../hostile/subjects.ts";
import {
  BUFFERS,
  MOST_DESCRIPTORS,
  type Op,
  RAM,
  RING_SLOT,
  RINGS,
  SANCTUARY_END,
  type Sequence,
  TABLE,
  TABLE_ENTRIES,
} from "./sequence.ts";

const SANCTUARY_BYTE = 0x5c;
const SANCTUARY_WORD = 0x5c5c5c5c;
/** Stages of an initialisation: after this many the driver stops. */
const STAGES = 7;

/** One queue as the driver sees it. */
interface Queue {
  size: number;
  table: number;
  avail: number;
  used: number;
  nextAvail: number;
}

/** A guest memory that may be used for one sequence after another. */
export const fuzzMemory = (): MockMemory => new MockMemory(RAM, SANCTUARY_END);

/** Plays a sequence on fresh devices; what was violated, or undefined when nothing was. Clears `memory` first. */
export function replay(
  sequence: Sequence,
  memory: MockMemory = fuzzMemory(),
  subject: Subject = SUBJECTS[sequence.device](),
): string | undefined {
  const player = new Player(sequence, memory, subject);
  try {
    for (const op of sequence.ops) player.play(op);
    player.end();
    return undefined;
  } catch (error) {
    if (error instanceof Violation) return error.message;
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
}

class Player {
  readonly #memory: MockMemory;
  readonly #rig: MmioRig | PciRig;
  readonly #subject: Subject;
  readonly #oracle: Oracle;
  readonly #wild: boolean;
  readonly #queues: Queue[];

  constructor(sequence: Sequence, memory: MockMemory, subject: Subject) {
    memory.clear();
    memory.view(0, SANCTUARY_END).fill(SANCTUARY_BYTE);
    this.#memory = memory;
    this.#wild = sequence.wild;
    this.#subject = subject;
    this.#rig = rigFor(subject.device, sequence.transport, memory);
    const sizes = subject.device.queueSizes.map(() => MOST_DESCRIPTORS);
    this.#oracle = new Oracle(this.#rig, subject, sequence.wild ? subject.device.queueSizes : sizes);
    this.#queues = sizes.map((size, index) => {
      const table = RINGS + RING_SLOT * index;
      return { size, table, avail: table + 0x100, used: table + 0x140, nextAvail: 0 };
    });
  }

  play([name, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, ...rest]: Op): void {
    const { registers } = this.#rig.driver;
    const queue = this.#queues[a];
    switch (name) {
      case "initialise":
        this.#initialise(a, b, c !== 0, d);
        break;
      case "read":
        this.#oracle.step(() => registers.read(a, width(b)));
        break;
      case "write":
        if (this.#wild || !this.#settles(a)) this.#oracle.step(() => registers.write(a, width(b), c));
        break;
      case "cycle":
        this.#cycle(a, b, c);
        break;
      case "status":
        this.#oracle.step(() => this.#rig.driver.writeStatus(a));
        break;
      case "place":
        this.#place(a, b, c, d, e);
        break;
      case "descriptor":
        if (queue !== undefined)
          this.#descriptor(queue.table, b % MOST_DESCRIPTORS, c, d, e, f, rest[0] ?? 0);
        break;
      case "table":
        this.#descriptor(TABLE, a % TABLE_ENTRIES, b, c, d, e, f);
        break;
      case "bytes":
        [b, c, d, e, f, ...rest].forEach((byte, i) => {
          this.#poke8(a + i, byte);
        });
        break;
      case "chain":
        if (queue !== undefined) this.#chain(queue, b, c, d, e, f);
        break;
      case "ring":
        if (queue !== undefined) this.#ring(queue, b !== 0 ? VIRTQ_DESC_F_WRITE : 0, c, d);
        break;
      case "offer":
        if (queue !== undefined) this.#offer(queue, b);
        break;
      case "publish":
        if (queue !== undefined) this.#poke16(queue.avail + 2, queue.nextAvail);
        break;
      case "index":
        if (queue !== undefined) this.#poke16(queue.avail + 2, b);
        break;
      case "event":
        if (queue !== undefined)
          this.#poke16(queue.avail + VIRTQ_RING_HEADER_SIZE + VIRTQ_AVAIL_ELEMENT_SIZE * queue.size, b);
        break;
      case "flags":
        if (queue !== undefined) this.#poke16(queue.avail, b);
        break;
      case "kick":
        this.#kick(a);
        break;
      case "outside":
        for (let i = 0; i < Math.min(c, 2 * MOST_DESCRIPTORS); i++) {
          this.#oracle.step(() => this.#subject.disturb(a, b));
        }
        break;
      case "quiesce":
        if (this.#rig instanceof MmioRig) this.#oracle.step(this.#quiesce);
        break;
      case "switch":
        this.#switch(a !== 0, b !== 0);
        break;
      case "withdraw":
        if (this.#rig instanceof MmioRig) this.#oracle.step(this.#withdraw);
        break;
    }
  }

  /** Queue registers, queue by queue: rings of any kind in wild sequences, only small ones in others. */
  #place(index: number, size: number, table: number, avail: number, used: number): void {
    const { driver, device } = this.#rig;
    const queue = this.#queues[index];
    const legal = !this.#wild && size > MOST_DESCRIPTORS && size <= (device.queueSizes[index] ?? 0);
    const written = legal ? MOST_DESCRIPTORS : size;
    if (queue !== undefined && driver.queueReady(index) === 0) {
      Object.assign(queue, { size: Math.min(Math.max(written, 1), MOST_DESCRIPTORS), table, avail, used });
    }
    this.#oracle.step(() =>
      driver.writeQueue(index, {
        size: written,
        descriptorTable: table,
        availableRing: avail,
        usedRing: used,
      }),
    );
  }

  readonly #quiesce = (): void => {
    if (this.#rig instanceof MmioRig) this.#rig.transport.quiesce();
  };
  readonly #withdraw = (): void => {
    if (this.#rig instanceof MmioRig) this.#rig.transport.withdraw();
  };

  #switch(msi: boolean, perQueue: boolean): void {
    const rig = this.#rig;
    if (!(rig instanceof MmioRig)) return;
    this.#oracle.switching = true;
    this.#oracle.step(() =>
      rig.transport.offer({ interrupts: msi ? "msi" : "wired", doorbell: perQueue ? "per-queue" : "shared" }),
    );
  }

  /** Whether a register says where a queue lies or what is negotiated: only wild sequences write those one by one. */
  #settles(offset: number): boolean {
    if (this.#rig instanceof PciRig) {
      const features = offset >= VIRTIO_PCI_COMMON_GF && offset < VIRTIO_PCI_COMMON_MSIX;
      return features || (offset >= VIRTIO_PCI_COMMON_Q_SIZE && offset < VIRTIO_PCI_COMMON_SIZE);
    }
    return (
      offset === VIRTIO_MMIO_DRIVER_FEATURES ||
      (offset >= VIRTIO_MMIO_QUEUE_NUM && offset < VIRTIO_MMIO_QUEUE_NOTIFY) ||
      (offset >= VIRTIO_MMIO_QUEUE_DESC_LOW && offset <= VIRTIO_MMIO_QUEUE_DEVICE_HIGH)
    );
  }

  #cycle(offset: number, size: number, value: number): void {
    const rig = this.#rig;
    if (!(rig instanceof PciRig)) return;
    // The capability for access through configuration space reaches every register.
    if (size !== 0 && offset >= PCI_STD_HEADER_SIZEOF && !this.#wild) return;
    const { configuration } = rig.driver;
    if (size === 0) this.#oracle.step(() => configuration.read32(offset & 0xfc));
    else
      this.#oracle.step(() =>
        configuration.write(offset & 0xff & ~(width(size) - 1), width(size), value >>> 0),
      );
  }

  /** The steps of virtio 1.2 section 3.1.1 as far as `stages`, each an access of its own. */
  #initialise(leftOut: number, sizes: number, messages: boolean, stages: number): void {
    const { driver, device } = this.#rig;
    const oracle = this.#oracle;
    const steps: (() => void)[] = [
      () => {
        if (this.#rig instanceof PciRig) this.#rig.driver.enable();
        driver.reset();
        oracle.switching = false;
      },
      () => driver.acknowledge(),
      () => driver.driver(),
      () => {
        const features = driver.readFeatures() & ~BigInt(leftOut >>> 0);
        driver.writeFeatures(features | (1n << BigInt(VIRTIO_F_VERSION_1)));
        driver.featuresOk();
        if (this.#rig instanceof MmioRig) this.#rig.driver.findDoorbells();
      },
      () => {
        if (messages && driver.vectors > 0) driver.enableMessages();
      },
      () => {
        for (const index of device.queueSizes.keys()) {
          const queue = this.#queues[index] as Queue; // one for each
          const size = 2 ** (((sizes >>> (3 * (index % 10))) & 7) % 5);
          const table = RINGS + RING_SLOT * index;
          Object.assign(queue, { size, table, avail: table + 0x100, used: table + 0x140, nextAvail: 0 });
          this.#memory.view(table, RING_SLOT).fill(0);
          driver.writeQueue(index, {
            size,
            descriptorTable: table,
            availableRing: queue.avail,
            usedRing: queue.used,
          });
        }
      },
      () => driver.driverOk(),
    ];
    for (const step of steps.slice(0, Math.min(stages, STAGES))) oracle.step(step);
  }

  #chain(
    queue: Queue,
    first: number,
    readable: number,
    writable: number,
    length: number,
    address: number,
  ): void {
    const count = Math.min(readable + writable, queue.size);
    if (count === 0) return;
    for (let i = 0; i < count; i++) {
      const more = i + 1 < count ? VIRTQ_DESC_F_NEXT : 0;
      const at = (first + i) % queue.size;
      const flags = more | (i < readable ? 0 : VIRTQ_DESC_F_WRITE);
      this.#descriptor(queue.table, at, address, 0, length, flags, (at + 1) % queue.size);
    }
    this.#offer(queue, first % queue.size);
  }

  #ring(queue: Queue, flags: number, length: number, address: number): void {
    for (let i = 0; i < queue.size; i++) {
      const more = i + 1 < queue.size ? VIRTQ_DESC_F_NEXT : 0;
      this.#descriptor(queue.table, i, address, 0, length, flags | more, i + 1);
      this.#offer(queue, i);
    }
  }

  #offer(queue: Queue, head: number): void {
    const slot = queue.nextAvail & (queue.size - 1);
    this.#poke16(queue.avail + VIRTQ_RING_HEADER_SIZE + VIRTQ_AVAIL_ELEMENT_SIZE * slot, head);
    queue.nextAvail = (queue.nextAvail + 1) & 0xffff;
  }

  #kick(index: number): void {
    const { driver, transport } = this.#rig;
    this.#oracle.step(() => driver.kick(index));
    const queue = this.#queues[index];
    // In rings that nothing else lies on, what was there for the device has come back, or it says why not.
    if (this.#wild || queue === undefined || !this.#subject.outbound(index, driver.features)) return;
    if (!transport.ready || driver.queueReady(index) !== 1) return;
    const memory = this.#memory;
    if (!memory.contains(queue.used, 4) || !memory.contains(queue.avail, 4)) return;
    if (memory.readU16(queue.used + 2) !== memory.readU16(queue.avail + 2)) {
      throw new Violation(`queue ${index}: a chain did not come back, and the device says that it is well`);
    }
  }

  #descriptor(
    table: number,
    index: number,
    address: number,
    high: number,
    length: number,
    flags: number,
    next: number,
  ): void {
    const at = table + VIRTQ_DESC_SIZE * index;
    const memory = this.#memory;
    if (!memory.contains(at, VIRTQ_DESC_SIZE) || at < SANCTUARY_END) return;
    // Only wild sequences have buffers on rings and tables; in others no number may lead there.
    memory.writeU32(at, this.#wild || address >= TABLE ? address : BUFFERS + address);
    memory.writeU32(at + 4, high);
    memory.writeU32(at + 8, length);
    memory.writeU16(at + 12, flags);
    memory.writeU16(at + 14, next);
  }

  #poke8(address: number, value: number): void {
    if (address >= SANCTUARY_END && this.#memory.contains(address, 1)) this.#memory.writeU8(address, value);
  }
  #poke16(address: number, value: number): void {
    if (address >= SANCTUARY_END && this.#memory.contains(address, 2)) this.#memory.writeU16(address, value);
  }

  end(): void {
    if (!this.#wild) {
      for (let at = 0; at < SANCTUARY_END; at += 4) {
        if (this.#memory.readU32(at) !== SANCTUARY_WORD) {
          throw new Violation("memory that no driver ever named was written");
        }
      }
    }
    if (this.#rig instanceof PciRig) this.#rig.driver.enable();
    this.#oracle.recovers();
  }
}

function width(size: number): 1 | 2 | 4 {
  return size === 1 || size === 2 ? size : 4;
}
