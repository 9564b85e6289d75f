import { describe, expect, it } from "vitest";
import { MockClock } from "../virtio/testing/mock-machine.ts";
import { Agent } from "./agent.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function frame(type: string, id: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  return Uint8Array.of(type.charCodeAt(0), id, payload.length & 0xff, payload.length >> 8, ...payload);
}

function createAgent() {
  const clock = new MockClock();
  const sent: string[] = [];
  let ready = 0;
  const agent = new Agent({
    clock,
    send: (bytes) =>
      sent.push(`${String.fromCharCode(bytes[0] ?? 0)}${bytes[1]} ${decode(bytes.subarray(4))}`),
    onReady: () => {
      ready += 1;
    },
  });
  return { agent, clock, sent, ready: () => ready };
}

describe("the agent's host half", () => {
  it("starts a command once the guest is ready, passes its output on and resolves with its status", async () => {
    const { agent, sent, ready } = createAgent();
    let out = "";
    const done = agent.exec("ls", { onStdout: (bytes) => (out += decode(bytes)) });
    expect(sent).toEqual([]);
    agent.receive(frame("R", 0));
    expect(ready()).toBe(1);
    expect(sent).toEqual(["X1 ls"]);
    agent.receive(frame("A", 1));
    agent.receive(frame("1", 1, encode("a\n")));
    agent.receive(frame("E", 1, Uint8Array.of(3)));
    expect(await done).toBe(3);
    expect(out).toBe("a\n");
    expect(sent).toEqual(["X1 ls", "K1 "]);
  });

  it("says a command again each second until it is accepted", () => {
    const { agent, clock, sent } = createAgent();
    void agent.exec("ls");
    agent.receive(frame("R", 0));
    clock.advance(2500);
    expect(sent).toEqual(["X1 ls", "X1 ls", "X1 ls"]);
    agent.receive(frame("A", 1));
    clock.advance(5000);
    expect(sent).toHaveLength(3);
  });

  it("says what was not accepted again when the guest's half comes back from a switch", () => {
    const { agent, sent } = createAgent();
    void agent.exec("ls");
    agent.receive(frame("R", 0));
    agent.receive(frame("R", 0));
    expect(sent).toEqual(["X1 ls", "X1 ls"]);
  });

  it("acknowledges an exit that it hears of twice, and resolves once", async () => {
    const { agent, sent } = createAgent();
    const done = agent.exec("ls");
    agent.receive(frame("R", 0));
    agent.receive(frame("E", 1, Uint8Array.of(0)));
    agent.receive(frame("E", 1, Uint8Array.of(9)));
    expect(await done).toBe(0);
    expect(sent.filter((text) => text.startsWith("K"))).toHaveLength(2);
  });

  it("puts frames together that arrive in pieces", async () => {
    const { agent } = createAgent();
    const done = agent.exec("ls");
    const bytes = [...frame("R", 0), ...frame("A", 1), ...frame("E", 1, Uint8Array.of(7))];
    for (const byte of bytes) agent.receive(Uint8Array.of(byte));
    expect(await done).toBe(7);
  });

  it("survives bytes that are no frames", async () => {
    const { agent } = createAgent();
    agent.receive(Uint8Array.from({ length: 5000 }, (_, index) => (index * 31) & 0xff));
    agent.receive(frame("R", 0));
    expect(agent).toBeDefined();
  });

  it("rejects what was under way when the machine goes", async () => {
    const { agent } = createAgent();
    const done = agent.exec("sleep 100");
    agent.close("The guest has halted.");
    await expect(done).rejects.toThrow("The guest has halted.");
  });

  it("lets go of a signal when its command has ended, and sends SIGINT by it until then", async () => {
    const { agent, sent } = createAgent();
    const listeners = new Set<() => void>();
    const signal = {
      addEventListener: (_type: "abort", listener: () => void) => void listeners.add(listener),
      removeEventListener: (_type: "abort", listener: () => void) => void listeners.delete(listener),
    };
    agent.receive(frame("R", 0));
    const done = agent.exec("ls", { signal });
    const never = agent.exec("ls", { signal });
    expect(listeners.size).toBe(2);
    for (const listener of listeners) listener();
    expect(sent.filter((text) => text.startsWith("S"))).toHaveLength(2);
    agent.receive(frame("E", 1, Uint8Array.of(130)));
    expect(await done).toBe(130);
    expect(listeners.size).toBe(1);
    agent.close("The guest has halted.");
    await expect(never).rejects.toThrow();
    expect(listeners.size).toBe(0);
  });

  it("refuses a command that does not fit a frame", async () => {
    const { agent } = createAgent();
    await expect(agent.exec("x".repeat(5000))).rejects.toThrow(/at most 4096/);
  });
});
