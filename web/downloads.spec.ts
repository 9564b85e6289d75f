import { afterEach, describe, expect, it, vi } from "vitest";
import { type DownloadRequest, Downloads, takeInflated, takeModule } from "./downloads.ts";

const REQUESTS: [DownloadRequest<Uint8Array>, DownloadRequest<Uint8Array>] = [
  { label: "kernel", url: "/kernel", take: takeInflated() },
  { label: "initramfs", url: "/initramfs", take: takeInflated() },
];

/** Stands in for the network: what each address answers. */
function serve(answers: Record<string, () => Response>) {
  const fetched: string[] = [];
  vi.stubGlobal("fetch", (url: string) => {
    fetched.push(url);
    const answer = answers[url];
    return answer === undefined ? Promise.reject(new TypeError("failed")) : Promise.resolve(answer());
  });
  return fetched;
}

const gzip = async (bytes: Uint8Array<ArrayBuffer>) =>
  new Uint8Array(
    await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer(),
  );

const bytes = (length: number, headers: Record<string, string> = {}) =>
  new Response(new Uint8Array(length).fill(7), { headers });

afterEach(() => vi.unstubAllGlobals());

describe("downloads", () => {
  it("deliver every file and end with each one's true size", async () => {
    serve({ "/kernel": () => bytes(3000, { "content-length": "3000" }), "/initramfs": () => bytes(50) });
    const downloads = new Downloads(REQUESTS);
    const files = await downloads.run(() => {});
    expect(files.map(({ length }) => length)).toEqual([3000, 50]);
    expect(downloads.progress).toEqual([
      { label: "kernel", received: 3000, total: 3000, done: true },
      { label: "initramfs", received: 50, total: 50, done: true },
    ]);
  });

  it("promise no total when the server tells none, or tells one of an encoded body", async () => {
    serve({
      "/kernel": () => bytes(3000, { "content-length": "900", "content-encoding": "gzip" }),
      "/initramfs": () => bytes(50),
    });
    const downloads = new Downloads(REQUESTS);
    const totals: (number | undefined)[] = [];
    await downloads.run(() => {
      for (const { done, total } of downloads.progress) if (!done) totals.push(total);
    });
    expect(totals.every((total) => total === undefined)).toBe(true);
  });

  it("take back a total that turns out too small", async () => {
    serve({ "/kernel": () => bytes(3000, { "content-length": "10" }), "/initramfs": () => bytes(50) });
    const downloads = new Downloads(REQUESTS);
    const seen = new Set<string>();
    await downloads.run(() => {
      const [kernel] = downloads.progress;
      if (kernel !== undefined && !kernel.done) seen.add(`${kernel.received}/${kernel.total}`);
    });
    expect([...seen]).toEqual(["0/10", "3000/undefined"]);
  });

  it("fail with a sentence, and fetch only what is missing the next time", async () => {
    const answers = {
      "/kernel": () => bytes(3),
      "/initramfs": () => new Response("", { status: 404 }),
    };
    const fetched = serve(answers);
    const downloads = new Downloads(REQUESTS);
    await expect(downloads.run(() => {})).rejects.toThrow(
      "The initramfs could not be downloaded: the server answered 404 for /initramfs.",
    );
    await new Promise((resolve) => setTimeout(resolve, 0));
    answers["/initramfs"] = () => bytes(4);
    expect((await downloads.run(() => {})).map(({ length }) => length)).toEqual([3, 4]);
    expect(fetched).toEqual(["/kernel", "/initramfs", "/initramfs"]);
  });

  it("say that a server does not answer", async () => {
    serve({ "/kernel": () => bytes(3) });
    await expect(new Downloads(REQUESTS).run(() => {})).rejects.toThrow(
      "The initramfs could not be downloaded: the server does not answer.",
    );
  });

  it("inflate a gzip file and compile a module while they come in", async () => {
    const text = new TextEncoder().encode("what is in the archive ".repeat(1000));
    // The shortest module: magic number and version.
    const module = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
    const archive = await gzip(text);
    serve({ "/archive": () => new Response(archive), "/module": () => new Response(module) });
    const downloads = new Downloads<[Uint8Array, WebAssembly.Module]>([
      { label: "archive", url: "/archive", take: takeInflated() },
      { label: "module", url: "/module", take: takeModule() },
    ]);
    const [inflated, compiled] = await downloads.run(() => {});
    expect(inflated).toEqual(text);
    expect(compiled).toBeInstanceOf(WebAssembly.Module);
    expect(downloads.progress.map(({ received }) => received)).toEqual([archive.length, module.length]);
  });

  it("are joined by who asks while they are under way, with progress from then on", async () => {
    const fetched = serve({ "/kernel": () => bytes(3), "/initramfs": () => bytes(4) });
    const downloads = new Downloads(REQUESTS);
    const first = downloads.run();
    let told = 0;
    const second = downloads.run(() => told++);
    expect(await second).toEqual(await first);
    expect(told).toBeGreaterThan(0);
    expect(fetched).toEqual(["/kernel", "/initramfs"]);
  });

  it("say that a file came in damaged", async () => {
    const cut = (await gzip(new Uint8Array(5000))).subarray(0, 20);
    serve({ "/kernel": () => new Response(cut), "/initramfs": () => bytes(4) });
    await expect(new Downloads(REQUESTS).run(() => {})).rejects.toThrow(
      "The kernel came in damaged: the server has another file at /kernel than it should.",
    );
  });

  it("take what the page was built with, by its hash, and nothing else; what a cache kept is fetched once more", async () => {
    const sha256 = async (content: Uint8Array<ArrayBuffer>) => {
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
      return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
    };
    const text = new TextEncoder().encode("a kernel, inflated");
    const module = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
    // The same, with a custom section in it that does nothing.
    const other = Uint8Array.of(...module, 0, 1, 0);
    const archive = await gzip(text);
    const old = await gzip(new TextEncoder().encode("an older kernel"));
    const answers = { "/kernel": () => new Response(old), "/module": () => new Response(other) };
    const inits: (RequestInit | undefined)[] = [];
    vi.stubGlobal("fetch", (url: keyof typeof answers, init?: RequestInit) => {
      inits.push(init);
      return Promise.resolve(answers[url]());
    });
    const kernel = { label: "kernel", url: "/kernel", take: takeInflated(await sha256(text)) };
    const emulator = { label: "emulator", url: "/module", take: takeModule(await sha256(module)) };
    for (const request of [kernel, emulator]) {
      await expect(new Downloads<[unknown]>([request]).run()).rejects.toThrow(
        `The ${request.label} came in damaged: the server has another file at ${request.url} than it should.`,
      );
    }
    expect(inits.map((init) => init?.cache)).toEqual([undefined, "reload", undefined, "reload"]);
    answers["/module"] = () => new Response(module);
    const answer = [old, archive];
    answers["/kernel"] = () => new Response(answer.shift());
    expect((await new Downloads<[Uint8Array]>([kernel]).run())[0]).toEqual(text);
    expect((await new Downloads<[WebAssembly.Module]>([emulator]).run())[0]).toBeInstanceOf(
      WebAssembly.Module,
    );
  });

  it("say that a download broke off", async () => {
    const chunks = [new Uint8Array(1500)];
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        const chunk = chunks.pop();
        if (chunk) controller.enqueue(chunk);
        else controller.error(new TypeError("network error"));
      },
    });
    serve({ "/kernel": () => new Response(body), "/initramfs": () => bytes(4) });
    await expect(new Downloads(REQUESTS).run(() => {})).rejects.toThrow(
      "The download of the kernel broke off after 1,500 bytes.",
    );
  });
});
