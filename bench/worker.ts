/**
 * A measured machine in a thread of its own. So each has its own JavaScript heap and its own translated code: what one
 * transport teaches the compiler about shared code is not held against the next.
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { parentPort } from "node:worker_threads";
import { readGuestImage, readWasm } from "../src/cli/files.ts";
import type { Answer, Call } from "./protocol.ts";
import { serveMachine } from "./served.ts";

/** Linux: the first number is the thread's CPU time in nanoseconds. */
const SCHEDULE = "/proc/thread-self/schedstat";

const INITRAMFS = new URL("../public/guest/initramfs.cpio.gz", import.meta.url);

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
  },
  async peerFiles() {
    const [wasm, initramfs] = await Promise.all([readWasm(), readFile(INITRAMFS)]);
    return { wasm: new Uint8Array(wasm), initramfs: new Uint8Array(initramfs) };
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
