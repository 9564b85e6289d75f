/**
 * The same attacks on devices whose guest memory and local APIC are the emulated CPU's own: RAM lies in the middle of
 * the emulator's memory, of which not a byte may change.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Cpu } from "../../src/cpu/cpu.ts";
import {
  VIRTQ_DESC_F_INDIRECT as INDIRECT,
  VIRTQ_DESC_F_NEXT as NEXT,
  VIRTIO_CONFIG_S_NEEDS_RESET,
  VIRTIO_F_VERSION_1,
  VIRTIO_MMIO_DRIVER_FEATURES,
  VIRTIO_MMIO_DRIVER_FEATURES_SEL,
  VIRTIO_MMIO_QUEUE_DESC_HIGH,
  VIRTIO_MMIO_QUEUE_DESC_LOW,
  VIRTIO_MMIO_QUEUE_DEVICE_LOW,
  VIRTIO_MMIO_QUEUE_DRIVER_LOW,
  VIRTIO_MMIO_QUEUE_NOTIFY,
  VIRTIO_MMIO_QUEUE_NUM,
  VIRTIO_MMIO_QUEUE_READY,
  VIRTIO_MMIO_QUEUE_SEL,
  VIRTIO_MMIO_STATUS,
  VIRTQ_DESC_F_WRITE as WRITE,
} from "../../src/virtio/defs.ts";
import { MmioTransport } from "../../src/virtio/transport/mmio.ts";
import { SUBJECT_NAMES, SUBJECTS, type SubjectName } from "./subjects.ts";

const RAM = 0x40_0000;
const TABLE = 0x10_0000;
const AVAIL = 0x10_1000;
const USED = 0x10_2000;
const BUFFER = 0x10_3000;

let cpu: Cpu;

beforeAll(async () => {
  cpu = await Cpu.create({
    wasm: await readFile(createRequire(import.meta.url).resolve("v86/build/v86.wasm")),
    memoryBytes: RAM,
    network: { routerIp: "10.0.2.2", routerMac: "52:55:0a:00:02:02", guestIp: "10.0.2.15" },
  });
});

afterAll(() => cpu.destroy());

/** The emulator's memory before and after RAM. */
function outside(): readonly [Uint8Array, Uint8Array] {
  const { buffer, byteOffset } = cpu.memory.view(0, RAM);
  return [new Uint8Array(buffer, 0, byteOffset), new Uint8Array(buffer, byteOffset + RAM)];
}

function hash(): string {
  const sum = createHash("sha1");
  for (const part of outside()) sum.update(part);
  return sum.digest("hex");
}

/** A device on the CPU's own memory, wire and local APIC, its request queue set up at fixed places. */
class Machine {
  readonly subject;
  readonly transport: MmioTransport;

  constructor(name: SubjectName) {
    this.subject = SUBJECTS[name]();
    this.transport = new MmioTransport({
      device: this.subject.device,
      memory: cpu.memory,
      line: { set: () => {} },
      messages: cpu.apic,
      log: () => {},
      interrupts: "msi",
      doorbell: "per-queue",
    });
  }

  put(register: number, value: number): void {
    this.transport.write(register, 4, value);
  }

  start(places: { table?: number; tableHigh?: number; avail?: number; used?: number } = {}): void {
    for (const at of [TABLE, AVAIL, USED]) cpu.memory.view(at, 0x1000).fill(0);
    for (const status of [0, 1, 3]) this.put(VIRTIO_MMIO_STATUS, status);
    for (const [word, bits] of [
      [0, 1 << 28],
      [1, 1 << (VIRTIO_F_VERSION_1 - 32)],
    ] as const) {
      this.put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
      this.put(VIRTIO_MMIO_DRIVER_FEATURES, bits);
    }
    this.put(VIRTIO_MMIO_STATUS, 11);
    this.put(VIRTIO_MMIO_QUEUE_SEL, this.subject.queue);
    this.put(VIRTIO_MMIO_QUEUE_NUM, 16);
    this.put(VIRTIO_MMIO_QUEUE_DESC_LOW, places.table ?? TABLE);
    this.put(VIRTIO_MMIO_QUEUE_DESC_HIGH, places.tableHigh ?? 0);
    this.put(VIRTIO_MMIO_QUEUE_DRIVER_LOW, places.avail ?? AVAIL);
    this.put(VIRTIO_MMIO_QUEUE_DEVICE_LOW, places.used ?? USED);
    this.put(VIRTIO_MMIO_QUEUE_READY, 1);
    this.put(VIRTIO_MMIO_STATUS, 15);
  }

  descriptor(index: number, address: number, high: number, length: number, flags: number, next = 0): void {
    const at = TABLE + 16 * index;
    [address, high, length, flags | (next << 16)].forEach((word, k) => {
      cpu.memory.writeU32(at + 4 * k, word);
    });
  }

  kick(heads = 1): void {
    cpu.memory.writeU16(AVAIL + 2, cpu.memory.readU16(AVAIL + 2) + heads);
    this.put(VIRTIO_MMIO_QUEUE_NOTIFY, this.subject.queue);
  }

  get stopped(): boolean {
    return (this.transport.read(VIRTIO_MMIO_STATUS, 4) & VIRTIO_CONFIG_S_NEEDS_RESET) !== 0;
  }
}

/** What a driver does, by the number of the attack. */
const ATTACKS: readonly (readonly [id: string, attack: (machine: Machine) => void])[] = [
  ...(
    [
      ["A04", RAM, 0, 1],
      ["A04", RAM - 4, 0, 8],
      ["A04", 0xfee0_00b0, 0, 4],
      ["A04", 0xffff_fff0, 0, 16],
      ["A05", 0xffff_f000, 0xffff_ffff, 0x2000],
      ["A06", BUFFER, 0, 0xffff_ffff],
      ["A07", BUFFER, 0, 0x7fff_ffff],
    ] as const
  ).map(
    ([id, address, high, length]) =>
      [
        id,
        (machine: Machine) => {
          machine.start();
          machine.descriptor(0, address, high, length, machine.subject.queue === 0 ? WRITE : 0);
          machine.kick();
        },
      ] as const,
  ),
  ["A13", (machine) => machine.start({ used: RAM - 8 })],
  ["A13", (machine) => machine.start({ avail: 0xffff_fff0 })],
  ["A13", (machine) => machine.start({ tableHigh: 1 })],
  [
    "A26",
    (machine) => {
      machine.start();
      machine.descriptor(0, RAM - 16, 0, 32, INDIRECT);
      machine.kick();
    },
  ],
  [
    "A01",
    (machine) => {
      machine.start();
      machine.descriptor(0, BUFFER, 0, 8, NEXT, 0);
      machine.kick();
    },
  ],
  [
    "A15",
    (machine) => {
      machine.start();
      machine.kick(0x7fff);
    },
  ],
];

describe("the emulator's own memory", () => {
  it.each(SUBJECT_NAMES)("is as it was after every attack on the %s device", (name) => {
    const machine = new Machine(name);
    const before = hash();
    for (const [id, attack] of ATTACKS) {
      attack(machine);
      expect(machine.stopped, id).toBe(true);
    }
    expect(hash()).toBe(before);
    // A buffer that ends with RAM is a good one. (The emulator is told of what is written there, and works for it.)
    machine.start();
    machine.descriptor(0, RAM - 90, 0, 90, machine.subject.queue === 0 ? WRITE : 0);
    machine.kick();
    expect(machine.stopped).toBe(false);
    expect(cpu.memory.readU16(USED + 2)).toBe(1);
  });

  it("M01 to M07: is as it was after messages that are none", () => {
    const before = hash();
    for (const [high, low, data] of [
      [0, BUFFER, 0x41],
      [0, 0xfee0_00b0, 0],
      [1, 0xfee0_0000, 0x41],
      [0, 0xfee0_0000, 0x0f],
      [0, 0xfee0_0000, 0xff],
      [0, 0xfee0_0000, 0x441],
      [0, 0xfee0_0000, 0xc041],
    ] as const) {
      expect(cpu.apic.send(high, low, data)).toBe("refused");
    }
    expect(hash()).toBe(before);
  });

  it("M18, M19: changes by one bit for a message to a local APIC that the guest has not switched on, however often", () => {
    const before = outside().map((part) => part.slice());
    expect(cpu.apic.send(0, 0xfee0_0000, 0x41)).toBe("delivered");
    for (let i = 0; i < 5; i++) expect(cpu.apic.send(0, 0xfee0_0000, 0x41)).toBe("merged");
    const changed = outside().flatMap((part, k) =>
      [...part.keys()]
        .filter((at) => part[at] !== before[k]?.[at])
        .map((at) => (part[at] ?? 0) ^ (before[k]?.[at] ?? 0)),
    );
    expect(changed).toEqual([1 << (0x41 & 7)]);
  });
});
