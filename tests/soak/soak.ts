/** The long run: boots one guest, lets everything go on in it at once, samples memory, and sums up. */
import { type Environment, environment } from "../../bench/environment.ts";
import { readGuestImage, readWasm } from "../../src/cli/files.ts";
import { MicroVm } from "../../src/index.ts";
import { ConsoleCheck } from "./console-lines.ts";
import type { SoakSettings } from "./flags.ts";
import { pause, run, runConsole, runSwitches, runTcp, type Totals } from "./load.ts";
import {
  type Growth,
  growth,
  leaks,
  MEASURES,
  type Measure,
  type MemorySample,
  sampleMemory,
} from "./memory.ts";
import { Random } from "./random.ts";

/** What a run has found. */
export interface SoakReport {
  readonly environment: Environment;
  readonly settings: SoakSettings;
  /** Under load, without the boot. */
  readonly seconds: number;
  /** Whether it was ended before its time. */
  readonly interrupted: boolean;
  readonly totals: Totals;
  readonly console: { readonly lines: number; readonly bytes: number };
  /** Of the network card: frames that found no room. TCP sends them again. */
  readonly framesDropped: number;
  /** Samples before this many seconds are not judged. */
  readonly warmUp: number;
  readonly samples: readonly MemorySample[];
  readonly growth: Readonly<Partial<Record<Measure, Growth>>>;
  /** From the machine's creation on. */
  readonly guestInstructions: number;
  /** Everything that was wrong; empty for a good run. */
  readonly problems: readonly string[];
}

const PROGRESS_MS = 10_000;
const SAMPLE_MS = { least: 500, most: PROGRESS_MS } as const;
/** By then code is translated and pools have their size: a fifth of the run, five minutes at most. */
const WARM_UP = { fraction: 0.2, most: 300 } as const;

/** Runs as `settings` say, or until `interrupt`. */
export async function soak(
  settings: SoakSettings,
  interrupt: AbortSignal,
  progress: (line: string) => void,
): Promise<SoakReport> {
  const measuredOn = environment();
  const { vm, stopped } = await boot(settings.memory);
  measuredOn.kernel = (await run(vm, "uname -r")).stdout.trim();
  const seconds = settings.minutes * 60;
  const warmUp = Math.min(seconds * WARM_UP.fraction, WARM_UP.most);
  const totals: Totals = {
    tcpRuns: 0,
    transactions: 0,
    tcpBytes: 0,
    echoes: 0,
    switches: 0,
    slowestSwitchMs: 0,
    failedSwitches: [],
  };
  const check = new ConsoleCheck();
  const samples: MemorySample[] = [];
  const problems: string[] = [];
  const began = performance.now();
  const since = (): number => (performance.now() - began) / 1000;
  const end = new AbortController();
  const failed = (error: unknown): void => {
    problems.push(error instanceof Error ? error.message : String(error));
    end.abort();
  };
  interrupt.addEventListener("abort", () => end.abort());
  const random = new Random(settings.seed);
  const loads = [
    runTcp(vm, random, totals, { at: began + seconds * 1000, signal: end.signal }).finally(() => end.abort()),
    runSwitches(vm, new Random(settings.seed + 1), totals, end.signal),
    runConsole(vm, check, end.signal),
  ].map((load) => load.catch(failed));
  stopped.catch(failed);
  const sampleMs = Math.min(Math.max((seconds * 1000) / 60, SAMPLE_MS.least), SAMPLE_MS.most);
  let shown = began;
  while (!end.signal.aborted) {
    await pause(sampleMs, end.signal);
    if (end.signal.aborted) break;
    samples.push(sampleMemory(since(), vm.emulatorBytes));
    if (check.problem !== undefined) end.abort();
    if (performance.now() - shown < PROGRESS_MS - sampleMs / 2) continue;
    shown = performance.now();
    progress(progressLine(since(), totals, check, samples.at(-1)));
  }
  const ran = since();
  await Promise.race([Promise.all(loads), stopped.catch(() => {})]);
  if (check.problem !== undefined) problems.push(check.problem);
  problems.push(...(await afterwards(vm, totals)), ...leaks(samples, warmUp));
  const metrics = vm.metrics();
  await vm.destroy();
  return {
    environment: measuredOn,
    settings,
    seconds: ran,
    interrupted: interrupt.aborted,
    totals,
    console: { lines: check.lines, bytes: check.bytes },
    framesDropped: metrics.devices.net0?.net?.dropped ?? 0,
    warmUp,
    samples,
    growth: Object.fromEntries(
      MEASURES.flatMap((measure) => {
        const found = growth(samples, measure, warmUp);
        return found ? [[measure, found]] : [];
      }),
    ),
    guestInstructions: metrics.guestInstructions,
    problems,
  };
}

async function boot(memoryMiB: number): Promise<{ vm: MicroVm; stopped: Promise<never> }> {
  const [wasm, kernel, initrd] = await Promise.all([
    readWasm(),
    readGuestImage("vmlinux.gz"),
    readGuestImage("initramfs.cpio.gz"),
  ]);
  const vm = await MicroVm.create({ wasm, kernel, initrd: [initrd], memoryMiB });
  // Its 64 MiB would fill during the run and look like a leak.
  vm.stopCapture();
  const stopped = new Promise<never>((_, reject) => vm.onStop(({ message }) => reject(new Error(message))));
  stopped.catch(() => {});
  vm.start();
  await Promise.race([vm.exec("true"), stopped]);
  return { vm, stopped };
}

/** What counters and the guest's kernel say at the end. */
async function afterwards(vm: MicroVm, totals: Totals): Promise<string[]> {
  if (!vm.running) return [];
  totals.switches = vm.metrics().switches;
  const problems = Object.entries(vm.metrics().devices)
    .filter(([, { faults }]) => Object.keys(faults).length > 0)
    .map(([name, { faults }]) => `${name} counted faults: ${JSON.stringify(faults)}`);
  const { stdout } = await run(vm, "dmesg | grep -E 'BUG|WARNING|Oops|Call Trace|Out of memory'");
  if (stdout !== "") problems.push(`the guest's kernel complains: ${stdout.trim().split("\n")[0]}`);
  return problems;
}

function progressLine(
  seconds: number,
  totals: Totals,
  check: ConsoleCheck,
  sample: MemorySample | undefined,
): string {
  const mib = (bytes = 0): string => (bytes / 0x100000).toFixed(1);
  return [
    `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`,
    `${totals.transactions} transactions`,
    `${mib(totals.tcpBytes)} MiB of TCP`,
    `${totals.switches} switches`,
    `${check.lines} console lines`,
    `heap ${mib(sample?.heap)}, external ${mib(sample?.external)}, wasm ${mib(sample?.wasm)}, resident ${mib(sample?.resident)} MiB`,
  ].join("  ");
}
