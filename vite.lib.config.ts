import { defineConfig, type Plugin } from "vite";
import { v86WithoutNode } from "./vite.config.ts";
import { emulator } from "./vite.emulator.ts";
import { imageHashes } from "./vite.integrity.ts";

const emulatorFile: Plugin = {
  name: "emulator-file",
  generateBundle() {
    this.emitFile({ type: "asset", fileName: "v86.wasm", source: emulator() });
  },
};

/**
 * The library: the API (src/index.ts) and the element that brings it (web/doorbell-vm.ts), for pages that are not ours.
 * scripts/build-lib.mjs says where it goes and adds types and the guest's files.
 */
export default defineConfig({
  root: import.meta.dirname,
  publicDir: false,
  plugins: [v86WithoutNode, emulatorFile],
  resolve: { conditions: ["module", "browser", "production"] },
  define: { "process.env.NODE_ENV": '"production"', __IMAGE_HASHES__: JSON.stringify(imageHashes("build")) },
  build: {
    target: "es2023",
    chunkSizeWarningLimit: 1200,
    modulePreload: false,
    lib: {
      entry: { doorbell: "src/index.ts", "doorbell-vm": "web/doorbell-vm.ts" },
      formats: ["es"],
    },
  },
});
