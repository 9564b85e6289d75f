import type { DescriptorChain, Virtqueue } from "../queue/virtqueue.ts";

/**
 * Hands each available chain to `handle`, which pushes it; returns how many there were. At most the queue's size
 * at a time: the driver stands still meanwhile and cannot have made more available, and a ring that overlaps
 * another one cannot keep the device busy for ever.
 */
export function takeChains(
  queue: Virtqueue,
  handle: (chain: DescriptorChain, queue: Virtqueue) => void,
): number {
  for (let taken = 0; taken < queue.size; taken++) {
    const chain = queue.pop();
    if (chain === undefined) return taken;
    handle(chain, queue);
  }
  return queue.size;
}
