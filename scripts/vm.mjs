/** `npm run -s vm -- [flags]`: the headless runner. */
import { join } from "node:path";
import { ensureInstalled, root } from "./install.mjs";

ensureInstalled();
const { register } = await import("tsx/esm/api");
register();
await import(join(root, "src/cli/main.ts"));
