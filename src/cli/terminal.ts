/** The interactive terminal: this terminal in raw mode, joined to the console of a guest, and of the next after a reset. */
import type { MicroVm } from "../index.ts";

/** Ctrl-], as telnet has it: hardly ever needed in the guest. */
const LEAVE = 0x1d;

/** See the file's head. */
export class Terminal {
  /** Resolves when the person has pressed Ctrl-], or input has ended. */
  readonly left: Promise<void>;
  #vm: MicroVm | undefined;

  constructor() {
    const { stdin, stdout, stderr } = process;
    stderr.write("Ctrl-] leaves.\r\n");
    if (stdout.isTTY) stdout.on("resize", () => this.#vm?.console.resize(stdout.columns, stdout.rows));
    if (stdin.isTTY) stdin.setRawMode(true);
    this.left = new Promise((resolve) => {
      stdin.on("data", (bytes: Buffer) => {
        const end = bytes.indexOf(LEAVE);
        this.#vm?.console.write(end < 0 ? bytes : bytes.subarray(0, end));
        if (end >= 0) resolve();
      });
      stdin.on("end", () => resolve());
    });
  }

  /** Shows this machine's console from now on, and types there. */
  join(vm: MicroVm): void {
    this.#vm = vm;
    const show = (bytes: Uint8Array) => void process.stdout.write(bytes);
    vm.console.onOutput(show);
    vm.serial.onOutput(show);
  }

  /** Gives the terminal back as it was. */
  close(): void {
    const { stdin, stdout } = process;
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
    stdout.write("\r\n");
  }
}
