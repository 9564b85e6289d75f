/** The headless runner's files: the guest image, overlays, and what is written at the end. */

import { lstat, readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gunzip, type ZlibOptions } from "node:zlib";
import { type CpioEntry, type NamedBytes, packCpio } from "../index.ts";
import { UsageError } from "./flags.ts";

const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));

/** Paths that a person gives are relative to where they typed `npm run vm`, and npm runs it in the repository. */
const CWD = (process.env.npm_lifecycle_event === "vm" ? process.env.INIT_CWD : undefined) ?? process.cwd();

/** Absolute path of a file that a person named. */
export function userPath(path: string): string {
  return isAbsolute(path) ? path : resolve(CWD, path);
}

/** Reads a file that a person named; throws UsageError when it cannot be read. */
export async function readUserFile(flag: string, path: string): Promise<NamedBytes> {
  try {
    return { name: path, bytes: await readFile(userPath(path)) };
  } catch (error) {
    throw new UsageError(`--${flag} names ${path}, which cannot be read: ${reason(error)}.`);
  }
}

/** Writes a file that a person named; throws UsageError when it cannot be written. */
export async function writeUserFile(
  flag: string,
  path: string,
  contents: string | Uint8Array,
): Promise<void> {
  try {
    await writeFile(userPath(path), contents);
  } catch (error) {
    throw new UsageError(`--${flag} names ${path}, which cannot be written: ${reason(error)}.`);
  }
}

/** A file that a guest is booted from, which may be gzip'd; as {@link readUserFile}. */
export async function readBootFile(flag: string, path: string): Promise<NamedBytes> {
  const { name, bytes } = await readUserFile(flag, path);
  return { name, bytes: await inflated(bytes) };
}

/** Our own kernel and root file system, inflated. */
export async function readGuestImage(file: "vmlinux.gz" | "initramfs.cpio.gz"): Promise<NamedBytes> {
  const path = join(REPOSITORY, "public", "guest", file);
  try {
    return { name: relative(CWD, path), bytes: await inflated(await readFile(path)) };
  } catch (error) {
    throw new UsageError(
      `The guest image ${path} cannot be read (${reason(error)}): run npm run guest:build.`,
    );
  }
}

/** More than any kernel or initial file system has: what a damaged file claims beyond it is not believed. */
const INFLATED_MOST = 1 << 30;

/**
 * A gzip'd file inflated in one go, in a thread of its own; the machine would do it piece by piece in ours. Other files come back as
 * they are, damaged ones too: the machine says what is wrong with them.
 */
export async function inflated(bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  // Its last four bytes say how long it will be (RFC 1952).
  const length = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 4).getUint32(0, true);
  const chunkSize = Math.min(Math.max(length + 1, 1 << 14), INFLATED_MOST);
  try {
    return await promisify<Uint8Array, ZlibOptions, Uint8Array>(gunzip)(bytes, { chunkSize });
  } catch {
    return bytes;
  }
}

/** v86's WebAssembly module, from its package. */
export async function readWasm(): Promise<Uint8Array> {
  return readFile(createRequire(import.meta.url).resolve("v86/build/v86.wasm"));
}

/** A folder's files as an archive for the guest's root: paths and modes kept, owned by root. */
export async function packOverlay(path: string): Promise<NamedBytes> {
  const folder = userPath(path);
  let names: string[];
  try {
    names = await readdir(folder, { recursive: true });
  } catch (error) {
    throw new UsageError(`--overlay names ${path}, which is no folder that can be read: ${reason(error)}.`);
  }
  const entries: CpioEntry[] = [];
  for (const name of names.sort()) {
    const file = join(folder, name);
    const { mode } = await lstat(file);
    const isLink = (mode & 0o170000) === 0o120000;
    const isFile = (mode & 0o170000) === 0o100000;
    const bytes = isLink
      ? new TextEncoder().encode(await readlink(file))
      : isFile
        ? await readFile(file)
        : new Uint8Array(0);
    entries.push({ path: name.split(sep).join("/"), mode, bytes });
  }
  return { name: path, bytes: packCpio(entries) };
}

/** The system's word for what went wrong. */
function reason(error: unknown): string {
  const code = (error as { code?: string }).code;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a folder";
  if (code === "ENOTDIR") return "it is not a folder";
  if (code === "EACCES") return "permission denied";
  return error instanceof Error ? error.message : String(error);
}
