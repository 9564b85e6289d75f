/** `npm start`: serves the page and prints its address. PORT is honoured. */
import { ensureInstalled, fail, root } from "./install.mjs";

if (process.argv.includes("--help") || process.argv.includes("-h")) {
  console.log(
    "npm start serves the page at http://localhost:5173/. Set PORT for another port, HOST for another address.",
  );
  process.exit(0);
}
const port = Number(process.env.PORT ?? 5173);
if (!Number.isInteger(port) || port < 0 || port > 65535) {
  fail(`PORT is "${process.env.PORT}": give a number from 0 to 65535.`);
}
ensureInstalled();
const { createServer } = await import("vite");
const server = await createServer({
  configFile: `${root}/vite.config.ts`,
  server: { port, host: process.env.HOST ?? "localhost", strictPort: process.env.PORT !== undefined },
});
try {
  await server.listen();
} catch (error) {
  fail(`The page cannot be served on port ${port}: ${error.message}. Set PORT to another port.`);
}
server.printUrls();
server.bindCLIShortcuts?.({ print: false });
