/** The bytes that firmware tables are made of: little-endian numbers, ASCII text and checksums. */

export function le16(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff];
}

export function le32(value: number): number[] {
  return [...le16(value), ...le16(value >>> 16)];
}

/** Text padded with blanks. */
export function ascii(text: string, length = 0): number[] {
  return Array.from(text.padEnd(length), (character) => character.charCodeAt(0));
}

/** What makes all bytes add up to 0 modulo 256. */
export function checksum(bytes: Iterable<number>): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return -sum & 0xff;
}
