import { describe, expect, it } from "vitest";
import {
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_NOTIF_CONFIG_DATA,
  VIRTIO_F_NOTIFICATION_DATA,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_SR_IOV,
} from "../defs.ts";
import { Features } from "./features.ts";

const VERSION_1 = 1 << 0; // of word 1
const RING = (1 << 28) | (1 << 29); // of word 0

function offer(): Features {
  return new Features((1n << 5n) | (1n << 63n));
}

describe("the features offered", () => {
  it("are the device's, VERSION_1, INDIRECT_DESC and EVENT_IDX, and nothing else", () => {
    const features = offer();
    expect(features.word(0)).toBe(RING | (1 << 5));
    expect(features.word(1)).toBe(0x8000_0000 + VERSION_1);
  });

  it("are without EVENT_IDX where that is withheld", () => {
    expect(new Features(0n, false).word(0)).toBe(1 << 28);
    const features = new Features(0n, false);
    features.accept(0, 1 << 29);
    features.accept(1, VERSION_1);
    expect(features.refused()).toBe("features: accepted what was not offered");
  });

  it("end with the second word: others read 0", () => {
    const features = offer();
    for (const word of [2, 3, 4, 31, 0xffff_ffff]) expect(features.word(word)).toBe(0);
  });

  it("never are those that collide with the extension or are not served here", () => {
    const { offered } = offer();
    for (const bit of [
      24,
      27,
      30,
      VIRTIO_F_RING_RESET,
      VIRTIO_F_NOTIF_CONFIG_DATA,
      VIRTIO_F_NOTIFICATION_DATA,
      VIRTIO_F_IN_ORDER,
      VIRTIO_F_RING_PACKED,
      VIRTIO_F_SR_IOV,
      41,
    ]) {
      expect((offered >> BigInt(bit)) & 1n, `bit ${bit}`).toBe(0n);
    }
  });

  it("cannot be extended by a device with bits 24 to 49 or above 63", () => {
    for (let bit = 24; bit < 50; bit++) expect(() => new Features(1n << BigInt(bit))).toThrow(RangeError);
    expect(() => new Features(1n << 64n)).toThrow(RangeError);
    for (const bit of [0, 23, 50, 63]) expect(() => new Features(1n << BigInt(bit))).not.toThrow();
  });
});

describe("the features accepted", () => {
  it("may be any subset with VERSION_1", () => {
    for (const word0 of [0, 1 << 5, 1 << 28, 1 << 29, RING, RING | (1 << 5)]) {
      for (const word1 of [VERSION_1, 0x8000_0001]) {
        const features = offer();
        features.accept(0, word0);
        features.accept(1, word1);
        expect(features.refused()).toBeUndefined();
        expect(features.accepted).toBe((BigInt(word1 >>> 0) << 32n) | BigInt(word0 >>> 0));
        expect(features.indirect).toBe((word0 & (1 << 28)) !== 0);
        expect(features.eventIndex).toBe((word0 & (1 << 29)) !== 0);
      }
    }
  });

  it("cannot be used without VERSION_1", () => {
    const features = offer();
    expect(features.refused()).toBe("features: VERSION_1 missing");
  });

  it("cannot be used when a bit among them was not offered, in whatever word", () => {
    for (const [word, value] of [
      [0, 1],
      [0, 1 << 24],
      [1, VERSION_1 | (1 << 8)],
      [2, 1],
      [3, 0x8000_0000],
      [4, 1],
      [0xffff_ffff, 1],
    ] as const) {
      const features = offer();
      features.accept(1, VERSION_1);
      features.accept(word, value);
      expect(features.refused()).toBe("features: accepted what was not offered");
    }
  });

  it("can be written again until they fit, zeroes in words that do not exist included", () => {
    const features = offer();
    features.accept(1, VERSION_1);
    features.accept(0, 1);
    features.accept(0, 1 << 5);
    features.accept(2, 0);
    features.accept(3, 0);
    expect(features.refused()).toBeUndefined();
  });

  it("are forgotten by a reset, and a set that was accepted once is accepted again", () => {
    const features = offer();
    features.accept(7, 1);
    features.reset();
    expect(features.accepted).toBe(0n);
    features.accept(1, VERSION_1);
    expect(features.refused()).toBeUndefined();
    features.reset();
    features.accept(1, VERSION_1);
    expect(features.refused()).toBeUndefined();
  });
});
