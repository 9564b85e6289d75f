/** `npm run -s bench -- command [flags]`: the benchmarks. */
import { join } from "node:path";
import { ensureInstalled, root } from "./install.mjs";

ensureInstalled();
const { register } = await import("tsx/esm/api");
register();
await import(join(root, "bench/main.ts"));
