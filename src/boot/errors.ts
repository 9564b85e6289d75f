/** What can be wrong with what a person gave us to boot. */
export type BootErrorCode =
  | "not-a-kernel"
  | "64-bit-kernel"
  | "truncated"
  | "bad-gzip"
  | "too-big"
  | "too-old"
  | "command-line-too-long"
  | "memory-size"
  | "no-memory";

/** A kernel, initramfs or option that cannot be booted. The message is one sentence that names the file and the fact. */
export class BootError extends Error {
  override readonly name = "BootError";
  readonly code: BootErrorCode;
  constructor(code: BootErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
