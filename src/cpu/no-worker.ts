/** Keeps v86 from making a Worker of its own. */

/** What the platform's global object may have. */
const GLOBALS = globalThis as { Worker?: unknown };

/** In place of the Worker: nobody posts to it, since {@link useMessageChannel} replaces what would. */
class NoWorker {
  onmessage: unknown = null;
  postMessage(): void {}
  terminate(): void {}
}

/**
 * v86 makes a Worker out of a blob: URL to yield through, in its constructor, before anything can be replaced on the instance.
 * Ours yields another way (scheduler.ts), and a page's policy need not allow blob: URLs to run. v86 calls `rust_init` of its
 * WebAssembly module right before, within the same call: there the name Worker gets another meaning for one construction,
 * or until that call is over.
 */
export function withoutWorker(exports: Record<string, unknown>): Record<string, unknown> {
  const init = exports.rust_init as () => void;
  return {
    ...exports,
    rust_init: () => {
      init();
      if (GLOBALS.Worker === undefined) return;
      const original = GLOBALS.Worker;
      const restore = (): void => {
        if (GLOBALS.Worker === Once) GLOBALS.Worker = original;
      };
      class Once extends NoWorker {
        constructor() {
          super();
          restore();
        }
      }
      GLOBALS.Worker = Once;
      queueMicrotask(restore);
    },
  };
}
