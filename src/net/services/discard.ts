import { PORTS } from "../addresses.ts";
import {
  type DatagramService,
  NO_ANSWER,
  NO_HANDLER_STATE,
  type Stream,
  type StreamHandler,
  type StreamService,
} from "../service.ts";

/** Discard, RFC 863: takes all and answers nothing, by TCP and UDP. */
export class DiscardService implements StreamService, DatagramService {
  readonly name = "discard";
  readonly port = PORTS.discard;
  readonly counters = { connections: 0, datagrams: 0, bytes: 0 };

  open(_stream: Stream): StreamHandler {
    this.counters.connections++;
    return this.restore();
  }

  restore(): StreamHandler {
    return {
      data: (bytes) => {
        this.counters.bytes += bytes.length;
      },
      save: () => NO_HANDLER_STATE,
    };
  }

  answer(request: Uint8Array, _response: Uint8Array): number {
    this.counters.datagrams++;
    this.counters.bytes += request.length;
    return NO_ANSWER;
  }
}
