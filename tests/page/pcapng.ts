/** Reads a pcapng file as strictly as its specification (draft-ietf-opsawg-pcapng) asks. */

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINKTYPE_ETHERNET = 1;

/** The frames of a file with one little-endian section and one Ethernet interface. */
export function readPcapng(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const frames: Uint8Array[] = [];
  let interfaces = 0;
  for (let at = 0; at < file.length; ) {
    const type = view.getUint32(at, true);
    const length = view.getUint32(at + 4, true);
    if (length % 4 !== 0 || length < 12) throw new Error(`block at ${at} has length ${length}`);
    if (view.getUint32(at + length - 4, true) !== length)
      throw new Error(`block at ${at} ends with another length`);
    if ((type === SECTION_HEADER) !== (at === 0)) throw new Error(`block of type ${type} at ${at}`);
    if (type === SECTION_HEADER && view.getUint32(at + 8, true) !== BYTE_ORDER_MAGIC) {
      throw new Error("no byte-order magic");
    }
    if (type === INTERFACE_DESCRIPTION) {
      interfaces++;
      if (view.getUint16(at + 8, true) !== LINKTYPE_ETHERNET) throw new Error("not Ethernet");
    }
    if (type === ENHANCED_PACKET) {
      if (view.getUint32(at + 8, true) >= interfaces) throw new Error("packet of an interface not described");
      const captured = view.getUint32(at + 20, true);
      if (captured > length - 32) throw new Error(`packet at ${at} is longer than its block`);
      frames.push(file.subarray(at + 28, at + 28 + captured));
    }
    at += length;
  }
  return frames;
}
