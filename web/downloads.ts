/** Downloads with progress by bytes, made use of while they come in. */
/** A file to download. */
export interface DownloadRequest<T> {
  /** What a person calls it: "kernel". */
  readonly label: string;
  readonly url: string;
  /** Makes what is wanted of the body, while it comes in. */
  take(body: Body): Promise<T>;
}

/** How far one download is. */
export interface DownloadProgress {
  readonly label: string;
  readonly received: number;
  /** Bytes to come in all; absent when the server did not say, or said something that turned out wrong. */
  readonly total?: number;
  readonly done: boolean;
}

/** A download that failed, in a sentence for the page. */
export class DownloadError extends Error {
  override readonly name = "DownloadError";
}

type Body = ReadableStream<Uint8Array<ArrayBuffer>>;

/** Takes a WebAssembly module: it is compiled as fast as it comes. `sha256`: see {@link isGenuine}. */
export const takeModule =
  (sha256?: string) =>
  async (body: Body): Promise<WebAssembly.Module> => {
    const [compiled, kept] = sha256 === undefined ? [body] : body.tee();
    const whole = kept && new Response(kept).arrayBuffer();
    whole?.catch(() => {});
    const module = await WebAssembly.compileStreaming(
      new Response(compiled, { headers: { "Content-Type": "application/wasm" } }),
    );
    if (whole && !(await isGenuine(await whole, sha256))) throw new Error("another module");
    return module;
  };

/**
 * Takes a file's bytes, inflated when it is a gzip file: the last chunk comes in soon before the last byte goes out.
 * `sha256`, of the inflated file: see {@link isGenuine}.
 */
export const takeInflated =
  (sha256?: string) =>
  async (body: Body): Promise<Uint8Array<ArrayBuffer>> => {
    const bytes = await inflate(body);
    if (!(await isGenuine(bytes, sha256))) throw new Error("another file");
    return bytes;
  };

/**
 * Whether these are the bytes that the page was built with, by their SHA-256 in hexadecimal; true when none is given, and on a
 * page without TLS, where browsers have no hash functions and nothing that came could be relied on anyway.
 */
async function isGenuine(bytes: BufferSource, sha256: string | undefined): Promise<boolean> {
  if (sha256 === undefined || globalThis.crypto?.subtle === undefined) return true;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
}

async function inflate(body: Body): Promise<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  const first = await reader.read();
  const start = first.value ?? new Uint8Array(0);
  const whole = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(start),
    pull: async (controller) => {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  // Magic number of RFC 1952. Some servers send .gz files as an encoding, and the browser has inflated them already.
  const inflated =
    start[0] === 0x1f && start[1] === 0x8b ? whole.pipeThrough(new DecompressionStream("gzip")) : whole;
  return new Uint8Array(await new Response(inflated).arrayBuffer());
}

/**
 * Downloads files in parallel. What was complete before a failure is kept, so that trying again fetches only the rest.
 * `T` are the types of what the requests take, in their order.
 */
export class Downloads<T extends readonly unknown[]> {
  readonly #requests: { readonly [K in keyof T]: DownloadRequest<T[K]> };
  readonly #progress: DownloadProgress[];
  readonly #taken = new Map<number, Promise<unknown>>();
  readonly #listeners = new Set<() => void>();
  #running: Promise<T> | undefined;

  constructor(requests: { readonly [K in keyof T]: DownloadRequest<T[K]> }) {
    this.#requests = requests;
    this.#progress = requests.map(({ label }) => ({ label, received: 0, done: false }));
  }

  /** Progress of every file, in the order of the requests. */
  get progress(): readonly DownloadProgress[] {
    return [...this.#progress];
  }

  /**
   * Resolves with what was taken from every file, in the order of the requests; joins in when that is going on already.
   * Rejects with a {@link DownloadError} at the first failure; the others are then abandoned.
   */
  async run(onProgress: () => void = () => {}): Promise<T> {
    this.#listeners.add(onProgress);
    this.#running ??= this.#all().finally(() => {
      this.#running = undefined;
    });
    try {
      return await this.#running;
    } finally {
      this.#listeners.delete(onProgress);
    }
  }

  /** Resolves with what was taken from the first file alone; the others are left where they are. */
  async first(): Promise<T[0]> {
    return (await this.#one(0, new AbortController().signal)) as T[0];
  }

  async #all(): Promise<T> {
    const abort = new AbortController();
    try {
      return (await Promise.all(
        this.#requests.map((_, index) => this.#one(index, abort.signal)),
      )) as unknown as T;
    } finally {
      abort.abort();
    }
  }

  /** One file: kept, under way already, or begun now. */
  #one(index: number, signal: AbortSignal): Promise<unknown> {
    const known = this.#taken.get(index);
    if (known !== undefined) return known;
    const request = this.#requests[index] as DownloadRequest<unknown>;
    const taken = download(request, signal, (progress) => {
      this.#progress[index] = progress;
      for (const listener of this.#listeners) listener();
    });
    this.#taken.set(index, taken);
    // Trying again begins anew.
    taken.catch(() => this.#taken.delete(index));
    return taken;
  }
}

/** What a machine is made of: the emulator, the kernel and the initramfs. */
export type ImageDownloads = Downloads<[WebAssembly.Module, Uint8Array, Uint8Array]>;

export function imageDownloads(
  urls: {
    readonly wasmUrl: string;
    readonly kernelUrl: string;
    readonly initramfsUrl: string;
  },
  sha256: Partial<Record<"emulator" | "kernel" | "initramfs", string | undefined>>,
): ImageDownloads {
  return new Downloads([
    { label: "emulator", url: urls.wasmUrl, take: takeModule(sha256.emulator) },
    { label: "kernel", url: urls.kernelUrl, take: takeInflated(sha256.kernel) },
    { label: "initramfs", url: urls.initramfsUrl, take: takeInflated(sha256.initramfs) },
  ]);
}

/** A file that came, but is not what it should be. */
class DamagedError extends DownloadError {}

/** A damaged file may be an old one from the browser's cache, or a proxy's: it is fetched past them before that is told. */
async function download<T>(
  request: DownloadRequest<T>,
  signal: AbortSignal,
  onProgress: (progress: DownloadProgress) => void,
): Promise<T> {
  try {
    return await attempt(request, { signal }, onProgress);
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error;
    return attempt(request, { signal, cache: "reload" }, onProgress);
  }
}

async function attempt<T>(
  { label, url, take }: DownloadRequest<T>,
  init: RequestInit,
  onProgress: (progress: DownloadProgress) => void,
): Promise<T> {
  const response = await fetch(url, init).catch(() => {
    throw new DownloadError(`The ${label} could not be downloaded: the server does not answer.`);
  });
  if (!response.ok) {
    throw new DownloadError(
      `The ${label} could not be downloaded: the server answered ${response.status} for ${url}.`,
    );
  }
  // Content-Length counts what travels; a body that the browser decodes on the way is longer than that.
  const length = response.headers.has("content-encoding") ? "" : response.headers.get("content-length");
  let total = length !== null && /^[0-9]+$/.test(length) ? Number(length) : undefined;
  let received = 0;
  let broken = false;
  const report = (done: boolean) => {
    if (total !== undefined && received > total) total = undefined;
    onProgress({ label, received, done, ...(total === undefined ? {} : { total }) });
  };
  report(false);
  const reader = response.body?.getReader();
  const counted = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      const next = await reader?.read().catch((error: unknown) => {
        broken = true;
        throw error;
      });
      if (next === undefined || next.done) {
        controller.close();
        return;
      }
      received += next.value.length;
      report(false);
      controller.enqueue(next.value);
    },
    cancel: (reason) => reader?.cancel(reason),
  });
  const taken = await take(counted).catch(() => {
    throw broken
      ? new DownloadError(
          `The download of the ${label} broke off after ${received.toLocaleString("en")} bytes.`,
        )
      : new DamagedError(
          `The ${label} came in damaged: the server has another file at ${url} than it should.`,
        );
  });
  total = received;
  report(true);
  return taken;
}
