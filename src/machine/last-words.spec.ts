import { describe, expect, it } from "vitest";
import { LastWords } from "./last-words.ts";

function having(...said: string[]): LastWords {
  const words = new LastWords();
  for (const text of said) words.take(new TextEncoder().encode(text));
  return words;
}

describe("the kernel's last words", () => {
  it("tell a panic, with its text, from a restart", () => {
    expect(having("reboot: Restarting system\r\n").reason("reboot", "").kind).toBe("guest-reset");
    expect(
      having("Kernel panic - not syncing: sysrq triggered crash\r\nCPU: 0 PID: 1\r\n").reason("reboot", ""),
    ).toEqual({ kind: "guest-panic", message: "Linux has panicked: sysrq triggered crash." });
  });

  it("do not explain a failure of the emulated CPU", () => {
    expect(having("Kernel panic - not syncing: x\r\n").reason("fault", "unreachable")).toEqual({
      kind: "cpu-fault",
      message: "The emulated CPU failed: unreachable.",
    });
  });

  it("are kept within bounds, however much is said", () => {
    const words = having("Kernel panic - not syncing: long ago\r\n");
    words.take(new Uint8Array(100_000).fill(0x41));
    expect(words.reason("halted", "")).toEqual({
      kind: "guest-halted",
      message: "The guest has shut down.",
    });
  });

  it("are put together across the port's pieces", () => {
    const words = having(
      "Kernel panic - not sync",
      "ing: Attempted to kill init! exitcode=0x00000100\r",
      "\n",
    );
    expect(words.reason("halted", "").message).toBe(
      "Linux has panicked: Attempted to kill init! exitcode=0x00000100.",
    );
  });
});
