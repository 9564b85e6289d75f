/** A measured machine in a page of its own: the bench calls it through `globalThis.bench`. */
import wasmUrl from "v86/build/v86.wasm?url";
import { serveMachine } from "../served.ts";

async function download(name: string): Promise<{ name: string; bytes: Uint8Array }> {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name} cannot be had: the server answered ${response.status}.`);
  return { name, bytes: new Uint8Array(await response.arrayBuffer()) };
}

globalThis.bench = serveMachine({
  async files() {
    const [wasm, kernel, initrd] = await Promise.all([
      download(wasmUrl),
      download("guest/vmlinux.gz"),
      download("guest/initramfs.cpio.gz"),
    ]);
    return { wasm: wasm.bytes, kernel, initrd: [initrd] };
  },
});
