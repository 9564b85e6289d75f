/** Starts the page: the real machine, its files, one store, one app element. */
import wasmUrl from "v86/build/v86.wasm?url";
import { MicroVm } from "../src/index.ts";
import "./app.css";
import { startPage } from "./start-page.ts";

startPage({
  wasmUrl,
  kernelUrl: new URL("guest/vmlinux.gz", document.baseURI).href,
  initramfsUrl: new URL("guest/initramfs.cpio.gz", document.baseURI).href,
  create: (options) => MicroVm.create(options),
  // The machine itself, for the browser's console and for tests; nothing on the page depends on it.
  onMachine: (machine) => Object.assign(window, { doorbell: machine }),
});
