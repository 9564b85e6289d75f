/**
 * v86's own network card in place of ours, for comparison: v86's router is at the end of its cable, and our services
 * answer on that router's TCP.
 */
import type { CardConnection, V86Card } from "../cpu/v86-card.ts";
import type { DeviceMetrics } from "../metrics/counters.ts";
import { serveDatagrams } from "../net/datagrams.ts";
import type { Stream, StreamService } from "../net/service.ts";
import { DiscardService } from "../net/services/discard.ts";
import { RequestResponseService } from "../net/services/request-response.ts";
import { SourceService } from "../net/services/source.ts";

/** What the services count. */
export interface CardServices {
  readonly transactions: number;
}

/**
 * Puts the services that the benchmarks talk to on the router's TCP. Its UDP cannot be added to: datagrams are answered
 * beside it, and it, having no service at that port, says nothing.
 */
export function serveOnCard(card: V86Card): CardServices {
  const requestResponse = new RequestResponseService();
  const services: readonly StreamService[] = [requestResponse, new DiscardService(), new SourceService()];
  card.serve(
    services.map((service) => ({
      port: service.port,
      open: (connection: CardConnection) => service.open(asStream(connection)),
    })),
  );
  card.onFrame(serveDatagrams([requestResponse], (frame) => card.deliver(frame)));
  return requestResponse.counters;
}

/** v86's TCP has no bound on what waits and does not tell what does, so services write all at once. */
function asStream(connection: CardConnection): Stream {
  let open = true;
  return {
    queued: 0,
    write: (bytes) => {
      if (open) connection.write(bytes);
      return open;
    },
    close: () => {
      if (open) connection.close();
      open = false;
    },
  };
}

/** In the form of our own devices' metrics; what v86 does not show is 0 or empty. */
export function cardMetrics(card: V86Card): DeviceMetrics {
  const { exits, wired, merged, txFrames, rxFrames, txBytes, rxBytes } = card.counters;
  return {
    type: "net",
    transport: "pci",
    version: 1,
    status: card.status,
    interrupts: { mode: "wired", wired, msi: 0, merged, refused: 0, byVector: [] },
    exits: {
      total: exits.Common + exits.Doorbell + exits.isr + exits.Config,
      byRegister: Object.fromEntries(Object.entries(exits).filter(([, count]) => count > 0)),
    },
    doorbells: exits.Doorbell,
    faults: {},
    ignored: {},
    net: { txFrames, rxFrames, txBytes, rxBytes, dropped: 0, dropReasons: {} },
  };
}
