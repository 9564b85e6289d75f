/**
 * `node examples/embed/serve.mjs [LIBRARY]`: serves this folder, and the built library (default: dist-lib/) as ./doorbell/.
 * Any server of files would do. PORT is honoured; 0 takes a free one.
 */
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, resolve, sep } from "node:path";

const here = import.meta.dirname;
const library = resolve(process.argv[2] ?? join(here, "../../dist-lib"));
if (!existsSync(join(library, "doorbell-vm.js"))) {
  console.error(`${library} is not the built library: run \`npm run build:lib\` first.`);
  process.exit(2);
}
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
  ".gz": "application/gzip",
};

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  const path = decodeURIComponent(pathname === "/" ? "/index.html" : pathname);
  const [folder, name] = path.startsWith("/doorbell/") ? [library, path.slice(10)] : [here, path];
  const file = join(folder, name);
  const size = file.startsWith(folder + sep) ? statSync(file, { throwIfNoEntry: false }) : undefined;
  if (!size?.isFile()) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    "Content-Type": TYPES[extname(file)] ?? "application/octet-stream",
    "Content-Length": size.size,
    // What the library needs of a page's policy: WebAssembly, the emulator's timer (a worker made of a blob), and the styles
    // that the terminal makes for itself.
    "Content-Security-Policy":
      "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:; style-src 'self' 'unsafe-inline'; connect-src 'self'",
  });
  createReadStream(file).pipe(response);
});
server.listen(Number(process.env.PORT ?? 5174), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
