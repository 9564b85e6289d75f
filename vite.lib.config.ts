import { defineConfig } from "vite";
import { v86WithoutNode } from "./vite.config.ts";
import { imageHashes } from "./vite.integrity.ts";

/**
 * The library: the API (src/index.ts) and the element that brings it (web/doorbell-vm.ts), for pages that are not ours.
 * scripts/build-lib.mjs says where it goes and adds types and the guest's files.
 */
export default defineConfig({
  root: import.meta.dirname,
  publicDir: false,
  plugins: [v86WithoutNode],
  resolve: { conditions: ["module", "browser", "production"] },
  define: { "process.env.NODE_ENV": '"production"', __IMAGE_HASHES__: JSON.stringify(imageHashes()) },
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
