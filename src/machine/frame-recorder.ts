/** Records the frames on the guest's cable, from the start on and within a bound. */
import { Capture, type CapturedFrame } from "../net/pcap.ts";
import type { InPagePeer } from "../net/peer.ts";
import type { Unsubscribe } from "./types.ts";

/** What was recorded: frames, bytes of the file so far, and frames left out once the bound was reached. */
export interface CaptureState {
  readonly frames: number;
  readonly bytes: number;
  readonly leftOut: number;
  readonly active: boolean;
}

/** See the file's head. */
export class FrameRecorder {
  readonly #capture = new Capture();
  readonly #peer: InPagePeer;
  readonly #now: () => number;
  #stopTap: Unsubscribe | undefined;

  /** `now`: milliseconds since the guest's start. */
  constructor(peer: InPagePeer, now: () => number) {
    this.#peer = peer;
    this.#now = now;
    this.start();
  }

  start(): void {
    this.#stopTap ??= this.#peer.addTap(
      (frame, direction) => this.#capture.add(frame, direction, this.#now() * 1000),
      { skip: (frames) => this.#capture.skip(frames) },
    );
  }

  /** What was recorded stays. */
  stop(): void {
    this.#stopTap?.();
    this.#stopTap = undefined;
  }

  get state(): CaptureState {
    const { frames, bytes, leftOut } = this.#capture;
    return { frames, bytes, leftOut, active: this.#stopTap !== undefined };
  }

  newest(from: number, most: number): CapturedFrame[] {
    return this.#capture.newest(from, most);
  }

  toPcapng(): Uint8Array {
    return this.#capture.toPcapng();
  }
}
