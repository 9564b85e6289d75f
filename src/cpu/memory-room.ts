/** Whether the platform has room for a guest. */

const PAGE = 0x10000;
/** WebAssembly memory beside the guest's RAM: v86's own state, its frame buffer and translated code on its way. */
const BESIDE = 16 * 0x100000;

/**
 * Whether a guest with so many bytes of RAM can be had now. v86 itself fails out of reach when its memory cannot grow: in a timer,
 * as an error that nobody can catch. What is asked for here is let go of at once, and costs nothing until it is written to.
 */
export function canHold(bytes: number): boolean {
  const pages = Math.ceil((bytes + BESIDE) / PAGE);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer.byteLength >= bytes;
  } catch {
    return false;
  }
}
