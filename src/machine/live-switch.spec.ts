import { describe, expect, it } from "vitest";
import { MockClock } from "../virtio/testing/mock-machine.ts";
import { LiveSwitch, type Mode, type Switchable } from "./live-switch.ts";
import { SwitchError } from "./types.ts";

const MSI: Mode = { interrupts: "msi", doorbell: "per-queue" };

/** A transport whose driver renegotiates when told to. */
class FakeTransport implements Switchable {
  offered: Mode = MSI;
  ready = true;
  drained = true;
  readonly steps: string[] = [];
  readonly #listeners = new Set<() => void>();

  quiesce(): boolean {
    this.steps.push("quiesce");
    return this.drained;
  }

  offer(mode: Mode): void {
    this.steps.push(`offer ${mode.interrupts} ${mode.doorbell}`);
    this.offered = mode;
    this.ready = false;
  }

  withdraw(): void {
    this.steps.push("withdraw");
  }

  onReady(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  renegotiate(): void {
    this.ready = true;
    for (const listener of this.#listeners) listener();
  }
}

function create(running = true) {
  const clock = new MockClock();
  const net = new FakeTransport();
  const rng = new FakeTransport();
  const live = new LiveSwitch({
    transports: new Map([
      ["net0", net],
      ["rng0", rng],
    ]),
    clock,
    mode: MSI,
    canRun: () => running,
  });
  return { clock, net, rng, live };
}

/** Lets promises settle between two steps of the clock. */
async function advance(clock: MockClock, milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += 1) {
    clock.advance(1);
    for (let turn = 0; turn < 8; turn++) await Promise.resolve();
  }
}

describe("the live switch", () => {
  it("quiesces, offers and resolves when every driver has come back", async () => {
    const { clock, net, rng, live } = create();
    const done = live.to({ interrupts: "wired" });
    await advance(clock, 1);
    expect(net.steps).toEqual(["quiesce", "offer wired per-queue"]);
    net.renegotiate();
    rng.renegotiate();
    expect(await done).toMatchObject({ interrupts: "wired", doorbell: "per-queue" });
    expect(live.completed).toBe(1);
    expect(live.mode).toEqual({ interrupts: "wired", doorbell: "per-queue" });
  });

  it("waits for a driver that has not yet seen all it was given, but not for ever", async () => {
    const { clock, net, live } = create();
    net.drained = false;
    void live.to({ interrupts: "wired" }).catch(() => {});
    await advance(clock, 100);
    expect(net.steps.every((step) => step === "quiesce")).toBe(true);
    await advance(clock, 150);
    expect(net.steps.at(-1)).toBe("offer wired per-queue");
  });

  it("rejects with the names of the devices whose driver did not come back", async () => {
    const { clock, net, rng, live } = create();
    const done = live.to({ interrupts: "wired" });
    const outcome = expect(done).rejects.toThrow(/net0's driver did not come back within 5 s/);
    await advance(clock, 1);
    rng.renegotiate();
    await advance(clock, 5001);
    await outcome;
    await expect(done).rejects.toBeInstanceOf(SwitchError);
    expect(live.completed).toBe(0);
    // The device goes on serving a driver that does not know how to recover.
    expect(net.steps.at(-1)).toBe("withdraw");
    expect(live.mode).toEqual(MSI);
  });

  it("gives a driver its time although the page was frozen for an hour meanwhile", async () => {
    const { clock, net, rng, live } = create();
    const done = live.to({ interrupts: "wired" });
    await advance(clock, 1);
    clock.freeze(3_600_000);
    await advance(clock, 4000);
    net.renegotiate();
    rng.renegotiate();
    expect(await done).toMatchObject({ interrupts: "wired" });
    expect(clock.waiting).toBe(0);
  });

  it("ends with the machine, for the machine's reason, and so do those that wait and those that come", async () => {
    const { clock, net, live } = create();
    const outcomes = [live.to({ interrupts: "wired" }), live.to({ doorbell: "shared" })].map((done) =>
      done.catch((error: unknown) => error),
    );
    await advance(clock, 2);
    live.end("The guest has reset its machine.");
    outcomes.push(live.to({ interrupts: "wired" }).catch((error: unknown) => error));
    for (const outcome of outcomes)
      expect(await outcome).toEqual(new SwitchError("The guest has reset its machine."));
    expect(net.steps).toEqual(["quiesce", "offer wired per-queue"]);
    expect(clock.waiting).toBe(0);
  });

  it("changes the offer at once where no driver is at work", async () => {
    const { net, rng, live } = create();
    net.ready = false;
    rng.ready = false;
    await live.to({ doorbell: "shared" });
    expect(net.steps).toEqual(["offer msi shared"]);
  });

  it("does nothing and counts nothing when the mode is the one there is", async () => {
    const { net, live } = create();
    await live.to({ interrupts: "msi" });
    expect(net.steps).toEqual([]);
    expect(live.completed).toBe(0);
  });

  it("lets a second switch wait for the first", async () => {
    const { clock, net, rng, live } = create();
    const first = live.to({ interrupts: "wired" });
    const second = live.to({ doorbell: "shared" });
    await advance(clock, 2);
    expect(net.steps.filter((step) => step.startsWith("offer"))).toHaveLength(1);
    net.renegotiate();
    rng.renegotiate();
    await first;
    await advance(clock, 2);
    net.renegotiate();
    rng.renegotiate();
    expect(await second).toMatchObject({ interrupts: "wired", doorbell: "shared" });
  });

  it("refuses while the guest does not run, and leaves the mode as it was", async () => {
    const { live } = create(false);
    await expect(live.to({ interrupts: "wired" })).rejects.toThrow(/resume it first/);
    expect(live.mode).toEqual(MSI);
  });
});
