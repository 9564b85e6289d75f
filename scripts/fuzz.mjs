/** `npm run fuzz -- [flags]`: random register accesses and rings, on every device and transport. */
import { join } from "node:path";
import { ensureInstalled, root } from "./install.mjs";

ensureInstalled();
const { register } = await import("tsx/esm/api");
register();
const { main } = await import(join(root, "tests/fuzz/main.ts"));
process.exitCode = await main(process.argv.slice(2));
