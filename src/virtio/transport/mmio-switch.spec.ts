import { describe, expect, it } from "vitest";
import type { DoorbellMode, InterruptMode } from "../../metrics/counters.ts";
import { MOCK_VECTOR_BASE } from "../testing/mock-driver.ts";
import { MockTransport } from "../testing/mock-transport.ts";

const NEEDS_RESET = 64;
const WIRED = { interrupts: "wired", doorbell: "shared" } as const;
const MSI = { interrupts: "msi", doorbell: "per-queue" } as const;
const ALL: readonly { interrupts: InterruptMode; doorbell: DoorbellMode }[] = [
  WIRED,
  { interrupts: "wired", doorbell: "per-queue" },
  { interrupts: "msi", doorbell: "shared" },
  MSI,
];

function running(mode: { interrupts: InterruptMode; doorbell: DoorbellMode }): MockTransport {
  const t = new MockTransport(mode.interrupts, mode.doorbell);
  t.driver.initialise();
  return t;
}

describe("a live switch", () => {
  it("goes from every mode to every other, and traffic goes on after the driver's reset", () => {
    for (const from of ALL) {
      for (const to of ALL) {
        if (from === to) continue;
        const t = running(from);
        t.echo();
        expect(t.transport.quiesce()).toBe(true);
        t.transport.offer(to);
        expect(t.transport.ready).toBe(false);
        expect(t.driver.status).toBe(15 | NEEDS_RESET);
        t.driver.initialise();
        expect(t.transport.ready).toBe(true);
        expect(t.transport.offered).toEqual(to);
        expect(t.transport.interruptsInUse).toBe(to.interrupts);
        expect(t.driver.doorbell !== undefined).toBe(to.doorbell === "per-queue");
        for (let i = 0; i < 5; i++) expect(t.echo()).toBe(1);
        expect(t.transport.counters.faults).toEqual({});
        expect(t.transport.ignored).toEqual({});
      }
    }
  });

  it("is told by a configuration interrupt, on the way that is in use", () => {
    const wired = running(WIRED);
    wired.transport.offer(MSI);
    expect(wired.line.level).toBe(true);
    expect(wired.driver.acknowledgeInterrupt()).toBe(2);
    const msi = running(MSI);
    msi.transport.offer(WIRED);
    expect(msi.messages.take()).toEqual([MOCK_VECTOR_BASE]);
    expect(msi.line.edges).toBe(0);
  });

  it("changes nothing that the driver can read before its reset", () => {
    const t = running(MSI);
    t.transport.offer(WIRED);
    expect(t.transport.offered).toEqual(MSI);
    expect(t.driver.version).toBe(3);
    expect(t.driver.msiVectors()).toBe(2);
    expect(t.driver.read32(0x050)).toBe(0x0004_1000);
    t.driver.reset();
    expect(t.driver.version).toBe(2);
    expect(t.driver.read32(0x050)).toBe(0);
  });

  it("goes on taking what the driver gives, and telling it, until the driver resets", () => {
    const t = running(MSI);
    t.transport.offer(WIRED);
    t.messages.take();
    for (let i = 0; i < 10; i++) expect(t.echo()).toBe(1);
    expect(t.messages.take()).toHaveLength(10);
  });

  it("takes what was made available but not yet notified of when the reset comes: nothing is lost", () => {
    const t = running(WIRED);
    t.transport.offer(MSI);
    t.driver.queue(0).addReadable([1, 2, 3]);
    t.driver.queue(0).addReadable([4, 5]);
    t.driver.queue(0).publish();
    const served = t.device.served;
    t.driver.acknowledgeInterrupt();
    t.driver.write32(0x070, 0);
    expect(t.device.served).toBe(served + 2);
    expect(t.line.level).toBe(false);
    expect(t.driver.interruptStatus).toBe(0);
  });

  it("leaves the line down though an event came just before the reset", () => {
    const t = running(WIRED);
    t.echo();
    t.transport.offer(MSI);
    t.driver.initialise();
    expect(t.line.level).toBe(false);
    t.echo();
    expect(t.line.level).toBe(false);
    expect(t.messages.take()).toEqual([MOCK_VECTOR_BASE + 1]);
  });

  it("is no fault and is not logged as one", () => {
    const t = running(WIRED);
    for (let i = 0; i < 10; i++) {
      t.transport.offer(i % 2 === 0 ? MSI : WIRED);
      t.driver.initialise();
    }
    expect(t.transport.counters.faults).toEqual({});
    expect(t.log).toEqual([]);
  });

  it("to what is offered already does nothing", () => {
    const t = running(MSI);
    t.transport.offer({ ...MSI });
    expect(t.driver.status).toBe(15);
    expect(t.messages.sent).toEqual([]);
  });

  it("can change its mind before the reset: the last offer counts", () => {
    const t = running(MSI);
    t.transport.offer(WIRED);
    t.transport.offer({ interrupts: "msi", doorbell: "shared" });
    t.driver.initialise();
    expect(t.transport.offered).toEqual({ interrupts: "msi", doorbell: "shared" });
    expect(t.driver.status).toBe(15);
  });

  it("back to what is offered, while a reset is asked for, still lets that reset happen", () => {
    const t = running(MSI);
    t.transport.offer(WIRED);
    t.transport.offer(MSI);
    expect(t.driver.status).toBe(15 | NEEDS_RESET);
    t.driver.initialise();
    expect(t.transport.offered).toEqual(MSI);
    expect(t.transport.ready).toBe(true);
  });

  it("takes effect at once when the driver has not begun", () => {
    const t = new MockTransport("msi", "per-queue");
    t.transport.offer(WIRED);
    expect(t.transport.offered).toEqual(WIRED);
    expect(t.driver.version).toBe(2);
    t.driver.initialise();
    expect(t.echo()).toBe(1);
  });

  it("waits for DRIVER_OK when the driver is negotiating: nothing changes under its hands", () => {
    const t = new MockTransport("msi", "per-queue");
    t.driver.prepare();
    t.transport.offer(WIRED);
    expect(t.driver.version).toBe(3);
    expect(t.transport.interruptsInUse).toBe("msi");
    expect(t.messages.sent).toEqual([]);
    t.driver.driverOk();
    expect(t.driver.status).toBe(15 | NEEDS_RESET);
    expect(t.messages.take()).toEqual([MOCK_VECTOR_BASE]);
    t.driver.initialise();
    expect(t.transport.offered).toEqual(WIRED);
    expect(t.transport.ready).toBe(true);
  });

  it("of a device that needs a reset for cause happens with that reset", () => {
    const t = running(MSI);
    t.driver.queue(0).availIdx = 1000;
    t.driver.kick(0);
    t.transport.offer(WIRED);
    t.driver.initialise();
    expect(t.transport.offered).toEqual(WIRED);
    expect(t.echo()).toBe(1);
  });

  it("can be given up: the device goes on as it was negotiated", () => {
    const t = running(MSI);
    t.transport.quiesce();
    t.transport.offer(WIRED);
    t.transport.withdraw();
    expect(t.driver.status).toBe(15);
    expect(t.transport.ready).toBe(true);
    expect(t.echo()).toBe(1);
    t.driver.initialise();
    expect(t.transport.offered).toEqual(MSI);
  });

  it("hears from the device whether the driver has seen all", () => {
    const t = running(MSI);
    t.device.drained = false;
    expect(t.transport.quiesce()).toBe(false);
    t.device.drained = true;
    expect(t.transport.quiesce()).toBe(true);
  });

  it("of a device that is not in operation has nothing to wait for", () => {
    const t = new MockTransport();
    t.device.drained = false;
    expect(t.transport.quiesce()).toBe(true);
  });
});

describe("onReady", () => {
  it("calls back at DRIVER_OK and at each reset, with everything in place", () => {
    const t = new MockTransport("msi", "per-queue");
    const seen: string[] = [];
    const stop = t.transport.onReady(() => {
      seen.push(`${t.transport.ready} ${t.transport.offered.interrupts} ${t.transport.interruptsInUse}`);
    });
    t.driver.initialise();
    expect(seen).toEqual(["false msi wired", "true msi msi"]);
    t.transport.offer(WIRED);
    expect(seen).toHaveLength(2);
    t.driver.initialise();
    expect(seen.slice(2)).toEqual(["false wired wired", "true wired wired"]);
    stop();
    t.driver.initialise();
    expect(seen).toHaveLength(4);
  });

  it("says that the device is not ready when its activation failed", () => {
    const t = new MockTransport();
    const seen: boolean[] = [];
    t.driver.prepare();
    t.driver.queue(0).availIdx = 1000;
    t.transport.onReady(() => seen.push(t.transport.ready));
    t.driver.driverOk();
    expect(seen).toEqual([false]);
  });

  it("lets a callback unsubscribe while it is called", () => {
    const t = new MockTransport();
    const seen: number[] = [];
    const stopFirst = t.transport.onReady(() => {
      seen.push(1);
      stopFirst();
    });
    t.transport.onReady(() => seen.push(2));
    t.driver.reset();
    t.driver.reset();
    expect(seen).toEqual([1, 2, 2]);
  });
});
