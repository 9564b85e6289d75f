/** Inflating on the host: far quicker than in emulated code, and the platform has it built in. */
import { BootError } from "./errors.ts";

/** Whether the bytes begin like a gzip member (RFC 1952). */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8;
}

/**
 * Inflates a gzip file; other bytes come back as they are.
 * @throws BootError "bad-gzip" when the file is damaged or ends early.
 */
export async function gunzip(name: string, bytes: Uint8Array): Promise<Uint8Array> {
  if (!isGzip(bytes)) return bytes;
  const stream = new DecompressionStream("gzip");
  const writer = stream.writable.getWriter();
  // Both ends at once: the stream holds only a little. A failed write shows at the reading end as well.
  const writing = writer.write(bytes).then(() => writer.close());
  writing.catch(() => {});
  const reader = stream.readable.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (value) {
        chunks.push(value);
        length += value.length;
      }
    }
  } catch {
    throw new BootError("bad-gzip", `${name} is gzip'd, but damaged or cut short.`);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
