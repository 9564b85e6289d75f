import { NETWORK, parseIpv4, parseMac } from "./addresses.ts";
import {
  decodeIpv4,
  decodeUdp,
  ETHERNET_HEADER,
  ETHERTYPE_IPV4,
  emptyIpv4,
  emptyUdp,
  encodeUdp,
  PROTOCOL_UDP,
  UDP_DATA,
  u16,
} from "./packets.ts";
import { type DatagramService, NO_ANSWER } from "./service.ts";

/**
 * UDP services at the peer's address without the peer, for a cable at whose end somebody else answers. Returns what takes
 * the guest's frames; `reply` gets answers, valid during the call only.
 */
export function serveDatagrams(
  services: readonly DatagramService[],
  reply: (frame: Uint8Array) => void,
): (frame: Uint8Array) => void {
  const byPort = new Map(services.map((service) => [service.port, service]));
  const sourceMac = parseMac(NETWORK.peer.mac);
  const address = parseIpv4(NETWORK.peer.ip);
  const packet = emptyIpv4();
  const datagram = emptyUdp();
  const buffer = new Uint8Array(ETHERNET_HEADER + NETWORK.mtu);
  const data = buffer.subarray(UDP_DATA);
  return (frame) => {
    if (frame.length < ETHERNET_HEADER || u16(frame, 12) !== ETHERTYPE_IPV4) return;
    if (decodeIpv4(frame, packet) !== undefined || packet.destination !== address) return;
    if (packet.protocol !== PROTOCOL_UDP || decodeUdp(frame, packet, datagram) !== undefined) return;
    const service = byPort.get(datagram.destinationPort);
    const length = service?.answer(frame.subarray(datagram.data, datagram.end), data) ?? NO_ANSWER;
    if (length === NO_ANSWER) return;
    const ends = {
      sourceMac,
      destinationMac: frame.subarray(6, 12),
      source: address,
      destination: packet.source,
      sourcePort: datagram.destinationPort,
      destinationPort: datagram.sourcePort,
    };
    reply(buffer.subarray(0, encodeUdp(buffer, ends, length)));
  };
}
