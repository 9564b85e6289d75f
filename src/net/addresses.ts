/**
 * Who is who on the guest's network: one literal table, read by the peer and by whoever configures the
 * router, from which the guest learns its own by DHCP. Addresses are written as people write them.
 *
 * | address       | MAC               | what                                                      |
 * |---------------|-------------------|-----------------------------------------------------------|
 * | 10.0.2.0/24   |                   | the network                                               |
 * | 10.0.2.2      | 52:55:0a:00:02:02 | the in-page peer: gateway, DNS, DHCP server, our services |
 * | 10.0.2.15     | 52:54:00:12:34:56 | the guest                                                 |
 *
 * | port on 10.0.2.2 | protocol | service                                             |
 * |------------------|----------|-----------------------------------------------------|
 * | 7                | TCP, UDP | echo (RFC 862)                                      |
 * | 9                | TCP, UDP | discard (RFC 863)                                   |
 * | 19               | TCP      | source: as many bytes as asked for                  |
 * | 53               | UDP      | DNS, the router's                                   |
 * | 67               | UDP      | DHCP, the router's                                  |
 * | 80               | TCP      | the router's fetch proxy                            |
 * | 123              | UDP      | NTP, the router's                                   |
 * | 8080             | TCP      | status page: the counters as text                   |
 * | 12865            | TCP, UDP | request/response, what `tcp_rr` and `udp_rr` talk to |
 */
export const NETWORK = {
  network: "10.0.2.0",
  prefixLength: 24,
  netmask: "255.255.255.0",
  /** Gateway, DNS and DHCP server, and the address of our services. */
  peer: { ip: "10.0.2.2", mac: "52:55:0a:00:02:02" },
  guest: { ip: "10.0.2.15", mac: "52:54:00:12:34:56" },
  /** Largest IP packet that either side sends, in bytes. */
  mtu: 1500,
} as const;

/** Ports of {@link NETWORK}.peer that somebody serves. */
export const PORTS = {
  echo: 7,
  discard: 9,
  source: 19,
  dns: 53,
  dhcp: 67,
  /** HTTP of the router's fetch proxy, at any address. */
  webProxy: 80,
  ntp: 123,
  status: 8080,
  requestResponse: 12865,
} as const;

/** Dotted-decimal IPv4 address to an unsigned 32-bit number, first octet highest. Throws RangeError when it is none. */
export function parseIpv4(text: string): number {
  const parts = text.split(".");
  let value = 0;
  for (const part of parts) {
    const octet = Number(part);
    if (!/^\d{1,3}$/.test(part) || octet > 255) throw new RangeError(`not an IPv4 address: ${text}`);
    value = value * 256 + octet;
  }
  if (parts.length !== 4) throw new RangeError(`not an IPv4 address: ${text}`);
  return value;
}

/** Colon-separated MAC address to its six bytes. Throws RangeError when it is none. */
export function parseMac(text: string): Uint8Array {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) throw new RangeError(`not a MAC address: ${text}`);
  return Uint8Array.from(text.split(":"), (byte) => Number.parseInt(byte, 16));
}
