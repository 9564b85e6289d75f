import { afterEach, describe, expect, it, vi } from "vitest";
import { Downloads } from "./downloads.ts";

const REQUESTS = [
  { label: "kernel", url: "/kernel" },
  { label: "initramfs", url: "/initramfs" },
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
});
