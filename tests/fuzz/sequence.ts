import {
  VIRTIO_MMIO_MSI_COMMAND,
  VIRTIO_MMIO_MSI_STATUS,
  VIRTQ_DESC_F_INDIRECT,
} from "../../src/virtio/defs.ts";
import type { TransportName } from "../../src/virtio/testing/mock-rig.ts";
import type { SubjectName } from "../hostile/subjects.ts";
import type { Random } from "./random.ts";

/** One thing that happens: its name and its numbers. Any numbers will do, so that any part of a sequence is one too. */
export type Op = readonly [name: OpName, ...numbers: number[]];

/** What there is, with the numbers that each takes. replay.ts says what they do. */
export const OP_NAMES = [
  "initialise", // features left out (32 bits), sizes (4 bits a queue), messages 0/1, stages
  "read", // offset, size
  "write", // offset, size, value
  "cycle", // offset, size (0: read), value: a PCI configuration cycle
  "status", // value
  "place", // queue, size, descriptor table, available ring, used ring
  "descriptor", // queue, index, address, address high, length, flags, next
  "table", // index, address, address high, length, flags, next: the same in an indirect table
  "bytes", // address, bytes...
  "chain", // queue, first descriptor, readable buffers, writable buffers, length of each, address
  "ring", // queue, writable 0/1, length of each, address: every descriptor leads to the next, and every one is a head
  "offer", // queue, head
  "publish", // queue
  "index", // queue, available index
  "event", // queue, used_event
  "flags", // queue, available ring's flags
  "kick", // queue
  "outside", // kind, amount, how often
  "quiesce",
  "switch", // interrupts, doorbell
  "withdraw",
] as const;
export type OpName = (typeof OP_NAMES)[number];

/** A sequence, and what it is played on. */
export interface Sequence {
  readonly device: SubjectName;
  readonly transport: TransportName;
  /** Whether buffers may lie on rings and tables: then a device that obeys scribbles over its own rings. */
  readonly wild: boolean;
  readonly ops: readonly Op[];
}

/** The fuzzer's guest memory, by address: nothing is ever placed at `sanctuary`. */
export const RAM = 0x1_0000;
export const SANCTUARY_END = 0x400;
export const RINGS = 0x1000;
export const RING_SLOT = 0x200;
export const TABLE = 0x6000;
export const TABLE_ENTRIES = 32;
export const BUFFERS = 0x7000;

/** Largest queue that is set up: every index, size and length around it comes up often. */
export const MOST_DESCRIPTORS = 16;

const LENGTHS = [0, 1, 2, 8, 10, 11, 12, 13, 16, 26, 27, 60, 74, 112, 500, 1514, 1526, 1530, 4096, 0x8000];
const HUGE = [0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff];
const ADDRESSES = [RAM - 1, RAM - 16, RAM, RAM + 1, 0xd000_0000, 0xd002_0000, 0xfee0_00b0, 0xffff_ffff];
const WORDS = [0, 1, 2, 3, 4, 7, 8, 0xf, 0x10, 0x40, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0xffff_ffff];

/** Offsets of registers, by transport: every one that there is, and the places between and behind. */
const offset = (random: Random, transport: TransportName): number => {
  if (random.once(10)) return random.below(0x4000);
  if (transport.startsWith("pci")) {
    const area = random.pick([0, 0, 0, 0x100, 0x200, 0x1000, 0x2000, 0x2000, 0x3000]);
    return area + (random.once(4) ? random.below(0x60) : 2 * random.below(0x20));
  }
  if (random.once(4)) return random.pick([VIRTIO_MMIO_MSI_STATUS, VIRTIO_MMIO_MSI_COMMAND, 0xc4, 0xc8, 0xcc]);
  return (
    random.pick([0, 0, 0, 0, 0x100, 0x1000]) + 4 * random.below(0x40) + (random.once(8) ? random.below(4) : 0)
  );
};

const size = (random: Random): number => random.pick([4, 4, 4, 4, 2, 2, 1]);
const word = (random: Random): number => (random.once(3) ? random.word() : random.pick(WORDS));
const message = (random: Random): number =>
  random.once(3) ? word(random) : random.pick([0xfee0_0000, 0xfee0_00b0, 0xfee1_2000, 0x41, 0x4041, 0x8041]);
const index = (random: Random): number =>
  random.once(12) ? random.below(0x1_0000) : random.below(MOST_DESCRIPTORS);
const length = (random: Random): number =>
  random.once(16) ? random.pick(HUGE) : random.once(6) ? random.below(0x2000) : random.pick(LENGTHS);

/** A place for a buffer: most often a good one. */
function address(random: Random, wild: boolean): number {
  if (random.once(20)) return random.pick(ADDRESSES);
  if (wild && random.once(3)) return RINGS + random.below(TABLE - RINGS);
  return BUFFERS + random.below(RAM - BUFFERS);
}

/** Flags of a descriptor. What is somewhere in memory is a table in wild sequences only. */
function flags(random: Random, wild: boolean): number {
  const any = random.once(12) ? random.below(0x1_0000) : random.pick([0, 0, 1, 1, 2, 2, 3, 3, 4, 5]);
  return wild ? any : any & ~VIRTQ_DESC_F_INDIRECT;
}
const high = (random: Random): number => (random.once(30) ? random.word() : 0);
const next = (random: Random, from: number): number => (random.once(6) ? index(random) : from + 1);

/** Bytes that a device may take for something: a header of a frame, a command, a control message, or none of it. */
function content(random: Random): number[] {
  switch (random.below(4)) {
    case 0: // struct virtio_net_hdr: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, num_buffers
      return [
        random.pick([0, 1, 2, 4, 0xff]),
        random.pick([0, 1, 3, 4, 5, 0x80, 0x81, 0xff]),
        ...le16(random.pick([0, 14, 54, 0xffff])),
        ...le16(random.pick([0, 1, 536, 1448, 0xffff])),
        ...le16(random.pick([0, 14, 34, 1500, 0xffff])),
        ...le16(random.pick([0, 6, 16, 0xffff])),
        ...le16(random.below(3)),
        // An Ethernet and IPv4 header to go with it, more or less.
        ...Array.from({ length: 12 }, () => random.below(256)),
        ...random.pick([
          [8, 0],
          [0x81, 0],
          [0x86, 0xdd],
          [0, 0],
        ]),
        random.pick([0x45, 0x46, 0x4f, 0x40, 0x60]),
        0,
        ...le16(random.below(0x1_0000)),
        ...Array.from({ length: 5 }, () => random.below(256)),
        random.pick([6, 17, 1]),
      ];
    case 1: // class, command and data of the control queue
      return [
        random.below(8),
        random.below(8),
        ...Array.from({ length: random.pick([0, 2, 4, 6, 8]) }, () => random.pick([0, 1, 2, 0xff])),
      ];
    case 2: // a control message of the console
      return [
        random.pick([0, 1, 2, 0xff]),
        0,
        0,
        random.pick([0, 0xff]),
        random.below(9),
        0,
        random.below(3),
        0,
      ];
    default:
      return Array.from({ length: random.below(24) }, () => random.below(256));
  }
}

const le16 = (value: number): number[] => [value & 0xff, value >> 8];

/** Something that happens, drawn from what a driver, a hostile one or the outside may do. */
function anything(random: Random, { transport, wild }: Omit<Sequence, "ops">, queues: number): Op {
  const queue = random.once(16) ? random.below(0x1_0000) : random.below(queues);
  const slot = index(random);
  switch (random.below(26)) {
    case 0:
      return ["read", offset(random, transport), size(random)];
    case 1:
    case 2:
      return [
        "write",
        offset(random, transport),
        size(random),
        random.once(3) ? message(random) : word(random),
      ];
    case 3:
      return [
        "cycle",
        4 * random.below(40) + (random.once(4) ? random.below(4) : 0),
        random.pick([0, 1, 2, 4]),
        word(random),
      ];
    case 4:
      return ["status", random.once(4) ? word(random) : random.pick([0, 1, 3, 11, 15, 0x80, 0x40, 7])];
    case 5: {
      const place = RINGS + RING_SLOT * (queue % queues);
      const elsewhere = (part: number): number => {
        if (random.once(2)) return place + part;
        return wild
          ? address(random, true) & ~random.below(16)
          : random.pick([...ADDRESSES, place + part + 1]);
      };
      const descriptors = random.once(4) ? word(random) : 2 ** random.below(5);
      return ["place", queue, descriptors, elsewhere(0), elsewhere(0x100), elsewhere(0x140)];
    }
    case 6:
    case 7:
      return [
        "descriptor",
        queue,
        slot,
        address(random, wild),
        high(random),
        length(random),
        flags(random, wild),
        next(random, slot),
      ];
    case 8: {
      const entry = random.below(TABLE_ENTRIES);
      const nested = random.once(8) ? VIRTQ_DESC_F_INDIRECT : 0;
      return [
        "table",
        entry,
        address(random, wild),
        high(random),
        length(random),
        flags(random, wild) | nested,
        next(random, entry),
      ];
    }
    case 9: {
      // A descriptor that names the table, or claims more of one than there is.
      const bytes = random.once(4)
        ? random.pick([0, 8, 17, 0x10_0000, 0xffff_fff0])
        : 16 * random.below(TABLE_ENTRIES);
      const more = random.once(4) ? random.below(4) : 0;
      return ["descriptor", queue, slot, TABLE, 0, bytes, more | VIRTQ_DESC_F_INDIRECT, 0];
    }
    case 10:
    case 11:
      return ["bytes", BUFFERS + 0x100 * random.below(16), ...content(random)];
    case 12:
    case 13:
    case 14:
    case 15:
      return [
        "chain",
        queue,
        random.below(MOST_DESCRIPTORS),
        random.below(4),
        random.below(4),
        length(random),
        BUFFERS + 0x100 * random.below(16),
      ];
    case 16:
      if (random.once(4))
        return ["ring", queue, random.below(2), random.once(2) ? 1 : length(random), address(random, wild)];
      return ["offer", queue, slot];
    case 17:
      return ["publish", queue];
    case 18:
      return ["index", queue, random.once(3) ? random.below(0x1_0000) : random.below(40)];
    case 19:
      return ["event", queue, random.once(3) ? random.below(0x1_0000) : random.below(40)];
    case 20:
      return ["flags", queue, random.below(4)];
    case 21:
      return [
        "outside",
        random.below(256),
        random.below(0x1_0000),
        random.once(4) ? 1 + random.below(2 * MOST_DESCRIPTORS) : 1,
      ];
    case 22:
      return random.once(2)
        ? ["quiesce"]
        : random.once(2)
          ? ["withdraw"]
          : ["switch", random.below(2), random.below(2)];
    case 23:
      return ["initialise", word(random), random.word(), random.below(2), random.below(8)];
    default:
      return ["kick", queue];
  }
}

/** One descriptor of a chain that was all right becomes something else. */
function bend(random: Random, wild: boolean, queue: number, first: number): Op {
  const slot = (first + random.below(3)) % MOST_DESCRIPTORS;
  const to = random.pick([slot, first % MOST_DESCRIPTORS, slot + 1, index(random)]);
  if (random.once(4))
    return [
      "descriptor",
      queue,
      slot,
      TABLE,
      0,
      16 * (1 + random.below(4)),
      VIRTQ_DESC_F_INDIRECT | random.below(4),
      to,
    ];
  return [
    "descriptor",
    queue,
    slot,
    address(random, wild),
    high(random),
    length(random),
    flags(random, wild) | random.below(2),
    to,
  ];
}

/** The sequence of a seed: a driver that gets somewhere, and then does anything. */
export function generate(
  random: Random,
  device: SubjectName,
  transport: TransportName,
  queues: number,
): Sequence {
  const sequence = { device, transport, wild: random.once(2) };
  const ops: Op[] = [];
  if (!random.once(16)) {
    const leaveOut = random.once(2) ? 0 : random.word();
    ops.push(["initialise", leaveOut, random.word(), random.below(2), random.once(6) ? random.below(8) : 7]);
  }
  for (let count = 1 + random.below(24); count > 0; count--) {
    const op = anything(random, sequence, queues);
    ops.push(op);
    const [name, queue = 0, first = 0] = op;
    if (name !== "chain" && name !== "offer" && name !== "ring") continue;
    if (random.once(4)) ops.push(bend(random, sequence.wild, queue, name === "ring" ? 0 : first));
    // What was put into a ring is mostly published, and what was published mostly kicked.
    if (random.once(4)) continue;
    ops.push(["publish", queue]);
    if (!random.once(4)) ops.push(["kick", queue]);
  }
  return { ...sequence, ops };
}
