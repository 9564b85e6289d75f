import { createHash } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { readPcapng } from "../page/pcapng.ts";
import { bootGuest, type Guest } from "./guest.ts";

let guest: Guest | undefined;

afterEach(async () => {
  await guest?.vm.destroy();
  guest = undefined;
});

/** What md5sum says of so many bytes of the peer's source, byte k being k % 256. */
function md5OfSource(bytes: number): string {
  return createHash("md5")
    .update(Uint8Array.from({ length: bytes }, (_, k) => k & 0xff))
    .digest("hex");
}

/** The socket is the input and the output of what nc runs. */
const download = (bytes: number): string =>
  `nc 10.0.2.2 19 -e sh -c 'echo ${bytes}; exec md5sum > /tmp/sum'; cat /tmp/sum`;

/** RFC 1071 over [start, end) and `initial`, by the book: 0xffff when the checksum in it is right. */
function sum(bytes: Uint8Array, start: number, end: number, initial = 0): number {
  let total = initial;
  for (let at = start; at < end; at += 2)
    total += ((bytes[at] ?? 0) << 8) + (at + 1 < end ? (bytes[at + 1] ?? 0) : 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

/** The first thing that is wrong with a frame on a wire of MTU 1500, if anything. */
function wrong(frame: Uint8Array): string | undefined {
  const u16 = (at: number): number => ((frame[at] ?? 0) << 8) + (frame[at + 1] ?? 0);
  if (frame.length > 1514) return `${frame.length} bytes`;
  if (u16(12) !== 0x0800) return undefined;
  const tcp = 14 + ((frame[14] ?? 0) & 15) * 4;
  const end = 14 + u16(16);
  if (sum(frame, 14, tcp) !== 0xffff) return "IPv4 checksum";
  const protocol = frame[23] ?? 0;
  if (protocol !== 6 && !(protocol === 17 && u16(tcp + 6) !== 0)) return undefined;
  const pseudo = sum(frame, 26, 34) + protocol + end - tcp;
  return sum(frame, tcp, end, pseudo) === 0xffff ? undefined : `checksum of protocol ${protocol}`;
}

describe("the network card's offloads", () => {
  it("carry bulk both ways byte for byte in large frames, and the capture shows a wire's", async () => {
    guest = await bootGuest();
    // Feature bits in the order of their numbers: CSUM, GUEST_CSUM, GUEST_TSO4, HOST_TSO4, MRG_RXBUF.
    const features = (await guest.run("cat /sys/class/net/eth0/device/features")).stdout;
    expect([0, 1, 7, 11, 15].map((bit) => features[bit])).toEqual(["1", "1", "1", "1", "1"]);

    const net = () => guest?.vm.metrics().devices.net0?.net ?? { rxFrames: 0, txFrames: 0, dropped: 0 };
    let before = { ...net() };
    expect((await guest.run(download(4_000_000))).stdout).toContain(md5OfSource(4_000_000));
    // 1460 bytes a frame would be 2740 of them.
    expect(net().rxFrames - before.rxFrames).toBeLessThan(1000);

    const echoed = await guest.run(
      "head -c 1000000 /dev/urandom > /tmp/a; nc 10.0.2.2 7 < /tmp/a | head -c 1000000 > /tmp/b; cmp /tmp/a /tmp/b && echo same",
    );
    expect(echoed.stdout).toBe("same\n");
    before = { ...net() };
    expect((await guest.run("nc 10.0.2.2 9 -e dd if=/dev/zero bs=64k count=64 2>/dev/null")).status).toBe(0);
    expect(net().txFrames - before.txFrames).toBeLessThan(1000);
    expect(net().dropped).toBe(0);

    const frames = readPcapng(guest.vm.pcapng());
    expect(frames.length).toBe(guest.vm.capture.frames);
    expect(frames.map(wrong).filter((what) => what !== undefined)).toEqual([]);
    const bytes = frames.reduce((total, { length }) => total + length, 0);
    expect(bytes).toBeGreaterThan(4_000_000 + 2_000_000 + 4_194_304);
  });

  it("go on through live switches under bulk, and no byte is lost or changed", async () => {
    guest = await bootGuest();
    const { vm } = guest;
    await guest.run("true");
    vm.stopCapture();
    const bytes = 16_000_000;
    let over = false;
    const transfer = guest.run(download(bytes)).finally(() => {
      over = true;
    });
    let during = 0;
    while (!over && during < 20) {
      await vm.setInterrupts(vm.interrupts === "msi" ? "wired" : "msi");
      if (!over) during++;
    }
    expect((await transfer).stdout).toContain(md5OfSource(bytes));
    expect(during).toBeGreaterThan(4);
    const { net0 } = vm.metrics().devices;
    expect([net0?.net?.dropped, net0?.faults]).toEqual([0, {}]);
  });
});

describe("several pairs of queues", () => {
  /** What each receive queue of net0 has interrupted, by the line's name in /proc/interrupts. */
  async function received(pairs: number): Promise<number[]> {
    const lines = (await guest?.run("cat /proc/interrupts"))?.stdout ?? "";
    return Array.from({ length: pairs }, (_, pair) => {
      const line = new RegExp(`^ *\\d+: +(\\d+) .*virtio1-input\\.${pair}$`, "m").exec(lines);
      return Number(line?.[1] ?? Number.NaN);
    });
  }

  it.each([
    ["mmio", [1, 2, 4, 8]],
    ["pci", [8]],
  ] as const)(
    "each have their vectors, and flows come back where they went out, on %s",
    async (transport, counts) => {
      guest = await bootGuest({ transport, queuePairs: 8 });
      expect((await guest.run("nicinfo")).stdout).toContain("pairs: 1 of 8\n");
      for (const pairs of counts) {
        expect((await guest.run(`nicinfo --pairs ${pairs}`)).stdout).toContain(`pairs: ${pairs} of 8\n`);
        const before = await received(8);
        // Which queue a connection is sent on is the kernel's to choose, by a hash of its own: with 64, seldom is one left out.
        let counted: boolean[] = [];
        for (let tries = 0; tries < 5 && counted.filter(Boolean).length < pairs; tries++) {
          const { status, stderr } = await guest.run("tcp_rr -H 10.0.2.2 -l 0.5 -P 64 --verify");
          expect(status, stderr).toBe(0);
          counted = (await received(8)).map((count, pair) => count > (before[pair] ?? 0));
        }
        expect(counted).toEqual(Array.from({ length: 8 }, (_, pair) => pair < pairs));
      }
      expect(guest.vm.metrics().devices.net0).toMatchObject({ faults: {}, net: { dropped: 0 } });
    },
  );
});
