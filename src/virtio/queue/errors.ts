/**
 * The driver built a ring that breaks the standard. The transport's core turns it into DEVICE_NEEDS_RESET
 * (virtio 1.2 section 2.1.2) and counts it under `reason`, a short and stable phrase such as "descriptor loop".
 */
export class VirtqueueError extends Error {
  override readonly name = "VirtqueueError";
  readonly reason: string;
  constructor(reason: string) {
    super(`virtqueue: ${reason}`);
    this.reason = reason;
  }
}
