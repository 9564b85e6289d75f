/** `npm run build:lib`: builds the library: modules, types, and the guest's files beside them. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ensureInstalled, fail, root, run } from "./install.mjs";

const HELP = `Usage: npm run build:lib -- [--out DIR]

Builds the library into DIR (default dist-lib/): doorbell.js is the API, doorbell-vm.js the
element <doorbell-vm>, types/ their types; v86.wasm, vmlinux.gz and initramfs.cpio.gz are what
they need beside them. docs/embedding.md says how to use it.
`;

let values;
try {
  ({ values } = parseArgs({ options: { out: { type: "string" }, help: { type: "boolean", short: "h" } } }));
} catch (error) {
  fail(`${error.message.split("\n")[0]} See --help.`);
}
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
ensureInstalled();
const out = resolve(values.out ?? join(root, "dist-lib"));
if (out === root || root.startsWith(`${out}/`)) fail(`${out} would be emptied: name a folder of its own.`);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

console.error("Modules ...");
const { build } = await import("vite");
await build({
  configFile: join(root, "vite.lib.config.ts"),
  logLevel: "warn",
  build: { outDir: out, emptyOutDir: true },
});

console.error("Types ...");
if (run(join(root, "node_modules/.bin/tsc"), ["-b", "src", "web"]) !== 0) {
  fail("The types could not be made: see the compiler's message above.");
}
// The compiler puts each project's declarations into a folder of its own, as the projects' tsconfig.json say.
const DECLARATIONS = { src: "node_modules/.cache/tsc/src", web: "node_modules/.cache/tsc/web/web" };
const SPECIFIER = /(from |import\()"(\.[^"]+)\.ts"/g;
const wanted = ["src/index", "web/doorbell-vm"];
for (const module of wanted) {
  const [project, ...path] = module.split("/");
  const text = readFileSync(join(root, DECLARATIONS[project], `${path.join("/")}.d.ts`), "utf8")
    // What is imported for its effect alone has no types to give.
    .replace(/^import "[^"]+";\n/gm, "");
  for (const [, , specifier] of text.matchAll(SPECIFIER)) {
    const found = posix.join(dirname(module), specifier);
    if (!wanted.includes(found)) wanted.push(found);
  }
  const file = join(out, "types", `${module}.d.ts`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text.replace(SPECIFIER, '$1"$2.js"'));
}

console.error("Files ...");
for (const name of ["vmlinux.gz", "initramfs.cpio.gz", "LICENSES.md"]) {
  copyFileSync(join(root, "public/guest", name), join(out, name));
}
copyFileSync(join(root, "LICENSE"), join(out, "LICENSE"));
const { name, version, description, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const manifest = {
  name,
  version,
  description,
  license,
  type: "module",
  sideEffects: ["./doorbell-vm.js"],
  exports: {
    ".": { types: "./types/src/index.d.ts", default: "./doorbell.js" },
    "./doorbell-vm": { types: "./types/web/doorbell-vm.d.ts", default: "./doorbell-vm.js" },
    "./v86.wasm": "./v86.wasm",
    "./vmlinux.gz": "./vmlinux.gz",
    "./initramfs.cpio.gz": "./initramfs.cpio.gz",
  },
};
writeFileSync(join(out, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
console.error(`The library is in ${out}.`);
process.exit(0);
