/**
 * A measured machine in a thread of its own. So each has its own JavaScript heap and its own translated code: what one
 * transport teaches the compiler about shared code is not held against the next.
 */
import { readFileSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { readGuestImage, readWasm } from "../src/cli/files.ts";
import type { Answer, Call } from "./protocol.ts";
import { serveMachine } from "./served.ts";

/** Linux: the first number is the thread's CPU time in nanoseconds. */
const SCHEDULE = "/proc/thread-self/schedstat";

const cpuTime = (): number => Number.parseInt(readFileSync(SCHEDULE, "latin1"), 10) / 1e6;

function isTold(): boolean {
  try {
    return cpuTime() > 0;
  } catch {
    return false;
  }
}

const calls = serveMachine({
  async files() {
    const [wasm, kernel, initrd] = await Promise.all([
      readWasm(),
      readGuestImage("vmlinux.gz"),
      readGuestImage("initramfs.cpio.gz"),
    ]);
    return { wasm, kernel, initrd: [initrd] };
async function boot(options: MachineOptions): Promise<ReturnType<MachineCalls["boot"]>> {
  const [wasm, kernel, initrd] = await Promise.all([
    readWasm(),
    readGuestImage("vmlinux.gz"),
    readGuestImage("initramfs.cpio.gz"),
  ]);
  const created = await MicroVm.create({ wasm, kernel, initrd: [initrd], ...options });
  vm = created;
  // What is recorded costs time and memory, and nobody reads it.
  created.stopCapture();
  const moments: BootMoment[] = [];
  const started = performance.now();
  const note = (what: BootMoment["what"]): void => {
    const { guestInstructions } = created.metrics();
    moments.push({ what, milliseconds: performance.now() - started, guestInstructions });
  };
  created.onFirstAccess(() => note("first-access"));
  const ready = new Promise<void>((resolve, reject) => {
    created.onPhase((phase) => {
      note(phase);
      if (phase === "ready") resolve();
    });
    created.onStop(({ message }) => reject(new Error(message)));
  });
  created.start();
  await ready;
  return { moments, metrics: created.metrics() };
}

async function exec(command: string): Promise<ExecResult> {
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
  });
  return { status, ...text, before, after: machine().metrics() };
}

async function output(command: string, channel: "console" | "serial"): Promise<OutputResult> {
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
  do await new Promise((resolve) => setTimeout(resolve, QUIET));
  while (performance.now() - last < QUIET);
  stop();
  return {
    status,
    bytes,
    milliseconds: first === undefined ? 0 : last - first,
    before,
    after: machine().metrics(),
  };
}

const calls: { [Name in keyof MachineCalls]: (...args: Parameters<MachineCalls[Name]>) => unknown } = {
  boot,
  exec,
  output,
  metrics: () => machine().metrics(),
  pause: () => machine().pause(),
  resume: () => machine().resume(),
  setExitCost: (nanoseconds) => machine().setExitCost(nanoseconds),
  trace: (on) => (on ? machine().trace.start() : machine().trace.stop()),
  destroy: async () => {
    await vm?.destroy();
    vm = undefined;
  },
  ...(isTold() ? { cpuTime } : {}),
});

parentPort?.on("message", async ({ id, name, args }: Call) => {
  const call = calls[name] as (...args: readonly unknown[]) => unknown;
  let answer: Answer;
  try {
    answer = { id, value: await call(...args) };
  } catch (error) {
    answer = { id, error: error instanceof Error ? error.message : String(error) };
  }
  parentPort?.postMessage(answer);
});
