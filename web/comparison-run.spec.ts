import { describe, expect, it } from "vitest";
import type { MetricsSnapshot } from "../src/index.ts";
import { CancelledError, ComparisonRun, type Guest, type GuestOptions } from "./comparison-run.ts";

const NOTHING: MetricsSnapshot = {
  wallMs: 0,
  guestInstructions: 0,
  switches: 0,
  ioapicEois: 0,
  exitCostNs: 0,
  peer: { transactions: 0 },
  devices: {},
};

/** A guest that does nothing quickly, and writes down what it is asked to do. */
class FakeGuest implements Guest {
  readonly transport: string;
  interrupts: Guest["interrupts"];
  doorbell: Guest["doorbell"];
  readonly phase = "created";
  readonly log: string[];
  running = false;
  destroyed = false;
  /** Commands never end. */
  readonly stuck: boolean;
  #ready: (() => void) | undefined;

  constructor({ transport, interrupts, doorbell }: GuestOptions, log: string[], stuck: boolean) {
    this.transport = transport ?? "mmio";
    this.interrupts = interrupts ?? "msi";
    this.doorbell = doorbell ?? "per-queue";
    this.log = log;
    this.stuck = stuck;
  }

  start(): void {
    this.running = true;
    queueMicrotask(() => this.#ready?.());
  }

  pause(): void {
    this.running = false;
  }

  resume(): void {
    this.running = true;
  }

  async destroy(): Promise<void> {
    this.running = false;
    this.destroyed = true;
  }

  stopCapture(): void {}

  onPhase(callback: Parameters<Guest["onPhase"]>[0]): () => void {
    this.#ready = () => callback("ready");
    return () => {};
  }

  onStop(): () => void {
    return () => {};
  }

  async exec(command: string, options?: Parameters<Guest["exec"]>[1]): Promise<number> {
    const seconds = / -l ([0-9.]+) /.exec(command)?.[1];
    if (this.stuck) return new Promise(() => {});
    this.log.push(`${this.transport} ${this.doorbell} ${this.interrupts} ${seconds}`);
    const report =
      '{"transactions":100,"transactionsPerSecond":50,"meanMicroseconds":1,"p50Microseconds":1,"p99Microseconds":2}';
    options?.onStdout?.(new TextEncoder().encode(report));
    return 0;
  }

  async setInterrupts(mode: Guest["interrupts"]): ReturnType<Guest["setInterrupts"]> {
    this.interrupts = mode;
    return { interrupts: mode, doorbell: this.doorbell, milliseconds: 1 };
  }

  async setDoorbell(mode: Guest["doorbell"]): ReturnType<Guest["setDoorbell"]> {
    this.doorbell = mode;
    return { interrupts: this.interrupts, doorbell: mode, milliseconds: 1 };
  }

  metrics(): MetricsSnapshot {
    return NOTHING;
  }
}

function setUp(columns: ComparisonRun["measurements"][number]["column"][], stuck = false) {
  const log: string[] = [];
  const guests: FakeGuest[] = [];
  const asked: GuestOptions[] = [];
  const abort = new AbortController();
  const run = new ComparisonRun({
    settings: { columns, rounds: 2, seconds: 3, exitCostNs: 700 },
    signal: abort.signal,
    create: async (options) => {
      expect(guests.some(({ running }) => running)).toBe(false);
      asked.push(options);
      const guest = new FakeGuest(options, log, stuck);
      guests.push(guest);
      return guest;
    },
    onChange: () => {},
  });
  return { run, log, guests, asked, abort };
}

describe("a comparison", () => {
  it("boots one guest for MMIO and one for each column on PCI, with little memory and the exit cost", async () => {
    const { run, asked, guests } = setUp(["pci-intx", "pci-msix", "mmio-wired", "mmio-v3-wired", "mmio-msi"]);
    await run.run();
    expect(asked).toEqual([
      { transport: "pci", interrupts: "wired", memoryMiB: 32, exitCostNs: 700 },
      { transport: "pci", interrupts: "msi", memoryMiB: 32, exitCostNs: 700 },
      { interrupts: "wired", doorbell: "shared", memoryMiB: 32, exitCostNs: 700 },
    ]);
    expect(guests.every(({ destroyed }) => destroyed)).toBe(true);
  });

  it("takes turns over the columns, each in its mode, after a warm-up and a lead-in", async () => {
    const { run, log } = setUp(["mmio-wired", "mmio-msi"]);
    await run.run();
    const wired = "mmio shared wired";
    const msi = "mmio per-queue msi";
    const round = [`${wired} 0.5`, `${wired} 3`, `${msi} 0.5`, `${msi} 3`];
    expect(log).toEqual([`${wired} 1`, `${wired} 1`, `${msi} 1`, `${msi} 1`, ...round, ...round]);
    expect(run.measurements.map(({ column, round }) => `${column} ${round}`)).toEqual([
      "mmio-wired 1",
      "mmio-msi 1",
      "mmio-wired 2",
      "mmio-msi 2",
    ]);
    expect(run.warmUp).toEqual({ "mmio-wired": [50, 50], "mmio-msi": [50, 50] });
  });

  it("ends at once when it is cancelled, and leaves no guest", async () => {
    const { run, guests, abort } = setUp(["pci-msix", "mmio-msi"], true);
    const running = run.run();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(run.step).toBe("Warming up: PCI MSI-X");
    abort.abort();
    await expect(running).rejects.toThrow(CancelledError);
    expect(guests).toHaveLength(1);
    expect(guests[0]?.destroyed).toBe(true);
  });

  it("destroys a guest that was being made when it was cancelled", async () => {
    const { run, guests, abort } = setUp(["mmio-msi"]);
    const running = run.run();
    abort.abort();
    await expect(running).rejects.toThrow(CancelledError);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(guests.map(({ destroyed }) => destroyed)).toEqual([true]);
  });

  it("knows how much is left", async () => {
    const { run } = setUp(["pci-msix"]);
    expect(run.progress.part).toBeCloseTo(0, 1);
    // Boot 4 s, warm-up 3.5 s, two rounds of 3.8 s.
    expect(run.progress.secondsLeft).toBe(16);
    await run.run();
  });
});
