/** A measured machine where it runs, in Node or in a browser: the calls of protocol.ts, carried out. */
import { MicroVm, type MicroVmOptions } from "../src/index.ts";
import { bootByBios, endsWithPrompt, type PeerFiles } from "./peer-boot.ts";
import type { BootMoment, ExecResult, MachineCalls, OutputResult, TurnResult } from "./protocol.ts";

/** What differs between Node and a browser. */
export interface Platform {
  /** What our machines are made of, inflated while the emulator is on its way. */
  files(): Promise<Pick<MicroVmOptions, "wasm" | "kernel" | "initrd">>;
  /** What v86 is made of, and the initramfs as it is shipped: its guest inflates it. */
  peerFiles(): Promise<PeerFiles>;
  /** CPU time of this thread in milliseconds; absent where the system does not tell it. */
  readonly cpuTime?: () => number;
}

/** The calls, as functions that may be asynchronous. */
export type ServedCalls = {
  [Name in keyof MachineCalls]: (
    ...args: Parameters<MachineCalls[Name]>
  ) => ReturnType<MachineCalls[Name]> | Promise<ReturnType<MachineCalls[Name]>>;
};

declare global {
  /** In a browser: the page's machine (browser/main.ts). */
  var bench: ServedCalls | undefined;
}

/** How long nothing must come before output is taken to have ended, in milliseconds. */
const QUIET = 150;

const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

const fromBase64 = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/** One machine; {@link MachineCalls.boot} makes it. */
export function serveMachine(platform: Platform): ServedCalls {
  let vm: MicroVm | undefined;
  let begun: { readonly result: Promise<ExecResult>; readonly abort: AbortController } | undefined;

  function machine(): MicroVm {
    if (!vm) throw new Error("The machine has not been booted.");
    return vm;
  }

  async function exec(command: string, signal?: AbortSignal): Promise<ExecResult> {
    const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
    const text = { stdout: "", stderr: "" };
    const before = machine().metrics();
    const status = await machine().exec(command, {
      onStdout: (bytes) => {
        text.stdout += decoders.stdout.decode(bytes, { stream: true });
      },
      onStderr: (bytes) => {
        text.stderr += decoders.stderr.decode(bytes, { stream: true });
      },
      ...(signal ? { signal } : {}),
    });
    return { status, ...text, before, after: machine().metrics() };
  }

  const boot: ServedCalls["boot"] = async (options, kernel) => {
    const started = performance.now();
    const created = await MicroVm.create({
      ...(await platform.files()),
      ...options,
      ...(kernel ? { kernel } : {}),
    });
    vm = created;
    // What is recorded costs time and memory, and nobody reads it.
    created.stopCapture();
    const moments: BootMoment[] = [];
    const note = (what: BootMoment["what"]): void => {
      const { guestInstructions } = created.metrics();
      moments.push({ what, milliseconds: performance.now() - started, guestInstructions });
    };
    note("created");
    created.onFirstAccess(() => note("first-access"));
    let stopped: (error: Error) => void = () => {};
    const failed = new Promise<never>((_, reject) => {
      stopped = reject;
    });
    created.onStop(({ message }) => stopped(new Error(message)));
    const ready = new Promise<void>((resolve) => {
      created.onPhase((phase) => {
        note(phase);
        if (phase === "ready") resolve();
      });
    });
    let text = "";
    const prompt = new Promise<void>((resolve) => {
      const stop = created.console.onOutput((bytes) => {
        text += new TextDecoder().decode(bytes);
        if (!endsWithPrompt(text)) return;
        stop();
        note("prompt");
        resolve();
      });
    });
    created.start();
    await Promise.race([Promise.all([ready, prompt]), failed]);
    return { moments, metrics: created.metrics() };
  };

  async function destroy(): Promise<undefined> {
    await vm?.destroy();
    vm = undefined;
  }

  return {
    boot,

    async bootPeer({ bzImage, bios }) {
      const started = performance.now();
      const bytes = fromBase64(bzImage);
      if (bios !== undefined) {
        const image = { system: fromBase64(bios.system), vga: fromBase64(bios.vga), bzImage: bytes };
        return bootByBios(await platform.peerFiles(), image, started);
      }
      const { moments } = await boot({}, { name: "bzImage", bytes });
      await destroy();
      return moments;
    },

    exec: (command) => exec(command),

    async output(command, channel): Promise<OutputResult> {
      let bytes = 0;
      let first: number | undefined;
      let last = 0;
      const stop = machine()[channel].onOutput((chunk) => {
        last = performance.now();
        first ??= last;
        bytes += chunk.length;
      });
      const before = machine().metrics();
      const status = await machine().exec(command);
      do await sleep(QUIET);
      while (performance.now() - last < QUIET);
      stop();
      return {
        status,
        bytes,
        milliseconds: first === undefined ? 0 : last - first,
        before,
        after: machine().metrics(),
      };
    },

    metrics: () => machine().metrics(),

    begin(command) {
      const abort = new AbortController();
      const result = exec(command, abort.signal);
      // Who asks for the result is told of a failure.
      result.catch(() => {});
      begun = { result, abort };
    },

    interrupt() {
      if (!begun) throw new Error("No command has been begun.");
      begun.abort.abort();
      return begun.result;
    },

    /** In the machine's own thread from start to end, so that no message between threads is measured. */
    async turn(leadIn, milliseconds): Promise<TurnResult> {
      const { cpuTime } = platform;
      machine().resume();
      await sleep(leadIn);
      const before = machine().metrics();
      const cpu = cpuTime?.();
      const started = performance.now();
      await sleep(milliseconds);
      const after = machine().metrics();
      const ended = performance.now();
      const cpuMilliseconds = cpu === undefined || !cpuTime ? undefined : cpuTime() - cpu;
      machine().pause();
      return { milliseconds: ended - started, cpuMilliseconds, before, after };
    },

    pause: () => void machine().pause(),
    resume: () => void machine().resume(),

    async switchTo(interrupts, doorbell) {
      if (machine().interrupts !== interrupts) await machine().setInterrupts(interrupts);
      if (machine().doorbell !== doorbell) await machine().setDoorbell(doorbell);
    },

    setExitCost: (nanoseconds) => void machine().setExitCost(nanoseconds),

    trace(on) {
      if (on) machine().trace.start();
      else machine().trace.stop();
      return undefined;
    },

    destroy,
  };
}
