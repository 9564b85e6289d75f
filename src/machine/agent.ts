/**
 * The host's half of the agent: runs commands in the guest over the console's second port. The protocol is described
 * in docs/agent.md; the guest's half is guest-images/tools/agent.c.
 *
 * Linux throws away what a port has received and nobody has read yet when the console is reset in a live switch, so
 * each side repeats what matters until the other has acknowledged it.
 */
import { bool, bytes, list, record, type StateOf, u8 } from "../state/codec.ts";
import type { Clock } from "../virtio/types.ts";
import type { ExecOptions } from "./types.ts";

/** Name of the port, as the guest finds it in /sys/class/virtio-ports. */
export const AGENT_PORT_NAME = "org.doorbell.agent";

/** Frame: type, id, length (little-endian), payload. */
const HEADER_BYTES = 4;
const PAYLOAD_MAX = 4096;
/** How long to wait for an acknowledgement before saying it again, in milliseconds. */
const REPEAT_AFTER = 1000;

const READY = code("R");
const ACCEPTED = code("A");
const STDOUT = code("1");
const STDERR = code("2");
const EXIT = code("E");
const EXECUTE = code("X");
const ACKNOWLEDGE = code("K");
const SIGNAL = code("S");
const SIGINT = 2;

/** What is kept of the host's half. */
export const AGENT_STATE = record({
  ready: bool,
  nextId: u8,
  /** The beginning of a frame. */
  pending: bytes(HEADER_BYTES + PAYLOAD_MAX),
  /** Commands under way. They go on in the guest; who waited for them is in another process. */
  running: list(u8, 255),
});
export type AgentState = StateOf<typeof AGENT_STATE>;

interface Job {
  readonly id: number;
  readonly command: Uint8Array;
  readonly options: ExecOptions;
  readonly resolve: (status: number) => void;
  readonly reject: (error: Error) => void;
  readonly ignoreSignal: () => void;
  accepted: boolean;
  cancelRepeat: () => void;
}

/** See the file's head. */
export class Agent {
  readonly #send: (bytes: Uint8Array) => void;
  readonly #clock: Clock;
  readonly #jobs = new Map<number, Job>();
  readonly #onReady: () => void;
  /** Ids of commands that a saved machine's host started: not to be used again before they end. */
  readonly #inherited = new Set<number>();
  #pending = new Uint8Array(0);
  #ready = false;
  #nextId = 1;

  constructor(options: { send: (bytes: Uint8Array) => void; clock: Clock; onReady: () => void }) {
    this.#send = options.send;
    this.#clock = options.clock;
    this.#onReady = options.onReady;
  }

  /** Runs `command` by the guest's /bin/sh; resolves with its exit status, 128 + n when signal n ended it. */
  exec(command: string, options: ExecOptions = {}): Promise<number> {
    return new Promise((resolve, reject) => {
      const id = this.#freeId();
      if (id === undefined) {
        reject(new Error("255 commands are running in the guest already: wait for one to end."));
        return;
      }
      const bytes = new TextEncoder().encode(command);
      if (bytes.length > PAYLOAD_MAX) {
        reject(
          new RangeError(
            `The command has ${bytes.length} bytes, and at most ${PAYLOAD_MAX} can be sent: put it into a file.`,
          ),
        );
        return;
      }
      const interrupt = (): void => this.#interrupt(job);
      const job: Job = {
        id,
        command: bytes,
        options,
        resolve,
        reject,
        // One signal may serve many commands: it must not keep those that have ended.
        ignoreSignal: () => options.signal?.removeEventListener("abort", interrupt),
        accepted: false,
        cancelRepeat: () => {},
      };
      this.#jobs.set(id, job);
      options.signal?.addEventListener("abort", interrupt);
      if (this.#ready) this.#start(job);
    });
  }

  /** Bytes from the guest's half. */
  receive(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#pending.length + bytes.length);
    all.set(this.#pending);
    all.set(bytes, this.#pending.length);
    const data = new DataView(all.buffer);
    let at = 0;
    while (all.length - at >= HEADER_BYTES) {
      const length = data.getUint16(at + 2, true);
      if (length > PAYLOAD_MAX) {
        // Not our agent, or out of step: nothing sensible can follow in these bytes.
        at = all.length;
        break;
      }
      if (all.length - at < HEADER_BYTES + length) break;
      const payload = all.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
      this.#frame(data.getUint8(at), data.getUint8(at + 1), payload);
      at += HEADER_BYTES + length;
    }
    this.#pending = all.slice(at);
  }

  save(): AgentState {
    return {
      ready: this.#ready,
      nextId: this.#nextId,
      pending: this.#pending.slice(),
      running: [...this.#jobs.keys(), ...this.#inherited],
    };
  }

  restore(state: AgentState): void {
    this.#ready = state.ready;
    this.#nextId = Math.max(1, state.nextId);
    this.#pending = state.pending.slice();
    for (const id of state.running) this.#inherited.add(id);
  }

  /** The machine is gone: nothing that was started will end. */
  close(reason: string): void {
    for (const job of this.#jobs.values()) {
      job.cancelRepeat();
      job.ignoreSignal();
      job.reject(new Error(reason));
    }
    this.#jobs.clear();
  }

  #frame(type: number, id: number, payload: Uint8Array): void {
    if (type === READY) {
      if (!this.#ready) {
        this.#ready = true;
        this.#onReady();
      }
      // Also after a live switch: what was not accepted then may have been lost.
      for (const job of this.#jobs.values()) if (!job.accepted) this.#start(job);
      return;
    }
    const job = this.#jobs.get(id);
    if (type === EXIT) {
      // Acknowledged even when the job is not known any more: the agent repeats it until it hears of it.
      this.#put(ACKNOWLEDGE, id, new Uint8Array(0));
      this.#inherited.delete(id);
      if (!job) return;
      this.#jobs.delete(id);
      job.cancelRepeat();
      job.ignoreSignal();
      job.resolve(payload[0] ?? 0);
      return;
    }
    if (!job) return;
    if (type === ACCEPTED) {
      job.accepted = true;
      job.cancelRepeat();
    } else if (type === STDOUT) job.options.onStdout?.(payload.slice());
    else if (type === STDERR) job.options.onStderr?.(payload.slice());
  }

  #start(job: Job): void {
    job.cancelRepeat();
    this.#put(EXECUTE, job.id, job.command);
    job.cancelRepeat = this.#clock.after(REPEAT_AFTER, () => {
      if (!job.accepted) this.#start(job);
    });
  }

  #interrupt(job: Job): void {
    if (this.#jobs.get(job.id) === job) this.#put(SIGNAL, job.id, Uint8Array.of(SIGINT));
  }

  #put(type: number, id: number, payload: Uint8Array): void {
    const frame = new Uint8Array(HEADER_BYTES + payload.length);
    frame[0] = type;
    frame[1] = id;
    new DataView(frame.buffer).setUint16(2, payload.length, true);
    frame.set(payload, HEADER_BYTES);
    this.#send(frame);
  }

  /** Ids are bytes, used in turn so that a late frame of an ended job is not taken for another's. */
  #freeId(): number | undefined {
    for (let tries = 0; tries < 255; tries++) {
      const id = this.#nextId;
      this.#nextId = (id % 255) + 1;
      if (!this.#jobs.has(id) && !this.#inherited.has(id)) return id;
    }
    return undefined;
  }
}

function code(character: string): number {
  return character.charCodeAt(0);
}
