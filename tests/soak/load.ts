/** What goes on in the guest during a long run, until it is told to end. */
import { type MicroVm, SwitchError } from "../../src/index.ts";
import { type ConsoleCheck, PRINT_LINES, STOP_PRINTING } from "./console-lines.ts";
import type { Random } from "./random.ts";

/** What was done so far. */
export interface Totals {
  tcpRuns: number;
  transactions: number;
  /** Payload of TCP connections, both ways together, every byte of it checked. */
  tcpBytes: number;
  echoes: number;
  switches: number;
  slowestSwitchMs: number;
  /** Switches whose drivers did not come back in time: what was said, and the guest's instructions meanwhile. */
  readonly failedSwitches: { readonly message: string; readonly guestInstructions: number }[];
}

/** Bytes of the random file that goes through the echo. */
const ECHO_BYTES = 200_000;
const ECHO = [
  `head -c ${ECHO_BYTES} /dev/urandom > /tmp/sent`,
  `nc 10.0.2.2 7 < /tmp/sent | head -c ${ECHO_BYTES} > /tmp/back`,
  "cmp /tmp/sent /tmp/back",
].join("; ");
/** Seconds of one tcp_rr; each makes a connection of its own. */
const RUN_SECONDS = [3, 10, 30] as const;
/** Request and response sizes. Bytes are numbered modulo 251 in both directions: tcp_rr checks one, the peer the other. */
const SIZES = [
  [1, 1],
  [32, 1024],
  [1460, 1460],
  [4000, 20_000],
  [1, 65_536],
  [65_536, 1],
  [65_536, 65_536],
] as const;
/** Milliseconds between two switches. */
const SWITCH_PAUSE = { least: 100, most: 3000 } as const;

/** Verified TCP, one connection after the other. Throws with a sentence at the first thing that is wrong. */
export async function runTcp(
  vm: MicroVm,
  random: Random,
  totals: Totals,
  ends: { readonly at: number; readonly signal: AbortSignal },
): Promise<void> {
  while (!ends.signal.aborted) {
    const left = (ends.at - performance.now()) / 1000;
    if (left < 1) return;
    const [request, response] = random.pick(SIZES);
    const seconds = Math.min(random.pick(RUN_SECONDS), left);
    const before = vm.metrics().peer.transactions;
    const { status, stdout, stderr } = await run(
      vm,
      `tcp_rr -H 10.0.2.2 -l ${seconds.toFixed(1)} -r ${request},${response} --verify --json`,
      ends.signal,
    );
    if (ends.signal.aborted) return;
    if (status !== 0) throw new Error(`tcp_rr ended with status ${status}: ${stderr.trim()}`);
    const { transactions } = JSON.parse(stdout) as { transactions: number };
    const answered = vm.metrics().peer.transactions - before;
    if (answered !== transactions)
      throw new Error(`tcp_rr counted ${transactions} transactions, and the peer answered ${answered}`);
    totals.tcpRuns += 1;
    totals.transactions += transactions;
    totals.tcpBytes += transactions * (request + response);
    const echo = await run(vm, ECHO, ends.signal);
    if (ends.signal.aborted) return;
    if (echo.status !== 0)
      throw new Error(
        `the echo of ${ECHO_BYTES} bytes: ${(echo.stdout + echo.stderr).trim() || echo.status}`,
      );
    totals.echoes += 1;
    totals.tcpBytes += 2 * ECHO_BYTES;
  }
}

/**
 * Switches to modes by chance at moments by chance; now and then two at once. One that its drivers have no time for is
 * noted, since the guest may have had no processor; rejects when the next one fails too.
 */
export async function runSwitches(
  vm: MicroVm,
  random: Random,
  totals: Totals,
  signal: AbortSignal,
): Promise<void> {
  let failedInARow = 0;
  while (!signal.aborted) {
    await pause(random.between(SWITCH_PAUSE.least, SWITCH_PAUSE.most), signal);
    if (signal.aborted) return;
    const before = vm.metrics().guestInstructions;
    const wanted = [
      ...(random.fraction() < 0.8 ? [vm.setInterrupts(vm.interrupts === "msi" ? "wired" : "msi")] : []),
      ...(random.fraction() < 0.3 ? [vm.setDoorbell(random.pick(["shared", "per-queue"]))] : []),
    ];
    const failedBefore = totals.failedSwitches.length;
    for (const outcome of await Promise.allSettled(wanted)) {
      if (outcome.status === "fulfilled") {
        totals.slowestSwitchMs = Math.max(totals.slowestSwitchMs, outcome.value.milliseconds);
        continue;
      }
      if (!(outcome.reason instanceof SwitchError) || failedInARow > 0) throw outcome.reason;
      const guestInstructions = vm.metrics().guestInstructions - before;
      totals.failedSwitches.push({ message: outcome.reason.message, guestInstructions });
    }
    failedInARow = totals.failedSwitches.length - failedBefore;
    totals.switches = vm.metrics().switches;
  }
}

/** Numbered lines on the console until `signal`, then the check that all of them came. */
export async function runConsole(vm: MicroVm, check: ConsoleCheck, signal: AbortSignal): Promise<void> {
  const stop = vm.console.onOutput((bytes) => check.take(bytes));
  try {
    const printing = run(vm, PRINT_LINES);
    await Promise.race([printing, aborted(signal)]);
    await run(vm, STOP_PRINTING);
    const { status, stdout, stderr } = await printing;
    if (status !== 0) throw new Error(`the printing of lines ended with status ${status}: ${stderr.trim()}`);
    // The last of them may still be on the way out of the terminal.
    const limit = performance.now() + 10_000;
    while (check.lines < Number(stdout) && check.problem === undefined && performance.now() < limit)
      await pause(50);
    check.end(Number(stdout));
  } finally {
    stop();
  }
}

/** Runs a command in the guest; aborting `signal` is Ctrl-C. */
export async function run(
  vm: MicroVm,
  command: string,
  signal?: AbortSignal,
): Promise<{ status: number; stdout: string; stderr: string }> {
  const text = { stdout: "", stderr: "" };
  const take = (key: "stdout" | "stderr") => (bytes: Uint8Array) => {
    text[key] += new TextDecoder().decode(bytes);
  };
  const status = await vm.exec(command, {
    onStdout: take("stdout"),
    onStderr: take("stderr"),
    ...(signal ? { signal } : {}),
  });
  return { status, ...text };
}

/** Resolves after so many milliseconds, or when `signal` says so. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener("abort", end);
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
