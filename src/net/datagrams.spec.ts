import { describe, expect, it } from "vitest";
import { serveDatagrams } from "./datagrams.ts";
import { DiscardService } from "./services/discard.ts";
import { EchoService } from "./services/echo.ts";
import { ipv4, readUdp, tcpFrame, udp } from "./testing/fakes.ts";

function served() {
  const answers: Uint8Array[] = [];
  const take = serveDatagrams([new EchoService(), new DiscardService()], (frame) =>
    answers.push(frame.slice()),
  );
  return { answers, take };
}

describe("serveDatagrams", () => {
  it("answers a datagram for a service, ports and addresses turned round", () => {
    const { answers, take } = served();
    take(ipv4(17, udp(7, [1, 2, 3])));
    expect(answers.map(readUdp)).toEqual([{ sourcePort: 7, destinationPort: 4000, data: [1, 2, 3] }]);
  });

  it("says nothing to anything else", () => {
    const { answers, take } = served();
    const broken = ipv4(17, udp(7, [1]));
    broken[broken.length - 1] = 9;
    const elsewhere = { destination: [10, 0, 2, 3] };
    for (const frame of [
      new Uint8Array(13),
      tcpFrame(7),
      broken,
      ipv4(17, udp(8, [1])),
      ipv4(17, udp(9, [1])),
      ipv4(17, udp(7, [1], elsewhere), elsewhere),
    ])
      take(frame);
    expect(answers).toEqual([]);
  });
});
