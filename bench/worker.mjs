/** Entry of a measured machine's thread: TypeScript first, then worker.ts. */
import { register } from "tsx/esm/api";

register();
await import("./worker.ts");
