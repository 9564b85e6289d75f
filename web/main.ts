/**
 * Starts the page: the real machine, its files, one store, one app element. The files come first: this module is small
 * and loads the rest of the page while they are under way.
 */
import wasmUrl from "v86/build/v86.wasm?url";
import "./app.css";
import { imageDownloads } from "./downloads.ts";

const kernelUrl = new URL("guest/vmlinux.gz", document.baseURI).href;
const initramfsUrl = new URL("guest/initramfs.cpio.gz", document.baseURI).href;
const downloads = imageDownloads({ wasmUrl, kernelUrl, initramfsUrl });
// What goes wrong is told to who asks for the files.
downloads.run().catch(() => {});

const [{ MicroVm }, { startPage }] = await Promise.all([
  import("../src/index.ts"),
  import("./start-page.ts"),
]);
startPage({
  downloads,
  kernelUrl,
  initramfsUrl,
  create: (options) => MicroVm.create(options),
  // The machine itself, for the browser's console and for tests; nothing on the page depends on it.
  onMachine: (machine) => Object.assign(window, { doorbell: machine }),
});
