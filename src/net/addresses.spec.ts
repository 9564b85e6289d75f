import { describe, expect, it } from "vitest";
import { NETWORK, parseIpv4, parseMac } from "./addresses.ts";

describe("addresses", () => {
  it("puts the peer and the guest into one network, with MAC addresses of their own", () => {
    const mask = parseIpv4(NETWORK.netmask);
    expect(mask).toBe(2 ** 32 - 2 ** (32 - NETWORK.prefixLength));
    for (const { ip, mac } of [NETWORK.peer, NETWORK.guest]) {
      expect((parseIpv4(ip) & mask) >>> 0).toBe(parseIpv4(NETWORK.network));
      // Locally administered, not a group (IEEE 802 section 8.4).
      expect((parseMac(mac)[0] ?? 0) & 3).toBe(2);
    }
    expect(NETWORK.peer.ip).not.toBe(NETWORK.guest.ip);
    expect(NETWORK.peer.mac).not.toBe(NETWORK.guest.mac);
  });

  it("reads addresses, and throws at what is none", () => {
    expect(parseIpv4("255.1.0.2")).toBe(0xff010002);
    expect([...parseMac("00:1A:ff:00:02:03")]).toEqual([0, 26, 255, 0, 2, 3]);
    for (const bad of ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.x", "1.2..3", " 1.2.3.4"]) {
      expect(() => parseIpv4(bad)).toThrow(RangeError);
    }
    for (const bad of ["", "00:11:22:33:44", "00:11:22:33:44:5", "00-11-22-33-44-55", "gg:11:22:33:44:55"]) {
      expect(() => parseMac(bad)).toThrow(RangeError);
    }
  });
});
