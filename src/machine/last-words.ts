/** What the guest's kernel said last on its serial port: by that a stop has a reason, where the CPU's own state has none. */
import type { CpuEvent } from "../cpu/cpu.ts";
import type { StopReason } from "./types.ts";

/** Characters kept: a panic's own line comes before its registers and its call trace. */
const KEPT = 8192;

const PANIC = /Kernel panic - not syncing: ([^\r\n]+)/g;

/** See the file's head. The guest may say what it likes: the words are shown, and decide over nothing but words. */
export class LastWords {
  readonly #decoder = new TextDecoder();
  #text = "";

  /** Output of the serial port. */
  take(bytes: Uint8Array): void {
    this.#text = (this.#text + this.#decoder.decode(bytes, { stream: true })).slice(-KEPT);
  }

  /** Why the machine stopped, in a sentence. */
  reason(event: CpuEvent, detail: string): StopReason {
    if (event === "fault") return { kind: "cpu-fault", message: `The emulated CPU failed: ${detail}.` };
    const panic = [...this.#text.matchAll(PANIC)].at(-1)?.[1];
    if (panic !== undefined) return { kind: "guest-panic", message: `Linux has panicked: ${panic}.` };
    if (event === "reboot") return { kind: "guest-reset", message: "The guest has reset its machine." };
    // Linux halts when it is asked to power off and has nothing to do it with: which of them it was cannot be told.
    return { kind: "guest-halted", message: "The guest has shut down." };
  }
}
