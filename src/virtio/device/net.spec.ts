import { describe, expect, it } from "vitest";
import {
  VIRTIO_CONFIG_S_NEEDS_RESET,
  VIRTIO_ID_NET,
  VIRTIO_MMIO_CONFIG,
  VIRTIO_MMIO_CONFIG_GENERATION,
  VIRTIO_MMIO_DEVICE_ID,
} from "../defs.ts";
import { featureMask } from "./feature-bits.ts";
import { NetDevice } from "./net.ts";
import {
  NET_CONTROL_QUEUE,
  NET_TRANSMIT_QUEUE,
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_MAC_ADDR_SET,
  VIRTIO_NET_ERR,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_STATUS,
  VIRTIO_NET_OK,
} from "./net-defs.ts";
import {
  CONFIG_MESSAGE,
  ethernet,
  MAC,
  type NetMachine,
  netMachine,
  plain,
  rings,
  SpecLink,
  split,
} from "./testing/net-fixture.ts";

const NEW_MAC = [0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee];
const SET_MAC = [VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, ...NEW_MAC];

describe("NetDevice, features and configuration", () => {
  it("is a network device with queues in the order rx, tx, control (NET-01)", () => {
    const { driver, device } = netMachine();
    expect(driver.read32(VIRTIO_MMIO_DEVICE_ID)).toBe(VIRTIO_ID_NET);
    expect([0, 1, 2, 3].map((index) => driver.queueMaximum(index))).toEqual([256, 256, 64, 0]);
    expect(device.name).toBe("net");
  });

  it("FEAT-02, FEAT-03: offers what it honours, and nothing that needs what it does not offer", () => {
    const { device } = netMachine();
    const honoured = featureMask(
      VIRTIO_NET_F_CSUM,
      VIRTIO_NET_F_GUEST_CSUM,
      VIRTIO_NET_F_GUEST_TSO4,
      VIRTIO_NET_F_HOST_TSO4,
      VIRTIO_NET_F_MAC,
      VIRTIO_NET_F_STATUS,
      VIRTIO_NET_F_MTU,
      VIRTIO_NET_F_CTRL_VQ,
      VIRTIO_NET_F_CTRL_MAC_ADDR,
      VIRTIO_NET_F_MRG_RXBUF,
    );
    expect(device.features).toBe(honoured);
  });

  it("FEAT-04, FEAT-05: accepts any subset of its features, again and again", () => {
    const { driver, transport } = netMachine();
    const bits = [0, 1, 3, 5, 7, 11, 15, 16, 17, 23];
    for (let subset = 0; subset < 1 << bits.length; subset++) {
      const features = plain(...bits.filter((_, i) => ((subset >> i) & 1) === 1));
      driver.initialise({ features, sizes: [4, 4, 4] });
      expect(transport.ready).toBe(true);
    }
  });

  it("CFG-01, CFG-05: has mac, status, max_virtqueue_pairs and mtu, little-endian, before FEATURES_OK", () => {
    const { driver } = netMachine();
    expect([...driver.config(0, 12)]).toEqual([...MAC, 1, 0, 1, 0, 0xdc, 0x05]);
  });

  it.each([68, 1280, 1500, 9000, 65535])("NET-03: takes an MTU of %i", (mtu) => {
    const { driver } = netMachine({ mtu });
    expect([...driver.config(10, 2)]).toEqual([mtu & 255, mtu >> 8]);
  });

  it.each([0, 67, 65536, 1500.5, Number.NaN])("NET-03: refuses an MTU of %d", (mtu) => {
    expect(() => netMachine({ mtu })).toThrow(RangeError);
  });

  it("refuses a MAC address of another length", () => {
    expect(() => netMachine({ mac: new Uint8Array(5) })).toThrow("6 bytes");
  });

  it("NET-14: all configuration is read-only for the driver", () => {
    const { driver } = netMachine();
    driver.initialise();
    const before = driver.config(0, 12);
    for (const size of [1, 2, 4] as const) {
      for (let offset = 0; offset < 12; offset += size) {
        driver.registers.write(VIRTIO_MMIO_CONFIG + offset, size, 0xffff_ffff);
      }
    }
    expect(driver.config(0, 12)).toEqual(before);
  });

  it("A32: bytes past the configuration read 0", () => {
    expect([...netMachine().driver.config(12, 8)]).toEqual(new Array(8).fill(0));
  });

  it("CFG-02, CFG-04: setLink toggles VIRTIO_NET_S_LINK_UP with a configuration change notification", () => {
    const { driver, device, messages } = netMachine();
    driver.initialise();
    const generation = driver.read32(VIRTIO_MMIO_CONFIG_GENERATION);
    device.setLink(false);
    expect([...driver.config(6, 2)]).toEqual([0, 0]);
    expect(driver.read32(VIRTIO_MMIO_CONFIG_GENERATION)).not.toBe(generation);
    expect(messages.take()).toEqual([CONFIG_MESSAGE]);
    device.setLink(true);
    expect([...driver.config(6, 2)]).toEqual([1, 0]);
    expect(messages.take()).toEqual([CONFIG_MESSAGE]);
    device.setLink(true);
    expect(messages.take()).toEqual([]);
    expect(device.linkUp).toBe(true);
  });

  it("does not notify a driver without VIRTIO_NET_F_STATUS of the link, nor one that is not there", () => {
    const { driver, device, messages } = netMachine();
    device.setLink(false);
    driver.initialise({ features: rings(VIRTIO_NET_F_MAC) });
    device.setLink(true);
    expect(messages.take()).toEqual([]);
  });
});

describe("NetDevice, control queue", () => {
  /** Sends one command cut at `cuts` with `ackLength` writable bytes; the answer and the used element. */
  function command(
    machine: NetMachine,
    bytes: readonly number[],
    cuts: readonly number[] = [],
    ackLength = 1,
  ) {
    const { driver, memory } = machine;
    const queue = driver.queue(NET_CONTROL_QUEUE);
    const edges = [0, ...cuts, bytes.length];
    const parts = edges.slice(1).map((end, i) => {
      const part = bytes.slice(edges[i], end);
      return { address: memory.store(part), length: part.length, writable: false };
    });
    const ack = memory.store(new Array(ackLength).fill(0x99));
    if (ackLength > 0) parts.push({ address: ack, length: ackLength, writable: true });
    queue.add(parts);
    queue.publish();
    driver.kick(NET_CONTROL_QUEUE);
    return { used: queue.takeUsed(), ack: [...memory.bytes(ack, ackLength)] };
  }
  function started(features?: bigint): NetMachine {
    const machine = netMachine();
    machine.driver.initialise({ ...(features === undefined ? {} : { features }), sizes: [16, 16, 16] });
    return machine;
  }

  it("NET-CTRL-07: MAC_ADDR_SET changes the configuration's mac and is answered OK", () => {
    const machine = started();
    const { used, ack } = command(machine, SET_MAC);
    expect([used, ack]).toEqual([[{ id: expect.any(Number), length: 1 }], [VIRTIO_NET_OK]]);
    expect([...machine.driver.config(0, 6)]).toEqual(NEW_MAC);
  });

  it("NET-CTRL-07: mac is changed before the command's buffer is used", () => {
    const machine = started();
    const usedIdx = machine.driver.queue(NET_CONTROL_QUEUE).layout.usedRing + 2;
    const write = machine.memory.writeU16.bind(machine.memory);
    let seen: number[] = [];
    machine.memory.writeU16 = (address, value) => {
      if (address === usedIdx) seen = [...machine.driver.config(0, 6)];
      write(address, value);
    };
    command(machine, SET_MAC);
    expect(seen).toEqual(NEW_MAC);
  });

  it("CFG-02: a changed mac changes ConfigGeneration, the same mac does not", () => {
    const machine = started();
    const generations = [0, 1, 2].map(() => {
      command(machine, SET_MAC);
      return machine.driver.read32(VIRTIO_MMIO_CONFIG_GENERATION);
    });
    expect(generations[0]).not.toBe(0);
    expect(new Set(generations).size).toBe(1);
  });

  it("SVQ-03: takes a command however it is cut, and an ack at the start of a longer buffer", () => {
    const machine = started();
    expect(command(machine, SET_MAC, [1, 2, 3, 4, 5, 6, 7]).ack).toEqual([VIRTIO_NET_OK]);
    expect(command(machine, SET_MAC, [1], 4)).toEqual({
      used: [{ id: expect.any(Number), length: 1 }],
      ack: [VIRTIO_NET_OK, 0x99, 0x99, 0x99],
    });
  });

  it.each([
    ["an unknown class", [7, 0]],
    ["an unknown class with data", [0xff, 1, ...NEW_MAC]],
    ["an unknown command of a known class", [VIRTIO_NET_CTRL_MAC, 9, ...NEW_MAC]],
    ["MAC_TABLE_SET, CTRL_RX not being offered", [VIRTIO_NET_CTRL_MAC, 0, 0, 0, 0, 0, 0, 0]],
    ["promiscuous mode, CTRL_RX not being offered", [0, 0, 1]],
    ["VQ_PAIRS_SET, MQ not being offered", [4, 0, 1, 0]],
    ["a MAC address one byte short", SET_MAC.slice(0, 7)],
    ["a MAC address one byte long", [...SET_MAC, 0]],
    ["a class and nothing else", [VIRTIO_NET_CTRL_MAC]],
    ["A07: 100 000 bytes", [...SET_MAC, ...new Array(100_000).fill(0)]],
  ])("NET-CTRL-01, A48: answers %s with ERR and changes nothing", (_name, bytes) => {
    const machine = started();
    expect(command(machine, bytes)).toEqual({
      used: [{ id: expect.any(Number), length: 1 }],
      ack: [VIRTIO_NET_ERR],
    });
    expect(machine.driver.config(0, 6)).toEqual(MAC);
    expect(machine.transport.ready).toBe(true);
  });

  it("A48: a command without data answers ERR", () => {
    const machine = started();
    const { driver, memory } = machine;
    const ack = memory.store([0x99]);
    driver.queue(NET_CONTROL_QUEUE).add([{ address: ack, length: 1, writable: true }]);
    driver.queue(NET_CONTROL_QUEUE).publish();
    driver.kick(NET_CONTROL_QUEUE);
    expect(memory.readU8(ack)).toBe(VIRTIO_NET_ERR);
  });

  it("A48: a command without an ack byte is not carried out, and its buffer comes back", () => {
    const machine = started();
    expect(command(machine, SET_MAC, [], 0).used).toEqual([{ id: expect.any(Number), length: 0 }]);
    expect(machine.driver.config(0, 6)).toEqual(MAC);
    expect(machine.transport.ready).toBe(true);
  });

  it("answers every command of a batch and tells the driver once", () => {
    const { driver, memory, messages } = started();
    const queue = driver.queue(NET_CONTROL_QUEUE);
    const acks = [SET_MAC, [9, 9], SET_MAC].map((bytes) => {
      const ack = memory.store([0x99]);
      queue.add([
        { address: memory.store(bytes), length: bytes.length, writable: false },
        { address: ack, length: 1, writable: true },
      ]);
      return ack;
    });
    queue.publish();
    driver.kick(NET_CONTROL_QUEUE);
    expect(acks.map((ack) => memory.readU8(ack))).toEqual([VIRTIO_NET_OK, VIRTIO_NET_ERR, VIRTIO_NET_OK]);
    expect(messages.take()).toEqual([CONFIG_MESSAGE, CONFIG_MESSAGE + 1 + NET_CONTROL_QUEUE]);
  });

  it("FEAT-03: without CTRL_MAC_ADDR the command is answered ERR", () => {
    const machine = started(rings(VIRTIO_NET_F_MAC, VIRTIO_NET_F_CTRL_VQ));
    expect(command(machine, SET_MAC).ack).toEqual([VIRTIO_NET_ERR]);
  });

  it("without CTRL_VQ there is no control queue: nothing of it is taken", () => {
    const machine = started(rings(VIRTIO_NET_F_MAC));
    expect(command(machine, SET_MAC)).toEqual({ used: [], ack: [0x99] });
  });

  it("a reset brings the first mac back", () => {
    const machine = started();
    command(machine, SET_MAC);
    machine.driver.reset();
    expect(machine.driver.config(0, 6)).toEqual(MAC);
  });
});

describe("NetDevice, resets and the live switch", () => {
  function receiving(sizes = [16, 16, 16]): NetMachine {
    const machine = netMachine();
    machine.driver.initialise({ sizes });
    for (let i = 0; i < 8; i++) machine.addReceive(1526);
    machine.publishReceive();
    return machine;
  }

  it("counts on through a reset", () => {
    const { driver, device, link, transport } = receiving();
    link.deliver(ethernet(60));
    driver.reset();
    driver.initialise();
    expect(device.net.rxFrames).toBe(1);
    expect(transport.metrics().net).toMatchObject({ rxFrames: 1, rxBytes: 60 });
  });

  it("RST-02, RST-03: nothing reaches the old rings or the driver after a reset", () => {
    const { driver, memory, link, messages, device } = receiving();
    const before = memory.bytes(0, memory.size);
    driver.reset();
    link.deliver(ethernet(60));
    const after = memory.view(0, memory.size);
    expect(before.findIndex((byte, i) => byte !== after[i])).toBe(-1);
    expect([messages.take(), device.waiting]).toEqual([[], 1]);
  });

  it("a reset of a device that was never activated is harmless", () => {
    const device = new NetDevice({ mac: MAC, link: new SpecLink() });
    device.reset();
    expect(device.quiesce()).toBe(true);
    device.resume();
    device.notify(0);
  });

  it("quiesce keeps received frames and goes on transmitting", () => {
    const { device, driver, link, transport, addTransmit, publishTransmit, takeReceived } = receiving();
    transport.quiesce();
    link.answer = (frame) => link.deliver(frame);
    addTransmit(ethernet(60));
    publishTransmit();
    link.deliver(ethernet(61));
    driver.kick(0);
    expect([link.sent.length, device.waiting, takeReceived()]).toEqual([1, 2, []]);
    expect(driver.queue(NET_TRANSMIT_QUEUE).takeUsed()).toHaveLength(1);
  });

  it("quiesce is true as soon as the driver has seen all that was delivered", () => {
    const { driver, link, transport, takeReceived } = receiving();
    link.deliver(ethernet(60));
    expect(transport.quiesce()).toBe(false);
    takeReceived();
    driver.queue(0).rearm();
    expect(transport.quiesce()).toBe(true);
  });

  it("resume delivers what was kept back when a switch was given up", () => {
    const { device, link, transport, takeReceived } = receiving();
    transport.quiesce();
    link.deliver(ethernet(60));
    expect(device.waiting).toBe(1);
    transport.withdraw();
    expect(device.waiting).toBe(0);
    expect(takeReceived()).toHaveLength(1);
  });

  it("loses no frame over switches under load, in either direction", () => {
    const machine = receiving();
    const { driver, device, link, transport, addTransmit, addReceive, publishReceive } = machine;
    const received: number[] = [];
    let next = 0;
    const mark = (frame: Uint8Array): number => (frame[20] ?? 0) | ((frame[21] ?? 0) << 8);
    const numbered = (): Uint8Array => {
      const frame = ethernet(60);
      frame.set([next & 255, next >> 8], 20);
      next++;
      return frame;
    };
    // Echoes: every frame that gets out comes back.
    link.answer = (frame) => link.deliver(frame);
    for (let round = 0; round < 12; round++) {
      const collect = (): void => {
        received.push(...machine.takeReceived().map(({ bytes }) => mark(split(bytes).frame)));
        driver.queue(0).rearm();
        driver.queue(NET_TRANSMIT_QUEUE).takeUsed();
      };
      for (let i = 0; i < 3; i++) addTransmit(numbered());
      machine.publishTransmit();
      if (!transport.quiesce()) collect();
      expect(transport.quiesce()).toBe(true);
      transport.offer({
        interrupts: round % 2 === 0 ? "wired" : "msi",
        doorbell: round % 3 === 0 ? "shared" : "per-queue",
      });
      expect(driver.status & VIRTIO_CONFIG_S_NEEDS_RESET).not.toBe(0);
      // Between the request and the driver's reset: a kicked frame, and one that was made available only.
      addTransmit(numbered());
      machine.publishTransmit();
      addTransmit(numbered());
      driver.queue(NET_TRANSMIT_QUEUE).publish();
      driver.initialise({ sizes: [16, 16, 16] });
      for (let i = 0; i < 8; i++) addReceive(1526);
      publishReceive();
      collect();
    }
    expect(received).toEqual(Array.from({ length: next }, (_, i) => i));
    expect([device.net.dropped, device.waiting]).toEqual([0, 0]);
  });
});
