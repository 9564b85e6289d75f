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
const emulator = downloads.first();
emulator.catch(() => {});
const kept = findStart(identity, location.search);
const api = import("../src/index.ts");
/** The machine of the last visit, brought back while the rest of the page comes in. */
const underWay = kept.then(async ({ from }) => {
  if (from === undefined) downloads.run().catch(() => {});
  return from && (await api).MicroVm.restore(from.machine.snapshot, { wasm: await emulator, trusted: true });
});
underWay.catch(() => {});

const [{ MicroVm }, { startPage }, visit] = await Promise.all([api, import("./start-page.ts"), kept]);
startPage({
  downloads,
  kernelUrl,
  initramfsUrl,
  create: (options) => MicroVm.create(options),
  restore: (snapshot, options) => MicroVm.restore(snapshot, options),
  kept: { identity, visit, underWay },
  // The machine itself, for the browser's console and for tests; nothing on the page depends on it.
  onMachine: (machine) => Object.assign(window, { doorbell: machine }),
});
