/**
 * Frames in words: Ethernet II, ARP (RFC 826), IPv4 (RFC 791), ICMP (RFC 792), UDP (RFC 768), TCP (RFC 9293); DHCP and DNS
 * in services.ts. As much as a list of packets shows; a capture in Wireshark shows the rest.
 */
import { CutShort, Reader } from "./reader.ts";
import { decodeDhcp, decodeDns } from "./services.ts";

/** One header of a frame, for the details. */
export interface Layer {
  readonly name: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

export interface Decoded {
  readonly source: string;
  readonly destination: string;
  /** The innermost protocol that was understood. */
  readonly protocol: string;
  readonly summary: string;
  /** From the outside to the inside. */
  readonly layers: readonly Layer[];
}

type Mutable = { -readonly [K in keyof Decoded]: Decoded[K] } & { layers: Layer[] };

const ETHERTYPES: Readonly<Record<number, string>> = {
  2048: "IPv4",
  2054: "ARP",
  33024: "VLAN",
  34525: "IPv6",
};
const IP_PROTOCOLS: Readonly<Record<number, string>> = { 1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP" };
/** What the ports of the in-page peer are for, and the well-known ones that a guest uses. */
const PORT_NAMES: Readonly<Record<number, string>> = {
  7: "echo",
  9: "discard",
  19: "source",
  53: "DNS",
  67: "DHCP server",
  68: "DHCP client",
  80: "HTTP",
  123: "NTP",
  8080: "status",
  12865: "request/response",
};
/** TCP control bits, lowest first (RFC 9293 section 3.1). */
const TCP_FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"] as const;
const ICMP_TYPES: Readonly<Record<number, string>> = {
  0: "Echo (ping) reply",
  3: "Destination unreachable",
  5: "Redirect",
  8: "Echo (ping) request",
  11: "Time exceeded",
};

/** Says in words what `frame` is; never throws. */
export function decodeFrame(frame: Uint8Array): Decoded {
  const decoded: Mutable = { source: "?", destination: "?", protocol: "?", summary: "", layers: [] };
  try {
    ethernet(new Reader(frame), decoded);
  } catch (error) {
    if (!(error instanceof CutShort)) throw error;
    decoded.summary = decoded.summary === "" ? "cut short" : `${decoded.summary}, cut short`;
  }
  return decoded;
}

const hex = (value: number, digits: number) => `0x${value.toString(16).padStart(digits, "0")}`;
const port = (value: number) =>
  PORT_NAMES[value] === undefined ? `${value}` : `${value} (${PORT_NAMES[value]})`;

function ethernet(reader: Reader, into: Mutable): void {
  into.protocol = "Ethernet";
  into.destination = reader.mac();
  into.source = reader.mac();
  const type = reader.u16();
  const name = ETHERTYPES[type] ?? "unknown";
  into.summary = `EtherType ${hex(type, 4)}`;
  into.layers.push({
    name: "Ethernet II",
    fields: [
      ["Destination", into.destination],
      ["Source", into.source],
      ["Type", `${hex(type, 4)} (${name})`],
    ],
  });
  if (name === "ARP") arp(reader, into);
  else if (name === "IPv4") ipv4(reader, into);
  else if (name === "IPv6") into.protocol = "IPv6";
}

function arp(reader: Reader, into: Mutable): void {
  into.protocol = "ARP";
  reader.skip(6);
  const operation = reader.u16();
  const [senderMac, sender, targetMac, target] = [reader.mac(), reader.ipv4(), reader.mac(), reader.ipv4()];
  into.summary =
    operation === 1
      ? `Who has ${target}? Tell ${sender}`
      : operation === 2
        ? `${sender} is at ${senderMac}`
        : `operation ${operation}`;
  into.layers.push({
    name: "ARP",
    fields: [
      ["Operation", `${operation} (${operation === 1 ? "request" : operation === 2 ? "reply" : "unknown"})`],
      ["Sender", `${sender}, ${senderMac}`],
      ["Target", `${target}, ${targetMac}`],
    ],
  });
}

function ipv4(reader: Reader, into: Mutable): void {
  into.protocol = "IPv4";
  const start = reader.at;
  const versionAndLength = reader.u8();
  const headerLength = (versionAndLength & 0xf) * 4;
  reader.skip(1);
  const total = reader.u16();
  const identification = reader.u16();
  const fragment = reader.u16();
  const [ttl, protocol, checksum] = [reader.u8(), reader.u8(), reader.u16()];
  into.source = reader.ipv4();
  into.destination = reader.ipv4();
  const name = IP_PROTOCOLS[protocol] ?? `protocol ${protocol}`;
  into.summary = name;
  into.layers.push({
    name: "IPv4",
    fields: [
      ["Source", into.source],
      ["Destination", into.destination],
      ["Header, total length", `${headerLength}, ${total} bytes`],
      ["Identification", hex(identification, 4)],
      [
        "Fragment",
        `${fragment & 0x4000 ? "do not fragment" : fragment & 0x2000 ? "more follow" : "no flags"}, offset ${(fragment & 0x1fff) * 8}`,
      ],
      ["Time to live", String(ttl)],
      ["Protocol", `${protocol} (${name})`],
      ["Header checksum", hex(checksum, 4)],
    ],
  });
  if (headerLength < 20 || versionAndLength >> 4 !== 4) {
    into.summary = "malformed IPv4 header";
    return;
  }
  reader.skip(headerLength - 20);
  // Behind the packet there may be padding of the frame.
  const payload = reader.part(total - (reader.at - start));
  if ((fragment & 0x1fff) !== 0) into.summary = `${name}, a later fragment`;
  else if (protocol === 6) tcp(payload, into);
  else if (protocol === 17) udp(payload, into);
  else if (protocol === 1) icmp(payload, into);
}

function icmp(reader: Reader, into: Mutable): void {
  into.protocol = "ICMP";
  const [type, code, checksum] = [reader.u8(), reader.u8(), reader.u16()];
  const [identifier, sequence] = [reader.u16(), reader.u16()];
  const name = ICMP_TYPES[type] ?? `type ${type}`;
  const echo = type === 0 || type === 8;
  into.summary = echo
    ? `${name} id=${hex(identifier, 4)} seq=${sequence} len=${reader.left}`
    : `${name}, code ${code}`;
  into.layers.push({
    name: "ICMP",
    fields: [
      ["Type, code", `${type} (${name}), ${code}`],
      ["Checksum", hex(checksum, 4)],
      ...(echo
        ? ([
            ["Identifier", hex(identifier, 4)],
            ["Sequence number", String(sequence)],
          ] as const)
        : []),
      ["Data", `${reader.left} bytes`],
    ],
  });
}

function udp(reader: Reader, into: Mutable): void {
  into.protocol = "UDP";
  const [from, to, length, checksum] = [reader.u16(), reader.u16(), reader.u16(), reader.u16()];
  into.summary = `${port(from)} \u2192 ${port(to)} len=${length - 8}`;
  into.layers.push({
    name: "UDP",
    fields: [
      ["Source port", port(from)],
      ["Destination port", port(to)],
      ["Length", `${length} bytes`],
      ["Checksum", hex(checksum, 4)],
    ],
  });
  const has = (wanted: number) => from === wanted || to === wanted;
  const inner = has(53) ? decodeDns(reader) : has(67) && has(68) ? decodeDhcp(reader) : undefined;
  if (inner === undefined) return;
  into.protocol = inner.layer.name;
  into.summary = inner.summary;
  into.layers.push(inner.layer);
}

function tcp(reader: Reader, into: Mutable): void {
  into.protocol = "TCP";
  const start = reader.at;
  const [from, to, sequence, acknowledged] = [reader.u16(), reader.u16(), reader.u32(), reader.u32()];
  const headerLength = (reader.u8() >> 4) * 4;
  const bits = reader.u8();
  const [window, checksum] = [reader.u16(), reader.u16()];
  const flags = TCP_FLAGS.filter((_, bit) => (bits >> bit) & 1).join(", ");
  const data = Math.max(0, reader.end - start - headerLength);
  into.summary = `${port(from)} \u2192 ${port(to)} [${flags}] seq=${sequence} ack=${acknowledged} win=${window} len=${data}`;
  into.layers.push({
    name: "TCP",
    fields: [
      ["Source port", port(from)],
      ["Destination port", port(to)],
      ["Sequence number", String(sequence)],
      ["Acknowledgement", String(acknowledged)],
      ["Header length", `${headerLength} bytes`],
      ["Flags", `${hex(bits, 2)} (${flags})`],
      ["Window", String(window)],
      ["Checksum", hex(checksum, 4)],
      ["Data", `${data} bytes`],
    ],
  });
}
