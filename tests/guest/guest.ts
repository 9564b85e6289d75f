/** A whole guest for tests: our image on our machine, and commands run in it. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { MicroVm, type MicroVmOptions } from "../../src/index.ts";

const GUEST = fileURLToPath(new URL("../../public/guest/", import.meta.url));

/** What a command in the guest did. */
export interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A machine with its console's output so far. */
export interface Guest {
  readonly vm: MicroVm;
  /** Everything that console and serial port have printed. */
  readonly output: () => string;
  run(command: string): Promise<Result>;
  /** Types on the console. */
  type(text: string): void;
  /** Resolves when the console has printed what matches, from `from` characters on; rejects after `seconds`. */
  until(pattern: RegExp, seconds?: number, from?: number): Promise<string>;
}

/** The files that every machine of the tests is made of. */
export async function imageOptions(): Promise<Pick<MicroVmOptions, "wasm" | "kernel" | "initrd">> {
  const [wasm, kernel, initrd] = await Promise.all([
    readFile(createRequire(import.meta.url).resolve("v86/build/v86.wasm")),
    readFile(`${GUEST}vmlinux.gz`),
    readFile(`${GUEST}initramfs.cpio.gz`),
  ]);
  return {
    wasm,
    kernel: { name: "vmlinux.gz", bytes: kernel },
    initrd: [{ name: "initramfs.cpio.gz", bytes: initrd }],
  };
}

/** Boots our guest image; it is running when this resolves, though not yet ready. */
export async function bootGuest(options: Partial<MicroVmOptions> = {}): Promise<Guest> {
  return startGuest(await MicroVm.create({ ...(await imageOptions()), ...options }));
}

/** Goes on with a machine that was saved; it is running when this resolves. */
export async function restoreGuest(bytes: Uint8Array): Promise<Guest> {
  const { wasm } = await imageOptions();
  return startGuest(await MicroVm.restore(bytes, { wasm }));
}

function startGuest(vm: MicroVm): Guest {
  const decoder = new TextDecoder();
  let output = "";
  const take = (bytes: Uint8Array): void => {
    output += decoder.decode(bytes, { stream: true });
  };
  vm.console.onOutput(take);
  vm.serial.onOutput(take);
  vm.start();
  return {
    vm,
    output: () => output,
    run: async (command) => {
      const text = { stdout: "", stderr: "" };
      const collect = (key: "stdout" | "stderr") => {
        const decode = new TextDecoder();
        return (bytes: Uint8Array) => {
          text[key] += decode.decode(bytes, { stream: true });
        };
      };
      const status = await vm.exec(command, { onStdout: collect("stdout"), onStderr: collect("stderr") });
      return { status, ...text };
    },
    type: (text) => vm.console.write(new TextEncoder().encode(text)),
    until: async (pattern, seconds = 20, from = 0) => {
      const limit = performance.now() + seconds * 1000;
      while (performance.now() < limit) {
        if (pattern.test(output.slice(from))) return output.slice(from);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error(
        `The console did not print ${pattern} within ${seconds} s. It printed:\n${output.slice(from)}`,
      );
    },
  };
}
