/**
 * Starts the page: the real machine, its files, one store, one app element. The files come first: this module is small
 * and loads the rest of the page while they are under way.
 */
import wasmUrl from "v86/build/v86.wasm?url";
import { imageDownloads } from "./downloads.ts";
import { findStart } from "./kept-start.ts";

const kernelUrl = new URL("guest/vmlinux.gz", document.baseURI).href;
const initramfsUrl = new URL("guest/initramfs.cpio.gz", document.baseURI).href;
const identity = __MACHINE_IDENTITY__;
const downloads = imageDownloads({ wasmUrl, kernelUrl, initramfsUrl }, __IMAGE_HASHES__);
// The emulator is wanted in any case, the guest's files only for a boot. What goes wrong is told to who asks for them.
downloads.first().catch(() => {});
const kept = findStart(identity, location.search);
void kept.then(({ from }) => {
  if (from === undefined) downloads.run().catch(() => {});
});

const [{ MicroVm }, { startPage }, visit] = await Promise.all([
  import("../src/index.ts"),
  import("./start-page.ts"),
  kept,
]);
startPage({
  downloads,
  kernelUrl,
  initramfsUrl,
  create: (options) => MicroVm.create(options),
  restore: (snapshot, options) => MicroVm.restore(snapshot, options),
  kept: { identity, visit },
  // The machine itself, for the browser's console and for tests; nothing on the page depends on it.
  onMachine: (machine) => Object.assign(window, { doorbell: machine }),
});
