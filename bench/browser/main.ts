/** A measured machine in a page of its own: the bench calls it through `globalThis.bench`. */
import wasmUrl from "v86/build/v86.wasm?url";
import { imageDownloads } from "../../web/downloads.ts";
import { serveMachine } from "../served.ts";

const INITRAMFS = "guest/initramfs.cpio.gz";

async function download(url: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} cannot be had: the server answered ${response.status}.`);
  return new Uint8Array(await response.arrayBuffer());
}

globalThis.bench = serveMachine({
  async files() {
    const urls = { wasmUrl, kernelUrl: "guest/vmlinux.gz", initramfsUrl: INITRAMFS };
    // As the page does it, without its check of hashes.
    const [wasm, kernel, initramfs] = await imageDownloads(urls, {}).run();
    return {
      wasm,
      kernel: { name: urls.kernelUrl, bytes: kernel },
      initrd: [{ name: urls.initramfsUrl, bytes: initramfs }],
    };
  },
  async peerFiles() {
    const [wasm, initramfs] = await Promise.all([download(wasmUrl), download(INITRAMFS)]);
    return { wasm, initramfs };
  },
});
