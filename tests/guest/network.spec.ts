import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bootGuest, type Guest } from "./guest.ts";

let guest: Guest;

beforeAll(async () => {
  guest = await bootGuest();
});

afterAll(() => guest?.vm.destroy());

describe("the guest's network", () => {
  it("is set up by DHCP: address, route and name server", async () => {
    expect((await guest.run("ip addr show eth0")).stdout).toContain("inet 10.0.2.15/24");
    expect((await guest.run("ip route")).stdout).toContain("default via 10.0.2.2");
    expect((await guest.run("cat /etc/resolv.conf")).stdout).toContain("nameserver 10.0.2.2");
  });

  it("answers ping", async () => {
    const { status, stdout } = await guest.run("ping -c 3 10.0.2.2");
    expect(status).toBe(0);
    expect(stdout).toContain("3 packets received, 0% packet loss");
  });

  it("resolves names", async () => {
    const { status, stdout } = await guest.run("nslookup doorbell.test 10.0.2.2");
    expect(status).toBe(0);
    expect(stdout).toMatch(/Address.*\d+\.\d+\.\d+\.\d+/);
  });

  it("fetches the status page with the live counters by HTTP", async () => {
    const { status, stdout } = await guest.run("wget -qO- http://10.0.2.2:8080/");
    expect(status).toBe(0);
    const frames = Number(/^devices\.net0\.net\.txFrames (\d+)$/m.exec(stdout)?.[1]);
    expect(frames).toBeGreaterThan(5);
    expect(stdout).toMatch(/^devices\.net0\.exits\.byRegister\.Doorbell \d+$/m);
  });

  it("carries TCP transactions of every size exactly", async () => {
    for (const sizes of ["1,1", "32,1024", "1460,1460", "4000,20000", "1,65536", "65536,1"]) {
      const { status, stdout, stderr } = await guest.run(
        `tcp_rr -H 10.0.2.2 -l 1 -r ${sizes} --verify --json`,
      );
      expect(status, `${sizes}: ${stderr}`).toBe(0);
      expect(JSON.parse(stdout).transactions, sizes).toBeGreaterThan(0);
    }
  });

  it("carries UDP transactions without loss", async () => {
    const { status, stdout } = await guest.run("udp_rr -H 10.0.2.2 -l 1 -r 32,1024 --json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ lost: 0 });
    expect(JSON.parse(stdout).transactions).toBeGreaterThan(10);
  });

  it("brings a bulk of bytes through the TCP echo unchanged", async () => {
    const { status, stdout } = await guest.run(
      "head -c 1000000 /dev/urandom > /tmp/a; nc 10.0.2.2 7 < /tmp/a | head -c 1000000 > /tmp/b; cmp /tmp/a /tmp/b && echo same",
    );
    expect(stdout).toBe("same\n");
    expect(status).toBe(0);
  });

  it("lost no frame in all of this", () => {
    expect(guest.vm.metrics().devices.net0?.net?.dropped).toBe(0);
  });

  it("is recorded as pcapng", () => {
    const file = guest.vm.pcapng();
    const data = new DataView(file.buffer, file.byteOffset);
    expect(data.getUint32(0, true)).toBe(0x0a0d0d0a);
    expect(guest.vm.capture.frames).toBeGreaterThan(50);
    guest.vm.stopCapture();
    const { frames } = guest.vm.capture;
    expect(guest.vm.capture.active).toBe(false);
    guest.vm.startCapture();
    expect(guest.vm.capture.frames).toBe(frames);
  });
});
