import { createHash } from "node:crypto";
import { createReadStream, readdirSync, readFileSync, statSync } from "node:fs";
import { isBuiltin } from "node:module";
import { type Connect, defineConfig, type Plugin } from "vite";
import { leanEmulator } from "./vite.emulator.ts";
import { imageHashes, subresourceIntegrity } from "./vite.integrity.ts";
import { preloadStart } from "./vite.preload.ts";

/**
 * v86 is one file for browsers and Node and names Node's modules on paths that a browser never takes.
 * They are left empty here, which is what the bundler would do as well, after five warnings.
 */
export const v86WithoutNode: Plugin = {
  name: "v86-without-node",
  apply: "build",
  enforce: "pre",
  resolveId(id, importer) {
    if (!importer?.includes("/v86/build/") || !isBuiltin(id)) return undefined;
    return { id: "\0no-node-module", moduleSideEffects: false };
  },
  load: (id) => (id === "\0no-node-module" ? "export {};" : undefined),
};

/**
 * Vite serves a file that ends in .gz as an encoding of something else, so that the browser inflates it and cannot say how
 * much is still to come. These files are gzip'd by themselves; every ordinary server sends them as they are.
 */
const serveGzipAsItIs: Connect.NextHandleFunction = (request, response, next) => {
  const name = /^\/guest\/([\w.-]+\.gz)(?:\?.*)?$/.exec(request.url ?? "")?.[1];
  const path = `${import.meta.dirname}/public/guest/${name}`;
  const size = name === undefined ? undefined : statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) {
    next();
    return;
  }
  response.writeHead(200, {
    "Content-Type": "application/gzip",
    "Content-Length": size,
    "Cache-Control": "no-cache",
  });
  createReadStream(path).pipe(response);
};

const guestFiles: Plugin = {
  name: "guest-files",
  configureServer: ({ middlewares }) => void middlewares.use(serveGzipAsItIs),
  configurePreviewServer: ({ middlewares }) => void middlewares.use(serveGzipAsItIs),
};

/** Identifies what a machine is made of, so that the page knows which snapshots are of this one: image, emulator, sources. */
function machineIdentity(): string {
  const root = import.meta.dirname;
  const sources = readdirSync(`${root}/src`, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".spec.ts"))
    .map((file) => `src/${file}`);
  const image = ["vmlinux.gz", "initramfs.cpio.gz"].map((file) => `public/guest/${file}`);
  const hash = createHash("sha256");
  for (const file of [...sources.sort(), ...image, "package-lock.json"]) {
    hash.update(
      statSync(`${root}/${file}`, { throwIfNoEntry: false }) ? readFileSync(`${root}/${file}`) : "",
    );
  }
  return hash.digest("hex");
}

/**
 * The page lives in web/, what it serves unchanged in public/ (the guest's kernel and initramfs), the result in dist/.
 * `base` is relative so that dist/ works from any folder of any server.
 */
export default defineConfig(({ command }) => ({
  root: `${import.meta.dirname}/web`,
  base: "./",
  publicDir: "../public",
  cacheDir: "../node_modules/.vite",
  // Not a single-page application: a missing kernel has to be a 404, not index.html.
  appType: "mpa",
  plugins: [v86WithoutNode, leanEmulator, guestFiles, preloadStart, subresourceIntegrity],
  define: {
    __MACHINE_IDENTITY__: JSON.stringify(machineIdentity()),
    __IMAGE_HASHES__: JSON.stringify(imageHashes(command)),
  },
  // The development server takes the libraries' production builds too: their development builds talk to the console.
  resolve: { conditions: ["module", "browser", "production"] },
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: "es2023",
    // v86 alone is larger than the default limit of the warning.
    chunkSizeWarningLimit: 1200,
    // Everything stays a file of its own: a policy that forbids data: URLs must not break the page.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        codeSplitting: {
          // What is wanted at once comes in three files: what the entry asks first, the machine, the page.
          groups: [
            { name: "first", test: /\/web\/kept-start\.ts$|preload-helper|rolldown\/runtime/, priority: 3 },
            { name: "machine", test: /\/src\/index\.ts$/, priority: 2 },
            { name: "start-page", test: /\/web\/start-page\.ts$/, priority: 1 },
          ],
        },
      },
    },
  },
  // Named, so that the development server does not discover them one by one and reload the page under a booting guest.
  optimizeDeps: {
    include: [
      "lit",
      "lit/directives/live.js",
      "lit/directives/repeat.js",
      "@xterm/xterm",
      "@xterm/addon-fit",
      "marked",
      "uplot",
      "v86",
    ],
  },
}));
