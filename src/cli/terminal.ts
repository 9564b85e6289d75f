/** The interactive terminal: this terminal in raw mode, joined to the guest's console. */
import type { MicroVm } from "../index.ts";

/** Ctrl-], as telnet has it: hardly ever needed in the guest. */
const LEAVE = 0x1d;

/** Joins this process's terminal to the guest's; resolves when the person has pressed Ctrl-], or input has ended. */
export function attachTerminal(vm: MicroVm): Promise<void> {
  const { stdin, stdout, stderr } = process;
  stderr.write("Ctrl-] leaves.\r\n");
  vm.console.onOutput((bytes) => stdout.write(bytes));
  vm.serial.onOutput((bytes) => stdout.write(bytes));
  if (stdout.isTTY) stdout.on("resize", () => vm.console.resize(stdout.columns, stdout.rows));
  if (stdin.isTTY) stdin.setRawMode(true);
  return new Promise<void>((resolve) => {
    stdin.on("data", (bytes: Buffer) => {
      const end = bytes.indexOf(LEAVE);
      vm.console.write(end < 0 ? bytes : bytes.subarray(0, end));
      if (end >= 0) resolve();
    });
    stdin.on("end", () => resolve());
  }).finally(() => {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
    stdout.write("\r\n");
  });
}
