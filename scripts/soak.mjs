/** `npm run soak -- [flags]`: a long run with everything at once. */
import { join } from "node:path";
import { ensureInstalled, root } from "./install.mjs";

ensureInstalled();
const { register } = await import("tsx/esm/api");
register();
await import(join(root, "tests/soak/main.ts"));
