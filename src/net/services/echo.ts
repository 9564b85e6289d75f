import { PORTS } from "../addresses.ts";
import {
  type DatagramService,
  NO_ANSWER,
  NO_HANDLER_STATE,
  type Stream,
  type StreamHandler,
  type StreamService,
} from "../service.ts";

/** Echo, RFC 862: sends back what it gets, by TCP and UDP. */
export class EchoService implements StreamService, DatagramService {
  readonly name = "echo";
  readonly port = PORTS.echo;
  readonly counters = { connections: 0, datagrams: 0, bytes: 0 };

  open(stream: Stream): StreamHandler {
    this.counters.connections++;
    return this.restore(stream);
  }

  restore(stream: Stream): StreamHandler {
    return {
      data: (bytes) => {
        this.counters.bytes += bytes.length;
        stream.write(bytes);
      },
      save: () => NO_HANDLER_STATE,
    };
  }

  answer(request: Uint8Array, response: Uint8Array): number {
    // Longer than what fits our own frame: only when the guest's MTU is larger than ours.
    if (request.length > response.length) return NO_ANSWER;
    this.counters.datagrams++;
    this.counters.bytes += request.length;
    response.set(request);
    return request.length;
  }
}
