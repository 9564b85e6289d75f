/** The packets that the view shows: the newest of the capture, decoded once, filtered by words. No DOM here. */
import type { CapturedFrame } from "../../src/index.ts";
import { type Decoded, decodeFrame } from "./decode.ts";

/** A frame with what it says. */
export interface Packet extends CapturedFrame {
  readonly decoded: Decoded;
  /** What the filter looks at. */
  readonly text: string;
}

/** Where frames come from: the machine. */
export interface FrameSource {
  frames(from: number, most: number): CapturedFrame[];
}

/** Packets kept; older ones are in the capture's file. */
export const KEPT = 2000;
/** Packets shown at most. */
export const SHOWN = 200;
/** Frames taken at each sample: what comes between is passed over. */
const TAKEN = 300;

export class PacketList {
  #packets: Packet[] = [];
  #next = 0;

  /** Number of the frame after the last one that was looked at. */
  get next(): number {
    return this.#next;
  }

  get packets(): readonly Packet[] {
    return this.#packets;
  }

  /** Takes the newest frames; true when there were any. */
  update(source: FrameSource): boolean {
    const frames = source.frames(this.#next, this.#next === 0 ? SHOWN : TAKEN);
    const last = frames.at(-1);
    if (last === undefined) return false;
    this.#next = last.index + 1;
    this.#packets.push(...frames.map(toPacket));
    if (this.#packets.length > KEPT) this.#packets = this.#packets.slice(-KEPT);
    return true;
  }

  /** Forgets everything: another machine counts from 0. */
  clear(): void {
    this.#packets = [];
    this.#next = 0;
  }

  /** The newest packets in which every word of `filter` occurs, and no word that begins with "!". */
  matching(filter: string): readonly Packet[] {
    const words = filter
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "" && word !== "!");
    const found: Packet[] = [];
    for (let index = this.#packets.length - 1; index >= 0 && found.length < SHOWN; index--) {
      const packet = this.#packets[index];
      if (packet !== undefined && words.every((word) => matches(packet.text, word))) found.push(packet);
    }
    return found.reverse();
  }
}

function matches(text: string, word: string): boolean {
  return word.startsWith("!") ? !text.includes(word.slice(1)) : text.includes(word);
}

function toPacket(frame: CapturedFrame): Packet {
  const decoded = decodeFrame(frame.bytes);
  const { source, destination, protocol, summary } = decoded;
  const direction = frame.direction === "from-guest" ? "out" : "in";
  return {
    ...frame,
    decoded,
    text: `${direction} ${source} ${destination} ${protocol} ${summary}`.toLowerCase(),
  };
}

/** Sixteen bytes a line: offset, hexadecimal, characters. */
export function hexDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const line = [...bytes.subarray(at, at + 16)];
    const numbers = line.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const characters = line
      .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."))
      .join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${numbers.padEnd(47)}  ${characters}`);
  }
  return lines.join("\n");
}
