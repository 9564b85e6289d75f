/** The first serial port as a byte stream: early messages and panics. */
import type { Cpu } from "../cpu/cpu.ts";
import type { ByteChannel } from "./types.ts";

export function serialChannel(cpu: Cpu): ByteChannel {
  const listeners = new Set<(bytes: Uint8Array) => void>();
  let batch: number[] = [];
  cpu.onSerialOutput((byte) => {
    // One callback for all that is written within a slice.
    if (batch.length === 0) {
      queueMicrotask(() => {
        const bytes = Uint8Array.from(batch);
        batch = [];
        for (const listener of listeners) listener(bytes);
      });
    }
    batch.push(byte);
  });
  return {
    onOutput: (callback) => {
      listeners.add(callback);
      return () => listeners.delete(callback);
    },
    write: (bytes) => {
      for (const byte of bytes) cpu.serialInput(byte);
      return true;
    },
  };
}
