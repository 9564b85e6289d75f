/** Downloads with progress by bytes. */

/** A file to download. */
export interface DownloadRequest {
  /** What a person calls it: "kernel". */
  readonly label: string;
  readonly url: string;
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

/**
 * Downloads files in parallel. What was complete before a failure is kept, so that trying again fetches only the rest.
 */
export class Downloads {
  readonly #requests: readonly DownloadRequest[];
  readonly #progress: DownloadProgress[];
  readonly #files: (Uint8Array<ArrayBuffer> | undefined)[];

  constructor(requests: readonly DownloadRequest[]) {
    this.#requests = requests;
    this.#progress = requests.map(({ label }) => ({ label, received: 0, done: false }));
    this.#files = requests.map(() => undefined);
  }

  /** Progress of every file, in the order of the requests. */
  get progress(): readonly DownloadProgress[] {
    return [...this.#progress];
  }

  /**
   * Resolves with the bytes of every file, in the order of the requests.
   * Rejects with a {@link DownloadError} at the first failure; the others are then abandoned.
   */
  async run(onProgress: () => void): Promise<Uint8Array<ArrayBuffer>[]> {
    const abort = new AbortController();
    try {
      return await Promise.all(
        this.#requests.map(async (request, index) => {
          const kept = this.#files[index];
          if (kept !== undefined) return kept;
          const bytes = await download(request, abort.signal, (progress) => {
            this.#progress[index] = progress;
            onProgress();
          });
          this.#files[index] = bytes;
          return bytes;
        }),
      );
    } finally {
      abort.abort();
    }
  }
}

async function download(
  { label, url }: DownloadRequest,
  signal: AbortSignal,
  onProgress: (progress: DownloadProgress) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url, { signal }).catch(() => {
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
  const report = (done: boolean) => {
    if (total !== undefined && received > total) total = undefined;
    onProgress({ label, received, done, ...(total === undefined ? {} : { total }) });
  };
  report(false);
  const chunks: Uint8Array[] = [];
  const reader = response.body?.getReader();
  try {
    for (;;) {
      const next = await reader?.read();
      if (next === undefined || next.done) break;
      chunks.push(next.value);
      received += next.value.length;
      report(false);
    }
  } catch {
    throw new DownloadError(
      `The download of the ${label} broke off after ${received.toLocaleString("en")} bytes.`,
    );
  }
  const bytes = new Uint8Array(received);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  total = received;
  report(true);
  return bytes;
}
