/** DHCP (RFC 2131, options RFC 2132) and DNS (RFC 1035) in words. */
import type { Layer } from "./decode.ts";
import { Reader } from "./reader.ts";

/** What a service's message says: in one line, and field by field. */
interface Message {
  readonly summary: string;
  readonly layer: Layer;
}

const DHCP_TYPES = [
  "",
  "Discover",
  "Offer",
  "Request",
  "Decline",
  "ACK",
  "NAK",
  "Release",
  "Inform",
] as const;
/** sname and file, RFC 2131 section 2. */
const DHCP_NAMES = 192;
const OPTION_PAD = 0;
const OPTION_END = 255;
const OPTION_MESSAGE_TYPE = 53;
/** Options that are addresses, by number. */
const DHCP_ADDRESSES: Readonly<Record<number, string>> = {
  1: "Subnet mask",
  3: "Router",
  6: "Name server",
  50: "Requested address",
  54: "Server",
};

export function decodeDhcp(reader: Reader): Message {
  const operation = reader.u8();
  reader.skip(3);
  const transaction = reader.u32().toString(16).padStart(8, "0");
  reader.skip(4);
  const [client, yours] = [reader.ipv4(), reader.ipv4()];
  reader.skip(8);
  const mac = reader.mac();
  reader.skip(10 + DHCP_NAMES + 4);
  let type = 0;
  const options: [string, string][] = [];
  while (reader.left > 0) {
    const option = reader.u8();
    if (option === OPTION_END) break;
    if (option === OPTION_PAD) continue;
    const length = reader.u8();
    const value = reader.part(length);
    reader.skip(length);
    if (option === OPTION_MESSAGE_TYPE) type = value.u8();
    const name = DHCP_ADDRESSES[option];
    if (name !== undefined && length >= 4) options.push([name, value.ipv4()]);
  }
  const kind = DHCP_TYPES[type] || (operation === 1 ? "BOOTP request" : "BOOTP reply");
  return {
    summary: `${kind}, transaction 0x${transaction}${yours === "0.0.0.0" ? "" : `, address ${yours}`}`,
    layer: {
      name: "DHCP",
      fields: [
        ["Message", kind],
        ["Transaction", `0x${transaction}`],
        ["Client's hardware address", mac],
        ["Client's address", client],
        ["Your address", yours],
        ...options,
      ],
    },
  };
}

const DNS_TYPES: Readonly<Record<number, string>> = {
  1: "A",
  2: "NS",
  5: "CNAME",
  12: "PTR",
  16: "TXT",
  28: "AAAA",
};
const DNS_CODES = [
  "no error",
  "format error",
  "server failure",
  "no such name",
  "not implemented",
  "refused",
] as const;
/** Records shown, and jumps followed in one name: a message may claim any number and point in circles. */
const MOST = 16;

export function decodeDns(reader: Reader): Message {
  const start = reader.at;
  const identification = reader.u16();
  const flags = reader.u16();
  const counts = [reader.u16(), reader.u16()] as const;
  reader.skip(4);
  const reply = (flags & 0x8000) !== 0;
  const code = DNS_CODES[flags & 0xf] ?? `code ${flags & 0xf}`;
  const type = (number: number) => DNS_TYPES[number] ?? `type ${number}`;
  const questions: string[] = [];
  for (let i = 0; i < Math.min(counts[0], MOST); i++) {
    const name = dnsName(reader, start);
    questions.push(`${type(reader.u16())} ${name}`);
    reader.skip(2);
  }
  const answers: string[] = [];
  for (let i = 0; i < Math.min(counts[1], MOST); i++) {
    const name = dnsName(reader, start);
    const number = reader.u16();
    reader.skip(6);
    const length = reader.u16();
    const data = reader.part(length);
    answers.push(`${name} ${type(number)} ${number === 1 && length === 4 ? data.ipv4() : `${length} bytes`}`);
    reader.skip(length);
  }
  const id = `0x${identification.toString(16).padStart(4, "0")}`;
  const asked = questions.join(", ");
  return {
    summary: reply
      ? `Answer ${id} to ${asked}: ${answers.length > 0 ? answers.join(", ") : code}`
      : `Query ${id}: ${asked}`,
    layer: {
      name: "DNS",
      fields: [
        ["Identification", id],
        ["Kind", reply ? `answer, ${code}` : "query"],
        ...questions.map((text) => ["Question", text] as const),
        ...answers.map((text) => ["Answer", text] as const),
      ],
    },
  };
}

/** A name; a pointer leads to an earlier one in the message (RFC 1035 section 4.1.4). */
function dnsName(reader: Reader, start: number): string {
  const labels: string[] = [];
  let from = reader;
  for (let jumps = 0; jumps < MOST; ) {
    const length = from.u8();
    if (length === 0) return labels.join(".") || ".";
    if (length >= 0xc0) {
      const target = start + (length - 0xc0) * 0x100 + from.u8();
      from = new Reader(reader.bytes, target, reader.end);
      jumps++;
    } else {
      labels.push(printable(from.take(length)));
    }
  }
  return `${labels.join(".")}...`;
}

/** Bytes as a person may see them. */
function printable(bytes: Uint8Array): string {
  return [...bytes].map((byte) => (byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "?")).join("");
}
