/**
 * The few globals that browsers and Node share and that src/ may use. src/ is compiled without the
 * DOM library and without Node's types, so everything else is out of reach by construction.
 */
declare const performance: { now(): number };
declare const crypto: {
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  /** Not there in a page from an address that is not secure. */
  readonly subtle?: { digest(algorithm: "SHA-256", bytes: Uint8Array): Promise<ArrayBuffer> };
};
declare function setTimeout(callback: () => void, milliseconds?: number): unknown;
declare function clearTimeout(handle: unknown): void;
declare function queueMicrotask(callback: () => void): void;
declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
}
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes?: ArrayBufferView | ArrayBuffer, options?: { stream?: boolean }): string;
}
// biome-ignore lint/style/noNamespace: the platform has it as one, and a declaration has to follow
declare namespace WebAssembly {
  function instantiate(
    bytes: Uint8Array | ArrayBuffer,
    imports: Record<string, Record<string, unknown>>,
  ): Promise<{ instance: Instance }>;
  function instantiate(module: Module, imports: Record<string, Record<string, unknown>>): Promise<Instance>;
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module);
    readonly exports: Record<string, unknown>;
  }
  class Memory {
    constructor(size: { initial: number; maximum: number });
    readonly buffer: ArrayBuffer;
  }
}
interface ReadableStreamLike {
  getReader(): { read(): Promise<{ done: boolean; value?: Uint8Array }>; cancel(): Promise<void> };
}
interface TransformStreamLike {
  readonly readable: ReadableStreamLike;
  readonly writable: { getWriter(): { write(bytes: Uint8Array): Promise<void>; close(): Promise<void> } };
}
declare class CompressionStream implements TransformStreamLike {
  constructor(format: "deflate-raw");
  readonly readable: TransformStreamLike["readable"];
  readonly writable: TransformStreamLike["writable"];
}
declare class DecompressionStream implements TransformStreamLike {
  constructor(format: "gzip" | "deflate-raw");
  readonly readable: TransformStreamLike["readable"];
  readonly writable: TransformStreamLike["writable"];
}
declare class Headers {
  constructor(other: { get(name: string): string | null });
  get(name: string): string | null;
  set(name: string, value: string): void;
  delete(name: string): void;
}
declare class MessageChannel {
  readonly port1: { onmessage: (() => void) | null; close(): void };
  readonly port2: { postMessage(message: unknown): void };
}
