/** `npm run -s vm -- [flags]`: boots the machine in Node. See flags.ts for what it takes and how it ends. */
import { BootError, MicroVm, type NamedBytes, SnapshotError, SwitchError } from "../index.ts";
import { packOverlay, readBootFile, readGuestImage, readUserFile, readWasm, writeUserFile } from "./files.ts";
import { type Flags, HELP, parseFlags, UsageError } from "./flags.ts";
import { Terminal } from "./terminal.ts";

const EXIT_STOPPED = 1;
const EXIT_USAGE = 2;
const EXIT_TIMEOUT = 124;
const EXIT_INTERRUPTED = 130;
/** No exit status: the machine is to boot again. */
const RESTART = -1;
/** How much of the console's latest output --until looks at, in characters. */
const UNTIL_WINDOW = 65536;

/** How a run ended: the exit status, and a sentence when there is something to say. */
interface Outcome {
  readonly status: number;
  readonly message?: string;
}

async function main(): Promise<number> {
  const flags = parseFlags(process.argv.slice(2));
  if (flags === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  if (flags.exitCost > 0) {
    process.stderr.write(
      `doorbell: modelled exit cost: ${flags.exitCost} ns for each exit and IOAPIC EOI.\n`,
    );
  }
  if (flags.web) process.stderr.write("doorbell: the guest may reach the web (--web).\n");
  const vm = flags.restore ? await restoreMachine(flags.restore, flags) : await createMachine(flags);
  const fromOutside = [interrupted(flags), ...(flags.timeout > 0 ? [timedOut(flags)] : [])];
  if (flags.exec !== undefined || flags.until !== undefined)
    return finish(vm, flags, () => [drive(vm, flags), stopped(vm), ...fromOutside]);
  const terminal = new Terminal();
  try {
    const left = terminal.left.then((): Outcome => ({ status: 0 }));
    let status = await finish(vm, flags, () => [interact(vm, terminal), left, ...fromOutside]);
    while (status === RESTART) {
      const next = await createMachine(flags);
      status = await finish(next, flags, () => [interact(next, terminal), left, ...fromOutside]);
    }
    return status;
  } finally {
    terminal.close();
  }
}

/** Begins the run, waits for the first of its ends, writes what is to be written, and lets go of the machine. */
async function finish(vm: MicroVm, flags: Flags, begin: () => readonly Promise<Outcome>[]): Promise<number> {
  if (flags.trace) vm.trace.start();
  try {
    const outcome = await Promise.race(begin());
    if (outcome.message) process.stderr.write(`${outcome.message}\n`);
    vm.pause();
    if (flags.stats) await writeUserFile("stats", flags.stats, `${JSON.stringify(vm.metrics(), null, 2)}\n`);
    if (flags.save && outcome.status !== RESTART) await writeUserFile("save", flags.save, await vm.save());
    if (flags.pcap) await writeUserFile("pcap", flags.pcap, vm.pcapng());
    if (flags.trace) await writeUserFile("trace", flags.trace, renderTrace(vm, flags.trace));
    return outcome.status;
  } finally {
    await vm.destroy();
  }
}

/** Chrome's format for what is to be opened in Perfetto, text for people and grep. */
function renderTrace(vm: MicroVm, file: string): string {
  return file.endsWith(".json") ? `${JSON.stringify(vm.trace.chrome())}\n` : vm.trace.text();
}

async function createMachine(flags: Flags): Promise<MicroVm> {
  const [wasm, kernel, ...initrd] = await Promise.all([
    readWasm(),
    flags.kernel ? readBootFile("kernel", flags.kernel) : readGuestImage("vmlinux.gz"),
    ...rootFileSystem(flags),
    ...flags.overlays.map(packOverlay),
  ]);
  const { columns = 80, rows = 24 } = process.stdout;
  return MicroVm.create({
    wasm,
    kernel,
    initrd,
    acpi: flags.acpi,
    append: flags.append,
    memoryMiB: flags.memory,
    transport: flags.transport,
    interrupts: flags.interrupts,
    doorbell: flags.doorbell,
    eventIndex: flags.eventIndex,
    queuePairs: flags.queuePairs,
    exitCostNs: flags.exitCost,
    web: flags.web,
    spareDevice: flags.spare,
    terminal: { columns, rows },
    log: logger(flags),
  });
}

async function restoreMachine(path: string, flags: Flags): Promise<MicroVm> {
  const [wasm, { bytes }] = await Promise.all([readWasm(), readUserFile("restore", path)]);
  const vm = await MicroVm.restore(bytes, { wasm, web: flags.web, log: logger(flags) });
  const { columns = 80, rows = 24 } = process.stdout;
  vm.console.resize(columns, rows);
  return vm;
}

function logger(flags: Flags): (message: string) => void {
  return flags.quiet ? () => {} : (message) => process.stderr.write(`doorbell: ${message}\n`);
}

/** Ours goes with our kernel; a foreign kernel gets what --initrd names, or nothing. */
function rootFileSystem(flags: Flags): Promise<NamedBytes>[] {
  if (flags.initrd) return [readBootFile("initrd", flags.initrd)];
  return flags.kernel ? [] : [readGuestImage("initramfs.cpio.gz")];
}

/** Does what --exec or --until asks for until it is done. */
async function drive(vm: MicroVm, flags: Flags): Promise<Outcome> {
  if (!flags.quiet) {
    vm.console.onOutput((bytes) => process.stderr.write(bytes));
    vm.serial.onOutput((bytes) => process.stderr.write(bytes));
  }
  const matched = flags.until ? seen(vm, flags.until) : undefined;
  vm.start();
  const switching = switchEvery(vm, flags);
  try {
    if (matched) {
      await matched;
      return { status: 0 };
    }
    const abort = new AbortController();
    process.once("SIGINT", () => abort.abort());
    const status = await vm.exec(flags.exec ?? "true", {
      onStdout: (bytes) => process.stdout.write(bytes),
      onStderr: (bytes) => process.stderr.write(bytes),
      signal: abort.signal,
    });
    return { status };
  } finally {
    await switching.stop();
  }
}

/** Resolves when the console or the serial port has printed what `pattern` matches. */
function seen(vm: MicroVm, pattern: RegExp): Promise<void> {
  return new Promise((resolve) => {
    const look = (): ((bytes: Uint8Array) => void) => {
      const decoder = new TextDecoder();
      let text = "";
      return (bytes) => {
        text = (text + decoder.decode(bytes, { stream: true })).slice(-UNTIL_WINDOW);
        if (pattern.test(text)) resolve();
      };
    };
    vm.console.onOutput(look());
    vm.serial.onOutput(look());
  });
}

/** Switches between wired and msi, from when the guest is ready until told to stop. */
function switchEvery(vm: MicroVm, flags: Flags): { stop: () => Promise<void> } {
  if (flags.switchEvery === 0) return { stop: async () => {} };
  let timer: NodeJS.Timeout | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const begin = (): void => {
    timer = setInterval(() => {
      last = vm.setInterrupts(vm.interrupts === "msi" ? "wired" : "msi").catch((error: unknown) => {
        if (!(error instanceof SwitchError)) throw error;
        process.stderr.write(`doorbell: ${error.message}\n`);
      });
    }, flags.switchEvery * 1000);
  };
  if (vm.phase === "ready") begin();
  else vm.onPhase((phase) => phase === "ready" && begin());
  return {
    stop: async () => {
      clearInterval(timer);
      await last;
    },
  };
}

/** A guest that stops before it has done what was asked for has not done it. */
function stopped(vm: MicroVm): Promise<Outcome> {
  return new Promise((resolve) => {
    vm.onStop(({ message }) => resolve({ status: EXIT_STOPPED, message }));
  });
}

/** Runs in the terminal: shutting down is how one leaves, and a reset boots again, as at a computer. */
function interact(vm: MicroVm, terminal: Terminal): Promise<Outcome> {
  terminal.join(vm);
  const ended = new Promise<Outcome>((resolve) => {
    vm.onStop(({ kind, message }) => {
      // One that never came to a console might go on like that for ever.
      const inUse = vm.phase !== "started" && vm.phase !== "kernel";
      const again = kind === "guest-reset" && inUse;
      resolve({ status: kind === "guest-halted" ? 0 : again ? RESTART : EXIT_STOPPED, message });
    });
  });
  vm.start();
  return ended;
}

/** The first Ctrl-C goes to the command in the guest, the second ends us; without a command the first one does. */
function interrupted(flags: Flags): Promise<Outcome> {
  return new Promise((resolve) => {
    let patience = flags.exec === undefined ? 0 : 1;
    process.on("SIGINT", () => patience-- <= 0 && resolve({ status: EXIT_INTERRUPTED }));
    process.on("SIGTERM", () => resolve({ status: 143 }));
  });
}

function timedOut(flags: Flags): Promise<Outcome> {
  return new Promise((resolve) => {
    const message = `Gave up after ${flags.timeout} s (--timeout).`;
    setTimeout(() => resolve({ status: EXIT_TIMEOUT, message }), flags.timeout * 1000);
  });
}

/** Ends when what was written has gone out: process.exit does not wait for pipes. */
async function exit(status: number): Promise<never> {
  await Promise.all(
    [process.stdout, process.stderr].map(
      (stream) => new Promise<void>((resolve) => stream.write("", () => resolve())),
    ),
  );
  process.exit(status);
}

try {
  await exit(await main());
} catch (error) {
  if (!(error instanceof UsageError || error instanceof BootError || error instanceof SnapshotError))
    throw error;
  process.stderr.write(`${error.message}\n`);
  await exit(EXIT_USAGE);
}
