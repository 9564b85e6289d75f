/** The page on a fake machine: testing/fake.html. `?slow` draws the downloads out, `?fail=create` fails the start. */
import "../app.css";
import { startPage } from "../start-page.ts";
import { FakeVm } from "./fake-vm.ts";

const query = new URLSearchParams(location.search);
const file = (name: string) =>
  new URL(query.has("missing") ? `missing-${name}` : name, document.baseURI).href;

startPage({
  wasmUrl: file("fake.html"),
  kernelUrl: file("fake-vm.ts"),
  initramfsUrl: file("fake-main.ts"),
  create: async (options) => {
    if (query.get("fail") === "create") throw new Error("kernel.gz is not an i386 Linux kernel");
    return new FakeVm(options);
  },
  onMachine: (machine) => Object.assign(window, { doorbell: machine }),
});
