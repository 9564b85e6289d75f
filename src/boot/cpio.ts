/** cpio archives in the "newc" format (Linux Documentation/driver-api/early-userspace/buffer-format.rst). */

/** One file, directory or symbolic link of an initramfs. */
export interface CpioEntry {
  /** Path without a leading slash, "/"-separated. */
  readonly path: string;
  /** File type and permission bits as in stat(2). */
  readonly mode: number;
  /** Contents of a file, or the target of a symbolic link. */
  readonly bytes: Uint8Array;
}

const TRAILER = "TRAILER!!!";

/** Packs entries, in the order given, owned by root, without times. */
export function packCpio(entries: readonly CpioEntry[]): Uint8Array {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  const all = [...entries, { path: TRAILER, mode: 0, bytes: new Uint8Array(0) }];
  for (const [index, { path, mode, bytes }] of all.entries()) {
    const name = encoder.encode(`${path}\0`);
    const inode = path === TRAILER ? 0 : index + 1;
    const fields = [inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0];
    const header = encoder.encode(
      `070701${fields.map((value) => value.toString(16).padStart(8, "0")).join("")}`,
    );
    parts.push(header, name, padding(header.length + name.length), bytes, padding(bytes.length));
  }
  return concat(parts);
}

/** Archives one after another, each on a 4-byte boundary, as the kernel wants them. */
export function concatArchives(archives: readonly Uint8Array[]): Uint8Array {
  return concat(archives.flatMap((archive) => [archive, padding(archive.length)]));
}

function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
