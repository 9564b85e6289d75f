/**
 * What the built page is checked against when it comes to a browser: the guest's files and the emulator by the page itself
 * (web/downloads.ts), modules and style sheets by the browser. Decision 0011 says what is covered and what is not.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gunzipSync } from "node:zlib";
import type { Plugin } from "vite";
import { emulator as leanEmulator } from "./vite.emulator.ts";

/** SHA-256 in hexadecimal of each file as it is used, that is inflated; undefined where there is no such file. */
export interface ImageHashes {
  readonly emulator?: string;
  readonly kernel?: string;
  readonly initramfs?: string;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Of v86's module as that command brings it, and of the guest's files, which have to be those of their manifest. */
export function imageHashes(command: "build" | "serve"): ImageHashes {
  const packaged = createRequire(import.meta.url).resolve("v86/build/v86.wasm");
  const emulator = sha256(command === "build" ? leanEmulator() : readFileSync(packaged));
  const guest = new URL("public/guest/", import.meta.url);
  if (!existsSync(new URL("manifest.json", guest))) return { emulator };
  const manifest = JSON.parse(readFileSync(new URL("manifest.json", guest), "utf8"));
  const [kernel, initramfs] = [manifest.kernel, manifest.initramfs].map((output) => {
    const bytes = readFileSync(new URL(output.file, guest));
    if (sha256(bytes) !== output.sha256)
      throw new Error(
        `public/guest/${output.file} is not what its manifest says: run npm run guest:build, or check it out again.`,
      );
    return sha256(gunzipSync(bytes));
  });
  return { emulator, kernel, initramfs };
}

/**
 * Gives the browser a hash of every module and style sheet: an import map, which covers modules that are loaded later on as
 * well, and `integrity` attributes. The map is inline, so the page's policy names its hash.
 */
export const subresourceIntegrity: Plugin = {
  name: "subresource-integrity",
  apply: "build",
  // Of the files as they lie there in the end: other plugins change chunks until they are written.
  writeBundle({ dir = "" }) {
    const page = `${dir}/index.html`;
    const hashes = new Map(
      readdirSync(dir, { recursive: true, encoding: "utf8" })
        .map((file) => file.replaceAll("\\", "/"))
        .filter((file) => /\.(js|css)$/.test(file))
        .sort()
        .map((file) => [`./${file}`, digest(readFileSync(`${dir}/${file}`))]),
    );
    const integrity = Object.fromEntries([...hashes].filter(([file]) => file.endsWith(".js")));
    const map = JSON.stringify({ integrity });
    const policy = "script-src 'self'";
    const html = readFileSync(page, "utf8")
      .replace(policy, `${policy} '${digest(map)}'`)
      .replace(/(?:src|href)="(\.\/[^"]+)"/g, (attribute, file) => {
        const hash = hashes.get(file);
        return hash === undefined ? attribute : `${attribute} integrity="${hash}"`;
      })
      .replace(
        /^ *<meta name="viewport"/m,
        (line) => `    <script type="importmap">${map}</script>\n${line}`,
      );
    writeFileSync(page, html);
  },
};

/** As `integrity` attributes and policies name it. */
function digest(content: Uint8Array | string): string {
  return `sha256-${createHash("sha256").update(content).digest("base64")}`;
}
